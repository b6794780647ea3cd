"""Limits of one project, where they differ from the settings: of a file, and of all files together."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from keyhouse.audit.services import record
from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.projects import queries
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project

SET_LIMITS: Final = "project.set-limits"
MOST: Final = 2**50  # bytes


def set_limits(
    normalized_name: str, file_limit: int | None, project_limit: int | None, *, by: Actor
) -> Project:
    """Set how big a file, and all files of a project together, may be (bytes); None: what the settings say.

    What is there already stays. The same limits again change nothing. Raises ProjectNotFound, what the gate raises.
    """
    actions.require(by, SET_LIMITS)
    with transaction.atomic():
        project = queries.lock_project(normalized_name)
        actions.require(by, SET_LIMITS)
        if project is None:
            raise ProjectNotFound
        before = (project.file_limit, project.project_limit)
        if before == (file_limit, project_limit):
            return project
        project.file_limit, project.project_limit = file_limit, project_limit
        project.save(update_fields=["file_limit", "project_limit"])
        record(
            SET_LIMITS,
            by=by,
            about=Thing("project", project.pk, project.normalized_name),
            details={
                "file_limit": file_limit,
                "project_limit": project_limit,
                "file_limit_before": before[0],
                "project_limit_before": before[1],
            },
        )
    return project
