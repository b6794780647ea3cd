"""Hashing by a few threads that step back for everything else.

How many hashes run at once in a process is limited, so that a flood can't eat the memory, and they run at a lower
priority: the index goes on being read. Whoever waits for one holds a thread of their own, never one of the pages'
(`web.control_plane` sees to that). Hashing takes a tenth of a second. Do it outside of transactions.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from argon2.low_level import Type, hash_secret_raw
from django.contrib.auth.hashers import check_password, identify_hasher, is_password_usable, make_password

from keyhouse.accounts.errors import PasswordsBusy
from keyhouse.accounts.rules import LONGEST_PASSWORD, normalize_password

AT_ONCE: Final = 2  # times 64 MiB; each hash has four lanes, so more of them are no faster
NICE: Final = 10
MOST_WAITING: Final = 32  # beyond the threads of the pages that may ask: those of a flood wait elsewhere
LONGEST_WAIT: Final = 10.0  # seconds
DIGEST_BYTES: Final = 32
# Fields of forms whose texts are hashed: the views that take one of them get threads of their own.
HASHED_FIELDS: Final = frozenset({"password", "current_password", "recovery_code"})

T = TypeVar("T")


class Helpers:
    """The threads that hash, made when the first hash is asked for."""

    def __init__(self) -> None:
        """Begin with no thread."""
        self._places = threading.BoundedSemaphore(AT_ONCE + MOST_WAITING)
        self._threads = ThreadPoolExecutor(AT_ONCE, "hashing", initializer=_step_back)

    def do(self, act: Callable[..., T], *arguments: Any) -> T:
        """Hash in one of them; raises PasswordsBusy at once where too many wait, or when it takes too long to begin."""
        if not self._places.acquire(blocking=False):
            raise PasswordsBusy
        begun = threading.Event()
        task = self._threads.submit(_noting, begun, act, *arguments)
        task.add_done_callback(lambda _: self._places.release())
        if not begun.wait(LONGEST_WAIT) and task.cancel():
            raise PasswordsBusy
        return task.result()


def _noting(begun: threading.Event, act: Callable[..., T], *arguments: Any) -> T:
    begun.set()
    return act(*arguments)


def _step_back() -> None:
    """Give this thread, and those that Argon2id starts from it, a lower priority than the rest of the process.

    Linux alone has that of single threads; elsewhere the number of hashes at once is all that holds a flood back.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a container may forbid it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


_helpers = Helpers()


def _forget_threads() -> None:
    """Begin anew in a forked process, which has none of its parent's threads."""
    global _helpers  # noqa: PLW0603 - one set of threads for each process
    _helpers = Helpers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def hash_password(password: str | None) -> str:
    """Return the hash of a password as Django writes it; None makes an unusable one."""
    if password is None:
        return make_password(None)
    return _helpers.do(make_password, normalize_password(password))


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
    return _helpers.do(_compare, _writable(normalize_password(password)), kept)


def _compare(password: str, kept: str) -> Compared:
    is_right = check_password(password, kept)
    if is_right and identify_hasher(kept).must_update(kept):
        return Compared(is_right, make_password(password))
    return Compared(is_right)


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
    return _helpers.do(_hash_code, code, salt, parameters)


def _hash_code(code: str, salt: str, parameters: CodeHash) -> str:
    return hash_secret_raw(
        code.encode(),
        bytes.fromhex(salt),
        time_cost=parameters.passes,
        memory_cost=parameters.memory,
        parallelism=parameters.lanes,
        hash_len=DIGEST_BYTES,
        type=Type.ID,
    ).hex()
