"""Pages of a project's robot tokens. Authority is asked before a page shows what exists."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, clock
from keyhouse.credentials.tokens import letters, queries
from keyhouse.credentials.tokens import robots as service
from keyhouse.credentials.tokens.errors import RobotTokenNotFound
from keyhouse.credentials.tokens.forms import RobotForm
from keyhouse.credentials.tokens.ledger import lines_of, outlook_of_new
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import MAX_ROBOTS
from keyhouse.credentials.tokens.views import shown_once
from keyhouse.projects.models import Project
from keyhouse.projects.visiting import actor_of, context_of, project_of, sent

DEFAULT_DAYS = 30


@actions.classified(GET="project.manage")
def robots(request: HttpRequest, name: str) -> HttpResponse:
    """List a project's robot tokens, to its owners with what they can do about them."""
    found = project_of(request, "project.manage", name)
    tokens = queries.robots_of(found.pk)
    owners = queries.owner_ids_of(found.pk)
    context = {
        **context_of(request, found),
        "lines": [(line, line.token.user_id not in owners) for line in lines_of(tokens)],
        "now": clock.now(),
        "most": MAX_ROBOTS,
    }
    return render(request, "tokens/robots.html", context)


@actions.takes(*RobotForm.base_fields)
@actions.classified(GET=service.MINT, POST=service.MINT)
def mint(request: HttpRequest, name: str) -> HttpResponse:
    """Ask what a new robot token shall be; make it and show it, this once."""
    found = project_of(request, service.MINT, name)
    form = RobotForm(sent(request), initial={"form_id": uuid.uuid4(), "expires_in_days": DEFAULT_DAYS})
    if request.method == "POST":
        made = form.carry_out(
            lambda: service.mint_robot_token(
                found.normalized_name, **form.narrow_terms(), by=actor_of(request)
            )
        )
        if made is not None:
            return shown_once(request, *made, back=letters.robots_path(found))
    actor = actor_of(request)
    context = {
        **context_of(request, found),
        "outlook": outlook_of_new(actor.user_id or 0, actor.strength, clock.now()),
        "has_second_factor": actor.strength.has_second_factor,
    }
    return show_form(request, "tokens/mint_robot.html", form, context)


@actions.takes()
@actions.classified(GET=service.REVOKE, POST=service.REVOKE)
def revoke(request: HttpRequest, name: str, token_id: uuid.UUID) -> HttpResponse:
    """Ask before ending a robot token, and end it."""
    found = project_of(request, service.REVOKE, name)
    token = _robot_of(found, token_id)
    if request.method == "POST":
        service.revoke_robot_token(found.normalized_name, token.pk, by=actor_of(request))
        return SeeOther(letters.robots_path(found))
    return render(request, "tokens/revoke_robot.html", {**context_of(request, found), "token": token})


@actions.takes()
@actions.classified(POST=service.CONFIRM)
def confirm(request: HttpRequest, name: str, token_id: uuid.UUID) -> HttpResponse:
    """Stand behind a robot token that rests."""
    found = project_of(request, service.CONFIRM, name)
    service.confirm_robot_token(found.normalized_name, token_id, by=actor_of(request))
    return SeeOther(letters.robots_path(found))


def _robot_of(found: Project, token_id: uuid.UUID) -> Token:
    token = queries.find_robot(found.pk, token_id)
    if token is None:
        raise RobotTokenNotFound
    return token
