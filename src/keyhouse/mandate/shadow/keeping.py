"""What shadows, brownouts and refusals need done beside requests, in the rounds of the mandates' keeper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from keyhouse.mandate.shadow import services

WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "brownouts": services.end_brownouts,
    "shadows": services.tell_of_stale,
    "refusals": services.follow_refusals,
    "counts": services.prune,
}
