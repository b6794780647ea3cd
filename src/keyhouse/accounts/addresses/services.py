"""Adding, verifying and removing addresses, and making one the primary one."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from keyhouse.accounts import emails, limits, links, rules, strength
from keyhouse.accounts.addresses import letters
from keyhouse.accounts.addresses.changes import (
    hold_for_primary,
    lock_person,
    settle_change,
    take_snapshot,
    tell_all,
)
from keyhouse.accounts.addresses.errors import (
    AddressCodeWrong,
    AddressesMany,
    AddressKnown,
    AddressLast,
    AddressMissing,
    AddressPrimary,
    AddressUnverified,
    AddressVerified,
    VerificationMissing,
)
from keyhouse.accounts.addresses.rules import MOST_ADDRESSES, MOST_MISSES, new_code, read_code
from keyhouse.accounts.errors import AddressTaken, LinkUnknown
from keyhouse.accounts.models import Email, OneTimeLink, User
from keyhouse.audit.services import record
from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

MISSES: Final = "misses"


@dataclass(frozen=True, slots=True)
class Change:
    """Whose addresses change, by whom, when."""

    user: User
    by: Actor
    now: datetime

    def require(self, action: str) -> None:
        """Raise unless they may; what asks for a step-up asks for the strongest factor of the account."""
        actions.require(self.by, action, Thing("account", self.user.pk, self.user.username))
        if actions.get_action(action).step_up:
            strength.require_strongest(self.by, self.user.pk)

    def record(self, action: str, email: Email) -> None:
        """Write the record of the change, which names the row and not the address: that can be erased."""
        record(action, by=self.by, about=Thing("email", email.pk), account_id=self.user.pk)


def add_address(change: Change, typed: str) -> Email:
    """Take an address and mail the proof to it; nothing tells whether somebody else has it.

    Raises AddressRefused, AddressKnown, AddressesMany, TooManyAttempts, AccountHeld, StepUpRequired.
    """
    change.require("email.add")
    address = rules.check_address(typed)
    counted = _count_mail(change, address)
    try:
        with transaction.atomic():
            return _add(change, address)
    except Exception:
        counted.give_back()
        raise


def _add(change: Change, address: str) -> Email:
    user = lock_person(change.user, change.now)
    change.require("email.add")
    mine = list(Email.objects.filter(user=user))
    if any(one.address.lower() == address.lower() for one in mine):
        raise AddressKnown
    if len(mine) >= MOST_ADDRESSES:
        raise AddressesMany
    before = take_snapshot(user, change.now)
    email = Email.objects.create(
        user=user, address=address, is_primary=not any(one.is_primary for one in mine), added_at=change.now
    )
    change.record("email.add", email)
    _mail_proof(change, email)
    tell_all(user, letters.added(address, by=change.by, now=change.now), before, now=change.now)
    return email


def send_again(change: Change, email_id: int) -> None:
    """Mail a new proof for an address that isn't verified; the one before is void.

    An address whose domain was gone may be read by somebody else by now: for it a step-up is asked. Raises
    AddressMissing, AddressVerified, TooManyAttempts, StepUpRequired.
    """
    change.require("email.verify")
    email = get_address(change.user, email_id)
    if email.verified_at:
        raise AddressVerified
    if email.domain_gone_at:
        strength.require_strongest(change.by, change.user.pk)
    counted = _count_mail(change, email.address)
    try:
        with transaction.atomic():
            lock_person(change.user, change.now)
            _mail_proof(change, email)
            change.record("email.verify", email)
    except Exception:
        counted.give_back()
        raise


def _count_mail(change: Change, address: str) -> limits.Counted:
    """Count a mail to an address, whoever asks for it: nobody's mailbox is filled by several accounts.

    Apart from what people who are not signed in ask for, so that strangers keep nobody from adding an address.
    """
    subject = "verify:" + limits.typed_subject(address)
    return limits.count_attempt(now=change.now, limit=limits.MAIL, subject=subject, network=change.by.network)


def _mail_proof(change: Change, email: Email) -> None:
    user, now, code = change.user, change.now, new_code()
    _waiting(email).delete()
    path = links.make_link_for(user, links.VERIFY_ADDRESS, now=now, address=email.address)
    link = _waiting(email).get()
    links.keep_link_draft(link, {"code": code})
    emails.send_to(
        user,
        email.address,
        letters.verify(user.username, emails.site_address(path), code),
        now=now,
        expires_at=link.expires_at,
        even_if_bounced=True,
        is_verified=False,
    )


def _waiting(email: Email) -> QuerySet[OneTimeLink]:
    return OneTimeLink.objects.filter(
        user_id=email.user_id, purpose=links.VERIFY_ADDRESS, address=email.address, used_at=None
    )


def get_address(user: User, email_id: int) -> Email:
    """Return an address of this person; raises AddressMissing, also for one of somebody else."""
    email = Email.objects.filter(user=user, pk=email_id).first()
    if email is None:
        raise AddressMissing
    return email


def look_at_proof(user: User, secret: str, now: datetime) -> str:
    """Return the address that a link would verify for this person; raises the refusals of links."""
    link = links.find_link(links.VERIFY_ADDRESS, secret, now)
    if link.user_id != user.pk:
        raise LinkUnknown(fix=_SIGN_IN_AS_OWNER)
    return link.address


_SIGN_IN_AS_OWNER: Final = "Sign in as the person who asked for it, then open it again."


def verify_by_link(change: Change, secret: str) -> None:
    """Verify an address by the link that was mailed to it, in a session of the person who asked.

    Raises the refusals of links, AddressTaken where somebody else verified it first, AccountHeld.
    """
    change.require("email.verify")
    with transaction.atomic():
        lock_person(change.user, change.now)
        link = links.lock_link(links.VERIFY_ADDRESS, secret, change.now)
        if link.user_id != change.user.pk:
            raise LinkUnknown(fix=_SIGN_IN_AS_OWNER)
        _verify(change, link)


def verify_by_code(change: Change, email_id: int, typed: str) -> None:
    """Verify an address by the code that was mailed to it; after ten wrong ones a new mail is needed.

    Raises AddressCodeWrong, VerificationMissing, AddressMissing, AddressVerified, AddressTaken, AccountHeld.
    """
    change.require("email.verify")
    with transaction.atomic():
        lock_person(change.user, change.now)
        email = get_address(change.user, email_id)
        if email.verified_at:
            raise AddressVerified
        link = _waiting(email).select_for_update().filter(expires_at__gt=change.now).first()
        if link is None:
            raise VerificationMissing
        is_right = _is_right(link, typed)
        if is_right:
            _verify(change, link)
        else:
            _count_miss(link)
    if not is_right:
        raise AddressCodeWrong


def _is_right(link: OneTimeLink, typed: str) -> bool:
    code = str(links.read_link_draft(link, "").get("code", ""))
    given = read_code(typed).encode("utf-8", "replace")
    return bool(code) and hmac.compare_digest(read_code(code).encode(), given)


def _count_miss(link: OneTimeLink) -> None:
    misses = int(link.data.get(MISSES, 0)) + 1
    if misses >= MOST_MISSES:
        link.delete()
        return
    link.data = {**link.data, MISSES: misses}
    link.save(update_fields=["data"])


def _verify(change: Change, link: OneTimeLink) -> None:
    """Count the address as the person's; where they had no verified primary one, it becomes that. The caller holds the locks."""
    user, now = change.user, change.now
    email = Email.objects.filter(user=user, address=link.address).first()
    if email is None:
        raise LinkUnknown
    links.use_link(link, now)
    before = take_snapshot(user, now)
    email.verified_at, email.verified_by, email.domain_gone_at = now, "link", None
    try:
        with transaction.atomic():
            email.save(update_fields=["verified_at", "verified_by", "domain_gone_at"])
    except IntegrityError as error:
        raise AddressTaken(
            "This address is verified for another account of this index.",
            fix="If that is yours too, remove it there first.",
        ) from error
    took_place = _take_place(user, email)
    change.record("email.verify", email)
    letter = letters.verified(email.address, is_primary=email.is_primary, by=change.by, now=now)
    if took_place:
        letter = hold_for_primary(user, letter, now)
    settle_change(user, letter, before, by=change.by, now=now)


