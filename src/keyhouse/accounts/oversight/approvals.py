"""How many operators a two-person act takes, who they can be, and from when on it holds (ASVS 2.3.5).

Whoever has the machine may be one of the operators, so what the host proposes takes two of them. Where fewer are there
than it takes, one is enough and everybody has a day to notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.errors import ApprovalRefused
from keyhouse.core.actor import host

# How long what too few people answer for is announced before it takes effect.
ALONE: Final = timedelta(hours=24)
_HOST: Final = host().name  # reserved: no account has it


class Standing(NamedTuple):
    """How a proposal stands: who can approve it, who of them did, and how many it takes."""

    operators: int  # that are active
    able: tuple[str, ...]  # of them, who neither proposed it nor gain by it
    given: tuple[str, ...]  # of those, who approved it
    needed: int

    @property
    def is_alone(self) -> bool:
        """Tell whether too few are there, so that a day takes the place of a second person."""
        return self.operators <= 1 or len(self.able) < self.needed

    @property
    def missing(self) -> int:
        """Return how many approvals are still missing; one given by somebody left alone since is asked for again."""
        return 1 if self.is_alone else self.needed - len(self.given)

    @property
    def still(self) -> tuple[str, ...]:
        """Return who can approve it now."""
        return self.able if self.is_alone else tuple(name for name in self.able if name not in self.given)

    @property
    def sentence(self) -> str:
        """Say who still has to approve, and what is then."""
        if not self.still:
            return "Nobody is there who could approve it; withdraw it and propose it once more."
        names = ", ".join(self.still)
        told = f"Approved by {', '.join(self.given)}. " if self.given and not self.is_alone else ""
        if self.is_alone:
            return f"To be approved by {names}; it takes effect 24 hours later."
        if self.missing > 1:
            return f"To be approved by {self.missing} of: {names}."
        return f"{told}To be approved by one {'more ' if told else ''}of: {names}."

    def can_approve(self, name: str) -> bool:
        """Tell whether this operator can approve it now."""
        return name.lower() in {one.lower() for one in self.still}


def active_operators() -> tuple[str, ...]:
    """Return the names of operators who can act."""
    people = User.objects.filter(is_operator=True, state=User.State.ACTIVE, kind="person")
    return tuple(people.order_by("username").values_list("username", flat=True))


def standing(
    proposed_by: str,
    approved_by: Sequence[str] = (),
    *,
    subject: str = "",
    operators: Sequence[str] | None = None,
) -> Standing:
    """Return how a proposal stands now; `subject` is whom it is about. Approvals of former operators don't count."""
    found = active_operators() if operators is None else operators
    aside = {proposed_by.lower(), subject.lower()}
    able = tuple(name for name in found if name.lower() not in aside)
    before = {name.lower() for name in approved_by}
    given = tuple(name for name in able if name.lower() in before)
    return Standing(len(found), able, given, 2 if proposed_by == _HOST else 1)


def effective_unasked(found: Standing, now: datetime) -> datetime | None:
    """Return from when on a proposal holds that nobody else could answer for; None where it waits for somebody."""
    return now + ALONE if found.operators <= 1 or not found.able else None


def effective_approved(found: Standing, by: str, now: datetime) -> datetime | None:
    """Return from when on a proposal holds once this operator approves it; None where another one has to as well.

    Raises ApprovalRefused.
    """
    if not found.can_approve(by):
        raise ApprovalRefused(
            "Whoever proposed or approved it already can't approve it; another operator has to."
        )
    if found.is_alone:
        return now + ALONE
    return now if found.missing <= 1 else None
