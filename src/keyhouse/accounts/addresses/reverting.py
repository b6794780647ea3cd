"""Putting former addresses back, by the link in a mail to one of them: no sign-in, so that no thief can stop it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction

from keyhouse.accounts import emails, holds, links
from keyhouse.accounts.addresses import letters
from keyhouse.accounts.addresses.changes import WAY_BACK, Former, Snapshot, take_snapshot
from keyhouse.accounts.addresses.rules import domain_of
from keyhouse.accounts.errors import AddressTaken, LinkUnknown
from keyhouse.accounts.models import Email, Hold, MailDomain, OneTimeLink, User
from keyhouse.accounts.recovery.cases import stop_without_address
from keyhouse.accounts.sessions import end_sessions
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record
from keyhouse.core import actions, belongings, clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.mail.letters import Letter

SURVIVING: Final = (links.NOT_ME, links.KEEP_ACCOUNT)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a link would do: whose addresses, which come back as they were when, which are taken off."""

    user: User
    at: datetime
    back: list[str]
    off: list[str]


def look_at_revert(secret: str, now: datetime) -> Outlook:
    """Return what a link would put back; raises the refusals of links."""
    link = links.find_link(links.REVERT_ADDRESSES, secret, now)
    user = _owner(link)
    kept = Snapshot.read(link)
    mine = Email.objects.filter(user=user, verified_at__isnull=False).values_list("address", flat=True)
    known = {one.address for one in kept.addresses}
    return Outlook(user, kept.at, kept.verified, sorted(set(mine) - known))


def revert_addresses(secret: str, visitor: Visitor, now: datetime) -> User:
    """Put the addresses back as they were; sessions and mailed links end, and the account of somebody with authority is held.

    Raises the refusals of links, and AddressTaken where every former address is another account's by now.
    """
    actions.require(visitor.actor, "email.revert")
    with transaction.atomic():
        user = _owner(links.find_link(links.REVERT_ADDRESSES, secret, now))
        user = User.objects.select_for_update().get(pk=user.pk)
        link = links.lock_link(links.REVERT_ADDRESSES, secret, now)
        links.use_link(link, now)
        before = take_snapshot(user, now)
        kept = Snapshot.read(link)
        back = _put_back(user, kept, now)
        ended = belongings.disown_since(user.pk, _since(kept), now)
        end_sessions(user.pk)
        links.end_all_links(user, but=SURVIVING)
        stop_without_address(user, by=visitor.actor, now=now)
        length = holds.length_for(user.pk)
        if length is not None:
            holds.place_hold(user, Hold.Reason.EMAIL_CHANGE, now=now, until=now + length)
        thing = Thing("account", user.pk, user.username)
        record("email.revert", by=visitor.actor, about=thing, account_id=user.pk)
        _tell(user, before, letters.reverted(back, ended, by=visitor.actor, now=now), now)
    return user


def _since(kept: Snapshot) -> datetime:
    """Return when the session could have begun in which the first change was made: tokens made in it may be a thief's."""
    return kept.at - timedelta(hours=configuration.current().session_hours)


def _tell(user: User, before: Snapshot, letter: Letter, now: datetime) -> None:
    """Tell the addresses that are back, and those that were taken off: the former mailbox may be the one that was stolen."""
    emails.tell(user, letter, now=now)
    kept = set(Email.objects.filter(user=user, verified_at__isnull=False).values_list("address", flat=True))
    for address in before.verified:
        if address not in kept:
            emails.send_notice(user, address, letter, now=now)


def _owner(link: OneTimeLink) -> User:
    if link.user is None or link.user.state == User.State.DELETED:
        raise LinkUnknown
    return link.user


def _put_back(user: User, kept: Snapshot, now: datetime) -> list[str]:
    """Write the rows; returns the verified addresses, the primary one first."""
    Email.objects.filter(user=user).exclude(address__in=[one.address for one in kept.addresses]).delete()
    Email.objects.filter(user=user, is_primary=True).update(is_primary=False)
    rows = {one.address: _row_of(user, one, now) for one in kept.addresses}
    back = [address for address in kept.verified if rows[address].verified_at]
    if not back:
        raise AddressTaken("None of the former addresses can be put back: they are another account's by now.")
    Email.objects.filter(pk=rows[back[0]].pk).update(is_primary=True)
    return back


def _row_of(user: User, former: Former, now: datetime) -> Email:
    """Return the row of a former address, verified as it was unless its domain is gone or somebody else has it."""
    email = Email.objects.filter(user=user, address=former.address).first()
    if email is None:
        email = Email.objects.create(user=user, address=former.address, added_at=now)
    if not former.verified_at or email.verified_at or _is_gone(email):
        return email
    try:
        with transaction.atomic():
            email.verified_at, email.verified_by = clock.parse_instant(former.verified_at), WAY_BACK
            email.save(update_fields=["verified_at", "verified_by"])
    except IntegrityError:
        email.verified_at, email.verified_by = None, ""
    return email


def _is_gone(email: Email) -> bool:
    domain = domain_of(email.address)
    return (
        email.domain_gone_at is not None
        or MailDomain.objects.filter(domain=domain, gone_at__isnull=False).exists()
    )
