"""What a plan says: differences, people touched, refusals at each coming stage, loosening. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.mandate.documents import Path, in_words, shown

MOST_EXAMPLES: Final = 5
NOTICE_PATH: Final[Path] = ("stages",)  # what a remark about too short a notice is about


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to be told about a mandate; `path` is that of the key it is about."""

    path: Path
    reason: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"{in_words(shown(self.path))}: {self.reason}" if self.path else self.reason

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"path": shown(self.path), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is another one than before; None: it isn't there."""

    path: Path
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"path": shown(self.path), "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Touch:
    """A section that changes, and how many people it alone would touch (None: it can't stand alone)."""

    section: str
    people: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"section": self.section, "people": self.people}


@dataclass(frozen=True, slots=True)
class Forecast:
    """How the people who are here now would stand at an instant, with what they have enrolled now."""

    at: datetime
    what: str
    covered: int
    compliant: int
    exempt: int
    refused: int
    first_refused: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "at": clock.format_instant(self.at),
            "what": self.what,
            "covered": self.covered,
            "compliant": self.compliant,
            "exempt": self.exempt,
            "refused": self.refused,
            "first_refused": list(self.first_refused),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a version of a mandate would change. `people` is the denominator of all counts."""

    name: str
    version: int
    is_new: bool
    is_loosening: bool
    people: int
    touched: int
    loosened: int
    tightened: int
    differences: tuple[Difference, ...]
    touches: tuple[Touch, ...]
    forecasts: tuple[Forecast, ...]
    loosenings: tuple[str, ...]
    warnings: tuple[Remark, ...]
    refusals: tuple[Remark, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "mandate": self.name,
            "version": self.version,
            "is_new": self.is_new,
            "is_loosening": self.is_loosening,
            "people": self.people,
            "touched": self.touched,
            "loosened": self.loosened,
            "tightened": self.tightened,
            "differences": [one.as_dict() for one in self.differences],
            "touches": [one.as_dict() for one in self.touches],
            "forecasts": [one.as_dict() for one in self.forecasts],
            "loosenings": list(self.loosenings),
            "warnings": [one.as_dict() for one in self.warnings],
            "refusals": [one.as_dict() for one in self.refusals],
        }
