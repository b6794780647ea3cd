"""What a simulation tells: counts with their denominators, and a bounded number of examples."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from keyhouse.core import clock
from keyhouse.index.sketches import estimate
from keyhouse.mandate import criticality
from keyhouse.mandate.selectors import Criterion
from keyhouse.mandate.simulation import tallies
from keyhouse.mandate.simulation.lenses import Mark
from keyhouse.mandate.simulation.tallies import MOST_EXAMPLES, Part
from keyhouse.projects import sql

CLIENTS_DAYS: Final = 30  # days over which clients of an orphaned project are counted
MOST_NAMES: Final = 20  # projects that come to be critical, or are so no more
_AT_ONCE: Final = 500
_DEPENDENTS: Final = Criterion("dependents", CLIENTS_DAYS, at_least=1)


def canonical(body: Any) -> str:
    """Write JSON in the one way that is digested and compared."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Orphan(NamedTuple):
    """A project all of whose owners would be refused, with what hangs on it."""

    name: str
    dependents: int
    clients: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"name": self.name, "dependents": self.dependents, "clients": self.clients}


class Beside(NamedTuple):
    """What is read besides people: orphaned projects, names of organizations without owner, totals, what is critical."""

    orphans: list[Orphan]
    organizations: list[str]
    totals: dict[str, int]
    critical: list[dict[str, Any]]

    @property
    def digest(self) -> str:
        """Return the digest of all of it, hex."""
        told = [[list(one) for one in self.orphans], self.organizations, self.totals, self.critical]
        return hashlib.sha256(canonical(told).encode()).hexdigest()


def read_beside(part: Part, criteria: Sequence[Criterion], now: datetime) -> Beside:
    """Read what else is told, from the same snapshot."""
    names = _names(_PROJECTS, list(tallies.orphans(part.projects)))
    dependents = criticality.measure(_DEPENDENTS, now) if names else Counter[str]()
    clients = _clients(sorted(names), now)
    orphans = [Orphan(name, dependents[name], clients[key]) for key, name in names.items()]
    organizations = _names(_ORGANIZATIONS, list(tallies.orphans(part.organizations)))
    return Beside(
        sorted(orphans, key=lambda one: (-one.dependents, -one.clients, one.name)),
        sorted(organizations.values()),
        {table: int(sql.find_value(statement)) for table, statement in _TOTALS.items()},
        [_critical_told(one, now) for one in sorted(criteria, key=lambda one: one.key)],
    )


def _names(statement: str, numbers: Sequence[int]) -> dict[int, str]:
    return {
        key: name
        for some in _pieces(numbers)
        for key, name in sql.select(statement.format(sql.placeholders(some)), *some)
    }


def _pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]


def _clients(numbers: Sequence[int], now: datetime) -> Counter[int]:
    """Return how many clients each of these projects had: each counts once a day, and the days add up."""
    since = (now - timedelta(days=CLIENTS_DAYS)).date().isoformat()
    found: Counter[int] = Counter()
    for some in _pieces(numbers):
        for key, sketch in sql.select(_SKETCHES.format(sql.placeholders(some)), since, *some):
            found[key] += estimate(bytes(sketch))
    return found


_PROJECTS: Final = "SELECT id, normalized_name FROM projects_project WHERE id IN ({})"
_ORGANIZATIONS: Final = "SELECT id, normalized_name FROM organizations_organization WHERE id IN ({})"
_SKETCHES: Final = (
    "SELECT project_id, sketch FROM projects_clientsketch WHERE day_on > %s AND project_id IN ({})"
)
_TOTALS: Final = {
    "projects": "SELECT COUNT(*) FROM projects_project",
    "organizations": "SELECT COUNT(*) FROM organizations_organization",
    "teams": "SELECT COUNT(*) FROM organizations_team",
}


def _critical_told(criterion: Criterion, now: datetime) -> dict[str, Any]:
    """Return how many projects are critical, and which would come or go if that were worked out now (S4)."""
    kept, chosen = criticality.compare(criterion, now)
    entering, leaving = sorted(chosen - kept), sorted(kept - chosen)
    return {
        "criterion": criterion.as_dict(),
        "now": len(kept),
        "then": len(chosen),
        "entering": {"count": len(entering), "first": entering[:MOST_NAMES]},
        "leaving": {"count": len(leaving), "first": leaving[:MOST_NAMES]},
    }


def result_of(
    about: Mapping[str, Any], part: Part, beside: Beside, marks: Sequence[Mark], cohorts: Sequence[Any]
) -> dict[str, Any]:
    """Return all that was found as JSON has it; `about` says of which mandate, from which snapshot."""
    people, now = part.count, marks[0][0]
    told = [{"at": None if at == now else clock.format_instant(at), "what": what} for at, what in marks]
    return {
        **about,
        "people": people,
        "covered": tallies.covered_told(part),
        "stages": tallies.people_told(part, told),
        "unreachable": tallies.unreachable_told(part),
        "credentials": tallies.credentials_told(part, len(marks)),
        "projects": _projects_told(part, beside),
        "organizations": {
            **tallies.places_told(part.organizations, beside.totals["organizations"]),
            "first_orphaned": beside.organizations[:MOST_EXAMPLES],
        },
        "teams": tallies.places_told(part.teams, beside.totals["teams"]),
        "cohorts": tallies.cohorts_told(part, cohorts),
        "critical": beside.critical,
    }


def _projects_told(part: Part, beside: Beside) -> dict[str, Any]:
    return {
        **tallies.places_told(part.projects, beside.totals["projects"]),
        "orphaned_dependents": sum(one.dependents for one in beside.orphans),
        "orphaned_clients": sum(one.clients for one in beside.orphans),
        "clients_days": CLIENTS_DAYS,
        "first_orphaned": [one.as_dict() for one in beside.orphans[:MOST_EXAMPLES]],
    }
