"""What a gate may know beyond yes and no: which mandates are live, and what becomes of a credential.

Features below the mandates show it and write it down. A gate without foresight is a gate all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from keyhouse.core import actions
from keyhouse.core.actions import Caution, Thing
from keyhouse.core.actor import Actor, Strength


@dataclass(frozen=True, slots=True)
class Credential:
    """An API token as it was made: the strength behind it (`at`: when it was made), what it is for.

    `projects`: the normalised names it is limited to, none where it is for all. Or, by its `kind`, a trusted publisher,
    with the strength of whoever set it up or confirmed it.
    """

    strength: Strength
    actions: tuple[str, ...]
    projects: tuple[str, ...] = ()
    kind: Literal["token", "publisher"] = "token"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What mandates mean for a credential.

    `is_weak`: it is below what a mandate asks of its owner, now or soon. `ends_at`: from when on anything that it can do
    is refused, as far as can be told now; may lie in the past. `mandate` (name@version) and its title say why.
    `uses_end_at`: from when on that is one of its actions, where beginning new projects is refused before.
    """

    is_weak: bool = False
    ends_at: datetime | None = None
    mandate: str = ""
    title: str = ""
    uses_end_at: datetime | None = None

    @property
    def is_for_new_first(self) -> bool:
        """Whether it is refused for new projects at first, and goes on for those that are there."""
        return self.ends_at is not None and self.uses_end_at != self.ends_at

    def is_refused(self, now: datetime) -> bool:
        """Tell whether it is refused by now for what is there, not only for new projects."""
        return self.uses_end_at is not None and self.uses_end_at <= now


@runtime_checkable
class Foresight(Protocol):
    """A gate that tells what is live and what will be."""

    def live_mandates(self, at: datetime) -> list[str]:
        """Return the versions that are live and announced at that instant as ledgers write them: `name@version`."""

    def outlooks(self, user_id: int, credentials: Sequence[Credential]) -> list[Outlook]:
        """Tell what becomes of these credentials of one person."""

    def refusal_code(self, actor: Actor, action: str) -> str:
        """Return the code by which an act would be refused now, or nothing; nobody tries it by this."""


@runtime_checkable
class Teller(Protocol):
    """A gate that knows what being told of a mandate changes."""

    def once_told(
        self, actor: Actor, action: str, thing: Thing | None, caution: Caution
    ) -> tuple[Caution, frozenset[str]]:
        """Return the caution as it is once the actor is told of it, and the mandates that are then told of, by name."""


def find_teller() -> Teller | None:
    """Return the wired gate where it knows that, or None."""
    gate = actions.find_gate()
    return gate if isinstance(gate, Teller) else None


def find_foresight() -> Foresight | None:
    """Return the wired gate where it has foresight, or None."""
    gate = actions.find_gate()
    return gate if isinstance(gate, Foresight) else None
