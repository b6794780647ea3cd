"""What a doctor looks at on the machine itself: folders, permissions, disk, file system, key file. No Django."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from keyhouse.cli.doctor_findings import Finding, hint, ok, problem
from keyhouse.core import data_folder, instance, keys
from keyhouse.core.configuration import Configuration, ConfigurationError
from keyhouse.core.keys import KeyFileError, SealBrokenError
from keyhouse.core.settings_told import differing

_LEAST_FREE: Final = (
    2 * 2**30
)  # bytes: some uploads of the largest size, and room for the database to tidy up
_LEAST_SHARE: Final = 0.05
_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC
_MOST_NAMED: Final = 8  # settings
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
# shared memory of SQLite's write-ahead log doesn't reach over these
_NETWORK_DRIVES: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "fuse.sshfs",
     "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "virtiofs"}
)  # fmt: skip


def check_folder(settings: Configuration) -> Iterator[Finding]:
    """Look at the data folder: there, ours, closed to others, with room."""
    about, data = "data folder", settings.data
    if not data.is_dir():
        yield problem(
            about, f"There is no folder {data}.", "Start `keyhouse serve` once, or name it: KEYHOUSE_DATA."
        )
        return
    yield from _check_owner(data)
    yield from _check_mark(settings)
    yield from check_room(data)


def _check_owner(data: Path) -> Iterator[Finding]:
    about, status = "data folder", data.stat()
    if status.st_uid != os.geteuid():
        fix = "Run this as the user that the server runs as; a file made by another one stops it later."
        yield problem(about, f"{data} belongs to another user (number {status.st_uid}).", fix)
    elif status.st_mode & _OTHERS:
        fix = f"chmod 700 {data}"
        yield problem(
            about, f"Others on this machine can look into {data}: database and key file are there.", fix
        )
    else:
        yield ok(about, f"{data} is open to its owner only.")


def _check_mark(settings: Configuration) -> Iterator[Finding]:
    about = "data folder"
    try:
        found = instance.find_instance(settings.data)
        if found is None:
            yield problem(about, "No index was started there yet.", "Start `keyhouse serve` once.")
            return
        instance.ensure_instance(settings)
    except (ConfigurationError, OSError) as error:
        yield problem(about, str(error), "Do what it says before anything else.")


def check_room(folder: Path) -> Iterator[Finding]:
    """Look how much of the disk is free."""
    usage = shutil.disk_usage(folder)
    told = f"{usage.free / 2**30:,.1f} GiB of {usage.total / 2**30:,.1f} GiB are free."
    if usage.free < _LEAST_FREE or usage.free < _LEAST_SHARE * usage.total:
        yield problem(
            "disk",
            told,
            "Make room, or a larger disk; on a full one nothing can be published or signed in to.",
        )
    else:
        yield ok("disk", told)


def check_drive(settings: Configuration) -> Iterator[Finding]:
    """Look what kind of drive SQLite's file is on; a write-ahead log on a network drive corrupts it."""
    if settings.sqlite_path is None:
        return
    kind = find_kind(settings.sqlite_path, Path("/proc/self/mounts"))
    if kind in _NETWORK_DRIVES:
        fix = "Move the data folder to a disk of this machine, or use PostgreSQL (KEYHOUSE_DATABASE_URL)."
        yield problem(
            "database", f"SQLite's file is on a network drive ({kind}), where it gets damaged.", fix
        )
    elif kind:
        yield ok("database", f"SQLite's file is on a drive of this machine ({kind}).")


def find_kind(path: Path, mounts: Path) -> str:
    """Return the file system that `path` is on, by the system's list of mounts; an empty text where there is none."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    wanted = path.resolve()
    found = [
        (len(parts[1]), parts[2])
        for parts in (line.split() for line in lines)
        if len(parts) > 2 and wanted.is_relative_to(parts[1].replace("\\040", " "))  # noqa: PLR2004 - device, folder, kind
    ]
    return max(found)[1] if found else ""


def check_key_file(settings: Configuration) -> Iterator[Finding]:
    """Look at the key file: readable, closed to others, not lost with the database."""
    about, path = "key file", settings.key_file
    try:
        ring = keys.read_ring(path)
    except keys.KeyFileError as error:
        fix = "Put it back from a backup. Without it tokens, authenticator apps and sessions are lost."
        yield problem(about, f"{str(error)[:1].upper()}{str(error)[1:]}.", fix)
        return
    if path.stat().st_mode & _OTHERS:
        yield problem(about, f"Others on this machine can read {path}.", f"chmod 600 {path}")
    else:
        yield ok(
            about,
            f"{path} has {len(ring.keys)} root key{'s' if len(ring.keys) > 1 else ''} and is closed to others.",
        )


def check_kernel_clock(settings: Configuration) -> Iterator[Finding]:
    """Look whether the kernel holds its clock for synchronised; nothing is said where it doesn't tell."""
    if settings.clock_file is None and is_synchronised(read_clock_status()) is False:
        yield hint(
            "clock",
            "The kernel holds this machine's clock for unsynchronised, so it may be ahead or behind.",
            "Keep it by NTP (`timedatectl` tells); where the host of a container or of a virtual machine does, all is well.",
        )


def is_synchronised(status: int | None) -> bool | None:
    """Read the kernel's status of its clock; None where there is none."""
    return None if status is None else not status & _UNSYNCHRONISED


def read_clock_status() -> int | None:
    """Return the kernel's status of its clock (adjtimex(2), changing nothing), or None where it doesn't tell."""
    told = _Timex()
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.byref(told))
    except (AttributeError, OSError, TypeError):  # only Linux has it
        return None
    return None if answer < 0 else int(told.status)


class _Timex(ctypes.Structure):
    """The start of the kernel's `struct timex`, and room for the rest; with `modes` 0 nothing is set."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def check_settings(settings: Configuration) -> Iterator[Finding]:
    """Look whether a running server has the settings that this command has: all else is judged by these."""
    holder = data_folder.find_holder(settings.data)
    if holder is None or not holder.settings:
        return
    try:
        names = differing(settings, holder.settings, holder.key_id)
    except KeyFileError:
        return  # told by another check
    except SealBrokenError:
        names = ["KEYHOUSE_KEY_FILE"]
    if not names:
        yield ok("settings", "The running server has the same.")
        return
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    yield hint(
        "settings",
        f"The running server (process {holder.pid}) has other values of {', '.join(names[:_MOST_NAMED])}{more}.",
        "What follows is judged by those of this command: give it the service's environment, as docs/operate/install.md"
        " tells, or start the server anew where the settings are.",
    )
