"""Google Cloud: a service account, by its address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import Field, ProviderRules, Same, fold, short


class Google(ProviderRules):
    """The claims of Google's identity tokens; the subject, where none is configured, is stored at first use."""

    name = "google"
    title = "Google"
    issuer = "https://accounts.google.com"
    fields = (
        Field(
            "email",
            "Address",
            r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
            "the e-mail address of a service account",
            "publisher@acme.iam.gserviceaccount.com",
        ),
        Field("sub", "Subject", r"[0-9]{1,40}", "a number", "1122334455", is_required=False, longest=40),
    )
    needed = ("email",)
    same = (Same("email", "email"),)
    ids: ClassVar[Mapping[str, str]] = {"sub": "sub"}
    ids_of: ClassVar[Mapping[str, tuple[str, ...]]] = {"sub": ("email",)}
    keeps: ClassVar[Mapping[str, str]] = {"email": "email", "sub": "sub"}

    def lookup_of(self, claims: Mapping[str, str]) -> str:
        """Return the address."""
        return short(fold(claims["email"]))

    def lookups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the address."""
        return (short(fold(claims["email"])),)

    def require_more(self, claims: Mapping[str, Any]) -> None:
        """Refuse an address that isn't verified; the words "true" and 1 are no proof of it."""
        if claims.get("email_verified") is not True:
            raise IdentityRefused("The e-mail address of the identity is not verified.")

    def label(self, publisher: Publisher) -> str:
        """Return the address."""
        return str(publisher.claims["email"])
