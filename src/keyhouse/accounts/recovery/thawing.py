"""Opening a frozen account again: a mailed link, a new password, and a second factor that was there before.

The link goes only to an address that was verified before the account was frozen. The password waits sealed in the link's
row, bound to the browser, until the factor is proven; then everything is written at once, and the account is on hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from keyhouse.accounts import holds, limits, links, strength
from keyhouse.accounts.errors import CodeRefused, StepMissing
from keyhouse.accounts.hashing import hash_password
from keyhouse.accounts.models import Authenticator, Hold, OneTimeLink, RecoveryCodeSet, SecurityKey, User
from keyhouse.accounts.passwords.choosing import choose_for
from keyhouse.accounts.recovery import letters, queries, telling
from keyhouse.accounts.recovery.cases import hold_after, stop_cases
from keyhouse.accounts.recovery.errors import ThawRefused
from keyhouse.accounts.second_factors.bound import factors_of
from keyhouse.accounts.second_factors.totp.services import accept_code, count_failure
from keyhouse.accounts.second_factors.webauthn import ceremonies
from keyhouse.accounts.second_factors.webauthn.errors import KeyCloned, KeyRefused, KeyUnknown
from keyhouse.accounts.second_factors.webauthn.services import accept_answer, mark_clone
from keyhouse.accounts.sessions import digest_of, end_sessions
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, belongings, clock
from keyhouse.core.actions import Thing

THAW: Final = "account.thaw"
_HASH: Final = "password_hash"
_CHECKED: Final = "password_checked_at"

Factor = Authenticator | SecurityKey


def find_frozen(secret: str, browser: str, now: datetime) -> OneTimeLink:
    """Return the link of a frozen account; raises ThawRefused, the refusals of links."""
    link = links.find_link(links.RECOVERY, secret, now)
    links.require_browser(link, browser)
    if link.user is None or link.user.state != User.State.FROZEN:
        raise ThawRefused
    return link


def enter_password(secret: str, browser: str, password: str, now: datetime) -> str:
    """Take the new password; binds the link to the browser and returns its cookie's value.

    Raises PasswordRefused, ThawRefused, the refusals of links.
    """
    user = find_frozen(secret, browser, now).user
    if user is None:
        raise ThawRefused
    chosen = choose_for(user, password, now)
    hashed = hash_password(chosen.password)
    checked_at = clock.format_instant(chosen.checked_at) if chosen.checked_at else ""
    with transaction.atomic():
        link = links.lock_link(links.RECOVERY, secret, now)
        browser = links.bind_browser(link, browser)
        links.keep_link_draft(link, {_HASH: hashed, _CHECKED: checked_at})
    return browser


def has_password(secret: str, browser: str, now: datetime) -> bool:
    """Whether the new password was entered in this browser."""
    return _HASH in links.read_link_draft(find_frozen(secret, browser, now), browser)


def ask_for_key(secret: str, browser: str, now: datetime) -> dict[str, Any]:
    """Ask for one of the account's security keys; raises StepMissing before the password, KeyUnknown."""
    if not has_password(secret, browser, now):
        raise StepMissing
    user = find_frozen(secret, browser, now).user
    if user is None:
        raise ThawRefused
    return ceremonies.ask_for_proof(user, ceremonies.SECOND_FACTOR, digest_of(browser), now)


def thaw_by_code(secret: str, browser: str, typed: str, visitor: Visitor, now: datetime) -> User:
    """Open the account by a code of its authenticator app. Raises CodeRefused, TooManyAttempts, ThawRefused, StepMissing."""
    return _judged(secret, browser, visitor, now, lambda user: accept_code(user.pk, typed, now=now))


def thaw_by_key(
    secret: str, browser: str, response: Mapping[str, Any], visitor: Visitor, now: datetime
) -> User:
    """Open the account by a security key. Raises a KeyRefused, TooManyAttempts, ThawRefused, StepMissing."""
    asked = ceremonies.take(ceremonies.SECOND_FACTOR, digest_of(browser), response, clock.now())

    def accept(user: User) -> SecurityKey:
        if asked.user_id != user.pk:
            raise KeyUnknown
        return accept_answer(asked, response, now=now)[0]

    try:
        return _judged(secret, browser, visitor, now, accept)
    except KeyCloned:
        mark_clone(response, now=now)
        raise


