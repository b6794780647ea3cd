"""Months of downloads: a few projects have most of them, weekends are quiet, and now and then a day is wild.

All of it comes out of sums of names and days, so that every made-up index has the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from demo.ago import standing
from keyhouse.core import clock, configuration
from keyhouse.index.answers import FileRow
from keyhouse.index.database import open_database
from keyhouse.index.downloads import DownloadCounter
from keyhouse.projects.models import File

AGENTS: Final = (
    b"pip/25.3",
    b"pip/25.3",
    b"pip/24.0",
    b"uv/0.9.11",
    b"uv/0.9.11",
    b"poetry/2.2.1",
    b"pdm/2.26",
)
BUSIEST: Final = 160  # downloads on a usual day of the project that has most
FRIDAY: Final = 4
_WILDEST: Final = 9.0


def download(days: int) -> None:
    """Count the downloads of the last `days` days, day by day, as the read plane counts them."""
    counter = DownloadCounter(open_database(configuration.current()))
    shelf = _shelf()
    today = clock.now().replace(hour=9, minute=0, second=0, microsecond=0)
    for ago in range(days, -1, -1):
        with standing(today - timedelta(days=ago)) as at:
            for rank, files in enumerate(shelf):
                _fetch(counter, rank, [file for file in files if file.uploaded_at < at], at)
            counter.flush()


def _shelf() -> list[list[File]]:
    """Return the files of each project, newest first; the projects with most releases first."""
    rows = File.objects.select_related("project").order_by("project_id", "-uploaded_at", "filename")
    of_projects = [list(files) for _, files in groupby(rows, key=lambda file: file.project_id)]
    return sorted(
        of_projects, key=lambda files: (-len({file.release_id for file in files}), files[0].project_id)
    )


def _fetch(counter: DownloadCounter, rank: int, files: Sequence[File], at: datetime) -> None:
    for number in range(_count(rank, at) if files else 0):
        chance = _chance(files[0].project_id, at, number)
        # most take the newest wheel, the rest are held back by a lock file of theirs
        file = files[min(int(chance**4 * len(files)), len(files) - 1)]
        counter.note(_row(file), AGENTS[int(chance * 7919) % len(AGENTS)], _client(chance))


def _count(rank: int, at: datetime) -> int:
    usual = BUSIEST / (rank + 1) ** 1.1 * (0.35 if at.weekday() > FRIDAY else 1.0)
    wild = min(_WILDEST, 0.6 * (1.0 - _chance(rank, at, -1)) ** -0.45)
    return int(usual * wild)


def _chance(thing: int, at: datetime, number: int) -> float:
    """Return a number from 0 up to 1 that is always the same for the same three."""
    return zlib.crc32(f"{thing} {at.toordinal()} {number}".encode()) / 2**32


def _client(chance: float) -> str:
    """Return an address of a network that is kept for documentation; a few of them ask most."""
    return f"198.51.100.{int(chance**3 * 254) + 1}"


def _row(file: File) -> FileRow:
    return FileRow(
        file.pk,
        file.project_id,
        file.release_id,
        file.project.normalized_name,
        "",
        file.filename,
        file.size,
        "",
        None,
    )
