"""Removing one's password: for whoever has passkeys enough that it isn't missed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts import emails, holds, strength
from keyhouse.accounts.hashing import hash_password
from keyhouse.accounts.models import User
from keyhouse.accounts.passwords import letters
from keyhouse.accounts.passwords.errors import PasswordMissing, PasswordNeeded
from keyhouse.accounts.sessions import end_other_sessions
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

PASSKEYS_ALONE: Final = 2  # so many make codes unnecessary


def can_do_without(user_id: int) -> bool:
    """Whether an account would still be safe from being lost: two passkeys, or one and saved codes."""
    passkeys = strength.usable_keys(user_id).filter(user_verified=True).count()
    return passkeys >= PASSKEYS_ALONE or (passkeys == 1 and strength.codes_left(user_id) > 0)


def remove_password(user: User, *, by: Actor, now: datetime) -> None:
    """Remove the password; all other sessions of the account end.

    Raises PasswordMissing, PasswordNeeded (recorded), StepUpRequired. Whoever removes a passkey at the same instant takes
    turns with this at the lock of the account.
    """
    about = Thing("account", user.pk, user.username)
    actions.require(by, "password.remove", about)
    strength.require_strongest(by, user.pk)
    unusable = hash_password(None)
    try:
        with transaction.atomic():
            user = User.objects.select_for_update().get(pk=user.pk)
            strength.require_strongest(by, user.pk)
            holds.require_free(user, by, now)
            _require_dispensable(user)
            _forget(user, unusable, now)
            end_other_sessions(by, user.pk)
            record("password.remove", by=by, about=about, account_id=user.pk)
            emails.tell(user, letters.changed_letter(user.username, "removed", now, by.network), now=now)
    except PasswordNeeded as refusal:
        record_refusal("password.remove", by=by, code=refusal.code, about=about, account_id=user.pk)
        raise


def _require_dispensable(user: User) -> None:
    if not user.has_usable_password():
        raise PasswordMissing
    if not can_do_without(user.pk):
        raise PasswordNeeded


def _forget(user: User, unusable: str, now: datetime) -> None:
    user.password, user.password_changed_at, user.password_checked_at = unusable, now, None
    if user.state == User.State.PASSWORD_DISABLED:
        user.state = User.State.ACTIVE
    user.save(update_fields=["password", "password_changed_at", "password_checked_at", "state"])
