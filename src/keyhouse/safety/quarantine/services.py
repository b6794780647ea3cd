"""Placing and lifting a quarantine: the project's row locked, one transaction, one audit record, its pages anew.

Everything that installers and people meet is rendered from the rows that change here, or asks them; so the next
request finds nothing, in every process, and what was there before comes back as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Letter
from keyhouse.projects import pages
from keyhouse.projects.changing import thing_of
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import File, Project, Release
from keyhouse.projects.queries import find_release, lock_project
from keyhouse.projects.rights import people_of
from keyhouse.safety.quarantine import letters, queries
from keyhouse.safety.quarantine.errors import QuarantineMissing, QuarantineReasonRefused
from keyhouse.safety.quarantine.models import Quarantine

LONGEST_REASON = 300


def quarantine(name: str, reason: str, *, version: str = "", filename: str = "", by: Actor) -> Quarantine:
    """Take a project, a release of it or a file out of every face of the index.

    `name` is normalised, `version` canonical; a file is named by `filename` alone. Once more with another reason changes
    the reason. Raises ProjectNotFound, QuarantineReasonRefused, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        project = _lock(name, "quarantine.set", by)
        reason = _cleaned(reason)
        version = _version_of(project, version, filename)
        row = queries.find_lasting(project, version, filename)
        if row is not None and row.reason == reason and queries.is_in_force(row):
            return row
        row = row or _begin(project, version, filename)
        row.reason, row.set_by = reason, by.name[:150]
        row.save()
        _apply(row)
        _finish(row, "quarantine.set", letters.placed(str(row), name, reason), by)
    faults.reach("quarantine.committed")
    return row


def lift(name: str, *, version: str = "", filename: str = "", by: Actor) -> Quarantine:
    """Put back what was taken out, as it was; what is held by another quarantine, too, stays out.

    What the host has deleted meanwhile can be lifted, too, and isn't held any more if it comes back; nobody is mailed of
    that. Raises ProjectNotFound, QuarantineMissing, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        project = _lock(name, "quarantine.lift", by)
        row = (
            queries.find_lasting_file(project, filename)
            if filename
            else queries.find_lasting(project, version, "")
        )
        if row is None:
            raise QuarantineMissing
        is_back = queries.holds_something(row)
        row.lifted_at, row.lifted_by = clock.now(), by.name[:150]
        row.save()
        _apply(row)
        _finish(row, "quarantine.lift", letters.lifted(str(row), name) if is_back else None, by)
    faults.reach("quarantine.committed")
    return row


@contextmanager
def room_for_files(name: str, reason: str, *, by: Actor) -> Iterator[None]:
    """Let files come into a whole project that is held for this very reason, and hold it again behind them.

    All within one transaction, so nobody meets it open. What is held stays held, so nobody is told, and its row in the
    ledger stands. A project that isn't held for this stays as it is. Raises what `lift` raises, but QuarantineMissing.
    """
    with transaction.atomic():
        project = _lock(name, "quarantine.lift", by)
        row = queries.find_lasting(project, "", "")
        if row is None or row.reason != reason or not queries.is_in_force(row):
            yield
            return
        project.status, project.status_reason = row.former_status, row.former_reason
        project.save(update_fields=["status", "status_reason"])
        yield
        row.project = _lock(name, "quarantine.set", by)
        _apply(row)
        _render(row)


def _lock(name: str, action: str, by: Actor) -> Project:
    actions.require(by, action, Thing("project", None, name))
    project = lock_project(name)
    if project is None:
        raise ProjectNotFound
    return project


def _version_of(project: Project, version: str, filename: str) -> str:
    """Return the version that the ledger names; raises ProjectNotFound where there is no such release or file."""
    if filename:
        file = project.files.filter(filename=filename).select_related("release").first()
        if file is None:
            raise ProjectNotFound("The project has no such file.")
        return str(file.release.version)
    if version and find_release(project, version) is None:
        raise ProjectNotFound("The project has no such release.")
    return version


def _begin(project: Project, version: str, filename: str) -> Quarantine:
    is_whole = not version
    return Quarantine(
        project=project,
        version=version,
        filename=filename,
        former_status=project.status if is_whole else "",
        former_reason=project.status_reason if is_whole else "",
        set_at=clock.now(),
    )


def _apply(row: Quarantine) -> None:
    if not row.version:
        _apply_to_project(row)
        return
    files = row.project.files.filter(release__version=row.version)
    if row.filename:
        files = files.filter(filename=row.filename)
    else:
        _apply_to_release(row)
        files = files.filter(filename__in=queries.held_by_themselves(row))
    for file in files:
        _apply_to_file(file, row)


def _apply_to_release(row: Quarantine) -> None:
    """Hold a release, or let it go, with all files that no quarantine of their own holds: of however many, in two statements."""
    held, reason = row.lifted_at is None, "" if row.lifted_at else row.reason
    Release.objects.filter(project=row.project, version=row.version).update(
        is_quarantined=held, quarantine_reason=reason
    )
    files = row.project.files.filter(release__version=row.version)
    files.exclude(filename__in=queries.held_by_themselves(row)).update(
        is_quarantined=held, quarantine_reason=reason
    )


def _apply_to_project(row: Quarantine) -> None:
    project = row.project
    if row.lifted_at is None:
        project.status, project.status_reason = Project.Status.QUARANTINED, row.reason
    elif project.status == Project.Status.QUARANTINED:
        project.status, project.status_reason = row.former_status, row.former_reason
    project.save(update_fields=["status", "status_reason"])


def _apply_to_file(file: File, row: Quarantine) -> None:
    reason = queries.reason_for_file(row.project, row.version, file.filename)
    file.is_quarantined, file.quarantine_reason = reason is not None, reason or ""
    file.save(update_fields=["is_quarantined", "quarantine_reason"])


def _finish(row: Quarantine, action: str, letter: Letter | None, by: Actor) -> None:
    details = {"version": row.version, "filename": row.filename, "reason": row.reason}
    record(action, by=by, about=thing_of(row.project), details=details)
    if letter is not None:
        tell_others(people_of(row.project.pk), letter, clock.now())
    _render(row)
    faults.reach("quarantine.rows-written")


def _render(row: Quarantine) -> None:
    pages.empty_listings()
    pages.refresh_pages(row.project, versions=[row.version] if row.version else None, touches_listing=True)


def _cleaned(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON or not reason.isprintable():
        raise QuarantineReasonRefused
    return reason
