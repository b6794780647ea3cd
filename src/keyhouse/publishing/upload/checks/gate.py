"""Step 5: the gate, which says whether the credential is strong enough and its owner in good order."""

from __future__ import annotations

from typing import Final

from keyhouse.core import actions
from keyhouse.core.errors import Refusal
from keyhouse.mandate.homes import home_to_be
from keyhouse.mandate.shown import keep_shown, mandates_of
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.checks.project import asked_of
from keyhouse.publishing.upload.submission import Stage, Submission

UPLOAD: Final = "release.upload"


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
        asked = [(name, thing) for name in dict.fromkeys((action, UPLOAD))]
        home = home_to_be(submission.actor, thing.name) if submission.is_new_project else None
        if home is not None:
            asked.append((UPLOAD, home))
        for name, about in asked:
            try:
                caution = actions.require_gate(submission.actor, name, about)
            except Refusal as refusal:
                keep_shown(submission.actor, mandates_of(refusal))  # clients show the line of a refusal
                raise
            if caution is not None:
                submission.cautions.append(caution)
