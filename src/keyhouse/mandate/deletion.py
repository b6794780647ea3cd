"""Asking for the deletion of a project, where a mandate holds that for some days (S5, A18)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from keyhouse.audit.services import record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.mandate import queries
from keyhouse.mandate.errors import DeletionNotHeld
from keyhouse.mandate.models import DeletionAsk
from keyhouse.mandate.rules import Decision, hold_on
from keyhouse.projects import queries as projects
from keyhouse.projects.changing import thing_of
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project

ACTION = "project.ask-deletion"
DELETE = "project.delete"


def ask_deletion(normalized_name: str, *, by: Actor) -> DeletionAsk:
    """Ask for the deletion of a project, so that it may be done after the hold; asking twice changes nothing.

    An ask is of what was announced by then: after a further announcement, as of a project that was made anew, it is
    asked anew, and every hold counts from there. Raises DeletionNotHeld where nothing holds it, ProjectNotFound,
    RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        project, now = _lock(normalized_name, by), clock.now()
        hold = find_hold(project, by, now)
        if hold is None:
            raise DeletionNotHeld
        ask = DeletionAsk.objects.filter(lineage=project.lineage).first()
        if ask is not None and hold.until is not None:
            return ask
        told = {"normalized_name": normalized_name, "asked_at": now, "asked_by": by.name}
        ask, _ = DeletionAsk.objects.update_or_create(lineage=project.lineage, defaults=told)
        record(ACTION, by=by, about=thing_of(project))
    return ask


def withdraw_deletion_ask(normalized_name: str, *, by: Actor) -> bool:
    """Take back what was asked; returns whether there was anything. Raises as `ask_deletion`."""
    with transaction.atomic():
        project = _lock(normalized_name, by)
        is_gone = bool(DeletionAsk.objects.filter(lineage=project.lineage).delete()[0])
        if is_gone:
            record(ACTION, by=by, about=thing_of(project), details={"is_withdrawn": True})
    return is_gone


def find_hold(project: Project, actor: Actor, now: datetime) -> Decision | None:
    """Return what holds the deletion of a project, however strong who asks is; `until` is None while it must be asked for."""
    facts, policies = queries.gather(actor, DELETE, thing_of(project), now)
    return hold_on(facts, policies, now)


def _lock(normalized_name: str, by: Actor) -> Project:
    """Lock a project for its people; nobody else learns whether it exists."""
    project = projects.lock_project(normalized_name)
    thing = thing_of(project) if project else Thing("project", None, normalized_name)
    actions.require(by, ACTION, thing)
    if project is None:
        raise ProjectNotFound
    return project
