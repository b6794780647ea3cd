"""Making everything on a file system durable by one call, where that can be relied on.

For many files at once this takes a twentieth of the processor time of syncing each, and one wait instead of hundreds.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import threading
from functools import cache
from pathlib import Path
from typing import Final

_KINDS: Final = frozenset({"ext4", "xfs"})  # whose syncfs writes, waits and tells of every failure
_SINCE: Final = (5, 8)  # Linux that tells who calls syncfs of bytes that could not be written (syncfs(2))
_MOUNTS: Final = Path("/proc/self/mountinfo")


class Volume:
    """The file system that holds a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it need not be there yet."""
        self._folder = folder
        self._descriptor: int | None = None
        self._is_trusted = True
        self._alone = threading.Lock()

    def watch(self) -> None:
        """Begin to hear of bytes that can't be written; to be called before those are that `sync` shall vouch for.

        A descriptor hears of failures since it was opened, whoever else has heard of them.
        """
        if self._descriptor is None and self._is_trusted:
            self._is_trusted = _tells_failures(self._folder)
            if self._is_trusted:
                self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)

    def sync(self) -> bool:
        """Make durable whatever was written there since `watch`, and tell whether that is certain.

        Where it isn't, each file must be synced by itself, which tells what of it could not be written: after a failure
        that is so for good, for nobody hears of one twice.
        """
        with self._alone:  # the failure of one call may be about bytes that another one vouches for
            if self._descriptor is None or not self._is_trusted:
                return False
            self._is_trusted = _sync_all_of(self._descriptor)
            return self._is_trusted


def _sync_all_of(descriptor: int) -> bool:
    return bool(_library().syncfs(descriptor) == 0)


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)  # the C library of this very process


def _tells_failures(folder: Path) -> bool:
    """Tell whether the kernel and the kind of file system are ones whose answer can be relied on."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    if platform.system() != "Linux" or version is None or tuple(map(int, version.groups())) < _SINCE:
        return False
    return _kind_of(folder) in _KINDS


def _kind_of(folder: Path) -> str:
    """Return the kind of the file system that holds a folder, empty where it can't be told (proc_pid_mountinfo(5))."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = [line.split() for line in _MOUNTS.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return ""
    return next((mount[mount.index("-") + 1] for mount in mounts if mount[2:3] == [wanted]), "")
