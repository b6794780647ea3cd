"""What hangs on an account: asked by features that lie below those that know.

`mandate` implements it; `web` wires it at start-up. With nothing wired everybody counts as having authority over
something critical, so that what protects such people is never left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may change here, and with whom.

    `co_owner_ids` are the other people who own a project that this one owns or maintains, or an organization that this one
    owns. `compliant_co_owner_ids` are those whose word counts for this person: they own one together, and have a verified address and a second
    factor, in an active account without a hold. Whoever only lets somebody help in a project of theirs says nothing of
    that one's own projects, and no owner of a project speaks for an operator, who has authority over all.
    `sole_owned`: names of projects that would have no owner without this person; `sole_organizations`: of such
    organizations. `is_invited`: an invitation would give authority with one click.
    """

    has_authority: bool = True
    has_critical_project: bool = True
    co_owner_ids: tuple[int, ...] = ()
    compliant_co_owner_ids: tuple[int, ...] = ()
    sole_owned: tuple[str, ...] = ()
    sole_organizations: tuple[str, ...] = ()
    is_invited: bool = False


class Standings(Protocol):
    """Tells what hangs on an account."""

    def of(self, user_id: int) -> Standing:
        """Return the standing of an account as it is now."""

    def speaks_for(self, user_id: int) -> frozenset[int]:
        """Return those among whose `compliant_co_owner_ids` an account is."""

    def is_critical(self, normalized_name: str) -> bool:
        """Tell whether a project is critical by any mandate."""


_wired: list[Standings] = []


def wire(standings: Standings | None) -> None:
    """Install the implementation; None takes it out."""
    _wired[:] = [] if standings is None else [standings]


def of(user_id: int) -> Standing:
    """Return what hangs on an account."""
    return _wired[0].of(user_id) if _wired else Standing()


def speaks_for(user_id: int) -> frozenset[int]:
    """Return whose co-owner somebody is whose word counts: one question for what `of` would answer for each of them."""
    return _wired[0].speaks_for(user_id) if _wired else frozenset()


def is_critical(normalized_name: str) -> bool:
    """Tell whether a project is critical by any mandate; with nothing wired each is."""
    return _wired[0].is_critical(normalized_name) if _wired else True
