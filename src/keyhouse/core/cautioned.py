"""What the gate had to tell about a request that it let through, kept with the request for whoever answers it."""

from __future__ import annotations

from dataclasses import dataclass

from keyhouse.core.actions import Caution, Thing


@dataclass(frozen=True, slots=True)
class Cautioned:
    """A caution, and the question that it answers."""

    action: str
    thing: Thing | None
    caution: Caution


def keep_caution(request: object, action: str, thing: Thing | None, caution: Caution | None) -> None:
    """Keep what the gate told of this request; what is told later is of something more exact, and takes its place."""
    vars(request)["cautioned"] = None if caution is None else Cautioned(action, thing, caution)


def find_caution(request: object) -> Cautioned | None:
    """Return what was kept, or None."""
    kept: Cautioned | None = vars(request).get("cautioned")
    return kept
