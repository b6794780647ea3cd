"""One's word for co-owners: whoever asks to come back in, and whose account is on hold."""

from __future__ import annotations

from collections import Counter
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.recovery import confirming, queries, words
from keyhouse.accounts.recovery.errors import CaseMissing
from keyhouse.accounts.recovery.forms import VouchForm
from keyhouse.accounts.views.answers import SeeOther, session_of, show_form
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions, clock

LIST: Final = "/account/vouch/"


@actions.classified(GET="recovery.read")
def asked_of_me(request: AskedRequest) -> HttpResponse:
    """List who asks for one's word."""
    user_id, now = session_of(request).user_id, clock.now()
    cases = page_of(request, queries.cases_to_vouch(user_id, now), LINES_WITH_ACTS)
    holds = page_of(request, queries.holds_to_confirm(user_id, now), LINES_WITH_ACTS, key="holds")
    said = queries.speakers_in(cases)
    spoke = Counter(case_id for case_id, _ in said)
    context = {
        "cases": [
            {"case": case, "spoke": spoke[case.pk], "is_mine": (case.pk, user_id) in said} for case in cases
        ],
        "pages": pager(cases, holds=holds),
        "holds": holds,
        "hold_pages": pager(holds, "holds", page=cases),
    }
    return render(request, "accounts/vouching.html", context)


@actions.takes(*VouchForm.base_fields)
@actions.classified(GET="recovery.vouch", POST="recovery.vouch")
def vouch(request: AskedRequest, case_id: int) -> HttpResponse:
    """Show a case, and take a co-owner's word for it."""
    session, now = session_of(request), clock.now()
    case = queries.find_case_to_vouch(case_id, session.user_id, now)
    form = VouchForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        done = form.carry_out(
            lambda: words.vouch(case_id, form.cleaned_data["reason"], by=request.actor, now=now)
        )
        if done is not None:
            return SeeOther(LIST)
    if case is None:
        raise CaseMissing
    context = {"case": case, "words": queries.words_of(case), "support": queries.support_of(case, now)}
    return show_form(request, "accounts/vouch.html", form, context)


@actions.takes(*VouchForm.base_fields)
@actions.classified(GET="hold.confirm", POST="hold.confirm")
def confirm(request: AskedRequest, hold_id: int) -> HttpResponse:
    """Show the hold of a co-owner, and end it by one's word."""
    now = clock.now()
    form = VouchForm(request.POST if request.method == "POST" else None)
    hold = confirming.find_hold(hold_id, confirming.CONFIRM, request.actor, now)
    if request.method == "POST":
        form.carry_out(
            lambda: confirming.confirm_hold(hold_id, form.cleaned_data["reason"], by=request.actor, now=now)
        )
        if not form.errors:
            return SeeOther(LIST)
    context = {"hold": hold, "back": LIST}
    return show_form(request, "accounts/confirm_hold.html", form, context)
