"""Which projects are wanted: patterns over names, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from keyhouse.distfiles.metadata_rules import LONGEST_NAME, is_valid_name
from keyhouse.distfiles.names import normalise
from keyhouse.publishing.importing.errors import SourceEntryInvalid

_RUNS = re.compile(r"[-_.]+")


def matches(name: str, pattern: str) -> bool:
    """Tell whether a normalised name fits a pattern (`*`, `?`, `[…]`), whatever its spelling."""
    return fnmatchcase(name, _RUNS.sub("-", pattern).lower())


def is_project_name(name: str) -> bool:
    """Tell whether a project can have this name at all."""
    return len(name) <= LONGEST_NAME and is_valid_name(name)


def require_project_name(name: str) -> None:
    """Raise SourceEntryInvalid: what can't be a project has no page either."""
    if not is_project_name(name):
        raise SourceEntryInvalid("This can't be the name of a project.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which projects to import: those that fit one of `include` (none: all), and none of `exclude`."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def has(self, name: str) -> bool:
        """Tell whether the project of this name, in any spelling, is wanted."""
        name = normalise(name)
        is_in = not self.include or any(matches(name, pattern) for pattern in self.include)
        return is_in and not any(matches(name, pattern) for pattern in self.exclude)
