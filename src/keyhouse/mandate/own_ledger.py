"""What the ledgers hold about one person: exemptions, and API tokens that are weaker than a mandate asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.core.foresight import Credential, Outlook
from keyhouse.credentials.tokens.homes import find_home
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import credential_of, tokens_of
from keyhouse.credentials.trusted_publishers import listing, providers
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.queries import all_live
from keyhouse.mandate import queries
from keyhouse.mandate.dispositions import ends_of
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.models import Exemption


@dataclass(frozen=True, slots=True)
class OwnExemption:
    """An exemption of one's own; `since` is None while it waits for approval."""

    mandate: str
    version: int
    since: datetime | None
    until: datetime
    reason: str
    control: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "mandate": self.mandate,
            "version": self.version,
            "since": clock.format_if_any(self.since),
            "until": clock.format_instant(self.until),
            "reason": self.reason,
            "control": self.control,
        }


@dataclass(frozen=True, slots=True)
class WeakToken:
    """A token below what is asked of its owner.

    `ends_at`: from when on anything that it can do is refused; None where no day is set. `uses_end_at`: from when on
    that isn't only beginning new projects. `is_refused`: that is so by now.
    """

    token: Token
    outlook: Outlook
    is_refused: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        ends_at, uses_end_at = self.outlook.ends_at, self.outlook.uses_end_at
        return {
            "description": self.token.description,
            "mandate": self.outlook.mandate,
            "refused": self.is_refused,
            "ends_at": clock.format_if_any(ends_at),
            "uses_end_at": clock.format_if_any(uses_end_at),
        }


@dataclass(frozen=True, slots=True)
class WeakPublisher:
    """A publisher that one answers for, below what is asked; the rest as of a token."""

    publisher: Publisher
    outlook: Outlook
    is_refused: bool

    @property
    def label(self) -> str:
        """Return what it is called, with the project that trusts it."""
        one = self.publisher
        home = find_home(one)
        name = one.pending_name if one.is_pending or home is None else home.words
        return f"{name}: {providers.get(one.provider).label(one)}"

    @property
    def place(self) -> str:
        """Return the address of its own page, where it is confirmed."""
        home = find_home(self.publisher)
        begins = f"{home.path}publishing/" if home else "/account/publishers/"
        return f"{begins}{self.publisher.pk}/"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        ends_at = self.outlook.ends_at
        return {
            "publisher": self.publisher.pk,
            "description": self.label,
            "mandate": self.outlook.mandate,
            "refused": self.is_refused,
            "ends_at": clock.format_if_any(ends_at),
        }


def exemptions_of(actor: Actor, now: datetime) -> list[OwnExemption]:
    """Return the person's exemptions that hold or wait, the first to end first."""
    if actor.user_id is None:
        return []
    rows = Exemption.objects.filter(user_id=actor.user_id, withdrawn_at__isnull=True, until__gt=now)
    return [
        OwnExemption(
            row.version.name, row.version.version, row.effective_at, row.until, row.reason, row.control
        )
        for row in rows.select_related("version").order_by("until", "pk")
    ]


def weak_tokens_of(actor: Actor, now: datetime) -> list[WeakToken]:
    """Return the person's working tokens that are weaker than is asked, newest first."""
    if actor.user_id is None:
        return []
    tokens = tokens_of(actor.user_id, now)
    credentials = [credential_of(token) for token in tokens]
    outlooks = ends_of(_owner(actor.user_id, credentials), credentials, queries.ledger(), now)
    return [
        WeakToken(token, outlook, outlook.is_refused(now))
        for token, outlook in zip(tokens, outlooks, strict=True)
        if outlook.is_weak
    ]


def _owner(user_id: int, credentials: Iterable[Credential]) -> Facts:
    """Return the facts of a person with what they hold over the projects that these are for."""
    return queries.facts_of_person(user_id, told={name for one in credentials for name in one.projects})


def weak_publishers_of(actor: Actor, now: datetime) -> list[WeakPublisher]:
    """Return the publishers that a person answers for by less than is asked; a compliant owner confirms them anew."""
    if actor.user_id is None:
        return []
    mine = all_live(now).filter(configured_by_id=actor.user_id).select_related("project", "organization")
    publishers = list(mine.order_by("pk"))
    credentials = [listing.credential_of(one) for one in publishers]
    outlooks = ends_of(_owner(actor.user_id, credentials), credentials, queries.ledger(), now)
    return [
        WeakPublisher(one, outlook, outlook.is_refused(now))
        for one, outlook in zip(publishers, outlooks, strict=True)
        if outlook.is_weak
    ]