def _judged(
    secret: str, browser: str, visitor: Visitor, now: datetime, accept: Callable[[User], Factor]
) -> User:
    """Count, judge and carry out; every refused proof is recorded and counted."""
    actions.require(visitor.actor, THAW)
    link = find_frozen(secret, browser, now)
    counted = limits.count_attempt(
        now=now, limit=limits.SECOND_FACTOR, subject=f"account:{link.user_id}", network=visitor.network
    )
    try:
        user = _thaw(secret, browser, visitor, now, accept)
    except (CodeRefused, KeyRefused, ThawRefused) as refusal:
        if isinstance(refusal, CodeRefused) and link.user_id is not None:
            count_failure(link.user_id, now=now)
        record_refusal(THAW, by=visitor.actor, code=refusal.code, account_id=link.user_id)
        raise
    counted.give_back()
    return user


def _thaw(
    secret: str, browser: str, visitor: Visitor, now: datetime, accept: Callable[[User], Factor]
) -> User:
    owner = links.find_link(links.RECOVERY, secret, now).user_id
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=owner or 0, state=User.State.FROZEN).first()
        link = links.lock_link(links.RECOVERY, secret, now)
        draft = links.read_link_draft(link, browser)
        if user is None:
            raise ThawRefused
        if not draft.get(_HASH):
            raise StepMissing
        before = factors_of(user.username)
        removed = _remove_late(user, accept(user))
        removed += belongings.disown_since(user.pk, queries.settled_before(user), now)
        _open(user, draft, now)
        links.use_link(link, now)
        kept = factors_of(user.username)
        _record(user, visitor, removed, [one for one in before if one not in kept])
        _tell(user, visitor, removed, now)
    return user


def _remove_late(user: User, proven: Factor) -> int:
    """Remove factors and codes that came in the last days before the freeze; returns how many.

    They may be those of whom the account was frozen for, and a passkey opens it without the new password. Where nothing
    else is left, the proven one stays; beside an older one that works it opens nothing: raises ThawRefused.
    """
    after = queries.settled_before(user)
    if proven.created_at > after and _has_older_factor(user, after):
        raise ThawRefused(
            "That second factor was added shortly before the account was frozen.",
            fix="Use one that was there for longer. If you have none left, say so on the page before.",
        )
    apps, keys, sets = (
        model._default_manager.filter(user=user, created_at__gt=after)  # noqa: SLF001 - documented name
        for model in (Authenticator, SecurityKey, RecoveryCodeSet)
    )
    apps = apps.exclude(pk=proven.pk) if isinstance(proven, Authenticator) else apps
    keys = keys.exclude(pk=proven.pk) if isinstance(proven, SecurityKey) else keys
    count = 0
    for late in (apps, keys, sets):
        count += late.count()
        late.delete()
    return count


def _has_older_factor(user: User, after: datetime) -> bool:
    apps = Authenticator.objects.filter(user=user, disabled_at=None, created_at__lte=after)
    return apps.exists() or strength.usable_keys(user.pk).filter(created_at__lte=after).exists()


def _open(user: User, draft: Mapping[str, str], now: datetime) -> None:
    checked_at = draft.get(_CHECKED)
    User.objects.filter(pk=user.pk).update(
        state=User.State.ACTIVE,
        password=draft[_HASH],
        password_changed_at=now,
        password_checked_at=clock.parse_instant(checked_at) if checked_at else None,
    )
    end_sessions(user.pk)
    holds.end_holds(user, Hold.Reason.PASSWORD_RESET, by="factor", now=now)


def _record(user: User, visitor: Visitor, removed: int, ended: list[str]) -> None:
    record(
        THAW,
        by=visitor.actor,
        about=Thing("account", user.pk, user.username),
        account_id=user.pk,
        details={"removed": removed, "ended": ended},
    )


def _tell(user: User, visitor: Visitor, removed: int, now: datetime) -> None:
    until = hold_after(user, now)
    stop_cases(user, how="factor", by=visitor.actor, now=now)
    telling.tell_all(user, letters.thawed(user.username, until, removed), now)
