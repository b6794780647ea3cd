"""Which links of a release are known to be the project's own. Pure: an address and grounds in, a ground out.

Whoever uploads writes what they like into the links of a release. A link counts as verified only where it leads below an
address that the index itself knows to be the project's (a `Ground`). The comparison takes nothing that two readers of an
address could read differently: no user information, no percent signs, no dot segments, no back-slashes, no query, no
character beyond plain ASCII, the very same scheme, host and port. So a host's other spelling is no ground for anything,
and a name written with look-alike letters (Punycode) equals only itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 500
_ADDRESS: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~+@-]*)*)(?:#[A-Za-z0-9._~+@/-]*)?",
    re.IGNORECASE | re.ASCII,
)
_PORTS: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Address:
    """An address that can be read in one way only."""

    origin: tuple[str, str, str]  # scheme, host, port
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """An address that belongs to the project, and why; what lies below it belongs to it too.

    `ignores_case`: the host does in paths, as hosts of repositories do in the names of owner and repository.
    """

    address: str
    why: str
    ignores_case: bool = False


def read_address(text: str) -> Address | None:
    """Read an address, or return None where it could be understood in another way."""
    found = _ADDRESS.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    host, scheme = found["host"].lower(), found["scheme"].lower()
    segments = found["path"].removesuffix("/").split("/")[1:]
    if ".." in host or any(segment in {"", ".", ".."} for segment in segments):
        return None
    return Address((scheme, host, (found["port"] or _PORTS[scheme]).lstrip("0")), tuple(segments))


def find_ground(url: str, grounds: Iterable[Ground]) -> Ground | None:
    """Return the first ground that an address lies below, or None."""
    address = read_address(url)
    if address is None:
        return None
    return next((ground for ground in grounds if _lies_below(address, ground)), None)


def _lies_below(address: Address, ground: Ground) -> bool:
    own = read_address(ground.address)
    if own is None or own.origin != address.origin or not own.segments:
        return False
    found, wanted = address.segments[: len(own.segments)], own.segments
    if ground.ignores_case:
        found, wanted = _folded(found), _folded(wanted)
    return found == wanted


def _folded(segments: tuple[str, ...]) -> tuple[str, ...]:
    """Return segments as a host of repositories compares them: in any case, the last one with or without `.git`."""
    *first, last = (segment.lower() for segment in segments)
    return (*first, last.removesuffix(".git"))


def grounds_of(base_url: str, normalized_name: str, name: str) -> tuple[Ground, ...]:
    """Return what the index knows of a project by itself: its own pages of it."""
    why = "It is this index's page of the project."
    return tuple(Ground(f"{base_url}/project/{one}", why) for one in dict.fromkeys((normalized_name, name)))
