"""Pages of the robot tokens of a project, and what they share with those of an organization.

Authority is asked before a page shows what exists.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions, clock
from keyhouse.credentials.tokens import homes, letters, queries
from keyhouse.credentials.tokens import robots as service
from keyhouse.credentials.tokens.errors import RobotTokenNotFound
from keyhouse.credentials.tokens.forms import NarrowForm, RobotForm, kept_of, typed_before
from keyhouse.credentials.tokens.homes import Home
from keyhouse.credentials.tokens.ledger import lines_of, outlook_of_new
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import MAX_ROBOTS
from keyhouse.credentials.tokens.views import shown_once
from keyhouse.projects.models import Project
from keyhouse.projects.visiting import actor_of, context_of, project_of, sent

DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Room:
    """Where a page of robot tokens stands: what they belong to, and what every page there shows."""

    home: Home
    shared: Mapping[str, Any]

    @property
    def context(self) -> dict[str, Any]:
        """Return what the templates of both kinds of rooms are given."""
        return {**self.shared, "home": self.home, "head": f"{self.home.thing.kind}s/head.html"}


@actions.classified(GET="project.manage")
def robots(request: HttpRequest, name: str) -> HttpResponse:
    """List a project's robot tokens, to its owners with what they can do about them."""
    found = project_of(request, "project.manage", name)
    room = _room(request, found)
    may_mint = bool(room.shared["is_owner"]) and found.status != Project.Status.QUARANTINED
    return show_robots(request, room, may_mint=may_mint)


@actions.returns(*kept_of(RobotForm))
@actions.takes(*RobotForm.base_fields)
@actions.classified(GET=service.MINT, POST=service.MINT)
def mint(request: HttpRequest, name: str) -> HttpResponse:
    """Ask what a new robot token shall be; make it and show it, this once."""
    found = project_of(request, service.MINT, name)
    form = RobotForm(sent(request), initial=first_values() | typed_before(request.GET, RobotForm))
    return mint_robot(
        request,
        _room(request, found),
        form,
        lambda: service.mint_robot_token(found.normalized_name, **form.narrow_terms(), by=actor_of(request)),
    )


@actions.takes()
@actions.classified(GET=service.REVOKE, POST=service.REVOKE)
def revoke(request: HttpRequest, name: str, token_id: uuid.UUID) -> HttpResponse:
    """Ask before ending a robot token, and end it."""
    found = project_of(request, service.REVOKE, name)
    return revoke_robot(
        request,
        _room(request, found),
        token_id,
        lambda: service.revoke_robot_token(found.normalized_name, token_id, by=actor_of(request)),
    )


@actions.takes()
@actions.classified(POST=service.CONFIRM)
def confirm(request: HttpRequest, name: str, token_id: uuid.UUID) -> HttpResponse:
    """Stand behind a robot token that rests."""
    found = project_of(request, service.CONFIRM, name)
    service.confirm_robot_token(found.normalized_name, token_id, by=actor_of(request))
    return SeeOther(letters.robots_path(homes.of_project(found)))


# ---- what rooms share


def show_robots(request: HttpRequest, room: Room, *, may_mint: bool) -> HttpResponse:
    """List the robot tokens of a home, to its owners with what they can do about them."""
    owners = room.home.owner_ids()
    page = page_of(request, queries.robots_of(room.home), LINES_WITH_ACTS)
    context = {
        "lines": [
            (line, line.token.user_id not in owners, _reached(line.token)) for line in lines_of(list(page))
        ],
        "pages": pager(page),
        "now": clock.now(),
        "most": MAX_ROBOTS,
        "may_mint": may_mint,
    }
    return render(request, "tokens/robots.html", room.context | context)


def mint_robot(
    request: HttpRequest, room: Room, form: NarrowForm, make: Callable[[], tuple[Token, str]]
) -> HttpResponse:
    """Show the form of a new robot token; where it was sent, make it and show it, this once."""
    if request.method == "POST":
        made = form.carry_out(make)
        if made is not None:
            return shown_once(request, *made, back=letters.robots_path(room.home))
    actor = actor_of(request)
    context = {
        "outlook": outlook_of_new(actor.user_id or 0, actor.strength, clock.now()),
        "has_second_factor": actor.strength.has_second_factor,
    }
    return show_form(request, "tokens/mint_robot.html", form, room.context | context)


def revoke_robot(
    request: HttpRequest, room: Room, token_id: uuid.UUID, end: Callable[[], None]
) -> HttpResponse:
    """Ask before a robot token ends; where the form was sent, end it."""
    token = queries.find_robot(room.home, token_id)
    if token is None:
        raise RobotTokenNotFound
    if request.method == "POST":
        end()
        return SeeOther(letters.robots_path(room.home))
    return render(request, "tokens/revoke_robot.html", room.context | {"token": token})


def first_values() -> dict[str, object]:
    """Return what a form begins with."""
    return {"form_id": uuid.uuid4(), "expires_in_days": DEFAULT_DAYS}


def _room(request: HttpRequest, found: Project) -> Room:
    return Room(homes.of_project(found), context_of(request, found))


def _reached(token: Token) -> list[Project]:
    """Return which projects a token of an organization reaches now, where some were chosen."""
    if token.organization_id is None or token.is_for_all_projects:
        return []
    return [one for one in token.projects.all() if one.organization_id == token.organization_id]
