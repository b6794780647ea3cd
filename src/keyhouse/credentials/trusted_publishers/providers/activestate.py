"""ActiveState: a project of an organization, built for one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import (
    Difference,
    Field,
    ProviderRules,
    Same,
    short,
    shown,
)

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_. -]*"
_BUILDER: Final = "pypi-publisher"  # what the platform calls the one that publishes packages


class ActiveState(ProviderRules):
    """The claims of the ActiveState platform."""

    name = "activestate"
    title = "ActiveState"
    issuer = "https://platform.activestate.com/api/v1/oauth/oidc"
    fields = (
        Field(
            "organization",
            "Organization",
            _NAME,
            "letters, digits, spaces, -, _ and . only",
            "acme",
            longest=100,
        ),
        Field("project", "Project", _NAME, "letters, digits, spaces, -, _ and . only", "widget", longest=100),
        Field(
            "actor_id",
            "Id of the person",
            r"[A-Za-z0-9-]+",
            "letters, digits and - only",
            "00000000-0000-1000-8000-000000000002",
            longest=64,
        ),
    )
    needed = ("sub", "organization", "project", "actor_id", "builder")
    same = (
        Same("organization", "organization"),
        Same("project", "project"),
        Same("actor_id", "actor_id"),
    )
    keeps: ClassVar[Mapping[str, str]] = {
        "repository": "sub",
        "actor_id": "actor_id",
        "actor": "actor",
        "run": "artifact_id",
        "ingredient": "ingredient",
    }

    def lookup_of(self, claims: Mapping[str, str]) -> str:
        """Return organization and project."""
        return short(f"{claims['organization']}/{claims['project']}")

    def lookups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return organization and project."""
        return (self.lookup_of(claims),)

    def require_more(self, claims: Mapping[str, Any]) -> None:
        """Refuse whatever the platform builds otherwise."""
        if claims["builder"] != _BUILDER:
            raise IdentityRefused(f"The claim builder is not {_BUILDER}.")

    def more_differences(self, publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
        """Compare what the token is about."""
        wanted = f"org:{publisher.claims['organization']}:project:{publisher.claims['project']}"
        return [] if claims["sub"] == wanted else [Difference("sub", wanted, shown(claims["sub"]))]

    def label(self, publisher: Publisher) -> str:
        """Return organization and project."""
        return f"{publisher.claims['organization']}/{publisher.claims['project']}"
