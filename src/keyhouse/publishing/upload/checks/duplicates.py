"""Step 10: what is here already. The same file again is fine; a name stands for the same bytes for ever."""

from __future__ import annotations

from keyhouse.core import clock, configuration
from keyhouse.projects import queries
from keyhouse.projects.reading import told_to
from keyhouse.projects.rules import (
    Candidate,
    Neighbours,
    find_equal_release,
    is_repeat,
    judge_file,
    judge_release_age,
)
from keyhouse.publishing.staging import queries as staging
from keyhouse.publishing.staging.rules import Waiting, judge_beside
from keyhouse.publishing.upload.checks.check import Check, refuse
from keyhouse.publishing.upload.submission import Stage, Submission


class TakenName(Check):
    """Refuses a name that is taken before the file is sent: it was used, or the announced bytes are other ones."""

    name = "taken name"
    stage = Stage.FIELDS

    def applies(self, submission: Submission) -> bool:
        """Wait for a file name that was judged, and for leave to know what the project holds."""
        announced = submission.form.one("sha256_digest")
        return submission.is_body_to_come and bool(announced) and {"file name", "gate"} <= submission.passed

    def check(self, submission: Submission) -> None:
        """Raise FileExists or FileNameUsed, or what is in the way among files that are staged."""
        if submission.project is None:
            return
        candidate = _candidate(submission, submission.form.one("sha256_digest").lower())
        refuse(judge_file(candidate, queries.gather_neighbours(candidate.filename, "", "", None)))
        _judge_staged(submission, candidate)


class Duplicates(Check):
    """Compares what arrived with what is here, and judges the release that it joins."""

    name = "duplicates"
    stage = Stage.BODY

    def check(self, submission: Submission) -> None:
        """Note that the very same file is here, or raise why it can't be taken beside what is here."""
        candidate = _candidate(submission, submission.received.sha256)
        beside = _neighbours(submission)
        refuse(judge_file(candidate, told_to(submission.actor, beside)))
        if is_repeat(candidate, beside):
            submission.existing = queries.find_file(candidate.filename)
            return
        if submission.actor.kind != "host":  # who builds a history at the host adds to old releases
            days = configuration.current().release_open_days
            refuse(judge_release_age(beside.release_created_at, clock.now(), days))
        _judge_staged(submission, candidate)


def _judge_staged(submission: Submission, candidate: Candidate) -> None:
    """Judge a file that is to wait beside those that wait already."""
    if submission.is_to_be_staged and submission.project is not None and submission.name is not None:
        version = str(submission.name.version)
        about = Waiting(candidate.filename, candidate.kind, candidate.sha256, version)
        refuse(judge_beside(about, staging.beside(submission.project, clock.now())))


def _candidate(submission: Submission, sha256: str) -> Candidate:
    kind = "sdist" if submission.name is not None and submission.name.kind == "sdist" else "bdist_wheel"
    return Candidate(submission.filename or "", kind, sha256)


def _neighbours(submission: Submission) -> Neighbours:
    release = None
    if submission.project is not None and submission.name is not None:
        known = queries.known_releases(submission.project.pk)
        release = find_equal_release(known, str(submission.name.version))
    kind = _candidate(submission, "").kind
    return queries.gather_neighbours(submission.filename or "", submission.received.blake2, kind, release)
