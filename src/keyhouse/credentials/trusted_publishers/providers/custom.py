"""Any issuer that the operators added: the claims that were configured, each equal as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import (
    ENVIRONMENT,
    LONGEST,
    Configured,
    Difference,
    ProviderRules,
    is_same,
    short,
    shown,
)
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherInvalid

CLAIMS: Final = "claims"
MOST: Final = 10  # claims of a publisher
_MOST_CLAIMED: Final = 300  # GitHub adds one for each property that an organization gives its repositories
_OF_ONE_TOKEN: Final = frozenset({"iss", "aud", "exp", "iat", "nbf", "jti"})  # never those of a publisher
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:-]{0,99}")
_KEPT: Final = ("sub", "repository", "ref", "sha", "workflow", "run_id", "job", "build_number", "actor")


class Custom(ProviderRules):
    """The claims that somebody wrote down; an environment among them is one as with any other provider."""

    name = "custom"
    title = "Another issuer"
    keeps: ClassVar[Mapping[str, str]] = {("run" if name == "run_id" else name): name for name in _KEPT}

    def read(self, fields: Mapping[str, Any]) -> Configured:
        """Read claims by name; they stand under `claims`, or are the fields themselves."""
        written = fields[CLAIMS] if set(fields) == {CLAIMS} else fields
        if not isinstance(written, Mapping) or not written:
            raise PublisherInvalid(CLAIMS, "At least one claim with its value is needed.")
        if len(written) > MOST:
            raise PublisherInvalid(CLAIMS, f"At most {MOST} claims.")
        claims = {name: _value(name, written[name]) for name in sorted(written)}
        environment = claims.pop(ENVIRONMENT, "")
        if not claims:
            raise PublisherInvalid(CLAIMS, "An environment alone tells nobody apart.")
        return self.configured(claims, environment)

    def lookup_of(self, claims: Mapping[str, str]) -> str:
        """Return the subject, or else the first claim by name."""
        name = "sub" if "sub" in claims else min(claims)
        return short(f"{name}={claims[name]}")

    def lookups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return each claim that is text: any may be the one that a publisher is found by."""
        if len(claims) > _MOST_CLAIMED:
            raise IdentityRefused("The identity has too many claims.")
        return tuple(short(f"{name}={value}") for name, value in claims.items() if isinstance(value, str))

    def more_differences(self, publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
        """Compare each configured claim; nothing but the same text is the same."""
        return [
            Difference(name, value, shown(claims.get(name)))
            for name, value in publisher.claims.items()
            if not is_same(value, claims.get(name))
        ]

    def kept(self, claims: Mapping[str, Any]) -> dict[str, str]:
        """Return what is written down; the number of a run may be a number."""
        told = {
            name: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
            for name, value in claims.items()
        }
        return ProviderRules.kept(self, told)

    def label(self, publisher: Publisher) -> str:
        """Return the claims."""
        told = ", ".join(f"{name}: {value}" for name, value in publisher.claims.items())
        return f"{told}, in {publisher.environment}" if publisher.environment else told


def _value(name: object, value: object) -> str:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise PublisherInvalid(CLAIMS, "The name of a claim has letters, digits, _ . / : and - only.")
    if name in _OF_ONE_TOKEN:
        raise PublisherInvalid(CLAIMS, f"The claim {name} is checked anyway, and can't be one's own.")
    if not isinstance(value, str) or not value.strip():
        raise PublisherInvalid(CLAIMS, f"The claim {name} needs a value, as text.")
    if len(value) > LONGEST or not value.isprintable():
        raise PublisherInvalid(
            CLAIMS, f"The value of {name} has at most {LONGEST} characters, without controls."
        )
    return value
