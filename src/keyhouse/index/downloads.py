"""Counting downloads: in memory while answers are sent, into the database once a second.

Per file, day and installer, with the sums per project and per release that pages show; and unique clients per project
and day as a sketch. A client is a keyed digest of its network address with a key of that day alone, so that neither the
sketch nor the database tells who it was, and two days can't be joined. No address is kept. What was counted in the last
second is lost when the process is killed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections import Counter
from datetime import date
from typing import Final

from keyhouse.core import clock, keys
from keyhouse.index.answers import FileRow
from keyhouse.index.database import Ask, Database
from keyhouse.index.sketches import Registers, add, encode, estimate, merge

__all__ = ["DownloadCounter", "estimate", "installer_of", "merge"]

_INSTALLER: Final = re.compile(
    rb"(?:\A|[\s(])(pip|uv|poetry|pdm|pipenv|hatch|conda|bandersnatch|devpi-server|simple-repository|Mozilla)/",
    re.IGNORECASE,
)
_NAMES: Final = {"mozilla": "browser", "devpi-server": "devpi"}
_LONGEST_AGENT: Final = 200
_MOST_WAITING: Final = 200_000  # different counts held while the database can't be written
_IPV6_NETWORK: Final = 64  # bits that one household or machine has

Counted = tuple[FileRow, bytes, str]
CountKey = tuple[int, date, str]  # file, day, installer
ReleaseKey = tuple[int, date]  # release, day
ProjectKey = tuple[int, date, str]  # project, day, installer
SketchKey = tuple[int, date]  # project, day


def installer_of(user_agent: bytes) -> str:
    """Return who asks, by the `User-Agent` header: a known installer, `browser` or `other`."""
    match = _INSTALLER.search(user_agent)
    if match is None:
        return "other"
    name = match.group(1).decode().lower()
    return _NAMES.get(name, name)


def client_digest(address: str, key: bytes) -> bytes:
    """Return 8 bytes that stand for a client: its address, or its network in IPv6, under the key of a day."""
    return hashlib.blake2b(_network(address).encode(), digest_size=8, key=key).digest()


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:  # noqa: PLR2004 - the two versions of IP
        return address
    return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))


class DownloadCounter:
    """Counts of one process. `note` is called on the event loop, `flush` on one thread."""

    def __init__(self, database: Database) -> None:
        """Take where counts go."""
        self._database = database
        self._noted: list[Counted] = []
        self._counts: Counter[CountKey] = Counter()
        self._of_releases: Counter[ReleaseKey] = Counter()
        self._of_projects: Counter[ProjectKey] = Counter()
        self._sketches: dict[SketchKey, Registers] = {}

    def note(self, file: FileRow, user_agent: bytes, client: str) -> None:
        """Remember one download that was sent as a whole."""
        self._noted.append((file, user_agent[:_LONGEST_AGENT], client))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self._noted or self._counts or self._sketches)

    def flush(self) -> int:
        """Write everything counted so far in one transaction and return the number of rows touched.

        Raises UnavailableError; then the counts stay and are written the next time.
        """
        self._gather()
        if not self._counts and not self._sketches:
            return 0
        with self._database.transaction() as ask:
            for count_key in sorted(
                self._counts
            ):  # in one order everywhere, so that nobody waits in a circle
                _add_count(ask, count_key, self._counts[count_key])
            for release_key in sorted(self._of_releases):
                _add_release_count(ask, release_key, self._of_releases[release_key])
            for project_key in sorted(self._of_projects):
                _add_project_count(ask, project_key, self._of_projects[project_key])
            for sketch_key in sorted(self._sketches):
                _add_sketch(ask, sketch_key, encode(self._sketches[sketch_key]), locks=self._locks)
        touched = len(self._counts) + len(self._sketches)
        self._counts.clear()
        self._of_releases.clear()
        self._of_projects.clear()
        self._sketches.clear()
        return touched

    @property
    def _locks(self) -> bool:
        """Whether a row must be locked before it is read for a change; on SQLite the transaction is the lock."""
        return self._database.is_postgresql

    def _gather(self) -> None:
        noted, self._noted = self._noted, []
        if not noted or len(self._counts) + len(self._sketches) > _MOST_WAITING:
            return
        day = clock.now().date()
        key = day_key(day)
        for file, user_agent, client in noted:
            installer = installer_of(user_agent)
            self._counts[(file.id, day, installer)] += 1
            self._of_releases[(file.release_id, day)] += 1
            self._of_projects[(file.project_id, day, installer)] += 1
            registers = self._sketches.setdefault((file.project_id, day), {})
            add(registers, client_digest(client, key))


def day_key(day: date) -> bytes:
    """Return the key under which clients of one day are digested."""
    return keys.ring().derive("count-clients", day.isoformat().encode())


def _add_count(ask: Ask, key: CountKey, count: int) -> None:
    """Add to a row; a file that was deleted in the meantime is not counted."""
    ask(
        "INSERT INTO projects_downloadcount (file_id, day_on, installer, count) "
        "SELECT id, ?, ?, ? FROM projects_file WHERE id = ? "
        "ON CONFLICT (file_id, day_on, installer) "
        "DO UPDATE SET count = projects_downloadcount.count + excluded.count",
        [key[1], key[2], count, key[0]],
    )


def _add_release_count(ask: Ask, key: ReleaseKey, count: int) -> None:
    """Add to the day of a release; one that was deleted in the meantime is not counted."""
    ask(
        "INSERT INTO projects_releasedownloads (project_id, release_id, day_on, count) "
        "SELECT project_id, id, ?, ? FROM projects_release WHERE id = ? "
        "ON CONFLICT (project_id, day_on, release_id) "
        "DO UPDATE SET count = projects_releasedownloads.count + excluded.count",
        [key[1], count, key[0]],
    )


def _add_project_count(ask: Ask, key: ProjectKey, count: int) -> None:
    """Add to the day of a project; one that was deleted in the meantime is not counted."""
    ask(
        "INSERT INTO projects_projectdownloads (project_id, day_on, installer, count) "
        "SELECT id, ?, ?, ? FROM projects_project WHERE id = ? "
        "ON CONFLICT (project_id, day_on, installer) "
        "DO UPDATE SET count = projects_projectdownloads.count + excluded.count",
        [key[1], key[2], count, key[0]],
    )


def _add_sketch(ask: Ask, key: SketchKey, sketch: bytes, *, locks: bool) -> None:
    project, day = key
    ask(
        "INSERT INTO projects_clientsketch (project_id, day_on, sketch) "
        "SELECT id, ?, ? FROM projects_project WHERE id = ? "
        "ON CONFLICT (project_id, day_on) DO NOTHING",
        [day, sketch, project],
    )
    place = "project_id = ? AND day_on = ?"
    found = ask(
        f"SELECT sketch FROM projects_clientsketch WHERE {place}" + (" FOR UPDATE" if locks else ""),
        [project, day],
    )
    merged = merge(bytes(found[0][0]), sketch) if found else sketch
    if found and merged != bytes(found[0][0]):
        ask(f"UPDATE projects_clientsketch SET sketch = ? WHERE {place}", [merged, project, day])
