"""Step 15: attestations (PEP 740) speak for a publisher's identity, which an API token doesn't have."""

from __future__ import annotations

from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.errors import AttestationsRefused
from keyhouse.publishing.upload.submission import Stage, Submission


class Attestations(Check):
    """Refuses attestations from whoever has no identity to check them against."""

    name = "attestations"
    stage = Stage.FIELDS
    is_asked_at_every_stage = True

    def applies(self, submission: Submission) -> bool:
        """Judge only where some were sent."""
        return bool(submission.form.one("attestations"))

    def check(self, submission: Submission) -> None:
        """Raise AttestationsRefused."""
        del submission
        raise AttestationsRefused
