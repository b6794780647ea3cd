"""What programs ask about mandates: answers are JSON, refusals problem+json (RFC 9457)."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse

from keyhouse.core import actions, clock
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.core.errors import SignInRequired
from keyhouse.credentials.tokens.authentication import authenticate
from keyhouse.mandate import dry_run
from keyhouse.mandate.errors import QuestionMalformed

PARAMETERS: Final = ("action", "project", "version", "at")


@actions.classified(GET="mandate.check")
def check(request: HttpRequest) -> HttpResponse:
    """Answer what would be allowed with the token in `Authorization`, or with the session."""
    question = dry_run.read_question(_parameters(request), clock.now())
    actor = _actor_of(request)
    if question.action:
        return _kept_by_nobody(dry_run.decision_on(actor, question).as_dict())
    decisions = dry_run.decisions_on(actor, question)
    return _kept_by_nobody({"decisions": {name: one.as_dict() for name, one in decisions.items()}})


def _parameters(request: HttpRequest) -> dict[str, str]:
    """Return what the address asks; raises QuestionMalformed where a part is unknown, repeated or no text."""
    found: dict[str, str] = {}
    for name, values in request.GET.lists():
        if name not in PARAMETERS:
            raise QuestionMalformed("The address asks for something unknown.")
        if len(values) != 1 or not values[0].isprintable():
            raise QuestionMalformed(f"`{name}` must be given once, as plain text.")
        found[name] = values[0]
    return found


def _actor_of(request: HttpRequest) -> Actor:
    """Return who asks; raises SignInRequired for nobody, and as uploads do for a bad token."""
    authorization = request.headers.get("Authorization", "")
    if authorization:
        return authenticate(
            authorization,
            network=str(request.META.get("REMOTE_ADDR", "")),
            user_agent=request.headers.get("User-Agent", ""),
            now=clock.now(),
        )
    actor: Actor = getattr(request, "actor", NOBODY)
    if actor.kind == "nobody":
        raise SignInRequired(fix="Send an API token, or sign in.")
    return actor


def _kept_by_nobody(body: dict[str, object]) -> HttpResponse:
    response = JsonResponse(body)
    response["Cache-Control"] = "no-store"
    return response
