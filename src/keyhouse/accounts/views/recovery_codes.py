"""One's recovery codes: how many are left, a new set."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import queries, strength
from keyhouse.accounts.forms import TypedBackForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.recovery.newness import needs_proof
from keyhouse.accounts.second_factors.recovery_codes.rules import shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import (
    begin_codes,
    confirm_codes,
    waiting_codes,
)
from keyhouse.accounts.views.answers import HOME, SeeOther, next_of, session_of, show_form, with_next
from keyhouse.core import actions, clock

STATUS: Final = "/account/recovery-codes/"
NEW: Final = "/account/recovery-codes/new/"
PROOF: Final = "/account/second-factors/proof/"


@actions.takes()
@actions.classified(GET="account.read", POST="recovery-codes.replace")
def recovery_codes(request: AskedRequest) -> HttpResponse:
    """Show how many codes are left; POST makes a new set, which waits until one of it is typed back."""
    session = session_of(request)
    if request.method == "POST":
        strength.require_strongest(request.actor, session.user_id)
        if needs_proof(session.user, by=request.actor, now=clock.now()):
            return SeeOther(PROOF)
        begin_codes(session)
        return SeeOther(with_next(NEW, next_of(request)))
    context = {
        "way_on": "" if next_of(request) == HOME else next_of(request),
        "code_set": queries.find_code_set(session.user),
        "codes_left": strength.codes_left(session.user_id),
    }
    return render(request, "accounts/recovery_codes.html", context)


@actions.takes(*TypedBackForm.base_fields)
@actions.classified(GET="recovery-codes.replace", POST="recovery-codes.replace")
def new_recovery_codes(request: AskedRequest) -> HttpResponse:
    """Show the new codes and take one of them back."""
    session = session_of(request)
    codes = waiting_codes(session)
    form = TypedBackForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(
            lambda: confirm_codes(
                session, form.cleaned_data["recovery_code"], by=request.actor, now=clock.now()
            )
        )
        if not form.errors:
            return SeeOther(next_of(request, STATUS))
    return show_form(request, "accounts/new_recovery_codes.html", form, codes_context(codes))


def codes_context(codes: list[str] | tuple[str, ...]) -> dict[str, list[str]]:
    """Return what a page shows of new codes."""
    return {"codes": [shown_code(code) for code in codes]}
