"""Letting go of what was deleted once its days are over: first the bytes, then the rows.

A deletion is marked before a byte goes, so that nobody brings back half of it; killed anywhere, the next round goes on.
Blobs go while no backup is under way, as a copy of the database may still name them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.audit.services import record
from keyhouse.core import configuration, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import job
from keyhouse.projects.life_cycle import aside
from keyhouse.projects.life_cycle.models import KeptRow, Removal
from keyhouse.projects.models import File
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of, metadata_key_of
from keyhouse.storage.turns import try_to_hold_storage

ACTION: Final = "removal.sweep"
JOB: Final = "removal-sweep"
_AT_ONCE: Final = 100  # deletions of one round


def sweep_removals(now: datetime) -> int:
    """Let go of all deletions that can't be undone any more; returns how many. By two at once it does no harm."""
    due = Removal.objects.filter(until_at__lte=now).order_by("until_at", "pk")
    keys = list(due.values_list("pk", flat=True)[:_AT_ONCE])
    if not keys:
        return 0
    with try_to_hold_storage(configuration.current()) as is_mine:
        return sum(_sweep(pk, now) for pk in keys) if is_mine else 0


def _sweep(pk: int, now: datetime) -> bool:
    if not _mark(pk, now):
        return False
    faults.reach("sweep.marked")
    for file in _unshared(aside.kept_files(Removal(pk=pk)), pk):
        blobs().remove(key_of(file.blake2, file.filename))
        blobs().remove(metadata_key_of(file.blake2, file.filename))
    faults.reach("sweep.blobs-removed")
    return _forget(pk)


def _mark(pk: int, now: datetime) -> bool:
    """Say that it can't be brought back any more; False where somebody did bring it back."""
    with transaction.atomic():
        return bool(Removal.objects.filter(pk=pk, until_at__lte=now).update(swept_at=now))


def _unshared(files: Iterable[File], pk: int) -> Iterable[File]:
    """Yield the files whose bytes nothing else stands for."""
    for file in files:
        here = File.objects.filter(filename=file.filename, blake2=file.blake2)
        others = KeptRow.objects.filter(filename=file.filename).exclude(removal_id=pk)
        if not here.exists() and not others.exists():
            yield file


def _forget(pk: int) -> bool:
    with transaction.atomic():
        removal = Removal.objects.select_for_update().filter(pk=pk).first()
        if removal is None:
            return False
        thing = Thing("project", removal.project_key, removal.normalized_name)
        record(
            ACTION,
            by=job(JOB),
            about=thing,
            details={
                "kind": removal.kind,
                "version": removal.version,
                "filename": removal.filename,
                "files": removal.file_count,
            },
        )
        removal.delete()
    return True
