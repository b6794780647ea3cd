"""Step 15: attestations (PEP 740) speak for a publisher's identity, which an API token doesn't have."""

from __future__ import annotations

from keyhouse.credentials.trusted_publishers.acting import PublisherScope
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.publishing.attestations.identities import Expected
from keyhouse.publishing.attestations.reading import read_field
from keyhouse.publishing.attestations.verifying import Subject, provenance_of, verify_all
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.errors import AttestationsRefused
from keyhouse.publishing.upload.submission import Stage, Submission


class Attestations(Check):
    """Verifies attestations of a trusted publisher, and refuses those of anybody else.

    What can be read of the form is judged before the file is sent; the signatures when it is here.
    """

    name = "attestations"
    stage = Stage.FIELDS
    is_asked_at_every_stage = True

    def applies(self, submission: Submission) -> bool:
        """Judge only where some were sent."""
        return bool(submission.form.one("attestations"))

    def check(self, submission: Submission) -> None:
        """Set the provenance; raises AttestationsRefused and the refusals of `attestations.errors`."""
        if submission.actor.kind != "publisher":
            raise AttestationsRefused
        documents = read_field(submission.form.one("attestations"))
        if submission.content is None or "metadata" not in submission.passed:
            return
        expected = expected_of(acting_publisher(submission))
        subject = Subject(submission.filename or "", submission.content.sha256)
        verified = verify_all(documents, subject, expected)
        submission.provenance = provenance_of(documents, expected)
        submission.attested = tuple(one.as_dict() for one in verified)


def acting_publisher(submission: Submission) -> Publisher:
    """Return the one publisher that speaks for the project; raises AttestationsRefused where there is none."""
    scope = submission.actor.restrictions
    if not isinstance(scope, PublisherScope) or len(scope.publishers) != 1:
        raise AttestationsRefused
    return scope.publishers[0]


def expected_of(publisher: Publisher) -> Expected:
    """Return whom attestations must have been signed by."""
    return Expected(publisher.provider, publisher.issuer_url, publisher.claims, publisher.environment)
