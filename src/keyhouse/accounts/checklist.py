"""What an account still lacks, as a list with one next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keyhouse.accounts import queries, strength
from keyhouse.accounts.addresses.queries import Standing
from keyhouse.accounts.addresses.rules import State
from keyhouse.accounts.models import User

FEW_CODES: Final = 3
TWO: Final = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One line: what it is, whether it is done, what it is good for, where to do it; `is_next` marks one line."""

    title: str
    is_done: bool
    text: str
    path: str
    label: str
    is_next: bool = False


def items_for(user: User, standings: Sequence[Standing], codes_left: int) -> list[Item]:
    """Return the checklist of a person with these addresses and so many recovery codes; the first line that is not done is the next step."""
    able = _usable(user)
    items = [_email(standings), _second_factor(able), _codes(codes_left), _second_method(able)]
    following = next((item for item in items if not item.is_done), None)
    return [
        Item(item.title, item.is_done, item.text, item.path, item.label, is_next=item is following)
        for item in items
    ]


def _email(standings: Sequence[Standing]) -> Item:
    primary = next((one for one in standings if one.email.is_primary), None)
    is_done = primary is not None and primary.state == "verified"
    text = f"{primary.email.address}: {_EMAIL_TEXTS[primary.state]}" if primary else _NO_EMAIL
    return Item(
        "E-mail address verified", is_done, text, "/account/emails/", "Manage" if is_done else "Mend it"
    )


_NO_EMAIL: Final = "Without a verified address nothing can be published. Add one."
_EMAIL_TEXTS: Final[dict[State, str]] = {
    "verified": "verified.",
    "unverified": "not verified. Without a verified address nothing can be published.",
    "bounced": "mails to it come back. Add another address and make it primary.",
    "domain-gone": "its domain is gone. Add another address.",
}


def _second_factor(able: Sequence[str]) -> Item:
    text = (
        ", ".join(able)
        if able
        else "A security key, or an authenticator app. With it a stolen password is worth nothing."
    )
    return Item(
        "Second factor", bool(able), text, "/account/second-factors/", "Manage" if able else "Set one up"
    )


def _codes(left: int) -> Item:
    text = (
        f"{left} of your recovery codes are unused." if left else "They let you in when your device is gone."
    )
    is_done = left > FEW_CODES
    return Item(
        "Recovery codes saved",
        is_done,
        text,
        "/account/recovery-codes/",
        "Manage" if is_done else "Make new ones",
    )


def _second_method(able: Sequence[str]) -> Item:
    is_done = len(able) >= TWO
    text = (
        "You have more than one." if is_done else "A key or an app elsewhere, for the day you lose this one."
    )
    return Item(
        "Second method", is_done, text, "/account/second-factors/", "Manage" if is_done else "Add one"
    )


def _usable(user: User) -> list[str]:
    """Return the names of the second factors that work, keys first."""
    keys = [one.name for one in strength.keys_in_use(user.pk)]
    return keys + [one.name for one in queries.authenticators_of(user) if one.disabled_at is None]
