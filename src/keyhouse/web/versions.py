"""The order of versions on pages, by PEP 440."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from packaging.version import InvalidVersion, Version


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """A release as a line of the history."""

    id: int
    version: str
    created_at: datetime
    yanked_at: datetime | None = None
    yanked_reason: str = ""

    @property
    def is_yanked(self) -> bool:
        """Whether installers pass it by (PEP 592)."""
        return self.yanked_at is not None

    @property
    def is_prerelease(self) -> bool:
        """Whether installers take it only when asked to."""
        parsed = parse_version(self.version)
        return parsed is not None and parsed.is_prerelease


def parse_version(text: str) -> Version | None:
    """Read a version, or return None for what PEP 440 doesn't know."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def newest_first(lines: Iterable[ReleaseLine]) -> list[ReleaseLine]:
    """Sort by version, the newest first; what is no version comes last."""
    return sorted(lines, key=_rank, reverse=True)


def find_recommended(lines: list[ReleaseLine]) -> ReleaseLine | None:
    """Return what an installer would take: the newest final one, else a pre-release, else a yanked one.

    `lines` are sorted newest first.
    """
    live = [line for line in lines if not line.is_yanked]
    final = [line for line in live if not line.is_prerelease]
    return next(iter(final or live or lines), None)


def find_version(lines: list[ReleaseLine], version: str) -> ReleaseLine | None:
    """Return the release of that version, however it is spelt."""
    wanted = parse_version(version)
    if wanted is None:
        return None
    return next((line for line in lines if parse_version(line.version) == wanted), None)


def _rank(line: ReleaseLine) -> tuple[bool, Version]:
    parsed = parse_version(line.version)
    return parsed is not None, parsed or Version("0")
