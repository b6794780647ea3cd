"""What the journeys of trusted publishers need done inside the index: believe issuers, trust runs, look at what was minted."""

from __future__ import annotations

import json
from typing import Any

from keyhouse.accounts.models import Email, User
from keyhouse.core import clock
from keyhouse.core.actor import Strength, host
from keyhouse.credentials.trusted_publishers.issuers import add_issuer
from keyhouse.credentials.trusted_publishers.models import MintedToken
from keyhouse.credentials.trusted_publishers.services import Told, add_pending_publisher

GITHUB = {"owner": "acme", "repository": "anvil", "workflow": "release.yml"}
GITLAB = {"namespace": "acme/tools", "repository": "anvil", "workflow": ".gitlab-ci.yml"}


def main(order: dict[str, Any]) -> None:
    {"trust": trust, "look": look}[order["do"]](order)


def trust(order: dict[str, Any]) -> None:
    ada = User.objects.create(username="ada", joined_at=clock.now())
    now = clock.now()
    Email.objects.create(user=ada, address="ada@example.org", is_primary=True, verified_at=now, added_at=now)
    told = Told(ada, Strength(frozenset({"password", "webauthn"}), clock.now()), clock.now())
    for provider in ("github", "gitlab"):
        add_issuer(order[provider], provider, may_be_private=True, by=host())
    for name, provider, fields in (
        ("from-github", "github", {**GITHUB, "environment": "release"}),
        ("by-action", "github", GITHUB),
        ("from-gitlab", "gitlab", GITLAB),
    ):
        add_pending_publisher(name, provider, order[provider], fields, by=host(), told=told)


def look(order: dict[str, Any]) -> None:
    del order
    rows = MintedToken.objects.order_by("minted_at", "pk")
    print(json.dumps([{"is_burned": one.revoked_at is not None, "claims": one.claims} for one in rows]))  # noqa: T201 - read by the journey
