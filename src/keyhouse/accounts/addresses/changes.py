"""What every change of somebody's addresses brings with it: notices with a way back, a hold, the end of sessions and links.

A snapshot of how the addresses were goes into the links that former addresses get. While such a link lives, later
changes hand on the oldest of these snapshots: whoever clicks in the last of three mails gets back what was before the
first of three changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from keyhouse.accounts import emails, holds, links
from keyhouse.accounts.addresses import letters
from keyhouse.accounts.errors import SessionMissing
from keyhouse.accounts.models import Email, Hold, OneTimeLink, User
from keyhouse.accounts.recovery.cases import stop_without_address
from keyhouse.accounts.recovery.telling import tell_co_owners
from keyhouse.accounts.sessions import CLOSED_STATES, end_other_sessions
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Letter

WAY_BACK: Final = "way-back"  # what verified an address that was put back


@dataclass(frozen=True, slots=True)
class Former:
    """An address as it was: `verified_at` is empty where it was not verified."""

    address: str
    is_primary: bool
    verified_at: str
    verified_by: str

    @classmethod
    def of(cls, email: Email) -> Former:
        """Return how an address is now."""
        at = clock.format_instant(email.verified_at) if email.verified_at else ""
        return cls(email.address, email.is_primary, at, email.verified_by)

    @property
    def parts(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All addresses of somebody as they were at an instant."""

    at: datetime
    addresses: tuple[Former, ...]

    @classmethod
    def read(cls, link: OneTimeLink) -> Snapshot:
        """Read what a link holds."""
        found = tuple(Former(**parts) for parts in link.data["addresses"])
        return cls(clock.parse_instant(link.data["at"]), found)

    @property
    def data(self) -> dict[str, Any]:
        """Return it as a link holds it."""
        return {"at": clock.format_instant(self.at), "addresses": [one.parts for one in self.addresses]}

    @property
    def verified(self) -> list[str]:
        """Return the addresses that were verified, the primary one first."""
        found = sorted(self.addresses, key=lambda one: (not one.is_primary, one.address))
        return [one.address for one in found if one.verified_at]

    @property
    def on_file(self) -> list[str]:
        """Return the primary address where none was verified: it was the way back."""
        return [] if self.verified else [one.address for one in self.addresses if one.is_primary]


def lock_person(user: User, now: datetime) -> User:
    """Take the lock of an account whose addresses change; raises AccountHeld, and SessionMissing where it was closed."""
    found = User.objects.select_for_update().get(pk=user.pk)
    if found.state in CLOSED_STATES:
        raise SessionMissing
    holds.require_no_hold(found, now)
    return found


def take_snapshot(user: User, now: datetime) -> Snapshot:
    """Return the addresses of somebody as they are now."""
    return Snapshot(now, tuple(Former.of(one) for one in Email.objects.filter(user=user).order_by("pk")))


def settle_change(user: User, letter: Letter, before: Snapshot, *, by: Actor, now: datetime) -> None:
    """Do what follows from a change, in its transaction: other sessions and mailed links end, old and new addresses are told."""
    end_other_sessions(by, user.pk)
    links.end_links(user.pk, *links.DEAD_AFTER_CHANGE)
    stop_without_address(user, by=by, now=now)
    tell_all(user, letter, before, now=now)


def hold_for_primary(user: User, letter: Letter, now: datetime) -> Letter:
    """Put people with authority on hold, since their primary address is another one, and tell their co-owners.

    Returns the letter that says so, too.
    """
    length = holds.length_for(user.pk)
    if length is None:
        return letter
    hold = holds.place_hold(user, Hold.Reason.EMAIL_CHANGE, now=now, until=now + length)
    tell_co_owners(user, letters.primary_changed_to_others(user.username, hold.until), now)
    return replace(letter, blocks=(*letter.blocks, letters.held(hold.until)))


def tell_all(user: User, letter: Letter, before: Snapshot, *, now: datetime) -> None:
    """Tell every address that is verified or was; those that were get a way back."""
    base, may_go_back = _oldest(user, before, now), _with_ways_back(user, before)
    present = Email.objects.filter(user=user, verified_at__isnull=False).order_by("pk")
    for address in dict.fromkeys([*before.verified, *present.values_list("address", flat=True)]):
        told = _with_way_back(user, address, letter, base, now) if address in may_go_back else letter
        emails.send_notice(user, address, told, now=now)
    _tell_on_file(user, letter, before, now)


def _with_ways_back(user: User, before: Snapshot) -> set[str]:
    """Return the addresses that get a way back: those that were verified.

    But none that came by such a way already while the primary one is older: whoever can't be shown the door for good
    would come back for ever, and hold the account each time.
    """
    primary = Email.objects.filter(user=user, is_primary=True, verified_at__isnull=False).first()
    since = primary.verified_at if primary else None
    came_back = [one for one in before.addresses if one.verified_by == WAY_BACK]
    younger = {one.address for one in came_back if since and since < clock.parse_instant(one.verified_at)}
    return set(before.verified) - younger


def _tell_on_file(user: User, letter: Letter, before: Snapshot, now: datetime) -> None:
    """Tell the address that was the way back though never verified; nothing in it acts: whoever reads it is nobody yet."""
    rows = Email.objects.filter(user=user, address__in=before.on_file, verified_at=None, domain_gone_at=None)
    for address in rows.values_list("address", flat=True):
        emails.send_to(user, address, letter, now=now, is_verified=False)


def _with_way_back(user: User, address: str, letter: Letter, base: Snapshot, now: datetime) -> Letter:
    path = links.make_link_for(user, links.REVERT_ADDRESSES, now=now, address=address, data=base.data)
    return replace(letter, blocks=(*letter.blocks, *letters.revert(emails.site_address(path))))


def _oldest(user: User, before: Snapshot, now: datetime) -> Snapshot:
    """Return the oldest state that a link which lives leads back to, of the last days that links live."""
    since = now - links.LIFE[links.REVERT_ADDRESSES]
    rows = OneTimeLink.objects.filter(
        user=user, purpose=links.REVERT_ADDRESSES, used_at=None, expires_at__gt=now
    )
    known = [Snapshot.read(row) for row in rows.order_by("pk")]
    return min([*(one for one in known if one.at > since), before], key=lambda one: one.at)
