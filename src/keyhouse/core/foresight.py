"""What a gate may know beyond yes and no: which mandates are live, and what becomes of a credential.

Features below the mandates show it and write it down. A gate without foresight is a gate all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from keyhouse.core import actions
from keyhouse.core.actor import Actor, Strength


@dataclass(frozen=True, slots=True)
class Credential:
    """An API token as it was made: the strength behind it (`at`: when it was made), what it is for.

    `projects`: the normalised names it is limited to, none where it is for all.
    """

    strength: Strength
    actions: tuple[str, ...]
    projects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What mandates mean for a credential.

    `is_weak`: it is below what a mandate asks of its owner, now or soon. `ends_at`: from when on it is refused for one
    of its actions, as far as can be told now; may lie in the past. `mandate` (name@version) and its title say why.
    """

    is_weak: bool = False
    ends_at: datetime | None = None
    mandate: str = ""
    title: str = ""


@runtime_checkable
class Foresight(Protocol):
    """A gate that tells what is live and what will be."""

    def live_mandates(self, at: datetime) -> list[str]:
        """Return the versions that are live and announced at that instant as ledgers write them: `name@version`."""

    def outlooks(self, user_id: int, credentials: Sequence[Credential]) -> list[Outlook]:
        """Tell what becomes of these credentials of one person."""

    def refusal_code(self, actor: Actor, action: str) -> str:
        """Return the code by which an act would be refused now, or nothing; nobody tries it by this."""


def find_foresight() -> Foresight | None:
    """Return the wired gate where it has foresight, or None."""
    gate = actions.find_gate()
    return gate if isinstance(gate, Foresight) else None
