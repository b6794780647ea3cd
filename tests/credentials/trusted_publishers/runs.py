"""Runs of CI that never were: an issuer whose keys are kept, what it signs, and publishers that trust it."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import timedelta
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from keyhouse.accounts.models import User
from keyhouse.core import clock, configuration
from keyhouse.credentials.trusted_publishers import providers
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher
from keyhouse.projects.models import Project

GITHUB = "https://token.actions.githubusercontent.com"
REF, SHA = "refs/tags/v1.0", "ab" * 20
FIELDS = {"owner": "acme", "repository": "anvil", "workflow": "release.yml"}


@lru_cache(maxsize=4)
def key_named(kid: str) -> RSAPrivateKey:
    del kid
    return generate_private_key(public_exponent=65537, key_size=2048)


def key_set(kid: str = "k1") -> dict[str, Any]:
    told: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(key_named(kid).public_key()))
    return {"keys": [{**told, "kid": kid, "alg": "RS256", "use": "sig"}]}


def know_issuer(url: str = GITHUB, provider: str = "github") -> Issuer:
    """Keep the keys of an issuer as if they had been fetched just now."""
    now = clock.now()
    return Issuer.objects.create(
        url=url, provider=provider, added_at=now, keys=key_set(), keys_at=now, asked_at=now
    )


def github_claims(**changes: Any) -> dict[str, Any]:
    """Return what a run of acme/anvil claims, with changes; None takes a claim out."""
    now = clock.now().timestamp()
    claims = {
        "iss": GITHUB,
        "aud": configuration.current().audience,
        "iat": int(now),
        "nbf": int(now) - 5,
        "exp": int(now) + 300,
        "jti": secrets.token_hex(8),
        "sub": "repo:acme/anvil:ref:refs/tags/v1.0",
        "repository": "acme/anvil",
        "repository_id": "5005",
        "repository_owner": "acme",
        "repository_owner_id": "77",
        "job_workflow_ref": f"acme/anvil/.github/workflows/release.yml@{REF}",
        "ref": REF,
        "sha": SHA,
        "run_id": "4711",
        "event_name": "push",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def sign(claims: dict[str, Any], kid: str = "k1") -> str:
    return jwt.encode(claims, key_named("k1"), algorithm="RS256", headers={"kid": kid})


def identity(**changes: Any) -> str:
    """Return the token of a run."""
    return sign(github_claims(**changes))


def publisher_of(project: Project | str, user: User, **changes: Any) -> Publisher:
    """Let a project trust acme/anvil, set up by somebody; a text is the name of a project to come."""
    fields = {
        **FIELDS,
        **{name: value for name, value in changes.items() if name in {*FIELDS, "environment"}},
    }
    told = providers.get("github").read(fields)
    now = clock.now()
    pending = (
        {}
        if isinstance(project, Project)
        else {
            "pending_name": project,
            "pending_normalized_name": project.lower(),
            "expires_at": now + timedelta(days=30),
        }
    )
    facts: dict[str, Any] = {
        "issuer_url": GITHUB,
        "provider": "github",
        "project": project if isinstance(project, Project) else None,
        "claims": told.claims,
        "environment": told.environment,
        "lookup": told.lookup,
        "identity": hashlib.sha256(f"{told.identity} {told.environment}".encode()).hexdigest(),
        "added_at": now,
        "configured_by": user,
        "configured_at": now,
        "configured_methods": ["password", "webauthn"],
        "configured_user_verified": True,
    } | pending
    more = {name: value for name, value in changes.items() if name not in {*FIELDS, "environment"}}
    return Publisher.objects.create(**(facts | more))
