"""Made-up dumps of compromised passwords."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from keyhouse.accounts.passwords.compromised_file import FILE_NAME, CompromisedFile
from keyhouse.accounts.passwords.importing import Imported, import_dump


def sha1(password: str) -> bytes:
    return hashlib.sha1(password.encode(), usedforsecurity=False).digest()


def dump(passwords: Iterable[str], *, end: str = "\r\n", count: int = 3) -> bytes:
    """Return the text as it is published."""
    digests = sorted({sha1(password) for password in passwords})
    return "".join(f"{digest.hex().upper()}:{count}{end}" for digest in digests).encode()


def words(count: int) -> list[str]:
    return [f"word {number}" for number in range(count)]


def bring_in(data: Path, text: bytes, *, least_count: int = 1) -> Imported:
    data.mkdir(exist_ok=True)
    return import_dump(BytesIO(text), data, least_count=least_count)


def opened(data: Path) -> CompromisedFile:
    return CompromisedFile(data / FILE_NAME)
