"""From a minted token to who acts: whoever set the publisher of the project at hand up, as they are now."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keyhouse.core import keys
from keyhouse.core.actor import Actor
from keyhouse.core.errors import CredentialInvalid, GateUnavailable
from keyhouse.core.keys import KeyFileError, SealBrokenError
from keyhouse.credentials.tokens.caveats import ActionsCaveat, Call, CaveatUnknown, Scope, parse_caveat
from keyhouse.credentials.tokens.leak_rules import Leak
from keyhouse.credentials.tokens.macaroons import Macaroon, is_signed_by
from keyhouse.credentials.trusted_publishers import leaked, queries
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher

KEY_PURPOSE: Final = "minted-token"
NO_TOKEN: Final = uuid.UUID(int=0)
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class PublisherScope(Scope):
    """How far a minted token reaches: its caveats, and the projects of its publishers, pending ones by name."""

    token_id: uuid.UUID = NO_TOKEN
    publishers: tuple[Publisher, ...] = ()
    claims: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def allows(self, action: str, kind: str, id_: int | str | None) -> bool:
        """Tell whether the token reaches this action on this thing; a name to come is asked about with the id None."""
        if not Scope.allows(self, action, kind, id_):
            return False
        if action == "project.create":
            return any(one.is_pending for one in self.publishers)
        return kind != "project" or id_ in {one.project_id for one in self.publishers}

    @property
    def reads_own_projects_only(self) -> bool:
        """Whether it reads by virtue of uploading, which is so for all but those that were minted to read."""
        return any(isinstance(one, ActionsCaveat) and "read" not in one.acts for one in self.caveats)

    @property
    def publication(self) -> Mapping[str, object]:
        """Return which publisher it was, once it is known for which project, and what its identity claimed."""
        if len(self.publishers) != 1:
            return {}
        (publisher,) = self.publishers
        return {
            "provider": publisher.provider,
            "issuer": publisher.issuer_url,
            "publisher": publisher.pk,
            "configured": publisher.claims,
            "environment": publisher.environment,
            "claims": dict(self.claims),
        }

    def publisher_for(self, project_id: int | None, normalized_name: str) -> Publisher | None:
        """Return the publisher that speaks for a project, or for a name to come."""
        for one in self.publishers:
            is_it = (
                one.pending_normalized_name == normalized_name
                if one.is_pending
                else one.project_id == project_id
            )
            if is_it and (project_id is None) == one.is_pending:
                return one
        return None

    def at_project(self, actor: Actor, project_id: int | None, normalized_name: str) -> Actor:
        """Return whoever set the publisher of this project up; where there is none, nobody who may do anything."""
        publisher = self.publisher_for(project_id, normalized_name)
        if publisher is None:
            return dataclasses.replace(actor, restrictions=dataclasses.replace(self, publishers=()))
        return actor_behind(publisher, dataclasses.replace(self, publishers=(publisher,)), actor)


def actor_behind(publisher: Publisher, scope: PublisherScope, asking: Actor) -> Actor:
    """Return who acts through a publisher: never an operator, and as strong as the session that confirmed it."""
    person = publisher.configured_by
    return dataclasses.replace(
        asking,
        kind="publisher",
        user_id=person.pk,
        name=str(publisher),
        credential=scope.token_id.hex,
        strength=publisher.strength,
        email_is_verified=bool(vars(publisher).get("email_is_verified")),
        state=person.state,
        restrictions=scope,
    )


class MintedLedger:
    """Implements `tokens.authentication.Ledger` for tokens that were minted for trusted publishers."""

    def identify(self, macaroon: Macaroon, call: Call) -> Actor:
        """Return the actor behind a minted token, before it is known for which project; raises CredentialInvalid."""
        token = queries.find_minted(uuid.UUID(bytes=macaroon.identifier[-_ID_BYTES:]))
        if token is None or not is_signed_by(macaroon, key_of(token)):
            raise CredentialInvalid
        scope = _scope_of(token, macaroon)
        is_alive = token.revoked_at is None and token.minted_at <= call.now < token.expires_at
        publishers = queries.live_publishers(token.publisher_ids, call.now)
        if not is_alive or not publishers or not all(one.is_met(call) for one in scope.caveats):
            raise CredentialInvalid
        scope = dataclasses.replace(scope, publishers=tuple(publishers))
        return actor_behind(publishers[0], scope, Actor(kind="publisher"))

    def record_use(self, actor: Actor, now: datetime) -> None:
        """Write down that a token was used."""
        MintedToken.objects.filter(pk=uuid.UUID(actor.credential)).update(last_used_at=now)

    def works_at(self, actor: Actor, at: datetime) -> bool:
        """Tell whether the token would be taken at another instant."""
        token = queries.find_minted(uuid.UUID(actor.credential))
        return token is not None and token.revoked_at is None and token.minted_at <= at < token.expires_at

    def end_leaked(self, macaroon: Macaroon, leak: Leak, reporter: str, now: datetime) -> bool:
        """End a minted token that was found in the open; it has no person, so the projects' people are told."""
        token = queries.find_minted(uuid.UUID(bytes=macaroon.identifier[-_ID_BYTES:]))
        if token is None or not is_signed_by(macaroon, key_of(token)):
            return False
        return leaked.end_minted(token, leak, reporter, now)


def key_of(token: MintedToken) -> bytes:
    """Derive the macaroon root key of a minted token; raises CredentialInvalid, and GateUnavailable without a key file."""
    try:
        return keys.ring().derive(KEY_PURPOSE, salt=token.pk.bytes, key_id=token.key_id)
    except SealBrokenError as error:
        raise CredentialInvalid from error
    except KeyFileError as error:
        raise GateUnavailable from error


def _scope_of(token: MintedToken, macaroon: Macaroon) -> PublisherScope:
    try:
        written = tuple(map(parse_caveat, macaroon.caveats))
    except CaveatUnknown as error:
        raise CredentialInvalid from error
    ledger = ActionsCaveat(frozenset(token.actions))
    return PublisherScope((ledger, *written), token_id=token.pk, claims=token.claims)
