"""The end of an account: asked for, taken back, carried out, and at last forgotten.

Who has authority over something waits some days, so that a thief who deletes an account is noticed; everybody else's
ends at once. A tombstone stays: the row of the account with its name, and the log of what it did. After a set time the
name becomes free and what is personal in the log is erased; its chain holds, as it commits to that by digest only.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from keyhouse.accounts import deletion_letters as letters
from keyhouse.accounts import holds, links, strength
from keyhouse.accounts.emails import send_to, tell
from keyhouse.accounts.errors import DeletionMissing, NameTypedWrong, OperatorLast, OwnsAlone
from keyhouse.accounts.hashing import hash_password
from keyhouse.accounts.models import Deletion, Email, OneTimeLink, User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.accounts.sessions import CLOSED_STATES
from keyhouse.audit.models import Personal
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, belongings, configuration, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job
from keyhouse.core.errors import Refusal
from keyhouse.mail.services import erase_account

DELETE: Final = "account.delete"
KEEP: Final = "account.keep"
FORGET: Final = "account.forget"
JOB: Final = "account-deletion"
_AT_ONCE: Final = 200  # tombstones of one round

_log = logging.getLogger("keyhouse.accounts")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What stands in the way of a deletion, and when it would happen: `due_at` None means at once."""

    sole_owned: tuple[str, ...]
    sole_organizations: tuple[str, ...]
    is_last_operator: bool
    due_at: datetime | None


def look_ahead(user: User, now: datetime) -> Outlook:
    """Return what the deletion of this account would meet now."""
    stands = standing.of(user.pk)
    wait = timedelta(days=configuration.current().deletion_days) if stands.has_authority else timedelta(0)
    return Outlook(
        stands.sole_owned, stands.sole_organizations, _is_last_operator(user), now + wait if wait else None
    )


def _is_last_operator(user: User) -> bool:
    others = User.objects.filter(is_operator=True).exclude(pk=user.pk).exclude(state__in=CLOSED_STATES)
    return user.is_operator and not others.exists()


def find_deletion(user_id: int) -> Deletion | None:
    """Return the deletion of an account that waits, or None."""
    return waiting_deletions(user_id).first()


def waiting_deletions(user_id: int) -> QuerySet[Deletion]:
    """Return the same as a query."""
    return Deletion.objects.filter(user_id=user_id, done_at=None)


def ask_deletion(user: User, typed: str, *, by: Actor, now: datetime) -> Deletion:
    """End an account, at once or after the wait; asked again while it waits, nothing changes.

    Raises NameTypedWrong, OwnsAlone and OperatorLast (recorded), AccountHeld, StepUpRequired and what the gate raises.
    """
    try:
        with transaction.atomic():
            actions.require(by, DELETE, _thing(user))
            user = _lock(user.pk)
            strength.require_strongest(by, user.pk)
            holds.require_no_hold(user, now)
            if typed.strip() != user.username:
                raise NameTypedWrong
            return _ask(user, by, now)
    except (OwnsAlone, OperatorLast) as refusal:
        record_refusal(DELETE, by=by, code=refusal.code, about=_thing(user), account_id=user.pk)
        raise


def _ask(user: User, by: Actor, now: datetime) -> Deletion:
    outlook = look_ahead(user, now)
    if outlook.sole_owned or outlook.sole_organizations:
        named = [f"the organization {name}" for name in outlook.sole_organizations]
        raise OwnsAlone([*outlook.sole_owned, *named])
    if outlook.is_last_operator:
        raise OperatorLast
    waiting = find_deletion(user.pk)
    if waiting is not None:
        return waiting
    if outlook.due_at is None:
        return _carry_out(user, by, now)
    return _schedule(user, outlook.due_at, by, now)


def _schedule(user: User, due_at: datetime, by: Actor, now: datetime) -> Deletion:
    waiting = Deletion.objects.create(user=user, asked_at=now, due_at=due_at)
    path = links.make_link_for(user, links.KEEP_ACCOUNT, now=now)
    tell(user, letters.asked(user.username, due_at, path), now=now)
    record(DELETE, by=by, about=_thing(user), account_id=user.pk, details={"due_at": due_at.isoformat()})
    return waiting


def keep_account(user: User, *, by: Actor, now: datetime) -> None:
    """Take back a deletion that waits. Raises DeletionMissing."""
    with transaction.atomic():
        actions.require(by, KEEP)
        user = _lock(user.pk)
        if not Deletion.objects.filter(user=user, done_at=None).delete()[0]:
            raise DeletionMissing
        links.end_links(user.pk, links.KEEP_ACCOUNT)
        tell(user, letters.taken_back(user.username), now=now)
        record(KEEP, by=by, about=_thing(user), account_id=user.pk)


def keep_account_by_link(secret: str, *, by: Actor, now: datetime) -> None:
    """Take a deletion back by the mailed link. Raises the refusals of links, DeletionMissing."""
    owner = links.find_link(links.KEEP_ACCOUNT, secret, now).user_id
    if owner is None:
        raise DeletionMissing
    with transaction.atomic():
        user = _lock(
            owner
        )  # before its link: whoever carries the deletion out takes the locks in this order, too
        links.use_link(links.lock_link(links.KEEP_ACCOUNT, secret, now), now)
        keep_account(user, by=by, now=now)


