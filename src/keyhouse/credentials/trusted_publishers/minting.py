"""The exchange: an identity token from CI becomes a token of fifteen minutes, once.

The order is the security of it: what the token is (`identity`), then that it was never shown before, then whom it
speaks for (`matching`), then the row of the ledger. An identity that has come as far as the second step is spent, also
where it is refused after that. Spent mark and ledger row are one commit, so that a crash leaves either both or none.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from django.db import IntegrityError, transaction

from keyhouse.audit import rows
from keyhouse.audit.services import Act, Detail, record_all
from keyhouse.core import clock, configuration, faults, keys
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.credentials.tokens import caveats, macaroons
from keyhouse.credentials.tokens.authentication import MINTED
from keyhouse.credentials.tokens.homes import find_home
from keyhouse.credentials.trusted_publishers import matching, providers
from keyhouse.credentials.trusted_publishers.acting import key_of
from keyhouse.credentials.trusted_publishers.choosing import choose
from keyhouse.credentials.trusted_publishers.errors import (
    IdentityRefused,
    IdentitySpent,
    ProjectNotTrusting,
    ReadingOpen,
)
from keyhouse.credentials.trusted_publishers.identity import Identity, verify_identity
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher, SpentIdentity
from keyhouse.credentials.trusted_publishers.services import thing_of
from keyhouse.distfiles.names import normalise

Purpose = Literal["upload", "read"]
LIFE: Final = timedelta(minutes=15)
# far beyond the leeway that the times of an identity are given, and beyond what clocks of two machines differ by
KEPT_BEYOND: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asks for beside the exchange itself."""

    purpose: Purpose = "upload"
    project: str = ""  # as spelt; empty: every project that trusts the identity
    is_single_use: bool = False


@dataclass(frozen=True, slots=True)
class Minted:
    """A minted token: its text, which is kept nowhere, and when it ends."""

    text: str
    expires_at: datetime


def mint(token_text: str, *, wish: Wish = Wish(), network: str = "", user_agent: str = "") -> Minted:
    """Exchange an identity token; raises IdentityRefused with the word of the exchange.

    Must be called outside of a transaction: the keys of the issuer may have to be fetched.
    """
    now = clock.now()
    if wish.purpose == "read" and not configuration.current().is_private:
        raise ReadingOpen
    identity = verify_identity(token_text, audience=configuration.current().audience, now=now)
    asking = Actor(kind="publisher", network=network, user_agent=user_agent)
    made = _exchange(identity, wish, asking, now)
    if isinstance(made, IdentityRefused):
        raise made
    faults.reach("exchange.committed")
    return Minted(_write_text(made), made.expires_at)


def _exchange(identity: Identity, wish: Wish, asking: Actor, now: datetime) -> MintedToken | IdentityRefused:
    """Spend the identity and write the ledger's row; a refusal is returned, as its spending is to be kept."""
    with transaction.atomic():
        _spend(identity)
        try:
            publishers, only = _narrowed(matching.find_publishers(identity, now), wish)
        except IdentityRefused as refusal:
            return refusal
        token = _draft(identity, publishers, wish, now)
        token.only_project = only
        rows.insert(token)
        _note_use(publishers, token)
        _record(token, publishers, asking)
        faults.reach("exchange.rows-written")
        return token


def _spend(identity: Identity) -> None:
    """Claim the identity for this exchange; of two at once the database lets one through."""
    try:
        rows.insert(SpentIdentity(digest=identity.replay_digest, until=identity.expires_at + KEPT_BEYOND))
    except IntegrityError as error:
        raise IdentitySpent from error
    faults.reach("exchange.spent")


def _narrowed(publishers: Sequence[Publisher], wish: Wish) -> tuple[list[Publisher], int | None]:
    """Leave those of the project that was asked for, and for reading those that have one.

    One of an organization speaks for others beside that project, so its number is told, too: the token is for that alone.
    """
    found = [one for one in publishers if not (wish.purpose == "read" and one.is_pending)]
    if not wish.project:
        return _some(found), None
    name = normalise(wish.project)
    waiting = [one for one in found if one.is_pending and one.pending_normalized_name == name]
    numbers = {key for one in found for key, told in one.reach.items() if told.normalized_name == name}
    for number in numbers:
        chosen = choose([one for one in found if number in one.reach])
        if chosen is not None:
            return [chosen], number if chosen.is_of_organization else None
    return _some(waiting), None


def _some(found: list[Publisher]) -> list[Publisher]:
    if not found:
        raise ProjectNotTrusting
    return found


def _draft(identity: Identity, publishers: Sequence[Publisher], wish: Wish, now: datetime) -> MintedToken:
    minted_at = now.replace(microsecond=0)  # caveats tell whole seconds
    provider = identity.issuer.provider
    return MintedToken(
        id=uuid.uuid4(),
        key_id=keys.ring().newest.id,
        issuer_url=identity.issuer.url,
        provider=provider,
        publisher_ids=[one.pk for one in publishers],
        actions=[wish.purpose],
        claims=providers.get(provider).kept(identity.claims),
        minted_at=minted_at,
        # one second more, since the part of one was dropped: clients are promised fifteen minutes (PEP 807)
        expires_at=minted_at + LIFE + timedelta(seconds=1),
        is_single_use=wish.is_single_use,
    )


def _note_use(publishers: Sequence[Publisher], token: MintedToken) -> None:
    """Keep with each publisher when it was used and by which run; where none is configured, from which environment."""
    environment = str(token.claims.get("environment") or "")[:200]
    used = {"last_used_at": token.minted_at, "last_used_claims": token.claims}
    for bound in (True, False):
        seen = {} if bound or not environment else {"seen_environment": environment}
        those = [one.pk for one in publishers if bool(one.environment) is bound]
        if those:
            Publisher.objects.filter(pk__in=those).update(**used, **seen)


def _record(token: MintedToken, publishers: Sequence[Publisher], asking: Actor) -> None:
    by = Actor(
        kind="publisher",
        name=str(publishers[0]),
        credential=token.pk.hex,
        network=asking.network,
        user_agent=asking.user_agent,
    )
    details: dict[str, Detail] = {
        "issuer": token.issuer_url,
        "actions": list(token.actions),
        "claims": [f"{name}={value}" for name, value in sorted(token.claims.items())],
        "expires_at": clock.format_instant(token.expires_at),
    }
    record_all(
        [
            Act("publisher.mint", _about(one), one.configured_by_id, {**details, "publisher": str(one.pk)})
            for one in publishers
        ],
        by=by,
    )


def _about(publisher: Publisher) -> Thing:
    home = find_home(publisher)
    return thing_of(publisher) if home is None else home.thing


def _write_text(token: MintedToken) -> str:
    settings = configuration.current()
    macaroon = macaroons.mint(key_of(token), MINTED + token.pk.bytes, location=settings.host.encode())
    for caveat in (
        caveats.write_time(token.minted_at, token.expires_at),
        caveats.write_actions(token.actions),
    ):
        macaroon = macaroons.attenuate(macaroon, caveat)
    return macaroons.text_of(macaroon, settings.token_prefix)
