"""Step 2: the index takes uploads at all."""

from __future__ import annotations

from keyhouse.core import configuration
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.errors import UploadsFrozen
from keyhouse.publishing.upload.submission import Stage, Submission


class ServiceOpen(Check):
    """Judges the switch of the whole index."""

    name = "service open"
    stage = Stage.HEADERS

    def check(self, submission: Submission) -> None:
        """Raise UploadsFrozen."""
        del submission
        if configuration.current().uploads == "frozen":
            raise UploadsFrozen