def _take_place(user: User, email: Email) -> bool:
    """Let a verified address be primary in place of one that isn't verified; returns whether it took that place."""
    primary = Email.objects.filter(user=user, is_primary=True).first()
    if primary is not None and (primary.pk == email.pk or primary.verified_at):
        return False
    put_first(user, email)
    return True


def put_first(user: User, email: Email) -> None:
    """Make it the primary one, in the caller's transaction, which holds the account's lock."""
    Email.objects.filter(user=user, is_primary=True).update(is_primary=False)
    Email.objects.filter(pk=email.pk).update(is_primary=True)
    email.is_primary = True


def make_primary(change: Change, email_id: int) -> None:
    """Make a verified address the primary one; one that is it already stays it.

    Raises AddressMissing, AddressUnverified, AccountHeld, TooManyAttempts, StepUpRequired.
    """
    change.require("email.make-primary")
    # each tells all addresses, so going to and fro would fill mailboxes, and bury other notices
    counted = limits.count_attempt(now=change.now, limit=limits.MAIL, subject=f"primary:{change.user.pk}")
    try:
        with transaction.atomic():
            is_changed = _make_primary(change, email_id)
    except Exception:
        counted.give_back()
        raise
    if not is_changed:
        counted.give_back()


def _make_primary(change: Change, email_id: int) -> bool:
    user = lock_person(change.user, change.now)
    change.require("email.make-primary")
    email = get_address(user, email_id)
    if email.verified_at is None:
        raise AddressUnverified
    if email.is_primary:
        return False
    before = take_snapshot(user, change.now)
    former = Email.objects.filter(user=user, is_primary=True).values_list("address", flat=True).first()
    put_first(user, email)
    change.record("email.make-primary", email)
    letter = letters.made_primary(email.address, former or "", by=change.by, now=change.now)
    letter = hold_for_primary(user, letter, change.now)
    settle_change(user, letter, before, by=change.by, now=change.now)
    return True


def remove_address(change: Change, email_id: int) -> None:
    """Take an address off the account; never the primary one, never the last verified one.

    Raises AddressMissing, AddressPrimary, AddressLast, AccountHeld, StepUpRequired.
    """
    change.require("email.remove")
    with transaction.atomic():
        user = lock_person(change.user, change.now)
        change.require("email.remove")
        email = get_address(user, email_id)
        others = Email.objects.filter(user=user).exclude(pk=email.pk)
        if email.verified_at and not others.filter(verified_at__isnull=False).exists():
            raise AddressLast
        if email.is_primary:
            raise AddressPrimary
        before = take_snapshot(user, change.now)
        _waiting(email).delete()
        change.record("email.remove", email)
        email.delete()
        letter = letters.removed(email.address, by=change.by, now=change.now)
        settle_change(user, letter, before, by=change.by, now=change.now)
