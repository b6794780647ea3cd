"""What the journeys of trusted publishers need done inside the index: believe issuers, trust runs, look at what was minted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from keyhouse.accounts.models import Email, User
from keyhouse.core import clock
from keyhouse.core.actor import Strength, host
from keyhouse.credentials.trusted_publishers.issuers import add_issuer
from keyhouse.credentials.trusted_publishers.models import MintedToken
from keyhouse.credentials.trusted_publishers.services import MOST_PENDING, Told, add_pending_publisher

GITHUB = {"owner": "acme", "repository": "anvil", "workflow": "release.yml"}
GITLAB = {"namespace": "acme/tools", "repository": "anvil", "workflow": ".gitlab-ci.yml"}

# what the publishers of other systems must claim: one issuer stands for theirs
JOB = {"sub": "acme/recipes"}
OF_FORGEJO = {"sub": "repo:acme/anvil:environment:release", "repository_id": "5005"}
CLAIMED = {"forgejo": OF_FORGEJO, "jenkins": JOB, "kubernetes": JOB, "google": JOB}


def main(order: dict[str, Any]) -> None:
    {"trust": trust, "look": look}[order["do"]](order)


def trust(order: dict[str, Any]) -> None:
    for provider in ("github", "gitlab", "custom"):
        claims = ("sub",) if provider == "custom" else ()
        add_issuer(order[provider], provider, required_claims=claims, may_be_private=True, by=host())
    waiting: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        ("from-github", "github", {**GITHUB, "environment": "release"}),
        ("by-action", "github", GITHUB),
        ("from-gitlab", "gitlab", GITLAB),
        ("recipe-github", "github", GITHUB),
        ("recipe-gitlab", "gitlab", GITLAB),
        *((f"recipe-{kind}", "custom", {"claims": claims}) for kind, claims in CLAIMED.items()),
    )
    people = iter(("ada", "bob", "cleo"))
    for number, (name, provider, fields) in enumerate(waiting):
        if number % MOST_PENDING == 0:
            told = _told_by(next(people))
        add_pending_publisher(name, provider, order[provider], fields, by=host(), told=told)


def _told_by(name: str) -> Told:
    now = clock.now()
    user = User.objects.create(username=name, joined_at=now)
    address = f"{name}@example.org"
    Email.objects.create(user=user, address=address, is_primary=True, verified_at=now, added_at=now)
    return Told(user, Strength(frozenset({"password", "webauthn"}), now), now)


def look(order: dict[str, Any]) -> None:
    del order
    rows = MintedToken.objects.order_by("minted_at", "pk")
    print(json.dumps([{"is_burned": one.revoked_at is not None, "claims": one.claims} for one in rows]))  # noqa: T201 - read by the journey
