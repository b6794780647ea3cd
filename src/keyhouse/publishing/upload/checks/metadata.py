"""Step 14: the metadata inside the file, and that the form says nothing else. What is served comes from the file."""

from __future__ import annotations

from keyhouse.distfiles.agreement import agree
from keyhouse.publishing.upload.checks.archive import examination_of, refuse_first
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.submission import Stage, Submission


class Metadata(Check):
    """Judges METADATA or PKG-INFO and compares the form with it."""

    name = "metadata"
    stage = Stage.BODY

    def check(self, submission: Submission) -> None:
        """Raise UnacceptableError."""
        examination = examination_of(submission)
        refuse_first(examination.judge_metadata())
        if examination.metadata is not None:
            refuse_first(agree(submission.form.as_mapping(), examination.metadata))
