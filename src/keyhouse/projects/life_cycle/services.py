"""Yanking, deleting and archiving. One transaction, one audit record, pages rendered in it.

The lock of the project's row is taken first and the number of the change last, as in every service of projects.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from keyhouse.audit.services import Detail, record
from keyhouse.core import clock, faults
from keyhouse.core.actor import Actor
from keyhouse.projects import pages, rules
from keyhouse.projects.changing import cleaned, project_to_change, release_to_change, thing_of
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import File, Project, Release, Tombstone, UsedFileName


def yank_release(name: str, version: str, reason: str = "", *, by: Actor) -> Release:
    """Mark a release as one that installers pass by (PEP 592); once more with another reason changes the reason.

    `name` is normalised, `version` canonical. Raises ProjectNotFound, ProjectQuarantined, ReasonRefused, RoleRequired
    and what the gate raises.
    """
    reason = cleaned(reason)
    with transaction.atomic():
        project, release = release_to_change(name, version, "release.yank", by)
        if release.yanked_at is not None and release.yanked_reason == reason:
            return release
        release.yanked_at, release.yanked_reason = release.yanked_at or clock.now(), reason
        release.save(update_fields=["yanked_at", "yanked_reason"])
        details: dict[str, Detail] = {"version": version, "reason": reason}
        record("release.yank", by=by, about=thing_of(project), details=details)
        pages.refresh_pages(project, versions=[version])
        faults.reach("yank.rows-written")
    faults.reach("yank.committed")
    return release


def unyank_release(name: str, version: str, *, by: Actor) -> Release:
    """Take back a yank; one that isn't there changes nothing. Raises as `yank_release`."""
    with transaction.atomic():
        project, release = release_to_change(name, version, "release.unyank", by)
        if release.yanked_at is None:
            return release
        details: dict[str, Detail] = {"version": version, "reason": release.yanked_reason}
        release.yanked_at, release.yanked_reason = None, ""
        release.save(update_fields=["yanked_at", "yanked_reason"])
        record("release.unyank", by=by, about=thing_of(project), details=details)
        pages.refresh_pages(project, versions=[version])
        faults.reach("yank.rows-written")
    faults.reach("yank.committed")
    return release


def delete_file(name: str, filename: str, *, by: Actor) -> None:
    """Take a file out of the index. Its name stays used for ever, its release stays, its bytes stay in the storage.

    `name` is normalised. Raises ProjectNotFound, ProjectQuarantined, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        project = project_to_change(name, "file.delete", by)
        file = project.files.filter(filename=filename).select_related("release").first()
        if file is None:
            raise ProjectNotFound("The project has no such file.")
        version = file.release.version
        _delete_files(project.files.filter(pk=file.pk))
        details: dict[str, Detail] = {"version": version, "filename": filename, "sha256": file.sha256}
        record("file.delete", by=by, about=thing_of(project), details=details)
        pages.refresh_pages(project, versions=[version])
        faults.reach("deletion.rows-written")
    faults.reach("deletion.committed")


def delete_release(name: str, version: str, *, by: Actor) -> None:
    """Take a release and its files out of the index; their names stay used. Raises as `delete_file`."""
    with transaction.atomic():
        project, release = release_to_change(name, version, "release.delete", by)
        filenames = _delete_files(release.files.all())
        release.delete()
        details: dict[str, Detail] = {"version": version, "files": filenames}
        record("release.delete", by=by, about=thing_of(project), details=details)
        pages.refresh_pages(project, versions=[version])
        faults.reach("deletion.rows-written")
    faults.reach("deletion.committed")


def delete_project(name: str, *, by: Actor) -> None:
    """Take a project out of the index. Its name becomes free, its file names never. Raises as `delete_file`.

    What stays is a tombstone with the project's lineage, which a new project of that name takes on.
    """
    with transaction.atomic():
        project = project_to_change(name, "project.delete", by)
        thing, versions = thing_of(project), list(project.releases.values_list("version", flat=True))
        filenames = _delete_files(project.files.all())
        pages.remove_pages(project, versions)
        Tombstone.objects.update_or_create(
            normalized_name=name, defaults={"lineage": project.lineage, "deleted_at": clock.now()}
        )
        project.delete()
        details: dict[str, Detail] = {"versions": versions, "files": filenames}
        record("project.delete", by=by, about=thing, details=details)
        faults.reach("deletion.rows-written")
    faults.reach("deletion.committed")


def archive_project(name: str, reason: str = "", *, by: Actor) -> Project:
    """Mark a project as finished: it takes no files and installers say so (PEP 792). Raises as `yank_release`."""
    return _set_status(name, rules.ARCHIVED, cleaned(reason), "project.archive", by)


def unarchive_project(name: str, *, by: Actor) -> Project:
    """Take a project out of the archive; one that isn't in it stays as it is. Raises as `yank_release`."""
    return _set_status(name, rules.ACTIVE, "", "project.unarchive", by)


def _set_status(name: str, status: str, reason: str, action: str, by: Actor) -> Project:
    with transaction.atomic():
        project = project_to_change(name, action, by)
        is_kept = status == rules.ACTIVE and project.status != rules.ARCHIVED
        if is_kept or (project.status, project.status_reason) == (status, reason):
            return project
        details: dict[str, Detail] = {"before": project.status, "reason": reason or project.status_reason}
        project.status, project.status_reason = status, reason
        project.save(update_fields=["status", "status_reason"])
        record(action, by=by, about=thing_of(project), details=details)
        pages.refresh_pages(project)
    return project


def _delete_files(files: QuerySet[File]) -> list[str]:
    """Delete these files and return their names, which are used from now on."""
    names = list(files.values_list("filename", flat=True))
    UsedFileName.objects.filter(filename__in=files.values("filename")).update(deleted_at=clock.now())
    files.delete()
    return names
