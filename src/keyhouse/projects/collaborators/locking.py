"""The locks that every change of a project's people begins with, in one order."""

from __future__ import annotations

from keyhouse.accounts.models import User
from keyhouse.core.actor import Actor
from keyhouse.projects.changing import project_to_change
from keyhouse.projects.models import Project
from keyhouse.projects.rights import people_named


def lock_project(name: str, action: str, by: Actor, *more: int | None) -> Project:
    """Lock a project and, before it, whom the act may tell; nobody without the role learns whether it exists."""
    lock_people(people_to_lock(name, by.user_id, *more))
    return project_to_change(name, action, by)


def people_to_lock(normalized_name: str, *more: int | None) -> list[int]:
    """Return whom an act on a project may tell or change, in the order in which their rows are locked."""
    return sorted({*people_named(normalized_name), *(one for one in more if one is not None)})


def lock_people(user_ids: list[int]) -> None:
    """Hold the locks of these accounts, in one order and before that of a project, as the end of an account does."""
    list(User.objects.select_for_update(no_key=True).filter(pk__in=user_ids).order_by("pk"))
