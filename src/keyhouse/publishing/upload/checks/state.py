"""Step 6: the project's state. An archived or quarantined one takes no files."""

from __future__ import annotations

from keyhouse.projects.rules import judge_upload_state
from keyhouse.publishing.upload.checks.check import Check, refuse
from keyhouse.publishing.upload.submission import Stage, Submission


class ProjectState(Check):
    """Judges the state of a project that exists."""

    name = "project state"
    stage = Stage.FIELDS

    def applies(self, submission: Submission) -> bool:
        """Tell whether there is a project; a new one has no state yet."""
        return submission.project is not None

    def check(self, submission: Submission) -> None:
        """Raise ProjectArchived or ProjectQuarantined."""
        if submission.project is not None:
            refuse(judge_upload_state(submission.project.status, submission.project.status_reason))
