"""Step 6: the project's state. An archived or quarantined one takes no files, nor does a quarantined release.

One that wants trusted publishers alone takes none by an API token.
"""

from __future__ import annotations

from packaging.version import Version

from keyhouse.credentials.trusted_publishers.publisher_errors import TrustedPublisherRequired
from keyhouse.projects.queries import held_releases
from keyhouse.projects.rules import find_equal_release, judge_release_change, judge_upload_state
from keyhouse.publishing.upload.checks.check import Check, refuse
from keyhouse.publishing.upload.submission import Stage, Submission


class ProjectState(Check):
    """Judges the state of a project that exists, and of the release."""

    name = "project state"
    stage = Stage.FIELDS

    def applies(self, submission: Submission) -> bool:
        """Tell whether there is a project; a new one has no state yet."""
        return submission.project is not None

    def check(self, submission: Submission) -> None:
        """Raise ProjectArchived, ProjectQuarantined, TrustedPublisherRequired or ReleaseQuarantined."""
        if submission.project is None:
            return
        if submission.project.only_publishers and submission.actor.kind == "token":
            raise TrustedPublisherRequired
        refuse(judge_upload_state(submission.project.status, submission.project.status_reason))
        held = find_equal_release(
            held_releases(submission.project.pk), str(Version(submission.form.one("version")))
        )
        refuse(judge_release_change(held.quarantined if held else None))
