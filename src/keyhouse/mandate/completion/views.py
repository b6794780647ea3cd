"""The operators' page of completion, and campaigns to start from."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.mandate import starting as starting_points
from keyhouse.mandate.completion import queries, services
from keyhouse.mandate.errors import MandateMissing


@actions.takes()
@actions.classified(GET="mandate.read-all", POST="mandate.complete")
def page(request: AskedRequest, name: str) -> HttpResponse:
    """Show what the last check of a live mandate found; a POST checks anew, and keeps it."""
    if request.method == "POST":
        services.check_now(name, by=request.actor)
        return HttpResponseRedirect(f"/operator/mandates/{name}/completion/", status=303)
    now = clock.now()
    policy = services.live_policy(name, now)
    context = {
        "policy": policy,
        "mandate": policy.mandate,
        "last": queries.last_check(policy),
        "is_unproven": queries.is_unproven(policy, now),
        "is_proven": queries.is_proven(policy, now),
        "is_in_force": queries.is_in_force(policy.mandate, now),
        "named": queries.named_left(policy, now),
        "most": queries.MOST_NAMED,
        "may_check": "operator" in request.actor.offices,
    }
    return render(request, "completion/completion.html", context)


@actions.classified(GET="mandate.read-all")
def data(request: AskedRequest, name: str) -> HttpResponse:
    """Answer what the last check found, as JSON; `null` where there was none."""
    del request
    policy = services.live_policy(name, clock.now())
    last = queries.last_check(policy)
    return JsonResponse(
        {
            "mandate": policy.name,
            "version": policy.version,
            "is_proven": queries.is_proven(policy, clock.now()),
            "last": None if last is None else last.result,
        }
    )


@actions.classified(GET="mandate.read-all")
def starting(request: AskedRequest) -> HttpResponse:
    """Show campaigns to start from."""
    start = starting_points.first_day(clock.now())
    dated = [(one, starting_points.dated(one, start)) for one in starting_points.all_points()]
    return render(request, "completion/starting.html", {"points": dated, "first_day": start})


@actions.classified(GET="mandate.read-all")
def starting_file(request: AskedRequest, name: str) -> HttpResponse:
    """Answer one of them as a file, dated from the next working day on."""
    del request
    point = starting_points.find_point(name)
    if point is None:
        raise MandateMissing("There is no such campaign to start from.")
    text = starting_points.dated(point, starting_points.first_day(clock.now()))
    return HttpResponse(
        text,
        content_type="application/toml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{point.name}.toml"'},
    )
