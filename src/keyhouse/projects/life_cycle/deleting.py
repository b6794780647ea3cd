"""Taking files, releases and projects out of the index. For some days their rows are kept aside, and they can be brought back.

File names stay used for ever, and nothing but a restore ever has one again. The bytes stay in the storage until the days
are over (`sweeping`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from keyhouse.audit.services import Detail, record
from keyhouse.core import clock, configuration, faults
from keyhouse.core.actor import Actor
from keyhouse.projects import pages
from keyhouse.projects.changing import (
    project_to_change,
    release_to_change,
    require_no_quarantine,
    settled,
    thing_of,
)
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.life_cycle import aside, letters, successors
from keyhouse.projects.life_cycle.emails import tell_people
from keyhouse.projects.life_cycle.models import Removal
from keyhouse.projects.models import File, Project, Tombstone, UsedFileName


def delete_file(name: str, filename: str, *, by: Actor) -> Removal:
    """Take a file out of the index; its release stays. Returns what brings it back.

    `name` is normalised. Raises ProjectNotFound, ProjectQuarantined, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        project = project_to_change(name, "file.delete", by)
        file = project.files.filter(filename=filename).select_related("release").first()
        if file is None:
            raise ProjectNotFound("The project has no such file.")
        require_no_quarantine(project.files.filter(pk=file.pk), by)
        removal = _note(project, Removal.Kind.FILE, by, version=file.release.version, filename=filename)
        aside.keep_files(removal, project.files.filter(pk=file.pk))
        lost = pages.provenance_names(project, project.files.filter(pk=file.pk))
        _delete_files(removal, project.files.filter(pk=file.pk))
        details: dict[str, Detail] = {
            "version": removal.version,
            "filename": filename,
            "sha256": file.sha256,
        }
        record("file.delete", by=by, about=thing_of(project), details=details)
        tell_people(project, letters.file_deleted(filename, _until(removal)), by=by)
        pages.refresh_pages(project, versions=[removal.version], lost=lost)
        faults.reach("deletion.rows-written")
    faults.reach("deletion.committed")
    return removal


def delete_release(name: str, version: str, *, by: Actor) -> Removal:
    """Take a release and its files out of the index; their names stay used. Raises as `delete_file`."""
    with transaction.atomic():
        project, release = release_to_change(name, version, "release.delete", by)
        require_no_quarantine(release.files.all(), by)
        removal = _note(project, Removal.Kind.RELEASE, by, version=version)
        aside.keep_release(removal, release)
        lost = pages.provenance_names(project, release.files.all())
        filenames = _delete_files(removal, release.files.all())
        release.delete()
        details: dict[str, Detail] = {"version": version, "files": filenames}
        record("release.delete", by=by, about=thing_of(project), details=details)
        tell_people(project, letters.release_deleted(version, _until(removal)), by=by)
        pages.refresh_pages(project, versions=[version], lost=lost)
        faults.reach("deletion.rows-written")
    faults.reach("deletion.committed")
    return removal


def delete_project(name: str, *, by: Actor) -> Removal:
    """Take a project out of the index. Its name becomes free, its file names never. Raises as `delete_file`.

    What stays is a tombstone with the project's lineage, which a new project of that name takes on.
    """
    removal = settled(lambda: _delete_project(name, by))
    faults.reach("deletion.committed")
    return removal


def _delete_project(name: str, by: Actor) -> Removal:
    with transaction.atomic():
        successors.lock_with_those_naming(name)
        project = project_to_change(name, "project.delete", by)
        require_no_quarantine(project.files.all(), by, project.releases.all())
        thing, versions = thing_of(project), list(project.releases.values_list("version", flat=True))
        removal = _note(project, Removal.Kind.PROJECT, by)
        aside.keep_project(removal, project)
        lost = pages.provenance_names(project, project.files.all())
        filenames = _delete_files(removal, project.files.all())
        news = letters.project_deleted(_until(removal))
        tell_people(project, news, by=by, path="/manage/deleted/")
        Tombstone.objects.update_or_create(
            normalized_name=name, defaults={"lineage": project.lineage, "deleted_at": clock.now()}
        )
        details: dict[str, Detail] = {"versions": versions, "files": filenames}
        record("project.delete", by=by, about=thing, details=details)
        successors.tell_no_more(project, _until(removal))
        pages.remove_pages(project, versions, lost)
        project.delete()
        faults.reach("deletion.rows-written")
    return removal


def _note(
    project: Project, kind: Removal.Kind, by: Actor, *, version: str = "", filename: str = ""
) -> Removal:
    now = clock.now()
    return Removal.objects.create(
        kind=kind,
        project_key=project.pk,
        project_name=project.name,
        normalized_name=project.normalized_name,
        version=version,
        filename=filename,
        removed_at=now,
        removed_by=by.name,
        until_at=now + timedelta(days=configuration.current().undo_days),
        organization_key=project.organization_id,
    )


def _until(removal: Removal) -> datetime | None:
    return removal.until_at if removal.until_at > removal.removed_at else None


def _delete_files(removal: Removal, files: QuerySet[File]) -> list[str]:
    """Delete these files and return their names, which are used from now on."""
    names = list(files.values_list("filename", flat=True))
    UsedFileName.objects.filter(filename__in=files.values("filename")).update(deleted_at=clock.now())
    files.delete()
    removal.file_count = len(names)
    removal.save(update_fields=["file_count"])
    return names
