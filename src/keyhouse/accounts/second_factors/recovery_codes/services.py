"""Recovery codes: give a set, use one once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts import emails, strength
from keyhouse.accounts.drafts import change_draft, read_draft
from keyhouse.accounts.errors import EnrolmentMissing, RecoveryCodeWrong
from keyhouse.accounts.hashing import CODE_HASH, CodeHash, hash_code
from keyhouse.accounts.holds import require_free
from keyhouse.accounts.models import RecoveryCode, RecoveryCodeSet, Session, User
from keyhouse.accounts.recovery.newness import judge
from keyhouse.accounts.second_factors import letters
from keyhouse.accounts.second_factors.recovery_codes import rules
from keyhouse.accounts.sessions import end_other_sessions, lock_session
from keyhouse.audit.services import record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class HashedCodes:
    """A set of codes as it is kept: Argon2id digests (hex) under one salt (hex)."""

    salt: str
    digests: tuple[str, ...]


def hash_codes(codes: Iterable[str]) -> HashedCodes:
    """Hash canonical codes under a new salt. Takes a moment; do it outside of transactions."""
    salt = secrets.token_hex(SALT_BYTES)
    return HashedCodes(salt, tuple(hash_code(code, salt) for code in codes))


def give_recovery_codes(
    user: User, codes: Iterable[str], *, by: Actor, at: datetime | None = None
) -> RecoveryCodeSet:
    """Keep a new set of codes for a person; the old set is void. Ends the other sessions of the account."""
    hashed = hash_codes(codes)
    with transaction.atomic():
        return replace_codes(user, hashed, by=by, at=at)


def replace_codes(
    user: User, hashed: HashedCodes, *, by: Actor, at: datetime | None = None
) -> RecoveryCodeSet:
    """Do the same with hashed codes, in the caller's transaction; raises MailedProofRequired.

    Before a first factor they take what that takes: a thief's own codes must not stand in for the mail, nor outlast it.
    """
    actions.require(by, "recovery-codes.replace", Thing("account", user.pk, user.username))
    user = User.objects.select_for_update().get(pk=user.pk)
    strength.require_strongest(by, user.pk)
    judge(user, by=by, now=at or clock.now())
    require_free(user, by, at or clock.now())
    RecoveryCodeSet.objects.filter(user=user).delete()
    code_set = new_code_set(user, hashed, at=at)
    end_other_sessions(by, user.pk)
    record("recovery-codes.replace", by=by, about=Thing("account", user.pk), account_id=user.pk)
    if by.kind != "host":  # which fills accounts that nobody has used yet
        now = clock.now()
        emails.tell(user, letters.new_codes(by=by, now=now), now=now)
    return code_set


def new_code_set(user: User, hashed: HashedCodes, *, at: datetime | None = None) -> RecoveryCodeSet:
    """Write the rows alone, for services that record the whole."""
    now = at or clock.now()
    code_set = RecoveryCodeSet.objects.create(
        user=user, salt=hashed.salt, parameters=str(CODE_HASH), created_at=now, confirmed_at=now
    )
    RecoveryCode.objects.bulk_create(
        RecoveryCode(code_set=code_set, digest=digest) for digest in hashed.digests
    )
    return code_set


def begin_codes(session: Session) -> list[str]:
    """Make ten codes that wait in the session until one is typed back; until then the old set holds."""
    with transaction.atomic():
        codes: list[str] = change_draft(session, codes=rules.new_codes())["codes"]
    return codes


def waiting_codes(session: Session) -> list[str]:
    """Return the codes that wait in the session; raises EnrolmentMissing where there are none."""
    codes: list[str] = read_draft(session).get("codes", [])
    if not codes:
        raise EnrolmentMissing
    return codes


def confirm_codes(session: Session, typed: str, *, by: Actor, now: datetime) -> None:
    """Keep the waiting codes, since one of them was typed back; that one isn't used up by it.

    Raises RecoveryCodeWrong, or EnrolmentMissing (also for the second of two clicks).
    """
    codes = waiting_codes(session)
    require_one_of(codes, typed)
    hashed = hash_codes(codes)
    with transaction.atomic():
        if read_draft(lock_session(session)).get("codes") != codes:
            raise EnrolmentMissing
        change_draft(session, codes=None)
        replace_codes(session.user, hashed, by=by, at=now)


def require_one_of(codes: Iterable[str], typed: str) -> None:
    """Raise RecoveryCodeWrong unless one of the codes was typed."""
    code = rules.canonical_code(typed)
    if not any(secrets.compare_digest(code, one) for one in codes):
        raise RecoveryCodeWrong("That is not one of the codes above.", fix="Type one of them back.")


@dataclass(frozen=True, slots=True)
class Guess:
    """A typed code, hashed under the salt of the set it was compared with."""

    code_set: int
    digest: str


def hash_guess(user_id: int, typed: str) -> Guess:
    """Hash a typed code once; raises RecoveryCodeWrong. Takes a moment; do it outside of transactions."""
    code = rules.canonical_code(typed)
    code_set = RecoveryCodeSet.objects.filter(user_id=user_id).first()
    if code_set is None:
        raise RecoveryCodeWrong
    return Guess(code_set.pk, hash_code(code, code_set.salt, CodeHash.parse(code_set.parameters)))


def require_unused(guess: Guess) -> None:
    """Raise RecoveryCodeWrong unless this is a code that could be used up now."""
    if not RecoveryCode.objects.filter(code_set=guess.code_set, digest=guess.digest, used_at=None).exists():
        raise RecoveryCodeWrong


def use_code(guess: Guess, *, now: datetime) -> int:
    """Use a code up by one conditional update, in the caller's transaction; returns how many are left.

    Raises RecoveryCodeWrong for unknown and used ones.
    """
    codes = RecoveryCode.objects.filter(code_set=guess.code_set)
    if not codes.filter(digest=guess.digest, used_at=None).update(used_at=now):
        raise RecoveryCodeWrong
    return codes.filter(used_at=None).count()
