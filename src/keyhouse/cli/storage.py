"""`keyhouse storage verify`: compare every row, blob, hash and page, and list what differs."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

import click
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from keyhouse.audit.services import Detail, record
from keyhouse.cli.progress import follow
from keyhouse.core import configuration
from keyhouse.core.actor import host
from keyhouse.projects.life_cycle.aside import kept_files
from keyhouse.projects.models import File, Project, UsedFileName
from keyhouse.projects.verification import verify_pages
from keyhouse.publishing.staging import queries as staging
from keyhouse.storage import blobs
from keyhouse.storage.blobs import METADATA_SUFFIX, Blobs, key_of, metadata_key_of
from keyhouse.storage.old import remove_old
from keyhouse.storage.turns import hold_storage

CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be: stable `code`, what it is about, and what was found."""

    code: str
    about: str
    found: str


@click.group("storage")
def command() -> None:
    """Look after stored files."""


@command.command()
@click.option("--prune", is_flag=True, help="Remove the blobs of files that can't be brought back.")
@click.option("--quick", is_flag=True, help="Compare sizes only; don't read the files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(*, prune: bool, quick: bool, as_json: bool) -> None:
    """Compare rows, blobs, hashes and index pages; exit 1 and list what differs.

    \b
    Examples:
      keyhouse storage verify
      keyhouse storage verify --prune
    """  # noqa: D301 - \b is click's own mark
    with hold_storage(configuration.current()):
        found = [*compare_files(is_quick=quick), *_compare_totals(), *_compare_pages()]
        left_over = list(_left_over())
        pruned = remove_left_over(follow(left_over, "Removing")) if prune else 0
    click.echo(_told(found, len(left_over) - pruned, pruned, as_json=as_json))
    sys.exit(1 if found else 0)


def compare_files(*, is_quick: bool) -> Iterator[Difference]:
    """Compare every row of a file with its blobs; `is_quick`: by sizes only, no file is read."""
    store, total = blobs(), File.objects.count()
    rows = File.objects.order_by("id").iterator(chunk_size=1000)
    for row in follow(rows, "Reading files", total):
        yield from _compare_blob(store, row, is_quick=is_quick)
    for row in kept_files():  # deleted, and can be brought back
        yield from _compare_blob(store, row, is_quick=is_quick)
    for row in staging.stored_files():  # nobody sees them yet
        yield from _compare_blob(store, row, is_quick=is_quick)
    named = UsedFileName.objects.values("filename")
    for filename in File.objects.exclude(filename__in=named).values_list("filename", flat=True):
        yield Difference("file-name-unregistered", filename, "the list of used names lacks it")


def _compare_blob(store: Blobs, row: File, *, is_quick: bool) -> Iterator[Difference]:
    key = key_of(row.blake2, row.filename)
    size = store.size(key)
    if size is None:
        yield Difference("blob-missing", row.filename, key)
        return
    if size != row.size:
        yield Difference("blob-size", row.filename, f"{size} bytes instead of {row.size}")
    elif not is_quick and _digests(store, key) != (row.md5, row.sha256, row.blake2):
        yield Difference("blob-changed", row.filename, "its bytes don't have the digests of the row")
    if row.metadata_sha256:
        yield from _compare_metadata(store, row)


def _compare_metadata(store: Blobs, row: File) -> Iterator[Difference]:
    key = metadata_key_of(row.blake2, row.filename)
    if store.size(key) is None:
        yield Difference("metadata-missing", row.filename, key)
    elif _digests(store, key)[1] != row.metadata_sha256:
        yield Difference("metadata-changed", row.filename, "its bytes don't have the digest of the row")


def _digests(store: Blobs, key: str) -> tuple[str, str, str]:
    digests = (hashlib.md5(usedforsecurity=False), hashlib.sha256(), hashlib.blake2b(digest_size=32))
    with store.open(key) as file:
        while chunk := file.read(CHUNK):
            for digest in digests:
                digest.update(chunk)
    md5, sha256, blake2 = (digest.hexdigest() for digest in digests)
    return md5, sha256, blake2


def _compare_totals() -> Iterator[Difference]:
    summed = Project.objects.annotate(sum=Coalesce(Sum("files__size"), 0)).exclude(size=F("sum"))
    for name, size, total in summed.values_list("normalized_name", "size", "sum"):
        yield Difference("project-size", name, f"{size} bytes instead of {total}")


def _compare_pages() -> Iterator[Difference]:
    for difference in verify_pages():
        yield Difference("page-differs", difference.page, difference.problem)


def _left_over() -> Iterator[str]:
    """Give the keys of blobs that no row names: of a file, of what can be brought back, of what is staged."""
    kept = {key_of(*row) for row in File.objects.values_list("blake2", "filename").iterator(chunk_size=1000)}
    kept |= {key_of(file.blake2, file.filename) for file in kept_files()}
    kept |= staging.stored_keys()
    for key in blobs().keys():  # noqa: SIM118 - not a dict
        if key.removesuffix(METADATA_SUFFIX) not in kept:
            yield key


def remove_left_over(keys: Iterable[str]) -> int:
    """Remove blobs that no row names and that no upload under way can be about to name; returns how many.

    Interrupted, it records what is gone by then, and run again it goes on.
    """
    removed = 0
    try:
        for key in keys:
            removed += remove_old(blobs(), key)
    finally:
        details: dict[str, Detail] = {"command": "storage verify --prune", "removed": removed}
        with transaction.atomic():
            record("host.command", by=host(), details=details)
    return removed


def _told(found: list[Difference], left_over: int, pruned: int, *, as_json: bool) -> str:
    if as_json:
        differences = [asdict(difference) for difference in found]
        return json.dumps(
            {"ok": not found, "differences": differences, "left_over": left_over, "pruned": pruned}
        )
    lines = [f"{difference.code}: {difference.about}: {difference.found}" for difference in found]
    lines.append(f"{len(found)} differences." if found else "Everything agrees.")
    if left_over:
        lines.append(f"{left_over} blobs belong to no file; --prune removes those older than an hour.")
    if pruned:
        lines.append(f"{pruned} blobs removed.")
    return "\n".join(lines)
