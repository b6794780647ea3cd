"""Mandates for those who run the index: the list, one of them, and the same as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.mandate import words
from keyhouse.mandate.campaigns.finding import shadows_beside
from keyhouse.mandate.metrics.counting import find_next_stage
from keyhouse.mandate.metrics.finding import UNREACHED, Wanted, find_people
from keyhouse.mandate.metrics.queries import latest, series, without_complying_owner
from keyhouse.mandate.notices.queries import REASONS
from keyhouse.mandate.public import PublicMandate
from keyhouse.mandate.queries import ledger
from keyhouse.web.console import mandates as found

_ALL_DAYS: Final = 730
_LONGEST_ID: Final = 18  # digits; every database takes that


@actions.classified(GET="mandate.read-all")
def mandates(request: AskedRequest) -> HttpResponse:
    """Show every mandate with its state and share, and adoption of the whole index over time."""
    now = clock.now()
    context = {
        "mandates": found.all_mandates(now),
        "now": now,
        "day": latest("", now.date()),
        **_adoption(request, "", now, None),
    }
    return render(request, "console/mandates.html", context)


@actions.classified(GET="mandate.read-all")
def mandates_json(request: AskedRequest) -> HttpResponse:
    """Return the same for programs, with every day of two years."""
    del request
    now = clock.now()
    told = {
        "mandates": [one.as_dict() for one in found.all_mandates(now)],
        "days": [one.as_dict() for one in _days("", now)],
    }
    return JsonResponse(told)


@actions.classified(GET="mandate.read-all")
def mandate(request: AskedRequest, name: str) -> HttpResponse:
    """Show one mandate: its stages, adoption over time, refusals, recovery, what is to come."""
    now = clock.now()
    listed = found.get_mandate(name, now)
    policy, index = listed.policy, latest("", now.date())
    at = find_next_stage(policy, now)
    context = {
        "listed": listed,
        "shown": PublicMandate(policy, now),
        "now": now,
        "day": listed.day,
        "index": index,
        "next_stage": None if at is None else policy.mandate.stages[at],
        "next_word": "" if at is None else words.state(policy.mandate.stages[at]),
        "has_shadow": any(one.policy.name == name for one in ledger().shadows),
        "shadows": shadows_beside(policy, now),
        "load": found.load_to_come(listed.day, now),
        "steps": found.past_steps(name, now),
        "without": without_complying_owner(listed.day),
        "unreached": found.unreached_of(listed.day),
        **_adoption(request, name, now, listed),
    }
    return render(request, "console/mandate.html", context)


@actions.classified(GET="mandate.read-all")
def mandate_json(request: AskedRequest, name: str) -> HttpResponse:
    """Return the same for programs, with every day of two years."""
    del request
    now = clock.now()
    listed = found.get_mandate(name, now)
    load = found.load_to_come(listed.day, now)
    told = {
        **listed.as_dict(),
        "stages": [one.as_dict() for one in PublicMandate(listed.policy, now).stages],
        "steps": [one.as_dict() for one in found.steps_of(name, now)],
        "forecast": None if load is None else load.as_dict(),
        "days": [one.as_dict() for one in _days(name, now)],
    }
    return JsonResponse(told)


KINDS: Final = {
    "lacking": "Don't comply",
    "refused": "Refused now",
    "coming": "Asked next",
    "unreached": "Not reached",
    "exempt": "Exempt",
    "weak": "Weak tokens and publishers",
    "no-key": "No security key or passkey",
    "one-factor": "One factor or none",
}


@actions.classified(GET="mandate.read-all")
def mandate_people(request: AskedRequest, name: str) -> HttpResponse:
    """Show whom a mandate refuses, will refuse or didn't reach, and who has weak credentials, page by page."""
    now = clock.now()
    listed, wanted, start = found.get_mandate(name, now), _wanted(request), _start(request)
    context = {
        "listed": listed,
        "page": find_people(listed.policy, wanted, start, now),
        "kinds": KINDS.items(),
        "kind": wanted.kind,
        "why": wanted.why,
        "unreached": found.unreached_of(listed.day),
        "is_first": not start,
    }
    return render(request, "console/mandate_people.html", context)


@actions.classified(GET="mandate.read-all")
def mandate_people_json(request: AskedRequest, name: str) -> HttpResponse:
    """Return the same page of people for programs; `after` leads to the next one."""
    now = clock.now()
    listed, wanted = found.get_mandate(name, now), _wanted(request)
    page = find_people(listed.policy, wanted, _start(request), now)
    told = {"mandate": name, "which": wanted.kind, "why": wanted.why or None, "after": page.after}
    response = JsonResponse({**told, "people": [one.as_dict() for one in page.people]})
    response["Cache-Control"] = "no-store"
    return response


def _wanted(request: AskedRequest) -> Wanted:
    """Read `?which=` and `?why=`; whatever is neither looks for those who are refused now."""
    which, why = request.GET.get("which", ""), request.GET.get("why", "")
    kind = which if which in KINDS else "refused"
    return Wanted(kind, why if kind == UNREACHED and why in REASONS else "")


def _start(request: AskedRequest) -> int:
    after = request.GET.get("after", "")
    return int(after) if after.isascii() and after.isdecimal() and len(after) < _LONGEST_ID else 0


def _days(name: str, now: datetime) -> list[Any]:
    today = now.date()
    return series(name, today - (_ALL_DAYS - 1) * found.ONE_DAY, today)


def _adoption(request: AskedRequest, name: str, now: datetime, listed: found.Listed | None) -> dict[str, Any]:
    """Return the share that is asked for, over the days that are asked for."""
    denominator = found.read_denominator(request.GET.get("of", ""), name)
    days = found.read_days(request.GET.get("days", ""))
    policy = None if listed is None else listed.policy
    return {
        "adoption": found.adoption(name, denominator, days, now, policy),
        "denominators": found.denominators_of(name),
        "ranges": found.RANGES,
    }
