"""Verifying an address without a mail: whoever runs the machine, or two operators, have met the person, and answer for it.

For an index that sends no mails, where nobody could manage anything otherwise. The row says on whose word it was, and
so do the page of addresses in every session of the person, and the audit log with the reason.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from keyhouse.accounts import links
from keyhouse.accounts.addresses import letters
from keyhouse.accounts.addresses.changes import hold_for_primary, lock_person, take_snapshot, tell_all
from keyhouse.accounts.addresses.errors import AddressMissing, AddressVerified
from keyhouse.accounts.addresses.services import put_first
from keyhouse.accounts.errors import AddressTaken
from keyhouse.accounts.models import Email, User
from keyhouse.accounts.recovery.words import read_reason
from keyhouse.audit.services import record
from keyhouse.core import actions, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired

VERIFY: Final = "email.verify"
BY: Final = "host"
BY_OPERATORS: Final = "operators"


def verify_by_hand(user: User, address: str, reason: str, *, by: Actor, now: datetime) -> Email:
    """Count an address as the person's on the word of the host; without `address` the primary one.

    It opens nothing by itself: factors, holds and sessions stay. Raises RoleRequired for whoever isn't the host,
    ReasonMissing, AddressMissing, AddressVerified, AddressTaken, AccountHeld.
    """
    if by.kind != "host":
        raise RoleRequired(
            "Whoever runs the machine verifies an address by hand.", fix="Use `keyhouse user`."
        )
    actions.require(by, VERIFY, Thing("account", user.pk, user.username))
    reason = read_reason(reason)
    with transaction.atomic():
        lock_person(user, now)
        email = _find(user, address)
        count_as_theirs(user, email, BY, by=by, now=now, reason=reason)
    return email


def count_as_theirs(  # noqa: PLR0913 - what is kept of it
    user: User, email: Email, on_word_of: str, *, by: Actor, now: datetime, reason: str = ""
) -> None:
    """Count an address as verified, and tell everybody, in the caller's transaction. Raises as `lock_person`, AddressTaken."""
    lock_person(user, now)
    before = take_snapshot(user, now)
    took_place = _verify(user, email, on_word_of, now)
    links.end_links(user.pk, *links.DEAD_AFTER_CHANGE)
    details = {"by": on_word_of, **({"reason": reason} if reason else {})}
    record(VERIFY, by=by, about=Thing("email", email.pk), account_id=user.pk, details=details)
    letter = letters.verified(email.address, is_primary=email.is_primary, by=by, now=now)
    if took_place:
        letter = hold_for_primary(user, letter, now)
    tell_all(user, letter, before, now=now)
    faults.reach("address.rows-written")


def _find(user: User, address: str) -> Email:
    mine = Email.objects.filter(user=user)
    email = (
        mine.filter(address__iexact=address.strip()) if address else mine.filter(is_primary=True)
    ).first()
    if email is None:
        raise AddressMissing("The account has no such address.", fix="`keyhouse user show` lists them.")
    if email.verified_at:
        raise AddressVerified
    return email


def _verify(user: User, email: Email, on_word_of: str, now: datetime) -> bool:
    """Write it; returns whether the address took the place of a primary one that isn't verified."""
    email.verified_at, email.verified_by, email.domain_gone_at = now, on_word_of, None
    try:
        with transaction.atomic():
            email.save(update_fields=["verified_at", "verified_by", "domain_gone_at"])
    except IntegrityError as error:
        raise AddressTaken(
            "This address is verified for another account of this index.", fix="Remove it there first."
        ) from error
    primary = Email.objects.filter(user=user, is_primary=True).first()
    if primary is None or primary.pk == email.pk or primary.verified_at:
        return False
    put_first(user, email)
    return True
