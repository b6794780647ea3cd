"""The last step: blob first and synced, then the rows and pages in one transaction.

A crash anywhere leaves nothing half-visible: a blob without a row is seen by nobody, and the same upload succeeds after.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, connection

from keyhouse.audit.services import Detail
from keyhouse.core import clock, faults
from keyhouse.core.errors import GateUnavailable
from keyhouse.credentials.trusted_publishers.beside import tell_of_token
from keyhouse.distfiles.description import render
from keyhouse.distfiles.filenames import DistributionName
from keyhouse.distfiles.metadata import FileMetadata
from keyhouse.mandate.notices.services import note_weak_use
from keyhouse.projects.models import File
from keyhouse.projects.services import NewFile, publish_file
from keyhouse.publishing.attestations.telling import tell_of_break
from keyhouse.publishing.staging.errors import StagingNeedsProject
from keyhouse.publishing.staging.models import StagedFile
from keyhouse.publishing.staging.services import stage_file
from keyhouse.publishing.upload.checks.archive import examination_of
from keyhouse.publishing.upload.content import Content
from keyhouse.publishing.upload.submission import Submission
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of, metadata_key_of

_log = logging.getLogger("keyhouse.upload")

# nothing is published that these didn't see, whatever becomes of the list of steps
_INDISPENSABLE: Final = frozenset(
    {
        "complete form",
        "service open",
        "credential",
        "project",
        "gate",
        "file name",
        "digests",
        "archive",
        "metadata",
    }
)
_RETRIED: Final = timedelta(days=1)
# Inside one process uploads queue here rather than in SQLite, whose waiters sleep for longer and longer times.
_queue: Final = threading.Lock()


def publish(submission: Submission) -> File | StagedFile:
    """Store the file and make it visible, or let it wait; raises a `Refusal`, OSError or DatabaseError."""
    if submission.existing is not None:
        file = submission.existing
    elif not submission.passed >= _INDISPENSABLE:
        raise GateUnavailable
    elif submission.is_to_be_staged:
        return store_and_stage(submission, describe(submission))
    else:
        file = store_and_publish(submission, describe(submission))
    _tell_owners(file)
    _note_cautions(submission, file)
    return file


def _note_cautions(submission: Submission, file: File) -> None:
    """Let whom it concerns be told by mail what the answer warns of, which no client shows; the file is published anyway."""
    if not submission.cautions:
        return
    try:
        note_weak_use(submission.actor, file.project.normalized_name, submission.cautions, now=clock.now())
    except DatabaseError:
        _log.warning("that %s was warned of can't be noted", file.filename, exc_info=True)


def _tell_owners(file: File) -> None:
    """Write to owners where the release is odd; the file is published whether or not that can be written down.

    Of a file that was here already only while its upload may just be tried again.
    """
    if clock.now() - file.uploaded_at > _RETRIED:
        return
    try:
        tell_of_break(file)
    except DatabaseError:
        _log.warning("owners can't be told of %s", file.filename, exc_info=True)


def store_and_publish(submission: Submission, new: NewFile) -> File:
    """Store the bytes, then make them visible as `new`; raises as `publish` does."""
    store(submission)
    with turn():
        file = publish_file(new, by=submission.actor)
    faults.reach("upload.committed")
    if new.uploaded_via == "token":
        tell_of_token(new.credential, file.project_id, clock.now())
    return file


def store_and_stage(submission: Submission, new: NewFile) -> File | StagedFile:
    """Store the bytes, then let them wait for a person as `new`; raises as `publish` does."""
    if submission.is_new_project:
        raise StagingNeedsProject
    store(submission)
    with turn():
        file = stage_file(new, by=submission.actor)
    if new.uploaded_via == "token" and submission.project is not None:
        tell_of_token(new.credential, submission.project.pk, clock.now())
    return file


def store(submission: Submission) -> None:
    """Put the file, and a wheel's metadata beside it, under their keys; synced when this returns."""
    store_content(submission.received, submission.filename or "", served_metadata(submission))


def store_content(content: Content, filename: str, served: bytes | None) -> None:
    """Put a file, and what is served beside it, under their keys; synced when this returns."""
    store_contents([(content, filename, served)])


