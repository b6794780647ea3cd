"""Step 2: the index takes uploads at all."""

from __future__ import annotations

from keyhouse.core import actions, configuration
from keyhouse.core.switches import UploadsFrozen
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.submission import Stage, Submission


class ServiceOpen(Check):
    """Judges what stops uploads to the whole index: its setting, and the switches of operators and moderators.

    Asked before anybody is known and a byte of the body is read. The gate asks for the switches once more, and so does
    the transaction that publishes.
    """

    name = "service open"
    stage = Stage.HEADERS

    def check(self, submission: Submission) -> None:
        """Raise UploadsFrozen, with the reason that the switch was given."""
        if configuration.current().uploads == "frozen":
            raise UploadsFrozen
        actions.require_open(submission.actor, "release.upload")
