"""Refusals about deprecating projects and bringing back what was deleted."""

from __future__ import annotations

from keyhouse.core.errors import Situation
from keyhouse.projects.errors import ProjectsRefusal


class SuccessorRefused(ProjectsRefusal):
    """The successor of a project is another project, by a name that one could have."""

    code = "successor-refused"
    sentence = "The successor is the name of another project."
    fix = "Write the name as it is installed, or leave it out."


class NothingToRestore(ProjectsRefusal):
    """It was brought back already, or its time is over."""

    code = "nothing-to-restore"
    situation = Situation.MISSING
    sentence = "There is nothing here that can be brought back."
    fix = "What was deleted can be brought back for some days only, and once."


class RestoreImpossible(ProjectsRefusal):
    """Something has taken its place meanwhile, or what it belongs to is gone."""

    code = "restore-impossible"
    sentence = "This can't be brought back as things are now."
    fix = "Release a new version instead."
