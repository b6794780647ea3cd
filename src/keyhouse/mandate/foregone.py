"""Who says what a mandate that calls itself completed still lacks: a room above this one, wired at start-up.

With nothing wired nothing can be called completed: closed by default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from keyhouse.mandate.rules import Policy

Judge = Callable[[Policy, Sequence[Policy], datetime], Sequence[str]]
Witness = Callable[[Policy, datetime], bool]
_judges: list[Judge] = []
_witnesses: list[Witness] = []


def wire(judge: Judge, witness: Witness) -> None:
    """Install who is asked what is left, and who knows whether a mandate that calls itself completed was found to be."""
    _judges[:], _witnesses[:] = [judge], [witness]


def is_proven(policy: Policy, now: datetime) -> bool:
    """Tell whether a mandate that calls itself completed is proven to be; nobody is told so before."""
    return bool(_witnesses) and _witnesses[0](policy, now)


def what_is_left(policy: Policy, live: Sequence[Policy], now: datetime) -> Sequence[str]:
    """Return in sentences what keeps this version, held beside the others of `live`, from being complete at `now`."""
    if not _judges:
        return ("Nothing here can tell whether it is complete.",)
    return _judges[0](policy, live, now)
