"""Publishers as people and tests write them down, where no index knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from keyhouse.publishing.attestations.identities import Expected

FORMS: Final = (
    "github:OWNER/REPOSITORY/WORKFLOW, gitlab:NAMESPACE/PROJECT//PATH, google:EMAIL, custom:SUBJECT"
)
_OWN: Final = frozenset({"provider", "issuer", "environment", "claims", "project", "pending"})
_GITHUB_PARTS: Final = 3


def read_publisher(text: str, *, issuer: str = "", environment: str = "") -> Expected:
    """Return the publisher that one line names, in one of `FORMS`; raises ValueError."""
    provider, _, rest = text.partition(":")
    claims = _claims_of(provider, rest)
    expected = Expected(provider, issuer, claims, environment)
    if not expected.is_complete or not expected.issuer_url:
        message = f"a publisher is written {FORMS}" if expected.issuer_url else "it needs an issuer"
        raise ValueError(message)
    return expected


def _claims_of(provider: str, text: str) -> dict[str, str]:
    if provider == "github" and len(parts := text.split("/")) == _GITHUB_PARTS:
        return dict(zip(("owner", "repository", "workflow"), parts, strict=True))
    if provider == "gitlab":
        repository, _, workflow = text.partition("//")
        return {"repository": repository, "workflow": workflow} if "/" in repository else {}
    return {"google": {"email": text}, "custom": {"sub": text}}.get(provider, {})


def expected_of(fields: Mapping[str, Any]) -> Expected:
    """Return the publisher that a table names, by the words of a seed."""
    own = {name: value for name, value in fields.items() if name not in _OWN}
    claims = fields.get("claims")
    given = {**own, **(claims if isinstance(claims, dict) else {})}
    texts = {name: str(fields.get(name) or "") for name in ("provider", "issuer", "environment")}
    return Expected(texts["provider"], texts["issuer"], given, texts["environment"])
