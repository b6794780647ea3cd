"""Pages of one's own API tokens."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import User
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import page_of, pager
from keyhouse.core import actions, clock, configuration
from keyhouse.credentials.tokens import leaks, queries, services
from keyhouse.credentials.tokens.caveats import ACTS
from keyhouse.credentials.tokens.forms import LeakForm, MintForm, first_values, kept_of, typed_before
from keyhouse.credentials.tokens.ledger import lines_of, outlook_of_new
from keyhouse.credentials.tokens.models import Token

LIST = "/account/tokens/"
LINES = 20  # each tells of a token's whole reach
MOST_UNUSED = 20


def _user_id(request: AskedRequest) -> int:
    """Return whose tokens these are; only people with a session come so far."""
    return request.actor.user_id or 0


@actions.classified(GET="token.list")
def tokens(request: AskedRequest) -> HttpResponse:
    """List one's tokens."""
    now = clock.now()
    page = page_of(request, queries.working_tokens_of(_user_id(request), now), LINES)
    unused = queries.unused_tokens_of(_user_id(request), now)
    context = {
        "lines": lines_of(list(page)),
        "pages": pager(page),
        "now": now,
        "ended": queries.ended_tokens_of(_user_id(request), now),
        "acts": ACTS,
        "unused": {token.pk for token in unused},
        "unneeded": unused[:MOST_UNUSED],
        "more_unneeded": len(unused[MOST_UNUSED:]),
    }
    return render(request, "tokens/list.html", context)


@actions.returns(*kept_of(MintForm))
@actions.takes(*MintForm.base_fields)
@actions.classified(GET="token.mint", POST="token.mint")
def mint(request: AskedRequest) -> HttpResponse:
    """Ask what a new token shall be; make it and show it, this once."""
    if request.method != "POST":
        values = first_values(_asked_project(request)) | typed_before(request.GET, MintForm)
        form = MintForm(initial=values, user_id=_user_id(request))
        return _asked(request, form)
    form = MintForm(request.POST, user_id=_user_id(request))
    if not form.is_valid():
        return _asked(request, form, status=400)
    user = get_object_or_404(User, pk=_user_id(request))
    token, text = services.mint_token(user, **form.terms(), by=request.actor)
    return shown_once(request, token, text)


def _asked(request: AskedRequest, form: MintForm, status: int = 200) -> HttpResponse:
    """Show the form, and what would become of the token where the session has proven little."""
    strength = request.actor.strength
    outlook = outlook_of_new(_user_id(request), strength, clock.now())
    context = {"form": form, "outlook": outlook, "has_second_factor": strength.has_second_factor}
    return render(request, "tokens/mint.html", context, status=status)


def _asked_project(request: AskedRequest) -> int | None:
    """Read `?project=` of a link on a project's page; the form offers no projects but one's own anyway."""
    name = request.GET.get("project", "")
    return queries.find_project_id(name) if "\0" not in name else None


def shown_once(request: HttpRequest, token: Token, text: str, *, back: str = LIST) -> HttpResponse:
    """Show a new token; nobody keeps the page."""
    settings = configuration.current()
    context = {
        "token": token,
        "back": back,
        "line": lines_of([token])[0],
        "text": text,
        "base": settings.base_url,
        "may_upload": "upload" in token.actions,
        "may_read": "read" in token.actions,
    }
    response = render(request, "tokens/shown_once.html", context)
    response["Cache-Control"] = "no-store"
    return response


@actions.takes()
@actions.classified(GET="token.revoke", POST="token.revoke")
def revoke(request: AskedRequest, token_id: uuid.UUID) -> HttpResponse:
    """Ask before ending a token, and end it."""
    token = queries.get_own_token(request.actor, token_id)
    if request.method != "POST":
        return render(request, "tokens/revoke.html", {"token": token})
    services.revoke_token(token, by=request.actor)
    return HttpResponseRedirect(LIST)


@actions.takes(*LeakForm.base_fields)
@actions.classified(GET="token.report-leak", POST="token.report-leak")
def report_leak(request: AskedRequest) -> HttpResponse:
    """Ask for tokens that were found in the open; the answer is the same whatever they were."""
    form = LeakForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(
            lambda: leaks.report_text(
                form.cleaned_data["text"], url=form.cleaned_data["url"], by=request.actor
            )
        )
        if not form.errors:
            return SeeOther(f"{LIST}report-leak/?sent=1")
    return show_form(request, "tokens/report_leak.html", form, {"is_sent": "sent" in request.GET})
