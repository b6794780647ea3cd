"""What templates ask about what became of a project."""

from __future__ import annotations

from typing import Final

from django import template

from keyhouse.distfiles.names import normalise
from keyhouse.projects import queries

register: Final = template.Library()


@register.filter
def page_here(successor: str) -> str:
    """Return the normalised name of the project that is named so, where it has a page here, or nothing."""
    return (
        queries.visible_projects()
        .filter(normalized_name=normalise(successor))
        .values_list("normalized_name", flat=True)
        .first()
        or ""
    )
