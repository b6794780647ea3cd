"""Hashing with a bound: how many hashes run at once in a process is limited, so that a flood can't eat the memory.

Hashing takes a tenth of a second. Do it outside of transactions.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from argon2.low_level import Type, hash_secret_raw
from django.contrib.auth.hashers import check_password, identify_hasher, is_password_usable, make_password

from keyhouse.accounts.errors import PasswordsBusy
from keyhouse.accounts.rules import LONGEST_PASSWORD, normalize_password

AT_ONCE: Final = 4  # times 64 MiB
LONGEST_WAIT: Final = 10.0  # seconds
DIGEST_BYTES: Final = 32

_places = threading.BoundedSemaphore(AT_ONCE)


@contextlib.contextmanager
def _place() -> Iterator[None]:
    """Wait for one of the places; raises PasswordsBusy when none comes free in time."""
    if not _places.acquire(timeout=LONGEST_WAIT):
        raise PasswordsBusy
    try:
        yield
    finally:
        _places.release()


def hash_password(password: str | None) -> str:
    """Return the hash of a password as Django writes it; None makes an unusable one."""
    if password is None:
        return make_password(None)
    with _place():
        return make_password(normalize_password(password))


@dataclass(frozen=True, slots=True)
class Compared:
    """Whether the password was right, and its hash anew where the kept one has old parameters."""

    is_right: bool
    rehashed: str = ""


def compare_password(password: str, kept: str | None) -> Compared:
    """Compare a password with the kept hash; None and unusable ones cost the same time and are never right."""
    if len(password) > LONGEST_PASSWORD:
        return Compared(is_right=False)
    if not kept or not is_password_usable(kept):
        hash_password(secrets.token_urlsafe(16))
        return Compared(is_right=False)
    rehashed: list[str] = []
    password = _writable(normalize_password(password))
    with _place():
        is_right = check_password(password, kept)
        if is_right and identify_hasher(kept).must_update(kept):
            rehashed.append(make_password(password))
    return Compared(is_right, *rehashed)


def _writable(password: str) -> str:
    """Return the password with lone surrogates replaced: it is wrong then, not a defect."""
    return password.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class CodeHash:
    """Parameters of Argon2id for recovery codes: 80 random bits need no 64 MiB (OWASP's least: 19 MiB, 2, 1)."""

    memory: int = 19 * 1024  # KiB
    passes: int = 2
    lanes: int = 1

    def __str__(self) -> str:
        return f"m={self.memory},t={self.passes},p={self.lanes}"

    @classmethod
    def parse(cls, text: str) -> CodeHash:
        """Read what `str` wrote."""
        return cls(*(int(part.partition("=")[2]) for part in text.split(",")))


CODE_HASH: Final = CodeHash()


def hash_code(code: str, salt: str, parameters: CodeHash = CODE_HASH) -> str:
    """Return the Argon2id digest (hex) of a canonical recovery code under the salt (hex) of its set."""
    with _place():
        digest = hash_secret_raw(
            code.encode(),
            bytes.fromhex(salt),
            time_cost=parameters.passes,
            memory_cost=parameters.memory,
            parallelism=parameters.lanes,
            hash_len=DIGEST_BYTES,
            type=Type.ID,
        )
    return digest.hex()
