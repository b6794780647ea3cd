"""The part of `keyhouse dev verify` that judges identity tokens from CI. No database: the issuer's keys are given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keyhouse.cli.dev_document import SeedPublisher
from keyhouse.credentials.trusted_publishers import identity, issuers, jws, matching, providers
from keyhouse.credentials.trusted_publishers.errors import IssuerUnknown
from keyhouse.credentials.trusted_publishers.matching import PublisherUnmatched
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher


def judge_identity(  # noqa: PLR0913 - what an identity is judged by
    token: str,
    *,
    provider: str,
    issuer_url: str,
    key_set: Mapping[str, Any],
    audience: str,
    at: datetime,
    trusted: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return what is kept of an identity that is valid and, where a publisher is given, is that; raises a Refusal."""
    rules = providers.get(provider)
    issuer = Issuer(url=issuers.canonical(issuer_url), provider=provider)
    header, unproven = jws.read_header_and_claims(token)
    told = unproven.get("iss")
    if not isinstance(told, str) or told.removesuffix("/") != issuer.url:
        raise IssuerUnknown
    jws.check_header(header)
    claims = jws.verify(token, key_set)
    identity.judge_claims(token, claims, issuer, audience=audience, now=at)
    rules.require(claims)
    if trusted is not None:
        _require_match(_publisher(trusted, issuer), claims)
    return {"claims": rules.kept(claims), "ids": rules.immutable(claims)}


def _publisher(trusted: Mapping[str, Any], issuer: Issuer) -> Publisher:
    defaults = {"provider": issuer.provider, "project": "-", "configured_by": "-"}
    entry = SeedPublisher.read({**defaults, **trusted}, "publisher")
    configured = providers.get(entry.provider).read(entry.fields)
    return Publisher(
        issuer_url=issuers.canonical(entry.issuer) if entry.issuer else issuer.url,
        provider=entry.provider,
        claims=configured.claims,
        environment=configured.environment,
        lookup=configured.lookup,
    )


def _require_match(publisher: Publisher, claims: Mapping[str, Any]) -> None:
    """Raise PublisherUnmatched unless it is what is trusted; here the differences may be told."""
    differences = matching.judge(publisher, claims)
    if str(claims["iss"]).removesuffix("/") != publisher.issuer_url:
        raise PublisherUnmatched("The publisher is one of another issuer.")
    if differences:
        lines = [f"{one.field}: {one.configured} is trusted, {one.claimed} came" for one in differences]
        raise PublisherUnmatched("; ".join(lines))
