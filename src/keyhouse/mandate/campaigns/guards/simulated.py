"""The very document was simulated within 72 hours (X9)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from keyhouse.mandate.campaigns.guards.guard import Guard, Missing
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.simulation.queries import FRESH_FOR, fresh_for


def _look(mandate: Mandate, now: datetime) -> Iterator[Missing]:
    if fresh_for(mandate.digest, now) is None:
        hours = int(FRESH_FOR.total_seconds() // 3600)
        yield Missing(
            "simulation",
            f"This document was not simulated within {hours} hours.",
            f"Simulate it, here or by `keyhouse mandate simulate {mandate.name}`, and read what it says.",
            f"/operator/mandates/{mandate.name}/simulation/",
        )


SIMULATION: Final = Guard("simulation", "This very document was simulated within 72 hours.", _look)
