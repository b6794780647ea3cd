"""Refusals about searching."""

from __future__ import annotations

from keyhouse.projects.errors import ProjectsRefusal


class SearchRefused(ProjectsRefusal):
    """Something about the question can't be right: a text too long, a filter with a value that isn't there."""

    code = "search-refused"
    sentence = "This can't be searched for."
    fix = "Change what the sentence names."
