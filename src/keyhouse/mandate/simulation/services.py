"""Making simulations, and keeping what they find. Nothing else is written, and nothing is sent (X9).

A small index is simulated while somebody waits. Of a larger one it is noted that somebody wants it, and a keeper beside
requests does it; one that is cut off is begun anew, and leaves nothing half-kept.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Q

from keyhouse.audit import services as audit
from keyhouse.core import actions, clock
from keyhouse.core.actions import STEP_UP_AGE, Thing
from keyhouse.core.actor import Actor, job
from keyhouse.core.errors import StepUpRequired
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.simulation import running
from keyhouse.mandate.simulation.models import Simulation, Wanted
from keyhouse.mandate.simulation.queries import OPEN
from keyhouse.mandate.simulation.running import Found, Progress

SIMULATE: Final = "mandate.simulate"
JOB: Final = "simulation"
AT_ONCE_UP_TO: Final = 2_000  # accounts that are simulated while somebody waits for the page
KEPT_FOR: Final = timedelta(days=30)
MOST_TRIES: Final = 3
_LONGEST_ERROR: Final = 300
_log = logging.getLogger("keyhouse.simulation")


def simulate(
    mandate: Mandate,
    *,
    by: Actor,
    progress: Progress | None = None,
    processes: int = running.MOST_PROCESSES,
) -> Simulation:
    """Simulate a mandate on everybody as they are now, and keep the result; raises SimulationFailed and what the gate says."""
    _require(by, mandate.name)
    now = clock.now()
    found = running.simulate(running.question_of(mandate, now), progress, processes)
    with transaction.atomic():
        _require(by, mandate.name)
        return _keep(found, by, by.name, now)


def _keep(found: Found, by: Actor, made_by: str, now: datetime) -> Simulation:
    """Keep a result; the same from the same data is the same row, made anew."""
    known, result = running.find_known(found.mandate), found.result
    row = Simulation(
        mandate=found.mandate.name,
        version=known.version if known else None,
        digest=found.mandate.digest,
        snapshot=found.snapshot,
        made_at=now,
        made_by=made_by,
        people=result["people"],
        covered=result["covered"]["count"],
        refused=result["stages"][-1]["refused"],
        orphaned=result["projects"]["orphaned"],
        result=result,
    )
    Simulation.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["snapshot", "digest"],
        update_fields=["version", "made_at", "made_by"],
    )
    kept = Simulation.objects.get(snapshot=found.snapshot, digest=found.mandate.digest)
    details: dict[str, audit.Detail] = {"snapshot": kept.snapshot, "digest": kept.digest, "asked_by": made_by}
    audit.record(SIMULATE, by=by, about=Thing("mandate", None, str(kept)), details=details)
    return kept


def want(mandate: Mandate, *, by: Actor) -> Wanted | None:
    """Simulate a mandate at once where few people are here (None), or else note that somebody wants it.

    Whoever wants what is wanted already gets that one. Raises what `simulate` raises.
    """
    _require(by, mandate.name)
    if running.count_people() <= AT_ONCE_UP_TO:
        simulate(mandate, by=by, processes=1)
        return None
    now = clock.now()
    try:
        with transaction.atomic():
            _require(by, mandate.name)
            row = find_wanted(mandate)
            return row if row is not None else _note(mandate, by, now)
    except IntegrityError:  # by another hand, just now
        return find_wanted(mandate)


def find_wanted(mandate: Mandate) -> Wanted | None:
    """Return the simulation of this very document that waits or runs, or None."""
    return Wanted.objects.filter(digest=mandate.digest, state__in=OPEN).first()


def _note(mandate: Mandate, by: Actor, now: datetime) -> Wanted:
    known = running.find_known(mandate)
    row = Wanted.objects.create(
        mandate=mandate.name,
        version=known.version if known else None,
        digest=mandate.digest,
        document=mandate.as_dict(),
        asked_at=now,
        asked_by=by.name,
    )
    audit.record(
        SIMULATE, by=by, about=Thing("mandate", None, mandate.name), details={"digest": mandate.digest}
    )
    return row


# ---- beside requests; one process at a time


def carry_out_wanted(now: datetime) -> int:
    """Do all simulations that are wanted, the oldest first, and return how many were kept.

    One that another process was at is done anew: the caller sees to it that none is now.
    """
    done = 0
    while (row := _begin_next(now)) is not None:
        done += _carry_out(row)
    return done


def _begin_next(now: datetime) -> Wanted | None:
    with transaction.atomic():
        row = Wanted.objects.select_for_update().filter(state__in=OPEN).order_by("asked_at", "pk").first()
        if row is None:
            return None
        row.state, row.begun_at, row.tries = Wanted.State.RUNNING, now, row.tries + 1
        row.save(update_fields=["state", "begun_at", "tries"])
    return row


def _carry_out(row: Wanted) -> bool:
    if row.tries > MOST_TRIES:
        _end(row, "It broke off again and again.")
        return False
    now = clock.now()
    try:
        found = running.simulate(running.question_of(read_mandate(row.document), now))
    except Exception as error:  # noqa: BLE001 - whatever it is, the next one is to be done
        _log.exception("a simulation of %s failed", row.mandate)
        _end(row, f"{type(error).__name__}: {error}")
        return False
    with transaction.atomic():
        row.simulation = _keep(found, job(JOB), row.asked_by, now)
        _end(row)
    return True


def _end(row: Wanted, error: str = "") -> None:
    row.state = Wanted.State.FAILED if error else Wanted.State.DONE
    row.error, row.ended_at = error[:_LONGEST_ERROR], clock.now()
    row.save(update_fields=["state", "error", "ended_at", "simulation"])


def prune(now: datetime) -> int:
    """Let go of simulations that are older than 30 days, and of who wanted what; returns how many rows."""
    before = now - KEPT_FOR
    count = Wanted.objects.filter(Q(ended_at__lte=before)).delete()[0]
    return count + Simulation.objects.filter(made_at__lte=before).delete()[0]


def _require(by: Actor, name: str) -> None:
    """Ask authority and gate, and a person for a fresh proof (ASVS 7.5.3)."""
    actions.require(by, SIMULATE, Thing("mandate", None, name))
    if by.kind != "host" and not by.is_fresh(clock.now(), STEP_UP_AGE):
        raise StepUpRequired
