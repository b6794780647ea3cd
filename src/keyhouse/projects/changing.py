"""What every change of a project begins with: its row locked, authority and gate asked, its state judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from django.db import IntegrityError, OperationalError, connection
from django.db.models import QuerySet

from keyhouse.accounts.models import User
from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.projects import queries, rules
from keyhouse.projects.errors import OwnerMissing, ProjectNotFound
from keyhouse.projects.models import File, Project, Release

_TRIES: Final = 4
_DEADLOCK: Final = "40P01"  # as PostgreSQL numbers it
_Result = TypeVar("_Result")


def settled(act: Callable[[], _Result]) -> _Result:
    """Do it again after somebody else won a race for a unique name, so that it is judged by what is there now.

    So too where the database let this one give way, since several waited for each other (a deadlock).
    """
    for _ in range(_TRIES - 1):
        try:
            return act()
        except IntegrityError:
            continue
        except OperationalError as error:
            # inside of another's transaction it would hold on to what somebody else waits for, and so all of it is done again
            is_deadlock = getattr(error.__cause__, "sqlstate", None) == _DEADLOCK
            if not is_deadlock or connection.in_atomic_block:
                raise
    return act()


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
    if by.kind != "host":
        raise_refusal(
            rules.judge_release_change(release.quarantine_reason if release.is_quarantined else None)
        )
    return project, release


def require_no_quarantine(
    files: QuerySet[File], by: Actor, releases: QuerySet[Release] | None = None
) -> None:
    """Raise FileHeld where one of these, which are to be deleted, is in quarantine; the host may delete any.

    A release can be held that has no file any more.
    """
    if by.kind != "host":
        held = queries.find_held_file(files)
        if held is None and releases is not None:
            held = queries.find_held_release(releases)
        raise_refusal(rules.judge_parts(held))


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


def living_people(user_ids: Iterable[int]) -> set[int]:
    """Return whose accounts are there; one that is going is waited for, and can't begin to go until the end."""
    people = User.objects.select_for_update(no_key=True).filter(pk__in=list(user_ids)).order_by("pk")
    return {user.pk for user in people if user.state != User.State.DELETED}


def require_people(user_ids: Iterable[int]) -> None:
    """Raise OwnerMissing where an account is gone; keeps the others from going until the end."""
    wanted = set(user_ids)
    if living_people(wanted) != wanted:
        raise OwnerMissing
