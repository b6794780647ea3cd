"""What the views of projects share: finding what a page is about, after authority and gate were asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict

from keyhouse.core import actions, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.core.cautioned import keep_caution
from keyhouse.distfiles.names import normalise
from keyhouse.projects import queries, rights, rules
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project, Release


def project_of(request: HttpRequest, action: str, name: str) -> Project:
    """Return the project; whoever has no role gets one answer, be it here or not.

    The gate is asked about this very project: a role gained lately has no grace, whatever else somebody has.
    """
    thing = Thing("project", None, normalise(readable(name)))
    keep_caution(request, action, thing, actions.require(actor_of(request), action, thing))
    found = queries.find_project(thing.name)
    if found is None:
        raise ProjectNotFound
    return found


def release_of(found: Project, version: str) -> Release:
    """Return a release of a project; raises ProjectNotFound."""
    chosen = queries.find_release(found, readable(version))
    if chosen is None:
        raise ProjectNotFound("The project has no such release.")
    return chosen


def context_of(request: HttpRequest, found: Project) -> dict[str, Any]:
    """Return what every page about a project shows."""
    role = rights.find_role_kind(actor_of(request).user_id, Thing("project", found.pk))
    return {
        "project": found,
        "role": role,
        "is_owner": role == rules.OWNER,
        "undo_days": configuration.current().undo_days,
    }


def actor_of(request: HttpRequest) -> Actor:
    """Return who asks; nobody where no session was looked for."""
    actor: Actor = getattr(request, "actor", NOBODY)
    return actor


def readable(text: str) -> str:
    """Return text of an address; what no name could hold becomes nothing, which is never found."""
    return text if text.isascii() and text.isprintable() else ""


def sent(request: HttpRequest) -> QueryDict | None:
    """Return what a form was sent with, also where that is nothing."""
    return request.POST if request.method == "POST" else None


def to(found: Project, chosen: Release | None = None) -> HttpResponse:
    """Lead to the page of a project or of a release of it."""
    address = f"/manage/project/{found.normalized_name}/"
    return HttpResponseRedirect(address + (f"release/{quote(chosen.version)}/" if chosen else ""))
