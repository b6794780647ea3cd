"""Step 5: the gate, which says whether the credential is strong enough and its owner in good order."""

from __future__ import annotations

from keyhouse.core import actions
from keyhouse.core.errors import Refusal
from keyhouse.mandate.shown import keep_shown, mandates_of
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.checks.project import asked_of
from keyhouse.publishing.upload.submission import Stage, Submission


class Gate(Check):
    """Asks the gate, for an upload always and for a new project as well."""

    name = "gate"
    stage = Stage.FIELDS

    def applies(self, submission: Submission) -> bool:
        """Wait for the project."""
        return "project" in submission.passed

    def check(self, submission: Submission) -> None:
        """Raise what the gate says, with its code and fix; keep what it tells beside a yes."""
        action, thing = asked_of(submission)
        for name in dict.fromkeys((action, "release.upload")):
            try:
                caution = actions.require_gate(submission.actor, name, thing)
            except Refusal as refusal:
                keep_shown(submission.actor, mandates_of(refusal))  # clients show the line of a refusal
                raise
            if caution is not None:
                submission.cautions.append(caution)
