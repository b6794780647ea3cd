"""What a guard is, and what it says where it isn't met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keyhouse.mandate.documents import Mandate

MOST_NAMES: Final = 5  # told of many


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a launch asks for and that isn't there; `path`: the page where it is mended, or empty."""

    guard: str
    reason: str
    fix: str
    path: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"guard": self.guard, "reason": self.reason, "fix": self.fix, "path": self.path or None}


@dataclass(frozen=True, slots=True)
class Guard:
    """A named look at the index as it is; it yields what is missing, and writes nothing."""

    name: str
    sentence: str  # what is so where it is met
    look: Callable[[Mandate, datetime], Iterator[Missing]]
    # whether it looks at everybody who is here, which takes long on a large index
    plans: Callable[[Mandate, datetime], bool] = lambda _, __: False


def listed(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
