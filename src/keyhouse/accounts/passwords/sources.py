"""Where compromised passwords are looked up: the lists that come along, the imported file, a service.

Takes file and network; ask outside of transactions.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from keyhouse.accounts import rules
from keyhouse.accounts.passwords.compromised_file import FILE_NAME, CompromisedFile
from keyhouse.accounts.passwords.errors import CompromisedFileDamaged, PasswordCompromised
from keyhouse.accounts.passwords.range_service import RangeService, RangeServiceError
from keyhouse.core import configuration

BUILT_IN: Final = "built-in"
FILE: Final = "file"
RANGE_SERVICE: Final = "range-service"

_log = logging.getLogger("keyhouse.accounts")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which sources know a password, and which could not be asked (with what happened)."""

    known_by: tuple[str, ...] = ()
    unanswered: tuple[tuple[str, str], ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether any source knows it."""
        return bool(self.known_by)

    @property
    def is_whole(self) -> bool:
        """Whether all sources were asked; otherwise it is to be asked again."""
        return not self.unanswered


class _Opened:
    """The file as this process has it open: opened anew when another one takes its place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mark: tuple[object, ...] = ()
        self._found: CompromisedFile | CompromisedFileDamaged | None = None

    def find(self, path: Path) -> CompromisedFile | None:
        """Return the file that is there now, or None; raises CompromisedFileDamaged."""
        mark = _mark_of(path)
        with self._lock:
            if mark != self._mark:
                self._found, self._mark = _open(path), mark
            found = self._found
        if isinstance(found, CompromisedFileDamaged):
            raise CompromisedFileDamaged(found.sentence)
        return found

    def spoil(self, file: CompromisedFile) -> None:
        """Let nobody rely on a file in which damage was found, until another one takes its place."""
        with self._lock:
            if self._found is file:
                self._found = CompromisedFileDamaged()


def _mark_of(path: Path) -> tuple[object, ...]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (path, None)
    except OSError as error:
        return (path, error.errno)
    return (path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _open(path: Path) -> CompromisedFile | CompromisedFileDamaged | None:
    try:
        return CompromisedFile(path)
    except FileNotFoundError:
        return None
    except CompromisedFileDamaged as damage:
        _log.error("%s: %s %s", path, damage.sentence, damage.fix)
        return damage
    except (OSError, ValueError) as error:
        _log.error("%s can't be read: %s", path, error)
        return CompromisedFileDamaged(f"The file of compromised passwords can't be read ({error}).")


_opened = _Opened()


def find_file(data: Path | None = None) -> CompromisedFile | None:
    """Return the imported file of the data folder, or None; raises CompromisedFileDamaged."""
    return _opened.find((data or configuration.current().data) / FILE_NAME)


def find_service() -> RangeService | None:
    """Return the service that is set, or None."""
    settings = configuration.current()
    return _service(settings.password_range_url, settings.ca_file) if settings.password_range_url else None


@lru_cache(maxsize=4)
def _service(url: str, ca_file: Path | None) -> RangeService:
    return RangeService(url, ca_file)


def digest_of(password: str) -> bytes:
    """Return what lists of compromised passwords know a password by."""
    normalized = rules.normalize_password(password).encode("utf-8", "replace")
    return hashlib.sha1(normalized, usedforsecurity=False).digest()


def look_up(password: str) -> Verdict:
    """Ask all sources about a password."""
    known = (BUILT_IN,) if rules.is_common(password) else ()
    return look_up_digest(digest_of(password), known)


def look_up_digest(digest: bytes, known: tuple[str, ...] = (), *, with_service: bool = True) -> Verdict:
    """Ask file and service about a SHA-1 digest. Who is known by a nearer source is not asked about at a farther one."""
    unanswered: list[tuple[str, str]] = []
    try:
        if _is_in_file(digest):
            known = (*known, FILE)
    except CompromisedFileDamaged as damage:
        unanswered.append((FILE, damage.sentence))
    service = find_service() if with_service and not known else None
    try:
        if service is not None and service.knows(digest):
            known = (*known, RANGE_SERVICE)
    except RangeServiceError as error:
        unanswered.append((RANGE_SERVICE, str(error)))
    return Verdict(known, tuple(unanswered))


def _is_in_file(digest: bytes) -> bool:
    file = find_file()
    if file is None:
        return False
    try:
        return digest in file
    except CompromisedFileDamaged as damage:
        _opened.spoil(file)
        _log.error("%s %s", damage.sentence, damage.fix)
        raise


def require_uncompromised(password: str) -> Verdict:
    """Return the verdict on a newly chosen password; raises PasswordCompromised where a source knows it."""
    verdict = look_up(password)
    if verdict.is_known:
        raise PasswordCompromised
    return verdict
