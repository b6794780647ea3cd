"""Asking for the deletion of a project, where a mandate holds that for some days (S5, A18)."""

from __future__ import annotations

from django.db import transaction

from keyhouse.audit.services import record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.mandate.models import DeletionAsk
from keyhouse.projects import queries as projects
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project

ACTION = "project.ask-deletion"


def ask_deletion(normalized_name: str, *, by: Actor) -> DeletionAsk:
    """Ask for the deletion of a project, so that it may be done after the hold; asking twice changes nothing.

    A project that was made anew since somebody asked is asked about anew. Raises ProjectNotFound, RoleRequired and what
    the gate raises.
    """
    with transaction.atomic():
        project = _lock(normalized_name, by)
        ask = DeletionAsk.objects.filter(lineage=project.lineage).first()
        if ask is not None and ask.asked_at >= project.created_at:
            return ask
        told = {"normalized_name": normalized_name, "asked_at": clock.now(), "asked_by": by.name}
        ask, _ = DeletionAsk.objects.update_or_create(lineage=project.lineage, defaults=told)
        record(ACTION, by=by, about=_thing(project))
    return ask


def withdraw_deletion_ask(normalized_name: str, *, by: Actor) -> bool:
    """Take back what was asked; returns whether there was anything. Raises as `ask_deletion`."""
    with transaction.atomic():
        project = _lock(normalized_name, by)
        is_gone = bool(DeletionAsk.objects.filter(lineage=project.lineage).delete()[0])
        if is_gone:
            record(ACTION, by=by, about=_thing(project), details={"is_withdrawn": True})
    return is_gone


def find_deletion_ask(normalized_name: str) -> DeletionAsk | None:
    """Return what was asked about the project of that name in its present life, or None."""
    project = Project.objects.filter(normalized_name=normalized_name).first()
    if project is None:
        return None
    return DeletionAsk.objects.filter(lineage=project.lineage, asked_at__gte=project.created_at).first()


def _lock(normalized_name: str, by: Actor) -> Project:
    """Lock a project for its people; nobody else learns whether it exists."""
    project = projects.lock_project(normalized_name)
    thing = _thing(project) if project else Thing("project", None, normalized_name)
    actions.require(by, ACTION, thing)
    if project is None:
        raise ProjectNotFound
    return project


def _thing(project: Project) -> Thing:
    return Thing("project", project.pk, project.normalized_name)
