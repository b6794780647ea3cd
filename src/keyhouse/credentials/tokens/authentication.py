"""From an `Authorization` header to the actor behind it.

`Basic` with the user name `__token__`, and `Bearer` or `token`, carry an API token. A password is never taken. Whatever
is wrong with a token (unknown, misspelt, tampered with, expired, revoked, used from the wrong network), the answer is
one and the same.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import uuid
from datetime import datetime
from typing import Final

from django.db import DatabaseError

from keyhouse.accounts.models import User
from keyhouse.core import configuration
from keyhouse.core.actor import Actor
from keyhouse.core.errors import CredentialInvalid, GateUnavailable
from keyhouse.core.keys import KeyFileError, SealBrokenError
from keyhouse.credentials.tokens import queries, services
from keyhouse.credentials.tokens.caveats import (
    ActionsCaveat,
    Call,
    Caveat,
    CaveatUnknown,
    ProjectsCaveat,
    Scope,
    parse_caveat,
)
from keyhouse.credentials.tokens.errors import PasswordNotAccepted
from keyhouse.credentials.tokens.macaroons import Macaroon, MacaroonMalformed, is_signed_by, read_text
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import Life, is_alive, is_use_due

TOKEN_USER: Final = "__token__"  # noqa: S105 - a user name, no secret
MAX_HEADER: Final = 16 * 1024
ID_BYTES: Final = 16


def authenticate(authorization: str, *, network: str, user_agent: str, now: datetime) -> Actor:
    """Return the actor behind a header, and write down that the token was used.

    Must be called outside of a transaction that writes. Raises CredentialInvalid, PasswordNotAccepted, and
    GateUnavailable where the key file can't be read.
    """
    actor, last_used_at = identify(authorization, network=network, user_agent=user_agent, now=now)
    if is_use_due(last_used_at, now):
        # a token works also where its use can't be written down: disk full, a writer that doesn't end
        with contextlib.suppress(DatabaseError):
            services.record_use(uuid.UUID(actor.credential), at=now, network=network, client=user_agent)
    return actor


def identify(
    authorization: str, *, network: str, user_agent: str, now: datetime
) -> tuple[Actor, datetime | None]:
    """Return the actor behind a header and when the token was last used; writes nothing. Raises as `authenticate`."""
    macaroon = _read(token_text(authorization))
    token = queries.find_token_for_use(_id_of(macaroon))
    if token is None or not is_signed_by(macaroon, _key_of(token)):
        raise CredentialInvalid
    scope = _scope_of(token, macaroon)
    _require_alive(token, scope, Call(now, network))
    actor = _actor_of(token, scope)
    return dataclasses.replace(actor, network=network, user_agent=user_agent), token.last_used_at


def works_at(actor: Actor, at: datetime) -> bool:
    """Tell whether a token that is taken now would have been, or would be, taken at another instant, as things stand."""
    if not isinstance(actor.restrictions, Scope):
        return True
    token = queries.find_token_for_use(uuid.UUID(actor.credential))
    if token is None or at < token.minted_at:
        return False
    return _is_valid(token, actor.restrictions, Call(at, actor.network))


def for_release(actor: Actor, version: str) -> Actor:
    """Return the same actor, asked about one release (canonical version): a token may be narrowed to a single one.

    Without this a token with a release caveat reaches nothing.
    """
    if not isinstance(actor.restrictions, Scope):
        return actor
    return dataclasses.replace(actor, restrictions=actor.restrictions.at_release(version))


def token_text(authorization: str) -> str:
    """Return the token in a header; raises PasswordNotAccepted or CredentialInvalid."""
    scheme, _, value = authorization.strip().partition(" ")
    if len(value) > MAX_HEADER:
        raise CredentialInvalid
    if scheme.lower() == "basic":
        return _password_of(value).strip()
    if scheme.lower() in {"bearer", "token"}:
        return value.strip()
    raise CredentialInvalid


def _password_of(value: str) -> str:
    """Read `user:password` (RFC 7617)."""
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise CredentialInvalid from error
    if not colon:
        raise CredentialInvalid
    if user != TOKEN_USER:
        raise PasswordNotAccepted
    return password


def _read(text: str) -> Macaroon:
    try:
        return read_text(text, configuration.current().token_prefix)
    except MacaroonMalformed as error:
        raise CredentialInvalid from error


def _id_of(macaroon: Macaroon) -> uuid.UUID:
    if len(macaroon.identifier) != ID_BYTES:
        raise CredentialInvalid
    return uuid.UUID(bytes=macaroon.identifier)


def _key_of(token: Token) -> bytes:
    try:
        return services.key_of(token)
    except SealBrokenError as error:  # its root key is gone from the key file
        raise CredentialInvalid from error
    except KeyFileError as error:
        raise GateUnavailable from error


def _scope_of(token: Token, macaroon: Macaroon) -> Scope:
    """Join what the ledger says with every caveat of the text; both hold."""
    try:
        written = tuple(map(parse_caveat, macaroon.caveats))
    except CaveatUnknown as error:
        raise CredentialInvalid from error
    ledger: list[Caveat] = [ActionsCaveat(frozenset(token.actions))]
    if not token.is_for_all_projects:
        ledger.append(ProjectsCaveat(frozenset(queries.project_ids_of(token))))
    return Scope((*ledger, *written))


def _require_alive(token: Token, scope: Scope, call: Call) -> None:
    if not _is_valid(token, scope, call) or token.user.state == User.State.DELETED:
        raise CredentialInvalid


def _is_valid(token: Token, scope: Scope, call: Call) -> bool:
    life = Life(token.expires_at, token.revoked_at, token.suspended_at)
    return is_alive(life, call.now) and all(caveat.is_met(call) for caveat in scope.caveats)


def _actor_of(token: Token, scope: Scope) -> Actor:
    """Return the minter as of now, with the strength of the session that minted; never an operator."""
    return Actor(
        kind="token",
        user_id=token.user_id,
        name=token.user.username,
        credential=token.pk.hex,
        strength=token.strength,
        email_is_verified=bool(vars(token)["email_is_verified"]),
        state=token.user.state,
        restrictions=scope,
    )
