"""Writing about people: accounts, addresses, passwords, sessions, links."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError, transaction

from keyhouse.accounts import browsers, emails, holds, links, queries, rules, strength
from keyhouse.accounts.errors import (
    AddressTaken,
    BrowserMissing,
    OperatorExists,
    PasswordWrong,
    SessionMissing,
    SignUpClosed,
    UsernameTaken,
)
from keyhouse.accounts.hashing import compare_password, hash_password
from keyhouse.accounts.inviting.letters import invited
from keyhouse.accounts.limits import SIGN_IN, count_attempt
from keyhouse.accounts.models import Email, Session, User
from keyhouse.accounts.passwords import letters
from keyhouse.accounts.passwords.choosing import choose_for
from keyhouse.accounts.sessions import end_other_sessions, end_sessions
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.mail.services import queue


def create_user(  # noqa: PLR0913 - an account with a history, as the host may write it
    username: str,
    *,
    by: Actor,
    password: str | None = None,
    is_operator: bool = False,
    state: str = User.State.ACTIVE,
    joined_at: datetime | None = None,
    last_seen_at: datetime | None = None,
) -> User:
    """Make an account; None as password makes an unusable one. The password's rules are the caller's to ask.

    Raises UsernameRefused, UsernameTaken.
    """
    actions.require(by, "user.create")
    hashed = hash_password(password)
    with transaction.atomic():
        user = new_user(username, hashed, is_operator=is_operator, joined_at=joined_at)
        if state != User.State.ACTIVE or last_seen_at is not None:
            user.state, user.last_seen_at = state, last_seen_at
            user.save(update_fields=["state", "last_seen_at"])
        record("user.create", by=by, about=Thing("account", user.pk, user.username), account_id=user.pk)
    return user


def new_user(
    username: str, hashed: str, *, is_operator: bool = False, joined_at: datetime | None = None
) -> User:
    """Write the row alone, for services that record the whole; raises UsernameRefused, UsernameTaken."""
    rules.check_username(username)
    joined = joined_at or clock.now()
    try:
        with transaction.atomic():
            return User.objects.create(
                username=username,
                password=hashed,
                is_operator=is_operator,
                joined_at=joined,
                password_changed_at=joined,
            )
    except IntegrityError as error:
        raise UsernameTaken from error


def add_email(  # noqa: PLR0913 - an address with a history, as the host may write it
    user: User,
    address: str,
    *,
    by: Actor,
    is_primary: bool = True,
    verified_by: str = "",
    at: datetime | None = None,
) -> Email:
    """Give a person an address; `verified_by` (`host`, `link`) says what proved it, empty: nothing did yet.

    Raises AddressRefused, AddressTaken.
    """
    with transaction.atomic():
        actions.require(by, "email.add", Thing("account", user.pk, user.username))
        email = new_email(user, address, is_primary=is_primary, verified_by=verified_by, at=at)
        record("email.add", by=by, about=Thing("email", email.pk), account_id=user.pk)
    return email


def new_email(
    user: User,
    address: str,
    *,
    is_primary: bool = True,
    verified_by: str = "",
    at: datetime | None = None,
) -> Email:
    """Write the row alone, for services that record the whole; raises AddressRefused, AddressTaken."""
    now = at or clock.now()
    try:
        with transaction.atomic():
            return Email.objects.create(
                user=user,
                address=rules.check_address(address),
                is_primary=is_primary,
                verified_at=now if verified_by else None,
                verified_by=verified_by,
                added_at=now,
            )
    except IntegrityError as error:
        raise AddressTaken from error


def change_password(user: User, present: str, password: str, *, by: Actor, now: datetime) -> None:
    """Change the password; all other sessions of the account end.

    Raises PasswordWrong (counted as a failed sign-in), PasswordRefused, StepUpRequired, TooManyAttempts.
    """
    actions.require(by, "password.change", Thing("account", user.pk, user.username))
    strength.require_strongest(by, user.pk)
    _require_present_password(user, present, by=by, now=now)
    chosen = choose_for(user, password, now)
    hashed = hash_password(chosen.password)
    with transaction.atomic():
        strength.require_strongest(by, user.pk)
        holds.require_free(User.objects.select_for_update().get(pk=user.pk), by, now)
        changed = User.objects.filter(pk=user.pk, password=user.password).update(
            password=hashed, password_changed_at=now, password_checked_at=chosen.checked_at
        )
        if not changed:
            raise PasswordWrong
        disabled = User.objects.filter(pk=user.pk, state=User.State.PASSWORD_DISABLED)
        disabled.update(state=User.State.ACTIVE)
        end_other_sessions(by, user.pk)
        record("password.change", by=by, about=Thing("account", user.pk), account_id=user.pk)
        emails.tell(user, letters.changed_letter(user.username, "changed", now, by.network), now=now)


def _require_present_password(user: User, present: str, *, by: Actor, now: datetime) -> None:
    """Ask for the present password where there is one (ASVS 6.2.3); one that was disabled proves nothing."""
    if not user.has_usable_password() or user.state == User.State.PASSWORD_DISABLED:
        return
    counted = count_attempt(
        now=now,
        limit=SIGN_IN,
        subject=f"account:{user.pk}",
        network=by.network,
    )
    if not compare_password(present, user.password).is_right:
        record_refusal("password.change", by=by, code=PasswordWrong.code, account_id=user.pk)
        raise PasswordWrong
    counted.forgive()


def end_session(user: User, public_id: str, *, by: Actor) -> None:
    """End one session of a person; raises SessionMissing."""
    with transaction.atomic():
        actions.require(by, "session.revoke", Thing("account", user.pk, user.username))
        # what no id could be is not asked for: databases take no NUL
        is_id = public_id.isascii() and public_id.isprintable()
        if not is_id or not Session.objects.filter(user=user, public_id=public_id).delete()[0]:
            raise SessionMissing
        record("session.revoke", by=by, about=Thing("session", public_id), account_id=user.pk)


def end_sessions_elsewhere(user: User, *, by: Actor) -> int:
    """End all sessions of a person but the one that acts; returns how many."""
    return _end_many(user, lambda: end_other_sessions(by, user.pk), by)


def end_every_session(user: User, *, by: Actor) -> int:
    """End all sessions of a person, also the one that acts; returns how many."""
    return _end_many(user, lambda: end_sessions(user.pk), by)


def _end_many(user: User, end: Callable[[], int], by: Actor) -> int:
    with transaction.atomic():
        actions.require(by, "session.revoke", Thing("account", user.pk, user.username))
        count = end()
        record(
            "session.revoke",
            by=by,
            about=Thing("account", user.pk),
            account_id=user.pk,
            details={"ended": count},
        )
    return count


def forget_browser(user: User, browser_id: int, *, by: Actor, now: datetime) -> None:
    """Forget one browser of a person: the next sign-in there is one from an unknown browser. Raises BrowserMissing."""
    with transaction.atomic():
        actions.require(by, "browser.forget", Thing("account", user.pk, user.username))
        if not browsers.forget(user.pk, now, browser_id):
            raise BrowserMissing
        record("browser.forget", by=by, about=Thing("browser", browser_id), account_id=user.pk)


def forget_browsers(user: User, *, by: Actor, now: datetime) -> int:
    """Forget all browsers of a person, also the one that acts; returns how many. Sessions go on."""
    with transaction.atomic():
        actions.require(by, "browser.forget", Thing("account", user.pk, user.username))
        count = browsers.forget(user.pk, now)
        record(
            "browser.forget",
            by=by,
            about=Thing("account", user.pk),
            account_id=user.pk,
            details={"forgotten": count},
        )
    return count


def sign_out(session: Session, *, by: Actor) -> None:
    """End the session that acts; a second time does nothing."""
    with transaction.atomic():
        if Session.objects.filter(pk=session.pk).delete()[0]:
            about = Thing("session", session.public_id)
            record("session.end", by=by, about=about, account_id=session.user_id)


def make_setup_link(*, by: Actor) -> str:
    """Make the one-time link for the first operator and return its path (24 hours); earlier ones are dead.

    Raises OperatorExists once there is an operator.
    """
    with transaction.atomic():
        actions.require(by, "setup.link")
        if queries.is_set_up():
            raise OperatorExists
        path = links.make_link(links.SETUP, now=clock.now())
        record("setup.link", by=by)
    return path


def invite_user(username: str, address: str, *, by: Actor, is_mailed: bool = False) -> str:
    """Make a one-time invitation and return its path (7 days); an earlier one for the same name is dead.

    The address counts as verified by whoever invites; `is_mailed`: the link goes there. Raises UsernameRefused, UsernameTaken, AddressRefused,
    AddressTaken.
    """
    with transaction.atomic():
        actions.require(by, "user.invite")
        if configuration.current().sign_up == "closed":
            raise SignUpClosed(fix="KEYHOUSE_SIGN_UP lets people in again.")
        username, address = rules.check_username(username), rules.check_address(address)
        if queries.find_user(username):
            raise UsernameTaken
        if queries.find_verified_email(address):
            raise AddressTaken
        now = clock.now()
        path = links.make_link(links.INVITATION, now=now, username=username, address=address)
        record("user.invite", by=by, about=Thing("invitation", None, username))
        if is_mailed:
            expires_at = now + links.LIFE[links.INVITATION]
            queue(invited(username, path, expires_at), to=address, now=now, expires_at=expires_at)
    return path
