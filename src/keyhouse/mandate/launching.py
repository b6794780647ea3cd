"""What must be so before a campaign is launched (L1): asked of the guards, which rooms above this one look after.

`web` wires them at start-up. With nothing wired every guard that a campaign asks for is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.errors import LaunchRefused
from keyhouse.mandate.pauses import is_ending


class Missing(Protocol):
    """A guard that isn't met."""

    @property
    def guard(self) -> str:
        """Name it, as `[launch] requires` does."""

    @property
    def reason(self) -> str:
        """Say in a sentence what is missing."""


class Guards(Protocol):
    """Looks at the index as it is."""

    def missing(self, mandate: Mandate, now: datetime) -> Sequence[Missing]:
        """Return what is missing for a launch now; an empty list lets it go ahead."""


_wired: Final[list[Guards]] = []


def wire(guards: Guards) -> None:
    """Ask these from now on."""
    _wired[:] = [guards]


def refuse_unless_ready(mandate: Mandate, now: datetime) -> None:
    """Let a mandate pass that is no campaign, one that ends, and one that lacks nothing; else raise LaunchRefused."""
    if mandate.launch is None or is_ending(mandate):
        return
    if not _wired:
        raise LaunchRefused("Nothing here can tell whether all is ready.")
    told = [f"{one.guard}: {one.reason}" for one in _wired[0].missing(mandate, now)]
    if told:
        raise LaunchRefused(" ".join(told))
