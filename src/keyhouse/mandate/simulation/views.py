"""The operators' pages: what a mandate would do to everybody, as it was simulated last, and a button that does it anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.mandate import words
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.simulation import queries, services, told
from keyhouse.mandate.simulation.errors import SimulationMissing
from keyhouse.mandate.simulation.models import Simulation, Wanted


@actions.takes()
@actions.classified(GET="mandate.read-all", POST="mandate.simulate")
def page(request: AskedRequest, name: str) -> HttpResponse:
    """Show what was found last; begin a simulation."""
    mandate = _mandate(name)
    if request.method == "POST":
        services.want(mandate, by=request.actor)
        return HttpResponseRedirect(f"/operator/mandates/{name}/simulation/", status=303)
    return _shown(request, mandate, queries.find_simulation(name))


@actions.classified(GET="mandate.read-all")
def kept(request: AskedRequest, name: str, number: int) -> HttpResponse:
    """Show one that is kept, of whatever version."""
    row = queries.find_simulation(name, number)
    if row is None:
        raise SimulationMissing
    return _shown(request, _mandate(name), row)


@actions.classified(GET="mandate.read-all")
def data(request: AskedRequest, name: str) -> HttpResponse:
    """Answer the same as JSON: the newest with all it found, which others are kept, and whether one is under way."""
    del request
    mandate, row = _mandate(name), queries.find_simulation(name)
    wanted = queries.wanted_of(name)
    response = JsonResponse(
        {
            "mandate": mandate.name,
            "digest": mandate.digest,
            "is_fresh": queries.fresh_for(mandate.digest, clock.now()) is not None,
            "wanted": None if wanted is None else _wanted_dict(wanted),
            "kept": [told.kept(one) for one in queries.simulations_of(name)],
            "newest": None if row is None else {**told.kept(row), "result": row.result},
        }
    )
    response["Cache-Control"] = "no-store"
    return response


def _wanted_dict(wanted: Wanted) -> dict[str, Any]:
    return {
        "state": wanted.state,
        "digest": wanted.digest,
        "asked_at": clock.format_instant(wanted.asked_at),
        "asked_by": wanted.asked_by,
        "error": wanted.error or None,
    }


def _mandate(name: str) -> Mandate:
    found = queries.find_mandate(name)
    if found is None:
        raise MandateMissing
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """A simulation as the page shows it; `is_current`: of the document that is the newest now."""

    row: Simulation
    is_current: bool
    is_fresh: bool

    @property
    def result(self) -> dict[str, Any]:
        """Return what was found."""
        found: dict[str, Any] = self.row.result
        return found

    @property
    def stages(self) -> list[dict[str, Any]]:
        """Return how people stand at each instant, with who is refused in words."""
        return [
            {**mark, "instant": told.instant_of(mark), "groups": told.group_rows(mark["refused_by"])}
            for mark in self.result["stages"]
        ]

    @property
    def covered_groups(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Return who is covered, by each way to tell people apart."""
        return told.group_rows(self.result["covered"]["by"])

    @property
    def credentials(self) -> list[dict[str, Any]]:
        """Return live credentials in words, and how many are refused at the end."""
        return told.credential_rows(self.result["credentials"])

    @property
    def places(self) -> list[tuple[str, dict[str, Any]]]:
        """Return projects, organizations and teams."""
        return [(name, self.result[name]) for name in ("projects", "organizations", "teams")]

    @property
    def critical(self) -> list[dict[str, Any]]:
        """Return how sets of critical projects would change, with what they are found by in words."""
        return [
            {**one, "metric": words.metric(one["criterion"]["metric"])} for one in self.result["critical"]
        ]

    @property
    def unreached(self) -> list[tuple[str, int]]:
        """Return why mails don't reach covered people, in words."""
        return [(told.REACH[name], count) for name, count in self.result["unreachable"]["by_reach"].items()]


def _shown(request: AskedRequest, mandate: Mandate, row: Simulation | None) -> HttpResponse:
    now = clock.now()
    wanted = queries.wanted_of(mandate.name)
    context = {
        "mandate": mandate,
        "shown": None if row is None else _as_shown(row, mandate, now),
        "is_fresh": queries.fresh_for(mandate.digest, now) is not None,
        "wanted": wanted,
        "is_open": wanted is not None and wanted.state in queries.OPEN,
        "kept": queries.simulations_of(mandate.name),
    }
    return render(request, "simulation/simulation.html", context)


def _as_shown(row: Simulation, mandate: Mandate, now: datetime) -> Shown:
    is_fresh = now - queries.FRESH_FOR < row.made_at <= now
    return Shown(row, row.digest == mandate.digest, is_fresh)
