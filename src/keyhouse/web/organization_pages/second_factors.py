"""What an organization asks of its people beyond the index: declared, looked at before, loosened; for its owners."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.http import HttpRequest, HttpResponse

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.views.answers import show_form
from keyhouse.core import actions, clock
from keyhouse.mandate.by_organizations import lately, queries, services
from keyhouse.mandate.calendars import Calendar
from keyhouse.mandate.declarations import (
    ANY_FACTOR,
    LEVELS,
    LOOSEN_AFTER,
    NOTICE,
    Demand,
    holding,
    told,
    without_superseded,
)
from keyhouse.organizations.models import Organization
from keyhouse.web.organization_pages.visiting import (
    actor_of,
    confirm_form,
    context_of,
    organization_of,
    sent,
    to,
)

OVERSEE: Final = "organization.oversee"
PART: Final = "second-factors/"
_BEGINS: Final = time(9, tzinfo=UTC)  # of the day that is chosen
_LEVELS: Final = (
    (LEVELS[0], "Any second factor: an authenticator app, a security key or a passkey"),
    (LEVELS[1], "One that can't be phished: a security key or a passkey"),
    (LEVELS[2], "A security key that says it can't be copied off its device"),
)


class DemandForm(PageForm):
    """What to ask for, and from which day on."""

    field_of: ClassVar[Mapping[str, str]] = {
        "declaration-too-soon": "from_on",
        "declaration-day-": "from_on",
        "declaration-not-held": "level",
    }
    level = forms.ChoiceField(label="Whoever acts here holds", choices=_LEVELS, initial=ANY_FACTOR)
    publishers_only = forms.BooleanField(
        label="Releases come by trusted publishers only: API tokens publish nothing here", required=False
    )
    from_on = forms.DateField(
        label="Refused from this day on (9:00 UTC)",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=f"At least {NOTICE.days} days ahead, and no Friday, Saturday or Sunday.",
    )

    @property
    def demand(self) -> Demand:
        """Return what was chosen."""
        return Demand(self.cleaned_data["level"], self.cleaned_data["publishers_only"])

    @property
    def from_at(self) -> datetime:
        """Return the instant of the day that was chosen."""
        return datetime.combine(self.cleaned_data["from_on"], _BEGINS)


@actions.takes(*DemandForm.base_fields, "look")
@actions.classified(GET="organization.oversee", POST="organization.declare-mandate")
def second_factors(request: HttpRequest, name: str) -> HttpResponse:
    """Show what is asked and who holds it; ask for something. `look` shows who would be refused, and asks for nothing."""
    is_sent = request.method == "POST"
    found = organization_of(request, services.DECLARE if is_sent else OVERSEE, name)
    now = clock.now()
    form = DemandForm(sent(request), initial={"from_on": _first_day(now)})
    context = context_of(request, found, "second-factors") | _shown(found, now)
    if is_sent and "look" in request.POST:
        if form.is_valid():
            context |= {
                "looked_at": form.demand.told,
                "preview": queries.preview(found, form.demand, now),
                "replayed": lately.replay(found, form.demand, now),
                "most_named": lately.MOST_NAMED,
            }
    elif is_sent:
        made = form.carry_out(
            lambda: services.declare(found.name, form.demand, form.from_at, by=actor_of(request))
        )
        if made is not None:
            return to(found, PART)
    return show_form(request, "organizations/second_factors.html", form, context)


def _first_day(now: datetime) -> date:
    """Return the first day that will do."""
    return Calendar().next_allowed(now + NOTICE + timedelta(days=1)).date()


def _shown(found: Organization, now: datetime) -> dict[str, Any]:
    holds = without_superseded(holding(queries.declared_by(found), now), now)
    waiting = queries.find_waiting(found, now)
    return {
        "holds": [
            {
                "told": told(one.demand),
                "version": one.version,
                "from_at": one.from_at,
                "is_in_force": one.from_at <= now,
            }
            for one in holds
        ],
        "waiting": waiting,
        "waiting_told": "" if waiting is None else told(waiting.demand),
        "progress": queries.progress_of(found, now) if holds else None,
        "notice_days": NOTICE.days,
        "loosen_days": LOOSEN_AFTER.days,
        "versions": [(one, told(one.demand)) for one in queries.history_of(found)[:20]],
        "now": now,
    }


@actions.classified(GET="organization.oversee")
def export(request: HttpRequest, name: str) -> HttpResponse:
    """Answer who holds what is asked and who doesn't, as CSV."""
    found = organization_of(request, OVERSEE, name)
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(["username", "role", "complies", "refused_since", "refused_from"])
    for one in queries.progress_of(found, clock.now()).people:
        row = one.as_dict()
        writer.writerow(
            [
                _cell(row["username"]),
                row["role"],
                "yes" if one.is_met else "no",
                row["refused_since"] or "",
                row["refused_from"] or "",
            ]
        )
    answer = HttpResponse(lines.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{found.normalized_name}-second-factors.csv"'
    return answer


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text


@actions.takes()
@actions.classified(GET="organization.loosen-mandate", POST="organization.loosen-mandate")
def lift(request: HttpRequest, name: str) -> HttpResponse:
    """Say what asking for nothing any more means; then ask for it."""
    found = organization_of(request, services.LOOSEN, name)
    form = confirm_form(request)
    if request.method == "POST":
        form.carry_out(lambda: services.lift(found.name, by=actor_of(request)))
        if not form.errors:
            return to(found, PART)
    context = context_of(request, found, "second-factors") | _shown(found, clock.now())
    return show_form(request, "organizations/lift_mandate.html", form, context)


@actions.takes()
@actions.classified(GET="organization.approve-mandate", POST="organization.approve-mandate")
def approve(request: HttpRequest, name: str) -> HttpResponse:
    """Say what is answered for; then do it as a second owner."""
    found = organization_of(request, services.APPROVE, name)
    form = confirm_form(request)
    if request.method == "POST":
        form.carry_out(lambda: services.approve(found.name, by=actor_of(request)))
        if not form.errors:
            return to(found, PART)
    context = context_of(request, found, "second-factors") | _shown(found, clock.now())
    return show_form(request, "organizations/approve_mandate.html", form, context)


@actions.takes()
@actions.classified(POST="organization.keep-mandate")
def keep(request: HttpRequest, name: str) -> HttpResponse:
    """Take back a loosening that waits."""
    found = organization_of(request, services.KEEP, name)
    services.keep(found.name, by=actor_of(request))
    return to(found, PART)
