"""The libraries that check signatures. Importing this takes a second, so it is done when the first attestation comes.

Nothing here asks the network: roots of trust come from a file, times from the log's signature.
"""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cryptography.x509 import Certificate
from pypi_attestations import Attestation, AttestationType, GitHubPublisher, GitLabPublisher, GooglePublisher
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import VerificationPolicy

from keyhouse.publishing.attestations.identities import Expected, find_difference
from keyhouse.publishing.attestations.reading import Document
from keyhouse.publishing.attestations.signers import Signer, signer_of

PREDICATES: Final = frozenset(
    kind.value for kind in (AttestationType.PYPI_PUBLISH_V1, AttestationType.SLSA_PROVENANCE_V1)
)
_STATEMENT: Final = "application/vnd.in-toto+json"
_PUBLIC_INSTANCE: Final = quote("https://tuf-repo-cdn.sigstore.dev", safe="")


class OtherPublisherError(Exception):
    """The certificate is sound and belongs to somebody else; `name` is the configured value that differs."""

    def __init__(self, name: str) -> None:
        """Take the name of what differs."""
        super().__init__(name)
        self.name = name


class _Policy:
    """Asks of a certificate what the library asks for a publisher, and what it leaves out: environment and numbers."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self.signer = Signer()

    def verify(self, cert: Certificate) -> None:
        """Raise OtherPublisherError, or what the library raises."""
        self.signer = signer_of(cert)
        difference = find_difference(self._expected, self.signer)
        if difference:
            raise OtherPublisherError(difference)
        policy = _library_policy(self._expected, self.signer)
        if policy is not None:
            policy.verify(cert)


def _library_policy(expected: Expected, signer: Signer) -> VerificationPolicy | None:
    """Return the library's own demands on a public publisher; None where it doesn't know the issuer."""
    if not expected.is_public:
        return None
    # it compares with case, so that it is told the spelling that was found equal
    repository = signer.repository.removeprefix(f"{expected.home}/")
    publisher: GitHubPublisher | GitLabPublisher | GooglePublisher
    if expected.provider == "github":
        publisher = GitHubPublisher(repository=repository, workflow=expected.workflow)
    elif expected.provider == "gitlab":
        publisher = GitLabPublisher(repository=repository, workflow_filepath=expected.workflow)
    else:
        publisher = GooglePublisher(email=expected.email)
    return publisher._as_policy()  # noqa: SLF001 - its public way always takes the root of trust from a folder in HOME


def load_verifier(path: Path | None) -> Verifier:
    """Return what verifies by the roots in a file, None: by those that the library brings along; raises any error."""
    if path is not None:
        return Verifier(trusted_root=TrustedRoot.from_file(str(path)))
    bundled = files("sigstore") / "_store" / _PUBLIC_INSTANCE / "trusted_root.json"
    with as_file(bundled) as bundled_path:
        return Verifier(trusted_root=TrustedRoot.from_file(str(bundled_path)))


def check_signature(document: Document, expected: Expected, verifier: Verifier) -> tuple[bytes, Signer]:
    """Return the statement that was signed and who signed it; raises OtherPublisherError, or any error at all.

    Certificates live for minutes: they are judged at the time that the log signed, never by today's clock.
    """
    policy = _Policy(expected)
    bundle = Attestation.model_validate_json(json.dumps(document)).to_bundle()
    kind, payload = verifier.verify_dsse(bundle, policy)
    if kind != _STATEMENT:
        message = f"the envelope holds {kind}"
        raise ValueError(message)
    return payload, policy.signer