def carry_out_due(now: datetime) -> int:
    """Carry out the deletions whose wait is over; returns how many. Twice, or by two at once, does no harm.

    An account that is frozen, suspended or on hold by now waits on: somebody has to find out first what happened to it.
    """
    due = Deletion.objects.filter(done_at=None, due_at__lte=now).order_by("due_at")
    return sum(_carry_out_waiting(user_id, now) for user_id in list(due.values_list("user_id", flat=True)))


def _carry_out_waiting(user_id: int, now: datetime) -> bool:
    by = job(JOB)
    try:
        with transaction.atomic():
            user = _lock(user_id)
            waiting = find_deletion(user_id)
            if waiting is None or now < waiting.due_at or holds.is_doubtful(user, now):
                return False
            _carry_out(user, by, now)
    except (OwnsAlone, OperatorLast) as refusal:
        _give_up_on(user_id, refusal, by, now)
        return False
    return True


def _give_up_on(user_id: int, refusal: Refusal, by: Actor, now: datetime) -> None:
    """Let the account live on, since it can't go as things are now, and say so."""
    with transaction.atomic():
        user = _lock(user_id)
        Deletion.objects.filter(user=user, done_at=None).delete()
        links.end_links(user_id, links.KEEP_ACCOUNT)
        tell(user, letters.impossible(user.username, refusal.sentence), now=now)
        record(DELETE, by=by, about=_thing(user), account_id=user_id, code=refusal.code)


def _carry_out(user: User, by: Actor, now: datetime) -> Deletion:
    """End everything the account has; the caller holds the locks of `_lock`."""
    if _is_last_operator(user):
        raise OperatorLast
    co_owners = standing.of(user.pk).co_owner_ids
    _say_goodbye(user, co_owners, now)
    for one in belongings.all_belongings():
        if one.give_up is not None:
            one.give_up(user.pk, now)
    for one in belongings.all_belongings():
        for kept in one.kept:
            if not kept.stays:
                kept.rows(user.pk).delete()
    _bury(user)
    deletion, _ = Deletion.objects.update_or_create(
        user=user, defaults={"done_at": now}, create_defaults={"asked_at": now, "due_at": now, "done_at": now}
    )
    record(DELETE, by=by, about=_thing(user), account_id=user.pk, details={"is_done": True})
    return deletion


def _say_goodbye(user: User, co_owners: tuple[int, ...], now: datetime) -> None:
    """Write to all verified addresses while they are known, and to whoever owned projects with this person."""
    days = configuration.current().tombstone_days
    verified = Email.objects.filter(user=user, verified_at__isnull=False).order_by("pk")
    for address in verified.values_list("address", flat=True):
        send_to(user, address, letters.done(user.username, days), now=now)
    tell_others(
        co_owners, letters.co_owner_gone(user.username), now
    )  # nothing in it may freeze their accounts


def _bury(user: User) -> None:
    """Leave of the account its name and number."""
    OneTimeLink.objects.filter(username__iexact=user.username).delete()  # made at the host, by name alone
    user.state, user.password = User.State.DELETED, hash_password(None)
    user.is_operator = user.is_moderator = user.is_auditor = False
    user.held_until, user.check_phrase = None, ""
    user.last_seen_at = user.first_browser_at = None
    user.password_changed_at = user.password_checked_at = None
    user.save()


def forget_tombstones(now: datetime) -> int:
    """Free the names of accounts that are gone for long enough, and erase who and where they were from the log.

    Returns how many accounts.
    """
    before = now - timedelta(days=configuration.current().tombstone_days)
    over = Deletion.objects.filter(erased_at=None, done_at__lte=before).order_by("done_at")
    return sum(_forget(user_id, now) for user_id in list(over.values_list("user_id", flat=True)[:_AT_ONCE]))


def _forget(user_id: int, now: datetime) -> bool:
    with transaction.atomic():
        user = _lock(user_id)
        if not Deletion.objects.filter(user=user, erased_at=None).update(erased_at=now):
            return False
        # what they did, and what was done in their name by who was not signed in
        unknown = Q(record__actor_kind="nobody", record__account_id=user_id)
        Personal.objects.filter(Q(record__actor_id=user_id) | unknown).delete()
        erase_account(user_id)
        user.username = f"~{user_id}"  # no name that anybody can choose
        user.save(update_fields=["username"])
        record(FORGET, by=job(JOB), about=Thing("account", user_id), account_id=user_id)
    return True


def _lock(user_id: int) -> User:
    """Return the account with the locks of its row, of all operators and of its co-owners held, taken in one order.

    Of two operators who go one stays; and writing to each other, two owners who go wait instead of standing still.
    """
    told = standing.of(user_id).co_owner_ids
    rows = User.objects.select_for_update().filter(Q(pk__in=[user_id, *told]) | Q(is_operator=True))
    return next(row for row in list(rows.order_by("pk")) if row.pk == user_id)


def _thing(user: User) -> Thing:
    return Thing("account", user.pk, user.username)
