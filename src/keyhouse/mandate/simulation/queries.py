"""Reading what simulations found."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyhouse.mandate.defaults import DEFAULT
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.simulation.models import Simulation, Wanted

FRESH_FOR: Final = timedelta(hours=72)  # X9
MOST_COMPARED: Final = 200  # versions that a page offers to compare
OPEN: Final = (Wanted.State.WAITING, Wanted.State.RUNNING)


def fresh_for(digest: str, now: datetime) -> Simulation | None:
    """Return the newest simulation of this very document that is younger than 72 hours, or None.

    One from the future counts for nothing: a clock was wrong.
    """
    rows = Simulation.objects.filter(digest=digest, made_at__gt=now - FRESH_FOR, made_at__lte=now)
    return rows.order_by("-made_at", "-pk").first()


def simulations_of(mandate: str) -> list[Simulation]:
    """Return the simulations of a mandate that are kept, of whatever version, newest first; without what they found."""
    return list(Simulation.objects.filter(mandate=mandate).defer("result").order_by("-made_at", "-pk"))


def find_simulation(mandate: str, number: int | None = None) -> Simulation | None:
    """Return the simulation of this number, or without one the newest of a mandate; None where there is none."""
    rows = Simulation.objects.filter(mandate=mandate)
    return (rows if number is None else rows.filter(pk=number)).order_by("-made_at", "-pk").first()


def wanted_of(mandate: str) -> Wanted | None:
    """Return the simulation of a mandate that waits, runs, or was asked for last; None where nobody ever asked."""
    return Wanted.objects.filter(mandate=mandate).order_by("-asked_at", "-pk").first()


def versions_to_compare(name: str) -> list[MandateVersion]:
    """Return the versions that two can be chosen from: those of a mandate, the newest first, then of the others, by name."""
    rows = list(MandateVersion.objects.filter(withdrawn_at=None).order_by("name", "-version"))
    return sorted(rows, key=lambda row: row.name != name)[:MOST_COMPARED]


def find_mandate(name: str) -> Mandate | None:
    """Return the newest version of a mandate that was not withdrawn, draft or not, or None."""
    row = MandateVersion.objects.filter(name=name, withdrawn_at__isnull=True).order_by("-version").first()
    if row is not None:
        return read_mandate(row.document)
    return DEFAULT.mandate if name == DEFAULT.name else None
