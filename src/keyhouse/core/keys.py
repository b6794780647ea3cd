"""The key file: root keys outside the database, with rotation.

One JSON file, readable by its owner only: `{"keys": [{"id": …, "key": base64, "made_at": …}, …]}`, newest first.
Every secret in use is derived from a root key by HKDF-SHA-256 (RFC 5869) with a purpose and a salt, so that a dump
of the database alone opens nothing. Rotation puts a new key in front; the older ones go on opening what they closed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keyhouse.core import clock, configuration

KEY_BYTES: Final = 32


class KeyFileError(Exception):
    """The key file is missing, unreadable or not ours."""


class SealBrokenError(Exception):
    """A sealed secret can't be opened with any key of the key file."""


@dataclass(frozen=True, slots=True)
class RootKey:
    """One root key: `id` is public and stored beside what it closes; `key` is 32 random bytes."""

    id: str
    key: bytes
    made_at: str


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All root keys, newest first."""

    keys: tuple[RootKey, ...]

    @property
    def newest(self) -> RootKey:
        """Return the key that closes new things."""
        return self.keys[0]

    def find(self, key_id: str) -> RootKey | None:
        """Return the key of that id, or None."""
        return next((key for key in self.keys if key.id == key_id), None)

    def derive(self, purpose: str, salt: bytes = b"", key_id: str | None = None) -> bytes:
        """Derive 32 bytes for one purpose from the newest or the named key; an unknown key raises SealBrokenError."""
        root = self.newest if key_id is None else self.find(key_id)
        if root is None:
            message = f"the key file has no key {key_id}"
            raise SealBrokenError(message)
        return _hkdf(root.key, purpose, salt)

    def seal(self, purpose: str, secret: bytes) -> str:
        """Encrypt a secret for storage (Fernet: AES-128-CBC and HMAC-SHA-256), bound to its purpose."""
        return self._fernet(purpose).encrypt(secret).decode()

    def open(self, purpose: str, sealed: str) -> bytes:
        """Decrypt what `seal` made, with whichever key closed it; raises SealBrokenError."""
        try:
            return self._fernet(purpose).decrypt(sealed)
        except (InvalidToken, ValueError) as error:
            message = "no key of the key file opens this secret"
            raise SealBrokenError(message) from error

    def reseal(self, purpose: str, sealed: str) -> str:
        """Close an existing secret again with the newest key."""
        return self.seal(purpose, self.open(purpose, sealed))

    def _fernet(self, purpose: str) -> MultiFernet:
        return MultiFernet(
            [Fernet(base64.urlsafe_b64encode(_hkdf(key.key, "seal:" + purpose, b""))) for key in self.keys]
        )


@lru_cache(maxsize=4096)
def _hkdf(key: bytes, purpose: str, salt: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt or None, b"keyhouse:" + purpose.encode()).derive(key)


def _new_key() -> RootKey:
    return RootKey(secrets.token_hex(8), secrets.token_bytes(KEY_BYTES), clock.format_instant(clock.now()))


def _write(path: Path, ring: KeyRing) -> None:
    """Replace the key file as a whole, synced, mode 0600."""
    body = {
        "keys": [
            {"id": key.id, "key": base64.b64encode(key.key).decode(), "made_at": key.made_at}
            for key in ring.keys
        ]
    }
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(body, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_ring(path: Path) -> KeyRing:
    """Read the key file; raises KeyFileError."""
    try:
        body = json.loads(path.read_text(encoding="ascii"))
        keys = tuple(
            RootKey(str(item["id"]), base64.b64decode(item["key"]), str(item["made_at"]))
            for item in body["keys"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"the key file {path} can't be read: {error}"
        raise KeyFileError(message) from error
    if not keys or any(len(key.key) != KEY_BYTES for key in keys):
        message = f"the key file {path} holds no usable key"
        raise KeyFileError(message)
    return KeyRing(keys)


def ensure_ring(path: Path) -> KeyRing:
    """Read the key file, making it first where there is none; two at once end up with the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        if not path.exists():
            _write(path, KeyRing((_new_key(),)))
        return read_ring(path)


def rotate_ring(path: Path) -> KeyRing:
    """Put a new root key in front of the others and return the ring."""
    with _locked(path):
        _write(path, KeyRing((_new_key(), *read_ring(path).keys)))
        return read_ring(path)


def retire_key(path: Path, key_id: str) -> RootKey:
    """Take an older root key out of the file and return it; raises KeyFileError for the newest and unknown ones."""
    with _locked(path):
        ring = read_ring(path)
        found = ring.find(key_id)
        if found is None or found == ring.newest:
            message = f"the key file {path} has no older key {key_id}"
            raise KeyFileError(message)
        _write(path, KeyRing(tuple(key for key in ring.keys if key != found)))
        return found


def bring_back_key(path: Path, key: RootKey) -> None:
    """Put a retired key back as the oldest one."""
    with _locked(path):
        ring = read_ring(path)
        if ring.find(key.id) is None:
            _write(path, KeyRing((*ring.keys, key)))


class _locked:  # noqa: N801 - reads as the verb it is: `with _locked(path)`
    """Hold an exclusive lock beside the key file."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


_cached: tuple[Path, int, KeyRing] | None = None


def ring() -> KeyRing:
    """Return the key ring of this process's configuration; a changed file is noticed (rotation without restart)."""
    global _cached  # noqa: PLW0603 - one key file per process
    path = configuration.current().key_file
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        message = f"the key file {path} is missing"
        raise KeyFileError(message) from error
    if _cached is None or _cached[:2] != (path, stamp):
        _cached = (path, stamp, read_ring(path))
    return _cached[2]
