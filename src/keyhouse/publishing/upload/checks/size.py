"""Step 8: sizes. By what is announced before the file comes, by what is counted while and after it came."""

from __future__ import annotations

import shutil
from typing import Final

from keyhouse.core import configuration
from keyhouse.projects.rules import judge_project_size
from keyhouse.publishing.upload.checks.check import Check, refuse
from keyhouse.publishing.upload.errors import FileTooLarge
from keyhouse.publishing.upload.submission import Stage, Submission
from keyhouse.storage.errors import StorageFull

# the announced size is that of the whole form; a description and the like may stand around the file
_AROUND: Final = 8 * 2**20


class AnnouncedSize(Check):
    """Refuses a file that can't fit before it is sent."""

    name = "announced size"
    stage = Stage.FIELDS

    def applies(self, submission: Submission) -> bool:
        """Wait for the project, whose limits count."""
        is_announced = submission.is_body_to_come and submission.caller.body_size is not None
        return is_announced and "project" in submission.passed

    def check(self, submission: Submission) -> None:
        """Raise FileTooLarge, ProjectTooLarge or StorageFull."""
        least = max(0, (submission.caller.body_size or 0) - _AROUND)
        check_size(submission, least)
        if least > _free_space():
            raise StorageFull


class ReceivedSize(Check):
    """Judges the size that arrived."""

    name = "received size"
    stage = Stage.BODY

    def check(self, submission: Submission) -> None:
        """Raise FileTooLarge or ProjectTooLarge."""
        check_size(submission, submission.received.size)


def check_size(submission: Submission, size: int) -> None:
    """Raise FileTooLarge or ProjectTooLarge where so many bytes more are too many."""
    if size > submission.file_limit:
        raise FileTooLarge(f"The file is larger than {submission.file_limit} bytes.")
    used = submission.project.size if submission.project else 0
    refuse(judge_project_size(used, size, submission.project_limit))


def _free_space() -> int:
    folder = configuration.current().files_folder
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
