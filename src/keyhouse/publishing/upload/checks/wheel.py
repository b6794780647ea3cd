"""Step 12: what makes an archive a wheel (PEP 427): its three files, a complete and true RECORD, its tags."""

from __future__ import annotations

from keyhouse.publishing.upload.checks.archive import examination_of, refuse_first
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.submission import Stage, Submission


class Wheel(Check):
    """Judges the inside of a wheel."""

    name = "wheel"
    stage = Stage.BODY

    def applies(self, submission: Submission) -> bool:
        """Judge wheels only."""
        return submission.name is not None and submission.name.kind == "wheel"

    def check(self, submission: Submission) -> None:
        """Raise UnacceptableError."""
        refuse_first(examination_of(submission).judge_layout())
