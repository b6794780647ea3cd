"""Facts of gated attempts, kept so that history can be replayed.

An attempt is noted in memory and written by the second: the gate must cost an upload next to nothing. A crash loses at
most the last second. Facts are kept once for each digest; they hold no secret, no address and no network.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Final

from keyhouse.mandate.facts import Facts
from keyhouse.mandate.rules import Decision

MOST_WAITING: Final = 10_000

_waiting: deque[tuple[Facts, Decision, datetime]] = deque(maxlen=MOST_WAITING)


def note(facts: Facts, decision: Decision, now: datetime) -> None:
    """Note one attempt."""
    _waiting.append((facts, decision, now))
