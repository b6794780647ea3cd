"""Step 13: what makes an archive a source distribution (PEP 625): one top folder with PKG-INFO in it."""

from __future__ import annotations

from keyhouse.publishing.upload.checks.archive import examination_of, refuse_first
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.submission import Stage, Submission


class SourceDistribution(Check):
    """Judges the inside of a source distribution."""

    name = "source distribution"
    stage = Stage.BODY

    def applies(self, submission: Submission) -> bool:
        """Judge source distributions only."""
        return submission.name is not None and submission.name.kind == "sdist"

    def check(self, submission: Submission) -> None:
        """Raise UnacceptableError."""
        refuse_first(examination_of(submission).judge_layout())
