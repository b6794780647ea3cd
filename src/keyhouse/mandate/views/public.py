"""What everybody may see: what is asked of whom, and, of one project, only the good news, a day late."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from keyhouse.core import actions, clock
from keyhouse.distfiles.metadata_rules import LONGEST_NAME, is_valid_name
from keyhouse.distfiles.names import normalise
from keyhouse.mandate.campaigns.queries import public_steps
from keyhouse.mandate.completion.public import FEWEST, changes, standings
from keyhouse.mandate.protection import protected_on
from keyhouse.mandate.public import coming_mandates, live_mandates
from keyhouse.projects.reading import is_hidden
from keyhouse.projects.visiting import actor_of

LATE: Final = timedelta(days=1)
MOST_STEPS: Final = 30  # on the page; the JSON has all


@actions.classified(GET="site.read")
def page(request: HttpRequest) -> HttpResponse:
    """Show what this index asks of whom, since when."""
    now = clock.now()
    context = {
        "standings": standings(live_mandates(now), now),
        "coming": coming_mandates(now),
        "changes": changes(now),
        "fewest": FEWEST,
        "steps": public_steps(now)[:MOST_STEPS],
    }
    return render(request, "mandate/public.html", context)


@actions.classified(GET="site.read")
def data(request: HttpRequest) -> HttpResponse:
    """Answer the same as JSON."""
    del request
    now = clock.now()
    return JsonResponse(
        {
            "mandates": [one.as_dict() for one in live_mandates(now)],
            "standings": [one.as_dict() for one in standings(live_mandates(now), now)],
            "coming": [one.as_dict() for one in coming_mandates(now)],
            "changes": [one.as_dict() for one in changes(now)],
            "steps": [one.as_dict() for one in public_steps(now)],
        }
    )


@actions.classified(GET="site.read")
def project(request: HttpRequest, name: str) -> HttpResponse:
    """Tell whether everybody with authority over a project held what is asked, as of the day before.

    `null` stands for no, for unknown, for not covered, for not readable and for no such project alike: nobody can read targets off it.
    """
    is_name = len(name) <= LONGEST_NAME and is_valid_name(name)
    day = (clock.now() - LATE).date()
    is_protected = is_name and protected_on(normalise(name), day)
    if is_name and is_hidden(actor_of(request).user_id, normalise(name)):
        is_protected = False
    return JsonResponse({"project": normalise(name) if is_name else name, "protected": is_protected or None})
