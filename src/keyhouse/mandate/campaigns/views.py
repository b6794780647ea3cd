"""Operators' pages of one campaign: its time line, and what a launch asks for; each also as JSON."""

from __future__ import annotations

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.mandate.campaigns import guards
from keyhouse.mandate.campaigns.finding import (
    get_newest,
    get_shown,
    is_draft,
    shadow_of_version,
    shadows_beside,
)
from keyhouse.mandate.campaigns.timeline import timeline_of


@actions.classified(GET="mandate.read-all")
def timeline(request: AskedRequest, name: str) -> HttpResponse:
    """Show the live version as a time line, or else the newest one."""
    now = clock.now()
    policy = get_shown(name, now)
    context = {"policy": policy, "shadows": shadows_beside(policy, now), "now": now}
    return render(request, "campaigns/timeline_page.html", context)


@actions.classified(GET="mandate.read-all")
def timeline_json(request: AskedRequest, name: str) -> JsonResponse:
    """Tell the same as JSON."""
    del request
    now = clock.now()
    policy = get_shown(name, now)
    beside = [timeline_of(one.policy, now, one).as_dict() for one in shadows_beside(policy, now)]
    return JsonResponse(timeline_of(policy, now, shadow_of_version(policy)).as_dict() | {"shadows": beside})


@actions.classified(GET="mandate.read-all")
def launch_guards(request: AskedRequest, name: str) -> HttpResponse:
    """Show how each guard stands for the newest version: that is what would be launched."""
    now = clock.now()
    policy = get_newest(name, now)
    found = guards.quick_answers(policy.mandate, now)
    asked = [one for one in found if one.is_asked]
    context = {
        "policy": policy,
        "answers": found,
        "is_campaign": policy.mandate.launch is not None,
        "asked": len(asked),
        "left": sum(bool(one.missing) for one in asked),
        "later": sum(one.is_later for one in asked),
        "policy_is_draft": is_draft(policy),
    }
    return render(request, "campaigns/guards.html", context)


@actions.classified(GET="mandate.read-all")
def launch_guards_json(request: AskedRequest, name: str) -> JsonResponse:
    """Tell the same as JSON."""
    del request
    now = clock.now()
    mandate = get_newest(name, now).mandate
    return JsonResponse(guards.as_dict(mandate, guards.quick_answers(mandate, now), now))
