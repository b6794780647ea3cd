"""Publish a file that lies on this machine: judged as an upload is, without form, credential and gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from keyhouse.core import configuration
from keyhouse.core.actor import Actor
from keyhouse.distfiles.filenames import parse_filename
from keyhouse.projects import queries
from keyhouse.projects.errors import FileExists
from keyhouse.projects.models import File
from keyhouse.projects.services import NewFile
from keyhouse.publishing.upload.checks.archive import Archive
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.checks.duplicates import Duplicates
from keyhouse.publishing.upload.checks.metadata import Metadata
from keyhouse.publishing.upload.checks.sdist import SourceDistribution
from keyhouse.publishing.upload.checks.size import ReceivedSize
from keyhouse.publishing.upload.checks.wheel import Wheel
from keyhouse.publishing.upload.content import Content, IncomingFile
from keyhouse.publishing.upload.publish import describe, store, store_and_publish
from keyhouse.publishing.upload.submission import Submission, rules_in_use
from keyhouse.storage import blobs

_STEPS: Final[tuple[Check, ...]] = (
    ReceivedSize(),
    Duplicates(),
    Archive(),
    Wheel(),
    SourceDistribution(),
    Metadata(),
)
_PIECE: Final = 2**20


def publish_local_file(  # noqa: PLR0913 - each keyword is a fact of the file's history
    path: Path,
    *,
    by: Actor,
    uploaded_via: str,
    uploaded_at: datetime | None = None,
    owner_id: int | None = None,
    uploaded_by: str = "",
) -> File:
    """Publish a copy of the file at `path`; the very same file again changes nothing.

    File rules are asked, and what `by` may do by `projects`; the age of a release is not asked of the host.
    `owner_id` owns a project that this makes, `uploaded_by` stands beside the file, both `by`'s where left out.
    Raises a `Refusal` (`distfiles`, `projects`, this feature), OSError, or DatabaseError.
    """
    incoming = IncomingFile(blobs())
    try:
        submission = _begin(path, by)
        submission.content = _copy(path, incoming)
        _judge(submission)
        if submission.existing is not None:
            return submission.existing
        told = replace(
            describe(submission),
            uploaded_via=uploaded_via,
            uploaded_at=uploaded_at,
            owner_id=owner_id,
            uploaded_by=uploaded_by,
        )
        return store_and_publish(submission, told)
    finally:
        incoming.discard()


def store_local_file(path: Path, *, by: Actor) -> NewFile:
    """Judge the file at `path`, store a copy of it, and return what `projects.services.publish_file` takes.

    Nothing of it is visible yet; so what takes long is done before a transaction begins. Raises as `publish_local_file`,
    and FileExists where the very same file is published already.
    """
    incoming = IncomingFile(blobs())
    try:
        submission = _begin(path, by)
        submission.content = _copy(path, incoming)
        _judge(submission)
        if submission.existing is not None:
            raise FileExists(f"File already exists: {path.name}.")
        new = describe(submission)
        store(submission)
        return new
    finally:
        incoming.discard()


def _begin(path: Path, by: Actor) -> Submission:
    settings = configuration.current()
    name = parse_filename(path.name)
    return Submission(
        rules=rules_in_use(),
        default_file_limit=settings.file_limit,
        default_project_limit=settings.project_limit,
        filename=path.name,
        name=name,
        actor=by,
        project=queries.find_project(name.name),
    )


def _copy(path: Path, incoming: IncomingFile) -> Content:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            incoming.write([piece])
    return incoming.finish()


def _judge(submission: Submission) -> None:
    for step in _STEPS:
        if submission.existing is None and step.applies(submission):
            step.check(submission)
