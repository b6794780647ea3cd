"""What every change of a project begins with: its row locked, authority and gate asked, its state judged."""

from __future__ import annotations

from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.projects import queries, rules
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project, Release


def project_to_change(name: str, action: str, by: Actor) -> Project:
    """Lock a project for its owner; nobody else learns whether it exists."""
    project = queries.lock_project(name)
    actions.require(by, action, thing_of(project) if project else Thing("project", None, name))
    if project is None:
        raise ProjectNotFound
    if by.kind != "host":
        raise_refusal(rules.judge_change(project.status, project.status_reason))
    return project


def release_to_change(name: str, version: str, action: str, by: Actor) -> tuple[Project, Release]:
    """Do the same for a release of that canonical version."""
    project = project_to_change(name, action, by)
    release = queries.find_release(project, version)
    if release is None:
        raise ProjectNotFound("The project has no such release.")
    return project, release


def thing_of(project: Project) -> Thing:
    """Return the project as actions and records name it."""
    return Thing("project", project.pk, project.normalized_name)


def cleaned(reason: str) -> str:
    """Return a reason that everybody may read; raises ReasonRefused."""
    reason = reason.strip()
    raise_refusal(rules.judge_reason(reason))
    return reason


def raise_refusal(refusal: Refusal | None) -> None:
    """Raise it where there is one."""
    if refusal is not None:
        raise refusal
