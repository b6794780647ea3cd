"""Reading switches: one question, by plain SQL, for each act that a switch could stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import DateTimeField, Q, QuerySet

from keyhouse.audit.compiled import Asked, Compiled
from keyhouse.core import clock
from keyhouse.core.switches import NAMES, Stop
from keyhouse.projects import sql
from keyhouse.safety.switches import rules
from keyhouse.safety.switches.models import Switch


class StoredSwitches:
    """Implements `core.switches.Switches`; nothing is kept between two questions, so no process lags behind."""

    def find(self, names: tuple[str, ...]) -> Stop | None:
        """Return the first of these switches that is on, or None."""
        now = clock.now()
        rows = sql.select(_THROWN.format(sql.placeholders(names)), *names)
        on = {row[0]: _stop(*row) for row in rows}
        return next((on[name] for name in names if name in on and _is_on(on[name], now)), None)


_THROWN: Final = (
    "SELECT name, reason, since_at, until_at FROM safety_switch WHERE name IN ({}) AND since_at IS NOT NULL"
)


def _stop(name: str, reason: str, since_at: datetime | str, until_at: datetime | str | None) -> Stop:
    until = None if until_at is None else sql.read_instant(until_at)
    return Stop(name, reason, sql.read_instant(since_at), until)


def _is_on(stop: Stop, now: datetime) -> bool:
    return rules.is_on(stop.since_at, stop.until_at, now)


@dataclass(frozen=True, slots=True)
class Shown:
    """A switch as lists show it."""

    name: str
    stops: str
    is_on: bool
    reason: str = ""
    set_by: str = ""
    since_at: datetime | None = None
    until_at: datetime | None = None


def all_switches(now: datetime) -> list[Shown]:
    """Return every switch, on or off, in their order."""
    rows = {row.name: row for row in Switch.objects.all()}
    return [_shown(name, stops, rows.get(name), now) for name, stops in NAMES.items()]


def thrown_switches(now: datetime) -> list[Shown]:
    """Return the switches that are on, in their order."""
    return [switch for switch in all_switches(now) if switch.is_on]


def rows_on(now: datetime) -> dict[str, Switch]:
    """Return the switches that are on, by their names."""
    return {row.name: row for row in _ON.rows(now)}


def _on() -> QuerySet[Switch]:
    lasts = Q(until_at__isnull=True) | Q(until_at__gt=Asked(0, DateTimeField()))
    return Switch.objects.filter(lasts, since_at__isnull=False)


_ON: Final = Compiled(_on)  # every page asks it


def get_switch(name: str, now: datetime) -> Shown:
    """Return one switch that exists."""
    return _shown(name, NAMES[name], Switch.objects.filter(name=name).first(), now)


def _shown(name: str, stops: str, row: Switch | None, now: datetime) -> Shown:
    if row is None or not rules.is_on(row.since_at, row.until_at, now):
        return Shown(name, stops, is_on=False)
    return Shown(
        name,
        stops,
        is_on=True,
        reason=row.reason,
        set_by=row.set_by,
        since_at=row.since_at,
        until_at=row.until_at,
    )
