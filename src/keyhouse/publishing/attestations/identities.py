"""Whom an attestation must have been signed by, and where a certificate says something else.

Pure: a publisher's configuration and the claims of a certificate in, the name of what differs out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from keyhouse.publishing.attestations.signers import Signer

# Those whose identities the public certificate authority knows, with the address where repositories are found.
PUBLIC: Final[Mapping[str, str]] = {
    "github": "https://token.actions.githubusercontent.com",
    "gitlab": "https://gitlab.com",
    "google": "https://accounts.google.com",
}
_HOMES: Final[Mapping[str, str]] = {"github": "https://github.com", "gitlab": "https://gitlab.com"}
_OWNER_IDS: Final = ("owner_id", "repository_owner_id", "namespace_id")
_REPOSITORY_IDS: Final = ("repository_id", "project_id")


@dataclass(frozen=True, slots=True)
class Expected:
    """A publisher as it was configured: `claims` by the provider's words, as in `Publisher.claims`."""

    provider: str
    issuer: str = ""  # empty: the provider's public one
    claims: Mapping[str, Any] = field(default_factory=dict)
    environment: str = ""

    @property
    def issuer_url(self) -> str:
        """Return the issuer's address, without a slash at its end."""
        return self.issuer.rstrip("/") or PUBLIC.get(self.provider, "")

    @property
    def is_public(self) -> bool:
        """Whether the public certificate authority gives certificates to identities of this issuer."""
        return bool(self.issuer_url) and PUBLIC.get(self.provider) == self.issuer_url

    @property
    def is_complete(self) -> bool:
        """Whether it names all that a certificate is compared with."""
        if self.provider in _HOMES:
            return bool(self.repository.strip("/") and self.workflow)
        if self.provider == "google":
            return bool(self.email)
        # of what other issuers claim, certificates hold the subject and nothing else
        return self.provider == "custom" and bool(self.subject) and set(self.claims) == {"sub"}

    @property
    def home(self) -> str:
        """Return the address below which the repositories lie."""
        if self.is_public:
            return _HOMES.get(self.provider, "")
        parts = urlsplit(self.issuer_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def repository(self) -> str:
        """Return owner or namespace, and name, with a slash between them."""
        name = self._claim("repository", "project_path")
        owner = self._claim("owner", "repository_owner", "namespace")
        return name if "/" in name or not owner else f"{owner}/{name}"

    @property
    def workflow(self) -> str:
        """Return the file that says what the job does: a name for GitHub, a path for GitLab."""
        return self._claim("workflow", "workflow_filename", "workflow_filepath")

    @property
    def email(self) -> str:
        """Return the address of a service account."""
        return self._claim("email")

    @property
    def subject(self) -> str:
        """Return the subject that a custom issuer's tokens have."""
        return self._claim("sub")

    def document(self) -> dict[str, Any]:
        """Return the publisher as a provenance object names it (PEP 740)."""
        environment = self.environment or None
        if not self.is_public:
            told = {"repository": self.repository, "workflow": self.workflow, "subject": self.subject}
            given = {name: value for name, value in told.items() if value}
            return {"kind": "Custom", "issuer": self.issuer_url, **given, "environment": environment}
        if self.provider == "google":
            return {"kind": "Google", "email": self.email}
        kind, name = ("GitHub", "workflow") if self.provider == "github" else ("GitLab", "workflow_filepath")
        return {
            "kind": kind,
            "repository": self.repository,
            name: self.workflow,
            "environment": environment,
        }

    def _claim(self, *names: str) -> str:
        return next((str(self.claims[name]) for name in names if self.claims.get(name)), "")


def find_difference(expected: Expected, signer: Signer) -> str:
    """Return which configured value the certificate doesn't bear out, by its name, or an empty string."""
    if signer.issuer != expected.issuer_url:
        return "issuer"
    if expected.provider in _HOMES:
        return _first_wrong(_in_repository(expected, signer))
    is_google = expected.provider == "google"
    is_known = expected.email in signer.addresses if is_google else expected.subject == signer.subject
    found = {"email" if is_google else "sub": is_known and expected.is_complete}
    return _first_wrong(
        found | {"environment": not expected.environment or _is_environment(expected, signer)}
    )


def _first_wrong(found: Mapping[str, bool]) -> str:
    return next((name for name, is_right in found.items() if not is_right), "")


def _in_repository(expected: Expected, signer: Signer) -> dict[str, bool]:
    return {
        "repository": _is_same_name(signer.repository, f"{expected.home}/{expected.repository}"),
        "workflow": _is_workflow(expected, signer),
        "environment": not expected.environment or _is_environment(expected, signer),
        "owner_id": _is_number(expected, _OWNER_IDS, signer.owner_id),
        "repository_id": _is_number(expected, _REPOSITORY_IDS, signer.repository_id),
    }


def _is_same_name(one: str, other: str) -> bool:
    """Tell whether two names are the same at issuers that don't look at case; none of them has other letters."""
    return one.isascii() and other.isascii() and one.lower() == other.lower()


def _is_workflow(expected: Expected, signer: Signer) -> bool:
    folder = "/.github/workflows/" if expected.provider == "github" else "//"
    address, _, at = signer.workflow.rpartition("@")
    place = f"{signer.repository}{folder}"
    is_here = _is_same_name(address[: len(place)], place) and address[len(place) :] == expected.workflow
    return is_here and bool(at) and at in (signer.ref, signer.commit)


def _is_environment(expected: Expected, signer: Signer) -> bool:
    if expected.provider == "github":  # which takes names that differ by case for one
        return _is_same_name(signer.environment, expected.environment)
    return signer.environment == expected.environment


def _is_number(expected: Expected, names: tuple[str, ...], claimed: str) -> bool:
    wanted = [str(expected.claims[name]) for name in names if expected.claims.get(name)]
    return not claimed or all(one == claimed for one in wanted)
