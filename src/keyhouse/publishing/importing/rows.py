"""What became of each file: rows of the report, and their totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.core.errors import Refusal, Situation
from keyhouse.distfiles.findings import Finding, UnacceptableError, shown
from keyhouse.projects.errors import SecondSourceDistribution
from keyhouse.publishing.importing.errors import YankedAlone

IMPORTED: Final = "imported"  # in a dry run: it would be
HERE: Final = "here"  # the very same file is in the index already
REFUSED: Final = "refused"  # it won't be taken however often it is tried
LEFT_OUT: Final = (
    "left-out"  # what no release here can hold: nobody can mend that, and a run is complete without it
)
_LEFT_OUT: Final = (YankedAlone, SecondSourceDistribution)
_LONGEST: Final = 250
FAILED: Final = "failed"  # it didn't come; trying again may help


@dataclass(frozen=True, slots=True)
class Row:
    """One file, or one project that can't be read (`filename` empty)."""

    project: str
    filename: str
    outcome: str
    code: str = ""
    sentence: str = ""
    fix: str = ""
    forgiven: tuple[Finding, ...] = ()
    uploaded_at: datetime | None = None  # None: when it was imported
    yanked: str | None = None
    sha256: str = ""
    size: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what the report tells."""
        return {
            "project": self.project,
            "filename": self.filename,
            "outcome": self.outcome,
            "code": self.code or None,
            "reason": self.sentence or None,
            "fix": self.fix or None,
            "forgiven": [{"code": found.code, "reason": found.sentence} for found in self.forgiven],
            "uploaded_at": clock.format_if_any(self.uploaded_at),
            "yanked": self.yanked,
            "sha256": self.sha256 or None,
            "size": self.size,
        }


def _readable(text: str) -> str:
    return text if text.isprintable() and len(text) <= _LONGEST else shown(text, _LONGEST)


def refused(project: str, filename: str, refusal: Refusal, **told: Any) -> Row:
    """Return the row of something that was refused, that failed for now, or that is left out."""
    outcome = LEFT_OUT if isinstance(refusal, _LEFT_OUT) else REFUSED
    if refusal.situation is Situation.UNAVAILABLE:
        outcome = FAILED
    found = refusal.finding if isinstance(refusal, UnacceptableError) else None
    return Row(
        project=_readable(project),
        filename=_readable(filename),
        outcome=outcome,
        code=found.code if found else refusal.code,
        sentence=found.sentence if found else refusal.sentence,
        fix=refusal.fix,
        **told,
    )


@dataclass(slots=True)
class Totals:
    """How many files by what became of them, how many bytes came, and what was refused how often."""

    projects: int = 0
    made_projects: int = 0
    bytes: int = 0
    files: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    forgiven: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Count a row."""
        self.files[row.outcome] += 1
        if row.code:
            self.codes[row.code] += 1
        self.forgiven.update({found.code for found in row.forgiven})
        if row.outcome == IMPORTED:
            self.bytes += row.size or 0

    @property
    def is_complete(self) -> bool:
        """Whether everything that was offered is in the index, or is left out for good."""
        return not (self.files[REFUSED] or self.files[FAILED])

    def as_json(self) -> Mapping[str, Any]:
        """Return what the report tells."""
        return {
            "projects": self.projects,
            "made_projects": self.made_projects,
            "files": {
                outcome: self.files[outcome] for outcome in (IMPORTED, HERE, LEFT_OUT, REFUSED, FAILED)
            },
            "bytes": self.bytes,
            "codes": dict(self.codes.most_common()),
            "forgiven": dict(self.forgiven.most_common()),
        }
