"""From an `Authorization` header to the actor behind it.

`Basic` with the user name `__token__`, and `Bearer` or `token`, carry a token. A password is never taken. Whatever is
wrong with a token (unknown, misspelt, tampered with, expired, revoked, used from the wrong network), the answer is one
and the same. The identifier of an API token is 16 bytes; other kinds of tokens have one byte in front, which names the
ledger where they are written down (`wire`).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from django.db import DatabaseError

from keyhouse.accounts.models import User
from keyhouse.core import configuration
from keyhouse.core.actor import Actor, ActorKind
from keyhouse.core.errors import CredentialInvalid, GateUnavailable
from keyhouse.core.keys import KeyFileError, SealBrokenError
from keyhouse.credentials.tokens import queries, services
from keyhouse.credentials.tokens.caveats import (
    ActionsCaveat,
    Call,
    Caveat,
    CaveatUnknown,
    OrganizationCaveat,
    ProjectsCaveat,
    ReleaseCaveat,
    Scope,
    parse_caveat,
    write_network,
)
from keyhouse.credentials.tokens.errors import PasswordNotAccepted
from keyhouse.credentials.tokens.leak_rules import Leak
from keyhouse.credentials.tokens.macaroons import Macaroon, MacaroonMalformed, is_signed_by, read_text
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import Life, is_alive, is_use_due

TOKEN_USER: Final = "__token__"  # noqa: S105 - a user name, no secret
MAX_HEADER: Final = 16 * 1024
ID_BYTES: Final = 16
MINTED: Final = b"m"  # begins the identifiers of tokens that were minted for trusted publishers
KINDS: Final[Mapping[bytes, ActorKind]] = {MINTED: "publisher"}


class Ledger(Protocol):
    """Where tokens of another kind than API tokens are written down."""

    def identify(self, macaroon: Macaroon, call: Call) -> Actor:
        """Return the actor behind a token; raises CredentialInvalid and GateUnavailable."""

    def record_use(self, actor: Actor, now: datetime) -> None:
        """Write down that it was used; outside of a transaction that writes."""

    def spend(self, actor: Actor, now: datetime) -> None:
        """Count an upload on a token that is for one only; raises CredentialInvalid for the second."""

    def works_at(self, actor: Actor, at: datetime) -> bool:
        """Tell whether it would be taken at another instant, as things stand."""

    def end_leaked(self, macaroon: Macaroon, leak: Leak, reporter: str, now: datetime) -> bool:
        """End a token that was found in the open and tell its people, where it is one of ours and works.

        In one transaction, with one audit record; returns whether there was anything to end.
        """


_ledgers: dict[bytes, Ledger] = {}


def wire(ledgers: Mapping[bytes, Ledger]) -> None:
    """Install the ledgers of other kinds of tokens, each by the byte that its identifiers begin with."""
    _ledgers.clear()
    _ledgers.update(ledgers)


def authenticate(authorization: str, *, network: str, user_agent: str, now: datetime) -> Actor:
    """Return the actor behind a header, and write down that the token was used.

    Must be called outside of a transaction that writes. Raises CredentialInvalid, PasswordNotAccepted, and
    GateUnavailable where the key file can't be read.
    """
    actor, last_used_at = identify(authorization, network=network, user_agent=user_agent, now=now)
    ledger = _ledger_of(actor)
    if ledger is not None:
        with contextlib.suppress(DatabaseError):
            ledger.record_use(actor, now)
    elif is_use_due(last_used_at, now):
        # a token works also where its use can't be written down: disk full, a writer that doesn't end
        with contextlib.suppress(DatabaseError):
            services.record_use(uuid.UUID(actor.credential), at=now, network=network, client=user_agent)
    return actor


def identify(
    authorization: str, *, network: str, user_agent: str, now: datetime
) -> tuple[Actor, datetime | None]:
    """Return the actor behind a header and when the token was last used; writes nothing. Raises as `authenticate`."""
    macaroon = _read(token_text(authorization))
    call = Call(now, network)
    ledger = ledger_for(macaroon)
    if ledger is not None:
        actor = ledger.identify(macaroon, call)
        return dataclasses.replace(actor, network=network, user_agent=user_agent), None
    token = queries.find_token_for_use(_id_of(macaroon))
    if token is None or not is_signed_by(macaroon, _key_of(token)):
        raise CredentialInvalid
    scope = _scope_of(token, macaroon)
    _require_alive(token, scope, call)
    actor = _actor_of(token, scope)
    return dataclasses.replace(actor, network=network, user_agent=user_agent), token.last_used_at


def spend(actor: Actor, now: datetime) -> None:
    """Count an upload on a token that is for one only; raises CredentialInvalid where it was made by now.

    Must be called outside of a transaction, when an upload begins: whatever becomes of it, there is no second one.
    """
    ledger = _ledger_of(actor)
    if ledger is not None:
        ledger.spend(actor, now)


def works_at(actor: Actor, at: datetime) -> bool:
    """Tell whether a token that is taken now would have been, or would be, taken at another instant, as things stand."""
    ledger = _ledger_of(actor)
    if ledger is not None:
        return ledger.works_at(actor, at)
    if not isinstance(actor.restrictions, Scope):
        return True
    token = queries.find_token_for_use(uuid.UUID(actor.credential))
    if token is None or at < token.minted_at:
        return False
    return _is_valid(token, actor.restrictions, Call(at, actor.network))


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


def ledger_for(macaroon: Macaroon) -> Ledger | None:
    """Return the ledger where a token of another kind than API tokens is written down, by how its identifier begins."""
    return _ledgers.get(macaroon.identifier[:-ID_BYTES])


def _ledger_of(actor: Actor) -> Ledger | None:
    """Return the ledger of a token that is no API token."""
    return next((one for mark, one in _ledgers.items() if KINDS.get(mark) == actor.kind), None)


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
    caveats = (*_written_down(token), *written)
    return Scope(caveats, kind=token.kind, organization_id=token.organization_id)


def _written_down(token: Token) -> list[Caveat]:
    """Return what the ledger row says; a token for a project that is gone reaches nothing."""
    ledger: list[Caveat] = [ActionsCaveat(frozenset(token.actions))]
    if token.organization_id is not None:
        ledger.append(OrganizationCaveat(frozenset(queries.reach_of(token)), token.may_found))
    if not token.is_for_all_projects and not token.may_found:
        ids = frozenset(queries.project_ids_of(token))
        ledger.append(ProjectsCaveat(ids))
        if token.version:
            ledger.extend(ReleaseCaveat(one, token.version) for one in ids)
    if token.networks:
        ledger.append(parse_caveat(write_network(token.networks)))
    return ledger


def _require_alive(token: Token, scope: Scope, call: Call) -> None:
    is_gone = token.user.state == User.State.DELETED or queries.is_resting(token)
    if is_gone or not _is_valid(token, scope, call):
        raise CredentialInvalid


def _is_valid(token: Token, scope: Scope, call: Call) -> bool:
    life = Life(token.expires_at, token.revoked_at, token.suspended_at)
    return is_alive(life, call.now) and all(caveat.is_met(call) for caveat in scope.caveats)


def _actor_of(token: Token, scope: Scope) -> Actor:
    """Return the person behind it as of now, with the strength of the session that minted; never an operator."""
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
