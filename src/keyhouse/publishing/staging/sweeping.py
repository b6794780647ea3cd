"""Ending what has waited too long, telling of it before, and letting go of the bytes of what has ended.

Killed anywhere, the next round goes on. Bytes go while no backup is under way, and only where they are so old that no upload
can be about to name them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q

from keyhouse.audit.services import record
from keyhouse.core import configuration, faults
from keyhouse.core.actor import job
from keyhouse.projects.changing import thing_of
from keyhouse.projects.models import File, KeptRow, Project
from keyhouse.projects.queries import lock_project
from keyhouse.publishing.staging import letters, rules
from keyhouse.publishing.staging.models import StagedFile, StagedRelease
from keyhouse.publishing.staging.services import tell_waiting
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of, metadata_key_of
from keyhouse.storage.old import remove_old
from keyhouse.storage.turns import try_to_hold_storage

EXPIRE: Final = "release.expire"
JOB: Final = "staging"
_AT_ONCE: Final = 100
_WHO: Final = "this index"


def expire_staged(now: datetime) -> int:
    """End what has waited too long; returns how many."""
    due = StagedRelease.objects.filter(ended_at__isnull=True, project__isnull=False, expires_at__lte=now)
    return sum(_expire(release, now) for release in due.select_related("project")[:_AT_ONCE])


def _expire(release: StagedRelease, now: datetime) -> bool:
    with transaction.atomic():
        project = _locked(release)
        rows = StagedRelease.objects.filter(pk=release.pk, ended_at__isnull=True, expires_at__lte=now)
        if project is None or not rows.update(ended_at=now, outcome=StagedRelease.Outcome.EXPIRED):
            return False
        record(EXPIRE, by=job(JOB), about=thing_of(project), details={"version": release.version})
    return True


def _locked(release: StagedRelease) -> Project | None:
    """Lock the project of a staged release as every change of it does; None where that is gone by now."""
    name = release.project.normalized_name if release.project is not None else ""
    project = lock_project(name)
    return project if project is not None and project.pk == release.project_id else None


def warn_of_ends(now: datetime) -> int:
    """Tell a project's people once of what ends within a day; returns how many were told of."""
    soon = StagedRelease.objects.filter(
        ended_at__isnull=True,
        warned_at__isnull=True,
        project__isnull=False,
        expires_at__gt=now,
        expires_at__lte=now + rules.WARN_BEFORE,
    )
    return sum(_warn(release, now) for release in soon.select_related("project")[:_AT_ONCE])


def _warn(release: StagedRelease, now: datetime) -> bool:
    with transaction.atomic():
        project = _locked(release)
        rows = StagedRelease.objects.filter(pk=release.pk, ended_at__isnull=True, warned_at__isnull=True)
        if project is None or not rows.update(warned_at=now):
            return False
        if rules.is_to_warn(release.opened_at, release.expires_at, now):
            tell_waiting(project, letters.ends_soon(release.version, release.expires_at), _WHO, now)
    return True


def sweep_staged(now: datetime) -> int:
    """Let go of what has ended, or whose project is gone, bytes and rows; returns how many."""
    del now
    over = StagedRelease.objects.filter(Q(ended_at__isnull=False) | Q(project__isnull=True)).order_by("pk")
    ended = list(over[:_AT_ONCE])
    if not ended:
        return 0
    with try_to_hold_storage(configuration.current()) as is_mine:
        return sum(map(_sweep, ended)) if is_mine else 0


def _sweep(release: StagedRelease) -> bool:
    """Remove the bytes first, then the rows; where some are too young, a later round does it."""
    if not all(_remove(one) for one in release.files.all()):
        return False
    faults.reach("staging.blobs-removed")
    with transaction.atomic():
        return bool(StagedRelease.objects.filter(pk=release.pk).delete()[0])


def _remove(staged: StagedFile) -> bool:
    """Remove the bytes of a file unless something else stands for them; False where they are too young."""
    if _is_needed(staged):
        return True
    keys = (key_of(staged.blake2, staged.filename), metadata_key_of(staged.blake2, staged.filename))
    return all(blobs().size(key) is None or remove_old(blobs(), key) for key in keys)


def _is_needed(staged: StagedFile) -> bool:
    """Tell whether the same bytes under the same name are published, can be brought back, or wait in another release."""
    alike = {"filename": staged.filename, "blake2": staged.blake2}
    waiting = StagedFile.objects.filter(
        **alike, release__ended_at__isnull=True, release__project__isnull=False
    )
    return (
        waiting.exists()
        or File.objects.filter(**alike).exists()
        or KeptRow.objects.filter(filename=staged.filename).exists()
    )
