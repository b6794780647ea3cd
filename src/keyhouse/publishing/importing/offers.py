"""What a source offers, in the same words whatever kind of source it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from keyhouse.core.errors import Refusal


@dataclass(frozen=True, slots=True)
class Offer:
    """One file of a source.

    `address` is where the source finds it (a URL, a path). `hashes`: digests in lower-case hex by the names of
    `hashlib`. `yanked`: the reason, None: it isn't. `problem` says why it can't even be fetched.
    """

    filename: str
    address: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    uploaded_at: datetime | None = None
    uploaded_by: str = ""
    yanked: str | None = None
    problem: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """One project of a source; `status` is a marker of PEP 792."""

    name: str
    files: tuple[Offer, ...]
    status: str = "active"
    status_reason: str = ""


class Source(Protocol):
    """Somewhere files are imported from. Methods may be called from several threads at once."""

    kind: str
    told: str  # where it is, without secrets

    @property
    def root(self) -> Path | None:
        """The folder of its files where `address` is a path, so that any process of this machine may read them."""

    def names(self) -> Iterable[str]:
        """Return the names of its projects; raises a refusal where there is no list to be had."""

    def offered(self, name: str) -> Offered:
        """Return what it says of one project; raises a refusal."""

    def find_sha256(self, offer: Offer) -> str | None:
        """Return the SHA-256 of a file without fetching it, or None where it can't be known."""

    def pieces(self, offer: Offer, most: int) -> Iterator[bytes]:
        """Give the bytes of a file, at most `most` and a piece more; raises a refusal."""

    def stop(self) -> None:
        """End whatever is being waited for; nothing more will be asked."""
