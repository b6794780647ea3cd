"""The operators' console of recovery: cases, who may act in them, and holds. Nothing here sets a password or a factor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.emails import site_address
from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import RecoveryCase
from keyhouse.accounts.recovery import confirming, queries, words
from keyhouse.accounts.recovery.forms import ProposeForm, ReasonForm
from keyhouse.accounts.recovery.showing import shown_case, shown_cases
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor

LIST: Final = "/operator/recovery/"
CASES_SHOWN: Final = 20  # open on a page, and the latest that are over


@actions.classified(GET="recovery.read-all")
def console(request: AskedRequest) -> HttpResponse:
    """Show the open cases, the oldest first, the holds that an operator's word ends, and what is over."""
    now = clock.now()
    cases = page_of(request, queries.open_cases(now), CASES_SHOWN)
    holds = page_of(request, queries.holds_for_operators(now), LINES_WITH_ACTS, key="holds")
    ages = [age.total_seconds() for age in reversed(queries.open_ages(now))]
    context = {
        "cases": shown_cases(cases, request.actor, now),
        "pages": pager(cases, holds=holds),
        "count": len(ages),
        "oldest": ages[0] if ages else None,
        "middle": ages[len(ages) // 2] if ages else None,
        "closed": queries.closed_cases(now)[:CASES_SHOWN],
        "holds": holds,
        "hold_pages": pager(holds, "holds", page=cases),
    }
    return render(request, "accounts/operator_recovery.html", context)


@actions.classified(GET="recovery.read-all")
def one_case(request: AskedRequest, case_id: int) -> HttpResponse:
    """Show one case."""
    shown = shown_case(queries.get_case(case_id), request.actor, clock.now())
    return render(request, "accounts/operator_case.html", {"shown": shown})


Act = Callable[[int, str, Actor, datetime], object]


def _with_reason(request: AskedRequest, case_id: int, title: str, act: Act) -> HttpResponse:
    """Show a case once more, and act in it with a reason."""
    now, form = clock.now(), ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(lambda: act(case_id, form.cleaned_data["reason"], request.actor, now))
        if not form.errors:
            return SeeOther(f"{LIST}{case_id}/")
    shown = shown_case(queries.get_case(case_id), request.actor, now)
    return show_form(request, "accounts/operator_word.html", form, {"shown": shown, "title": title})


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="recovery.approve", POST="recovery.approve")
def approve(request: AskedRequest, case_id: int) -> HttpResponse:
    """Approve a case, with a reason."""
    return _with_reason(
        request, case_id, "Approve", lambda pk, why, by, now: words.approve(pk, why, by=by, now=now)
    )


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="recovery.withdraw", POST="recovery.withdraw")
def withdraw(request: AskedRequest, case_id: int) -> HttpResponse:
    """Take one's approval back, with a reason."""
    return _with_reason(
        request, case_id, "Take back", lambda pk, why, by, now: words.withdraw(pk, why, by=by, now=now)
    )


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="recovery.refuse", POST="recovery.refuse")
def refuse(request: AskedRequest, case_id: int) -> HttpResponse:
    """Refuse a case, with a reason."""
    return _with_reason(
        request, case_id, "Refuse", lambda pk, why, by, now: words.refuse(pk, why, by=by, now=now)
    )


@actions.takes()
@actions.classified(GET="recovery.hand-over", POST="recovery.hand-over")
def hand_over(request: AskedRequest, case_id: int) -> HttpResponse:
    """Make the link of an approved case and show it, once."""
    now, link = clock.now(), ""
    if request.method == "POST":
        link = site_address(words.hand_over(case_id, by=request.actor, now=now))
    shown = shown_case(queries.get_case(case_id), request.actor, now)
    return render(request, "accounts/operator_link.html", {"shown": shown, "link": link})


@actions.takes(*ProposeForm.base_fields)
@actions.classified(GET="recovery.propose", POST="recovery.propose")
def propose(request: AskedRequest) -> HttpResponse:
    """Open a case for somebody whom no mail reaches."""
    form = ProposeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        case = form.carry_out(lambda: _propose(form, request.actor))
        if case is not None:
            return SeeOther(f"{LIST}{case.pk}/")
    return show_form(request, "accounts/operator_propose.html", form)


def _propose(form: PageForm, by: Actor) -> RecoveryCase:
    data = form.cleaned_data
    return words.propose(
        data["username"], data["reason"], hands_over=data["hands_over"], by=by, now=clock.now()
    )


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="hold.release", POST="hold.release")
def release(request: AskedRequest, hold_id: int) -> HttpResponse:
    """Show the hold after a first second factor, and end it."""
    now, form = clock.now(), ReasonForm(request.POST if request.method == "POST" else None)
    hold = confirming.find_hold(hold_id, confirming.RELEASE, request.actor, now)
    if request.method == "POST":
        form.carry_out(
            lambda: confirming.release_hold(hold_id, form.cleaned_data["reason"], by=request.actor, now=now)
        )
        if not form.errors:
            return SeeOther(LIST)
    return show_form(request, "accounts/confirm_hold.html", form, {"hold": hold, "back": LIST})
