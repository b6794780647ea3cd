"""Copying one file into the store's volume, and holding its source to what it promised. Knows no Django."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from keyhouse.publishing.importing.errors import ImportStopped, SourceDigestDiffers
from keyhouse.publishing.upload.content import Content, IncomingFile
from keyhouse.publishing.upload.errors import FileTooLarge


class Promise(Protocol):
    """What a source tells of a file; an `Offer` is one."""

    @property
    def size(self) -> int | None:
        """Its bytes, None: it doesn't tell."""

    @property
    def hashes(self) -> Mapping[str, str]:
        """Digests in lower-case hex by the names of `hashlib`."""


def require_size(offer: Promise, limit: int) -> None:
    """Raise FileTooLarge for a file of which the source tells that it has more than `limit` bytes."""
    if offer.size is not None and offer.size > limit:
        raise FileTooLarge(f"The file has {offer.size:,} bytes; the limit is {limit:,}.")


def copy(
    pieces: Iterable[bytes],
    limit: int,
    incoming: IncomingFile,
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Write the bytes as they come. Raises FileTooLarge, ImportStopped, what `pieces` raises, and OSError."""
    came = 0
    for piece in pieces:
        if is_stopped():
            raise ImportStopped
        came += len(piece)
        if came > limit:
            raise FileTooLarge(f"The file is larger than {limit:,} bytes.")
        incoming.write([piece])


def require_promised(offer: Promise, content: Content) -> None:
    """Raise SourceDigestDiffers for a file that isn't what its source tells."""
    if offer.size is not None and offer.size != content.size:
        raise SourceDigestDiffers(f"{content.size:,} bytes came, and the source promises {offer.size:,}.")
    for algorithm, promised in offer.hashes.items():
        if not hmac.compare_digest(_digest(content, algorithm), promised):
            raise SourceDigestDiffers(f"The {algorithm} digest is not the one that the source promises.")


def _digest(content: Content, algorithm: str) -> str:
    if algorithm in {"md5", "sha256"}:
        return str(getattr(content, algorithm))
    with content.path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
