"""The pages of reserved names."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions
from keyhouse.safety.names import queries, services
from keyhouse.safety.names.errors import ReservationMissing
from keyhouse.safety.names.forms import ReserveForm

LIST: Final = "/operator/names/"


@actions.classified(GET="name.read-all")
def names(request: AskedRequest) -> HttpResponse:
    """Show which names are kept, and for whom."""
    page = page_of(request, queries.reserved_names(), LINES_WITH_ACTS)
    return render(request, "safety/names.html", {"names": page, "pages": pager(page)})


@actions.takes(*ReserveForm.base_fields)
@actions.classified(GET="name.reserve", POST="name.reserve")
def reserve(request: AskedRequest) -> HttpResponse:
    """Ask which name is kept for whom, then keep it; once more replaces people and reason."""
    form = ReserveForm(request.POST if request.method == "POST" else None, initial=_asked(request))
    if request.method == "POST":
        told = form.cleaned_data if form.is_valid() else {}
        done = form.carry_out(
            lambda: services.reserve_name(told["name"], told["people"], told["reason"], by=request.actor)
        )
        if done is not None:
            return SeeOther(LIST)
    return show_form(request, "safety/name_reserve.html", form)


@actions.takes()
@actions.classified(GET="name.release", POST="name.release")
def release(request: AskedRequest, name_id: int) -> HttpResponse:
    """Ask once more, then let the name go."""
    row = queries.reserved_names().filter(pk=name_id).first()
    if row is None:
        raise ReservationMissing
    if request.method == "POST":
        services.release_name(str(row), by=request.actor)
        return SeeOther(LIST)
    return render(request, "safety/name_release.html", {"row": row})


def _asked(request: AskedRequest) -> dict[str, Any]:
    """Return what the form starts with: what is kept under the name of the address, and what the address says itself."""
    told = {key: request.GET[key][:1000] for key in ReserveForm.base_fields if key in request.GET}
    row = queries.find_reservation(told.get("name", ""))
    if row is None:
        return told
    people = " ".join(one.user.username for one in row.people.all())
    return {"people": people, "reason": row.reason} | told
