"""Releases as lines of a history, in the order of their versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from packaging.version import Version

from keyhouse.index.model import version_key

LONGEST_VERSION: Final = 200  # no release has a longer one, and reading a very long number is no cheap work


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """A release as a line of the history."""

    id: int
    version: str
    created_at: datetime
    yanked_at: datetime | None = None
    yanked_reason: str = ""
    published: str = ""  # by which means, where that is asked

    @property
    def is_yanked(self) -> bool:
        """Whether installers pass it by (PEP 592)."""
        return self.yanked_at is not None

    @property
    def is_prerelease(self) -> bool:
        """Whether installers take it only when asked to."""
        _, parsed = version_key(self.version)
        return isinstance(parsed, Version) and parsed.is_prerelease


def newest_first(lines: Iterable[ReleaseLine]) -> list[ReleaseLine]:
    """Sort by version (PEP 440), the newest first; what is no version comes last."""
    return sorted(lines, key=lambda line: version_key(line.version), reverse=True)


def find_version(lines: list[ReleaseLine], version: str) -> ReleaseLine | None:
    """Return the release of that version, however it is spelt."""
    if len(version) > LONGEST_VERSION:
        return None
    wanted = version_key(version)
    return next((line for line in lines if version_key(line.version) == wanted), None)
