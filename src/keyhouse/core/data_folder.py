"""The data folder: made for its owner only, held by one server at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Final

from keyhouse.core.configuration import ConfigurationError

LOCK_NAME: Final = "serve.lock"
OWNER_ONLY: Final = 0o700
TRIES: Final = 5
TRY_SECONDS: Final = 0.05


class DataFolderBusyError(Exception):
    """Another server holds this data folder; the message says which."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The server that holds a data folder: its process, the address people use.

    `settings`: digests of its settings, made with the key of that id (`settings_told`).
    """

    pid: int
    base_url: str
    settings: Mapping[str, str] = field(default_factory=dict)
    key_id: str = ""


def make(data: Path) -> None:
    """Make the data folder, readable by its owner only. Raises ConfigurationError where that can't be."""
    try:
        data.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"The data folder {data} can't be made: {error.strerror}.") from error
    if not os.access(data, os.W_OK | os.X_OK):
        raise ConfigurationError(f"The data folder {data} can't be written to by this user.")


class Hold:
    """The lock of a server on its data folder; the kernel gives it back when the process dies, however it does."""

    def __init__(self, file: IO[str]) -> None:
        """Take over the open, locked file."""
        self._file = file

    def tell(self, holder: Holder) -> None:
        """Write down who holds the folder, for the second server's message and for commands that need the address."""
        self._file.seek(0)
        self._file.truncate()
        json.dump(asdict(holder), self._file)
        self._file.flush()

    def release(self) -> None:
        """Give the folder back."""
        self._file.close()


def hold(data: Path) -> Hold:
    """Take the data folder for a server; raises DataFolderBusyError with who has it."""
    file = _open(data / LOCK_NAME)
    if _lock(file):
        return Hold(file)
    holder = _read_holder(file)
    file.close()
    who = f"process {holder.pid} ({holder.base_url})" if holder else "another server that is just starting"
    raise DataFolderBusyError(f"The data folder {data} is held by {who}.")


def _lock(file: IO[str]) -> bool:
    """Try a few times: somebody who only asks who holds the folder has it for an instant too."""
    for _ in range(TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(TRY_SECONDS)
    return False


def find_holder(data: Path) -> Holder | None:
    """Return the running server that holds the data folder, or None."""
    with contextlib.suppress(OSError), (data / LOCK_NAME).open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_holder(file)
    return None


@contextmanager
def exclusively(data: Path, what: str) -> Iterator[None]:
    """Let one process of this data folder at a time do `what` (a file name's stem); the others wait."""
    with _open(data / f"{what}.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _open(path: Path) -> IO[str]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")


def _read_holder(file: IO[str]) -> Holder | None:
    """Read who holds it; a server that is just starting has not written yet."""
    file.seek(0)
    try:
        body = json.load(file)
        told = dict(body.get("settings") or {})
        return Holder(int(body["pid"]), str(body["base_url"]), told, str(body.get("key_id", "")))
    except (ValueError, KeyError, TypeError):
        return None
