"""Staging files, publishing and discarding what is staged. One transaction and one audit record for each act.

The lock of the project's row is taken first, so that of two acts on one staged release the later sees what the earlier did.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import Detail, record
from keyhouse.core import clock, configuration, faults
from keyhouse.core.actor import Actor, at_project
from keyhouse.projects import queries as project_queries
from keyhouse.projects.changing import project_to_change, raise_refusal, settled, thing_of
from keyhouse.projects.life_cycle.emails import people_of, tell_people
from keyhouse.projects.life_cycle.letters import News, letter
from keyhouse.projects.models import File, Project
from keyhouse.projects.services import NewFile, find_published
from keyhouse.projects.several import publish_files
from keyhouse.publishing.attestations.telling import tell_of_break
from keyhouse.publishing.staging import letters, origin, queries
from keyhouse.publishing.staging.describing import read, written
from keyhouse.publishing.staging.errors import (
    StagedBytesMissing,
    StagedChanged,
    StagedFileTooLarge,
    StagedMissing,
    StagedOriginEnded,
    StagedTooMany,
    StagingNeedsProject,
)
from keyhouse.publishing.staging.models import StagedFile, StagedRelease
from keyhouse.publishing.staging.rules import MOST_WAITING, Waiting, judge_beside
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of

PUBLISH: Final = "release.publish"
DISCARD: Final = "release.discard"
STAGE: Final = "release.stage"
SET_STAGING: Final = "project.set-staging"


def page_of(project: Project) -> str:
    """Return where a project's people see what waits."""
    return f"/manage/project/{project.normalized_name}/staged/"


def stage_file(new: NewFile, *, by: Actor) -> StagedFile | File:
    """Let a stored file wait until a person publishes it; the very same file again changes nothing.

    Everything is judged as for publishing, with what waits beside it. One that is published already is returned as it is.
    Raises StagingNeedsProject, StagedFileExists, and what `projects.services.publish_file` raises.
    """
    found = settled(lambda: _stage(new, by))
    faults.reach("staging.committed")
    return found


def _stage(new: NewFile, by: Actor) -> StagedFile | File:
    now = clock.now()
    with transaction.atomic():
        project = project_queries.lock_project(new.normalized_name)
        if project is None:
            raise StagingNeedsProject
        by = at_project(by, project.pk, new.normalized_name)  # its publisher may have gone meanwhile
        published = find_published(new, project, by=by, besides=queries.bytes_waiting(project, now))
        if published is not None:
            return published
        about = Waiting(new.filename, new.kind, new.sha256, new.version, new.size)
        raise_refusal(judge_beside(about, queries.beside(project, now)))
        same = queries.file_waiting(project, new.filename, now)
        if same is not None:
            return same
        release = queries.find_waiting(project, new.version, now) or _open(project, new, by, now)
        staged = _add(release, new, by, now)
        details = {"version": release.version, "filename": new.filename, "sha256": new.sha256}
        record(STAGE, by=by, about=thing_of(project), details=details)
        faults.reach("staging.rows-written")
    return staged


def _open(project: Project, new: NewFile, by: Actor, now: datetime) -> StagedRelease:
    """Begin a staged release; an older one of this version whose time is over makes room. Owners are told once."""
    if queries.waiting_of(project, now).count() >= MOST_WAITING:
        raise StagedTooMany
    late = StagedRelease.objects.filter(project=project, version=new.version, ended_at__isnull=True)
    late.update(ended_at=now, outcome=StagedRelease.Outcome.EXPIRED)
    until = now + timedelta(days=configuration.current().staged_days)
    release = StagedRelease.objects.create(
        project=project, version=new.version, opened_at=now, opened_by=by.name, expires_at=until
    )
    tell_waiting(project, letters.staged(new.version, new.filename, until), by.name, now)
    return release


def tell_waiting(project: Project, news: News, who: str, now: datetime) -> None:
    """Write to everybody who may publish it; nobody's own act is told of, so nothing in it freezes an account."""
    tell_others(people_of(project), letter(project.name, news, who, "", page_of(project)), now)


