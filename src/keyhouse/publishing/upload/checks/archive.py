"""Step 11: the archive, read through once where it lies and never unpacked."""

from __future__ import annotations

from collections.abc import Iterable

from keyhouse.distfiles.findings import Finding, UnacceptableError
from keyhouse.distfiles.judge import Examination
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.submission import Stage, Submission


class Archive(Check):
    """Judges the frame of the archive and the sizes and checksums of its members."""

    name = "archive"
    stage = Stage.BODY

    def check(self, submission: Submission) -> None:
        """Begin the examination; raises UnacceptableError."""
        examination = Examination(submission.received.path, submission.filename or "", submission.rules)
        refuse_first(examination.judge_filename())
        refuse_first(examination.judge_archive())
        submission.examination = examination


def refuse_first(findings: Iterable[Finding]) -> None:
    """Raise the first of the findings, if there is one."""
    for finding in findings:
        raise UnacceptableError(finding.code, finding.sentence)


def examination_of(submission: Submission) -> Examination:
    """Return the examination that the archive step began."""
    if submission.examination is None:
        message = "the archive has not been read"
        raise RuntimeError(message)
    return submission.examination
