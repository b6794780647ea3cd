"""Many accounts at once, with a history: for whoever fills an index at the host.

One service for a list, so that a hundred thousand accounts cost as many statements as some hundred. What is slow about
an account, the hashes, is done before; the caller's transaction only writes rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from django.db import models, transaction

from keyhouse.accounts import rules
from keyhouse.accounts.hashing import CODE_HASH
from keyhouse.accounts.models import (
    Authenticator,
    Email,
    RecoveryCode,
    RecoveryCodeSet,
    SecurityKey,
    User,
    UserHandle,
)
from keyhouse.accounts.second_factors.recovery_codes.services import HashedCodes
from keyhouse.accounts.second_factors.totp.services import DEFAULT_NAME, PURPOSE
from keyhouse.accounts.second_factors.webauthn.ceremonies import site
from keyhouse.accounts.second_factors.webauthn.rules import NewKey, encode
from keyhouse.audit.services import Act, record_all
from keyhouse.core import actions, clock, keys
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

_AT_ONCE: Final = 1000  # rows of one statement


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made. `password_hash` is Django's; `totp_secret` and `codes` are factors enrolled from the start.

    `address` is primary, and verified by the host where `is_verified`.
    """

    username: str
    password_hash: str = field(repr=False)
    address: str | None = None
    is_verified: bool = True
    is_operator: bool = False
    is_moderator: bool = False
    is_auditor: bool = False
    state: str = User.State.ACTIVE
    joined_at: datetime | None = None
    last_seen_at: datetime | None = None
    totp_secret: bytes | None = field(default=None, repr=False)
    codes: HashedCodes | None = field(default=None, repr=False)
    key: NewKey | None = None  # a security key; its user handle becomes the person's


def create_users(accounts: Iterable[NewAccount], *, by: Actor) -> list[User]:
    """Make all these accounts or none of them, with one audit record for each change; returns them in order.

    Raises UsernameRefused and AddressRefused; IntegrityError where a name or verified address is taken.
    """
    actions.require(by, "user.create")
    accounts, now = list(accounts), clock.now()
    with transaction.atomic():
        users = _insert(User, [_user(account, now) for account in accounts])
        made = list(zip(users, accounts, strict=True))
        acts = [Act("user.create", _thing(user), user.pk) for user in users]
        acts += _add_emails(made, now)
        acts += _add_authenticators(made, now)
        acts += _add_keys(made, now)
        acts += _add_codes(made, now)
        record_all(acts, by=by)
    return users


_Row = TypeVar("_Row", bound=models.Model)


def _insert(model: type[_Row], rows: Sequence[_Row]) -> list[_Row]:
    return list(model._default_manager.bulk_create(rows, batch_size=_AT_ONCE))  # noqa: SLF001 - Django's documented name


def _thing(user: User) -> Thing:
    return Thing("account", user.pk, user.username)


def _user(account: NewAccount, now: datetime) -> User:
    joined = account.joined_at or now
    return User(
        username=rules.check_username(account.username),
        password=account.password_hash,
        is_operator=account.is_operator,
        is_moderator=account.is_moderator,
        is_auditor=account.is_auditor,
        state=account.state,
        joined_at=joined,
        last_seen_at=account.last_seen_at,
        password_changed_at=joined,
    )


def _add_emails(made: Sequence[tuple[User, NewAccount]], now: datetime) -> list[Act]:
    rows = [
        _email(user, account, account.address, account.joined_at or now)
        for user, account in made
        if account.address is not None
    ]
    return [Act("email.add", Thing("email", row.pk), row.user_id) for row in _insert(Email, rows)]


def _email(user: User, account: NewAccount, address: str, at: datetime) -> Email:
    return Email(
        user=user,
        address=rules.check_address(address),
        is_primary=True,
        verified_at=at if account.is_verified else None,
        verified_by="host" if account.is_verified else "",
        added_at=at,
    )


def _add_authenticators(made: Sequence[tuple[User, NewAccount]], now: datetime) -> list[Act]:
    ring = keys.ring()
    rows = [
        Authenticator(
            user=user,
            name=DEFAULT_NAME,
            secret_sealed=ring.seal(PURPOSE, account.totp_secret),
            created_at=account.joined_at or now,
        )
        for user, account in made
        if account.totp_secret is not None
    ]
    return [
        Act("second-factor.add", Thing("authenticator", row.pk, row.name), row.user_id)
        for row in _insert(Authenticator, rows)
    ]


def _add_keys(made: Sequence[tuple[User, NewAccount]], now: datetime) -> list[Act]:
    owners = [(user, account, account.key) for user, account in made if account.key is not None]
    _insert(UserHandle, [UserHandle(user=user, handle=encode(key.user_handle)) for user, _, key in owners])
    rows = _insert(SecurityKey, [_key(user, key, account.joined_at or now) for user, account, key in owners])
    return [Act("second-factor.add", Thing("security-key", row.pk, row.name), row.user_id) for row in rows]


def _key(user: User, key: NewKey, at: datetime) -> SecurityKey:
    return SecurityKey(
        user=user,
        name="Security key",
        credential_id=encode(key.id),
        public_key=key.public_key,
        algorithm=key.algorithm,
        rp_id=site().rp_id,
        sign_count=key.sign_count,
        user_verified=key.user_verified,
        backup_eligible=key.backup_eligible,
        backup_state=key.backup_state,
        aaguid=key.aaguid,
        created_at=at,
    )


def _add_codes(made: Sequence[tuple[User, NewAccount]], now: datetime) -> list[Act]:
    owners = [(user, account, account.codes) for user, account in made if account.codes is not None]
    sets = _insert(
        RecoveryCodeSet,
        [_code_set(user, codes, account.joined_at or now) for user, account, codes in owners],
    )
    _insert(
        RecoveryCode,
        [
            RecoveryCode(code_set=code_set, digest=digest)
            for code_set, (_, _, codes) in zip(sets, owners, strict=True)
            for digest in codes.digests
        ],
    )
    return [Act("recovery-codes.replace", Thing("account", row.user_id), row.user_id) for row in sets]


def _code_set(user: User, codes: HashedCodes, at: datetime) -> RecoveryCodeSet:
    return RecoveryCodeSet(
        user=user, salt=codes.salt, parameters=str(CODE_HASH), created_at=at, confirmed_at=at
    )