def _add(release: StagedRelease, new: NewFile, by: Actor, now: datetime) -> StagedFile:
    return StagedFile.objects.create(
        release=release,
        filename=new.filename,
        kind=new.kind,
        size=new.size,
        sha256=new.sha256,
        blake2=new.blake2,
        staged_at=now,
        uploaded_by=by.name,
        person_id=by.user_id,
        uploaded_via=new.uploaded_via,
        credential=new.credential,
        description=written(new),
    )


def publish_release(name: str, version: str, *, seen: str, by: Actor) -> list[File]:
    """Make all files of a staged release visible at once, and return them.

    `name` is normalised; `seen` is the digest (`queries.fingerprint_of`) of what `by` looked at. All is judged anew: what
    uploaded it, names, states, sizes and ages. Raises StagedMissing, StagedChanged, StagedOriginEnded, StagedBytesMissing,
    StagedFileTooLarge, and what `projects.several.publish_files` raises.
    """
    files = settled(lambda: _publish(name, version, seen, by))
    faults.reach("staging.published")
    return files


def _publish(name: str, version: str, seen: str, by: Actor) -> list[File]:
    now = clock.now()
    with transaction.atomic():
        project, release = _waiting(name, version, PUBLISH, by, now)
        staged = queries.files_of(release)
        if queries.fingerprint_of(staged) != seen:
            raise StagedChanged
        _judge(project, staged)
        version, names = release.version, [one.filename for one in staged]
        new = [read(one, by.user_id or by.kind, now) for one in staged]
        details: dict[str, Detail] = {"version": version, "files": len(staged)}
        record(PUBLISH, by=by, about=thing_of(project), details=details)
        tell_people(project, letters.published(version, names), by=by)
        release.delete()
        files = publish_files(new, by=by)
        for file in files[:1]:  # of the release; in here, as nobody publishes it a second time
            tell_of_break(file)
        faults.reach("staging.release-written")
    return files


def _waiting(name: str, version: str, action: str, by: Actor, now: datetime) -> tuple[Project, StagedRelease]:
    project = project_to_change(name, action, by)
    release = queries.find_waiting(project, version, now)
    if release is None:
        raise StagedMissing
    return project, release


def _judge(project: Project, staged: Sequence[StagedFile]) -> None:
    limit = project.file_limit or configuration.current().file_limit
    for one in staged:
        objection = origin.find_objection(project, one)
        if objection:
            raise StagedOriginEnded(f"{one.filename} can't be published: {objection}.")
        if one.size > limit:
            raise StagedFileTooLarge(f"{one.filename} is larger than {limit} bytes.")
        if blobs().size(key_of(one.blake2, one.filename)) != one.size:
            raise StagedBytesMissing(f"The stored bytes of {one.filename} are gone.")


def discard_release(name: str, version: str, *, by: Actor) -> StagedRelease:
    """Let go of a staged release, which nobody has seen; its bytes go later. Raises StagedMissing, and as `publish_release`."""
    now = clock.now()
    with transaction.atomic():
        project, release = _waiting(name, version, DISCARD, by, now)
        release.ended_at, release.outcome = now, StagedRelease.Outcome.DISCARDED
        release.save(update_fields=["ended_at", "outcome"])
        details: dict[str, Detail] = {"version": release.version}
        record(DISCARD, by=by, about=thing_of(project), details=details)
        faults.reach("staging.discard-written")
    return release


def set_staging(name: str, *, stages: bool, by: Actor) -> Project:
    """Say whether all uploads to a project wait until a person publishes them; what waits already goes on waiting."""
    with transaction.atomic():
        project = project_to_change(name, SET_STAGING, by)
        if project.stages_uploads == stages:
            return project
        project.stages_uploads = stages
        project.save(update_fields=["stages_uploads"])
        record(SET_STAGING, by=by, about=thing_of(project), details={"stages_uploads": stages})
        tell_people(project, letters.SETTING_ON if stages else letters.SETTING_OFF, by=by)
    return project