def store_contents(several: Sequence[tuple[Content, str, bytes | None]]) -> None:
    """Do the same for several files; each folder is synced once for all of them."""
    storing = Storing(several)
    try:
        storing.sync()
    finally:
        storing.close()
    faults.reach("upload.blob-stored")


class Storing:
    """Files, and what is served beside each, that have their keys already; nobody may rely on them before `sync`."""

    def __init__(self, several: Iterable[tuple[Content, str, bytes | None]]) -> None:
        """Give the files their keys; raises OSError, and then nothing is left but the files that came."""
        self._served = list[Path]()
        self._pairs = list[tuple[Path, str]]()
        self._is_durable = False
        try:
            for content, filename, served in several:
                self._add(content, filename, served)
            self._sync = blobs().name_all(self._pairs)
        except BaseException:
            self.close()
            raise

    def _add(self, content: Content, filename: str, served: bytes | None) -> None:
        self._pairs.append((content.path, key_of(content.blake2, filename)))
        if served is not None:
            self._served.append(blobs().incoming())
            self._served[-1].write_bytes(served)
            self._pairs.append((self._served[-1], metadata_key_of(content.blake2, filename)))

    def sync(self) -> None:
        """Make all of it durable; to be called once, from any thread. Raises OSError, and new keys are taken back."""
        self._sync()
        self._is_durable = True

    def close(self) -> None:
        """Remove temporary files: those of what is served beside, and those that came, once they are safe elsewhere."""
        for path in [temp for temp, _ in self._pairs] if self._is_durable else self._served:
            path.unlink(missing_ok=True)


def served_metadata(submission: Submission) -> bytes | None:
    """Return the bytes of METADATA, which installers fetch beside a wheel (PEP 658); None for an sdist."""
    is_wheel = submission.name is not None and submission.name.kind == "wheel"
    return examination_of(submission).metadata_bytes if is_wheel else None


def describe(submission: Submission) -> NewFile:
    """Say what is published, all of it taken from the file."""
    name, metadata = submission.name, examination_of(submission).metadata
    if name is None or metadata is None:
        raise GateUnavailable
    actor = submission.actor
    publication = _publication(submission)
    told = describe_content(submission.received, name, metadata.as_dict(), served_metadata(submission))
    return replace(
        told,
        description_html=_description_html(metadata),
        uploaded_via=actor.kind,
        credential=actor.credential,
        client=submission.caller.user_agent[:300],
        publication=publication,
        provenance=submission.provenance,
        told=_told_of(publication),
    )


def _publication(submission: Submission) -> dict[str, Any]:
    scope = submission.actor.restrictions
    told = {} if scope is None else dict(scope.publication)
    return told | (
        {"attestations": [dict(one) for one in submission.attested]} if submission.attested else {}
    )


def _told_of(publication: Mapping[str, object]) -> dict[str, Detail]:
    """Return what the audit log tells of a publisher and its identity: run, ref, sha and the like."""
    claims = publication.get("claims")
    if not isinstance(claims, Mapping):
        return {}
    told = [f"{name}={value}" for name, value in sorted(claims.items())]
    return {"publisher": str(publication.get("publisher")), "claims": told}


def describe_content(
    content: Content, name: DistributionName, metadata: dict[str, Any], served: bytes | None
) -> NewFile:
    """Say what a file is, all of it taken from the file; who publishes it, and its description, are left open.

    `metadata` is `FileMetadata.as_dict()`.
    """
    return NewFile(
        project_name=metadata["name"],
        version=str(name.version),
        filename=name.filename,
        kind="bdist_wheel" if name.kind == "wheel" else "sdist",
        python_tag=name.filename.split("-")[-3] if name.kind == "wheel" else "source",
        size=content.size,
        md5=content.md5,
        sha256=content.sha256,
        blake2=content.blake2,
        metadata=metadata,
        metadata_sha256="" if served is None else hashlib.sha256(served).hexdigest(),
        requires_python=metadata["requires_python"],
        description_html="",
        uploaded_via="",
        credential="",
        client="",
    )


def _description_html(metadata: FileMetadata) -> str:
    return render(metadata.description, metadata.description_content_type) or ""


def turn() -> AbstractContextManager[object]:
    """Return what lets one at a time write, where the database takes one at a time."""
    return _queue if connection.vendor == "sqlite" else nullcontext()
