"""Names that are kept for somebody: asked whenever a project is made, inside that transaction.

`safety` implements it; `web` wires it at start-up. With nothing wired no project can be made.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from keyhouse.core.errors import GateUnavailable


class Names(Protocol):
    """Tells which names are kept for whom."""

    def find_objection(self, name: str, people: Collection[int]) -> str | None:
        """Return in one sentence why a project of these people can't have this name, or None."""


_wired: list[Names] = []


def wire(names: Names | None) -> None:
    """Install the implementation; None takes it out."""
    _wired[:] = [] if names is None else [names]


def find_objection(name: str, people: Collection[int]) -> str | None:
    """Ask the implementation; raises GateUnavailable where there is none."""
    if not _wired:
        raise GateUnavailable
    return _wired[0].find_objection(name, people)
