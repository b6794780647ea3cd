"""A trusted publisher of a project, and a token that was minted for it, as rows."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from keyhouse.accounts.models import User
from keyhouse.core import clock, keys
from keyhouse.credentials.tokens.authentication import MINTED
from keyhouse.credentials.tokens.macaroons import mint, text_of
from keyhouse.credentials.trusted_publishers.acting import key_of
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher
from keyhouse.projects.models import Project
from keyhouse.publishing.attestations.identities import Expected


def make_publisher(expected: Expected, project: Project, by: User, **facts: Any) -> Publisher:
    return Publisher.objects.create(
        **{
            "issuer_url": expected.issuer_url,
            "provider": expected.provider,
            "project": project,
            "claims": dict(expected.claims),
            "environment": expected.environment,
            "lookup": expected.repository,
            "identity": hashlib.sha256(repr(expected).encode()).hexdigest(),
            "added_at": clock.now(),
            "configured_by": by,
            "configured_at": clock.now(),
            "configured_methods": ["password", "totp"],
            **facts,
        }
    )


def authorization_of(*publishers: Publisher, **facts: Any) -> str:
    """Return the header by which a job uploads as these publishers."""
    now = clock.now()
    token = MintedToken.objects.create(
        **{
            "key_id": keys.ring().newest.id,
            "issuer_url": publishers[0].issuer_url,
            "provider": publishers[0].provider,
            "publisher_ids": [one.pk for one in publishers],
            "actions": ["upload"],
            "minted_at": now,
            "expires_at": now + timedelta(minutes=15),
            **facts,
        }
    )
    return f"Bearer {text_of(mint(key_of(token), MINTED + token.pk.bytes), 'keyhouse-')}"
