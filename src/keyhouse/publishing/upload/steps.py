"""The steps of an upload, in their order.

Each is asked as early as it can be: from the headers, before a byte of the body is read; from the fields before the
file, before the file is read; the rest when everything is here. What was judged early is not judged again, but for
the form itself, since fields may follow the file.
"""

from __future__ import annotations

from typing import Final

from keyhouse.publishing.upload.checks.archive import Archive
from keyhouse.publishing.upload.checks.attestations import Attestations
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.checks.credential import Credential
from keyhouse.publishing.upload.checks.digests import Digests
from keyhouse.publishing.upload.checks.duplicates import Duplicates, TakenName
from keyhouse.publishing.upload.checks.filename import FileName
from keyhouse.publishing.upload.checks.form import CompleteForm, SensibleForm
from keyhouse.publishing.upload.checks.gate import Gate
from keyhouse.publishing.upload.checks.metadata import Metadata
from keyhouse.publishing.upload.checks.project import ProjectAuthority
from keyhouse.publishing.upload.checks.sdist import SourceDistribution
from keyhouse.publishing.upload.checks.service_open import ServiceOpen
from keyhouse.publishing.upload.checks.size import AnnouncedSize, ReceivedSize
from keyhouse.publishing.upload.checks.state import ProjectState
from keyhouse.publishing.upload.checks.wheel import Wheel
from keyhouse.publishing.upload.submission import Stage, Submission

STEPS: Final[tuple[Check, ...]] = (
    SensibleForm(),
    CompleteForm(),
    ServiceOpen(),
    Credential(),
    ProjectAuthority(),
    Gate(),
    ProjectState(),
    FileName(),
    AnnouncedSize(),
    TakenName(),
    ReceivedSize(),
    Digests(),
    Duplicates(),
    Archive(),
    Wheel(),
    SourceDistribution(),
    Metadata(),
    Attestations(),
)


def judge(submission: Submission, stage: Stage) -> None:
    """Ask every step that can be asked now and wasn't; raises the first refusal.

    A file that is here already, bytes and all, is not read once more.
    """
    for step in STEPS:
        if submission.existing is None and _is_due(step, submission, stage):
            step.check(submission)
            submission.passed.add(step.name)


def _is_due(step: Check, submission: Submission, stage: Stage) -> bool:
    is_open = step.is_asked_at_every_stage or step.name not in submission.passed
    return step.stage <= stage and is_open and step.applies(submission)
