"""Offers of a role to a user name or an e-mail address, whatever it is a role in.

Whoever offers learns nothing by it: not whether there is such a person, neither from the answer nor from its time, nor
whether a mail went out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from django.db import transaction

from keyhouse.accounts import emails, holds, limits, links, queries
from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.accounts.rules import check_address, check_username
from keyhouse.core import configuration
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.mail.letters import Letter, Link
from keyhouse.mail.services import queue

REMINDED_EVERY: Final = timedelta(days=1)
_NOBODY: Final = "nobody@invalid.invalid"
_GOOD_STATES: Final = frozenset({User.State.ACTIVE, User.State.PASSWORD_DISABLED})


@dataclass(frozen=True, slots=True)
class Reminded:
    """Who was mailed once more what is offered to them, and who was left out: told lately, or what is offered rests now."""

    told: list[str] = field(default_factory=list)
    lately: list[str] = field(default_factory=list)
    resting: list[str] = field(default_factory=list)


class Offer(Protocol):
    """Whom something is offered to, and until when: an address, or the account that has the name, or nobody."""

    @property
    def address(self) -> str:
        """Return the address, or nothing."""

    @property
    def user_id(self) -> int | None:
        """Return the account that has the name, where there is one."""

    @property
    def expires_at(self) -> datetime:
        """Return when it ends."""


def read_target(text: str, refused: type[Refusal]) -> tuple[str, str]:
    """Return user name or address, whichever it is; the other one is empty.

    Raises `refused` for neither, UsernameRefused and AddressRefused.
    """
    text = text.strip()
    if not text or "\x00" in text:
        raise refused
    return ("", check_address(text).lower()) if "@" in text else (check_username(text), "")


def may_mail(target: str, now: datetime) -> bool:
    """Tell whether this mailbox gets one more; who offers isn't told, as it may be somebody else's doing."""
    return limits.is_within(limits.MAIL, "invited:" + limits.typed_subject(target), now)


def mail_offer(offer: Offer, write: Callable[[Link | None], Letter], by: Actor, now: datetime) -> None:
    """Mail an offer; where nobody has the name, as much is written and taken back, so that time tells nothing.

    `write` makes the letter, with the way by which whoever has no account comes to one.
    """
    if offer.address:
        _mail_address(offer, write(_way_in(offer, by, now)), now)
    elif offer.user_id is not None:
        tell_others([offer.user_id], write(None), now)
    else:
        with transaction.atomic():
            queue(write(None), to=_NOBODY, now=now)
            transaction.set_rollback(True)


def is_surely_themselves(person: User | None, now: datetime) -> bool:
    """Tell whether nobody has to find out first if it was this person who offered; None is the host."""
    return person is None or holds.effective_state(person, now) in _GOOD_STATES


def was_told_lately(sent_at: datetime | None, now: datetime) -> bool:
    """Tell whether whom something is offered to was mailed that too lately to be reminded of it."""
    return sent_at is not None and now - sent_at < REMINDED_EVERY


def life_of_offers() -> timedelta:
    """Return how long an offer lives from when it was sent."""
    return timedelta(days=configuration.current().project_invitation_days)


def _mail_address(offer: Offer, letter: Letter, now: datetime) -> None:
    known = queries.find_verified_email(offer.address)
    if known is not None:
        emails.send_to(known.user, known.address, letter, now=now, expires_at=offer.expires_at)
        return
    queue(letter, to=offer.address, now=now, expires_at=offer.expires_at)


def _way_in(offer: Offer, by: Actor, now: datetime) -> Link | None:
    """Return how whoever has no account comes to one: by signing up, or by the host's own word."""
    sign_up = configuration.current().sign_up
    if sign_up == "open":
        return Link("Make an account", emails.site_address("/account/sign-up/"))
    if sign_up == "invitation" and by.kind == "host":
        path = links.make_invitation_link(offer.address, now=now, expires_at=offer.expires_at)
        return Link("Make an account", emails.site_address(path))
    return None
