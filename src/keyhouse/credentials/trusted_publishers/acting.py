"""From a minted token to who acts: whoever set the publisher of the project at hand up, as they are now."""

from __future__ import annotations

import copy
import dataclasses
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock, keys
from keyhouse.core.actor import Actor
from keyhouse.core.errors import CredentialInvalid, GateUnavailable
from keyhouse.core.keys import KeyFileError, SealBrokenError
from keyhouse.credentials.tokens.caveats import (
    ActionsCaveat,
    Call,
    Caveat,
    CaveatUnknown,
    ProjectsCaveat,
    Scope,
    parse_caveat,
)
from keyhouse.credentials.tokens.leak_rules import Leak
from keyhouse.credentials.tokens.macaroons import Macaroon, is_signed_by
from keyhouse.credentials.tokens.rules import is_use_due
from keyhouse.credentials.trusted_publishers import leaked, queries
from keyhouse.credentials.trusted_publishers.choosing import choose
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher

KEY_PURPOSE: Final = "minted-token"
NO_TOKEN: Final = uuid.UUID(int=0)
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class PublisherScope(Scope):
    """How far a minted token reaches: its caveats, and the projects of its publishers, pending ones by name."""

    token_id: uuid.UUID = NO_TOKEN
    publishers: tuple[Publisher, ...] = ()
    is_narrowed: bool = (
        False  # to the publisher of one project, which is looked for anew when it is asked again
    )
    used_at: datetime | None = None  # the last time before this one
    is_single_use: bool = False
    claims: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def allows(self, action: str, kind: str, id_: int | str | None) -> bool:
        """Tell whether the token reaches this action on this thing; a name to come is asked about with the id None."""
        if not Scope.allows(self, action, kind, id_):
            return False
        if action == "project.create":
            return any(one.is_pending for one in self.publishers)
        if kind == "":
            return False  # it speaks for projects, never for the whole index
        return kind != "project" or any(id_ in one.reach for one in self.publishers)

    @property
    def reads_own_projects_only(self) -> bool:
        """Whether it reads by virtue of a project: always, also one that was minted to read."""
        return True

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
        if project_id is None:
            waiting = (one for one in self.publishers if one.is_pending)
            return next((one for one in waiting if one.pending_normalized_name == normalized_name), None)
        found = choose([one for one in self.publishers if project_id in one.reach])
        return _bound(found, project_id) if found is not None and found.is_of_organization else found

    def home_of(self, normalized_name: str) -> int | None:
        """Return the organization whose pending publisher would make a project of that name, or None."""
        found = self.publisher_for(None, normalized_name)
        return None if found is None else found.organization_id

    def at_project(self, actor: Actor, project_id: int | None, normalized_name: str) -> Actor:
        """Return whoever set the publisher of this project up; where there is none, nobody who may do anything."""
        scope = self._looked_up_again() if self.is_narrowed else self
        publisher = scope.publisher_for(project_id, normalized_name)
        if publisher is None:
            nothing = dataclasses.replace(self, publishers=(), is_narrowed=True)
            return dataclasses.replace(actor, restrictions=nothing)
        narrowed = dataclasses.replace(self, publishers=(publisher,), is_narrowed=True)
        return actor_behind(publisher, narrowed, actor)

    def _looked_up_again(self) -> PublisherScope:
        """Return the same with its publishers as they are by now: one may have got its project, or be gone."""
        live = queries.live_publishers([one.pk for one in self.publishers], clock.now())
        return dataclasses.replace(self, publishers=tuple(live))


def _bound(publisher: Publisher, project_id: int) -> Publisher:
    """Return a publisher of an organization as it speaks for one project, and for no other."""
    one = copy.copy(publisher)
    vars(one)["reached"] = {project_id: publisher.reach[project_id]}
    return one


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
        is_alive = _is_alive(token, call.now)
        publishers = queries.live_publishers(token.publisher_ids, call.now)
        if not is_alive or not publishers or not all(one.is_met(call) for one in scope.caveats):
            raise CredentialInvalid
        scope = dataclasses.replace(scope, publishers=tuple(publishers))
        return actor_behind(publishers[0], scope, Actor(kind="publisher"))

    def record_use(self, actor: Actor, now: datetime) -> None:
        """Write down that a token was used; one within the same minute is left out."""
        scope = actor.restrictions
        if isinstance(scope, PublisherScope) and is_use_due(scope.used_at, now):
            MintedToken.objects.filter(pk=scope.token_id).update(last_used_at=now)

    def spend(self, actor: Actor, now: datetime) -> None:
        """Count an upload on a token that is for one only; raises CredentialInvalid for the second, also at once."""
        scope = actor.restrictions
        if not isinstance(scope, PublisherScope) or not scope.is_single_use:
            return
        unspent = MintedToken.objects.filter(pk=scope.token_id, spent_at__isnull=True)
        if not unspent.update(spent_at=now):
            raise CredentialInvalid

    def works_at(self, actor: Actor, at: datetime) -> bool:
        """Tell whether the token would be taken at another instant."""
        token = queries.find_minted(uuid.UUID(actor.credential))
        return token is not None and _is_alive(token, at)

    def end_leaked(self, macaroon: Macaroon, leak: Leak, reporter: str, now: datetime) -> bool:
        """End a minted token that was found in the open; it has no person, so the projects' people are told."""
        token = queries.find_minted(uuid.UUID(bytes=macaroon.identifier[-_ID_BYTES:]))
        if token is None or not is_signed_by(macaroon, key_of(token)):
            return False
        return leaked.end_minted(token, leak, reporter, now)


def _is_alive(token: MintedToken, at: datetime) -> bool:
    return token.revoked_at is None and token.spent_at is None and token.minted_at <= at < token.expires_at


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
    ledger: list[Caveat] = [ActionsCaveat(frozenset(token.actions))]
    if token.only_project is not None:
        ledger.append(ProjectsCaveat(frozenset({token.only_project})))
    return PublisherScope(
        (*ledger, *written),
        token_id=token.pk,
        claims=token.claims,
        used_at=token.last_used_at,
        is_single_use=token.is_single_use,
    )
