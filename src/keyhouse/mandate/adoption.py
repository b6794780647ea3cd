"""How the people of this index stand by the live mandates: counts at each coming instant, with their denominator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyhouse.core import clock
from keyhouse.mandate import queries
from keyhouse.mandate.coming import forecasts
from keyhouse.mandate.grounds import Ground
from keyhouse.mandate.people import all_facts
from keyhouse.mandate.plans import Forecast
from keyhouse.mandate.populations import group_people
from keyhouse.mandate.rules import Policy


@dataclass(frozen=True, slots=True)
class Adoption:
    """One live mandate, how many people there are, and how they stand now and at each coming instant."""

    policy: Policy
    people: int
    forecasts: tuple[Forecast, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        mandate = self.policy.mandate
        return {
            "mandate": mandate.name,
            "version": self.policy.version,
            "title": mandate.title,
            "announced_at": clock.format_instant(mandate.announced_at),
            "people": self.people,
            "forecasts": [one.as_dict() for one in self.forecasts],
        }


def read_adoption(policies: Sequence[Policy], now: datetime) -> list[Adoption]:
    """Count everybody by each of these mandates; people are read once, in bounded memory."""
    ledger = queries.ledger()
    ground = Ground(ledger, ledger, now)
    groups = group_people(all_facts(), tuple(dict.fromkeys((*ground.policies, *policies))))
    people = sum(group.count for group in groups)
    return [Adoption(one, people, tuple(forecasts(ground, one, groups))) for one in policies]
