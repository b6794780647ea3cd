"""What may become of a project, and what may be brought back. Pure: facts in, verdict out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyhouse.core.errors import Refusal
from keyhouse.distfiles.metadata_rules import is_valid_name
from keyhouse.distfiles.names import normalise
from keyhouse.projects.life_cycle.errors import NothingToRestore, RestoreImpossible, SuccessorRefused
from keyhouse.projects.rules import ACTIVE, ARCHIVED, DEPRECATED

LONGEST_NAME: Final = 200  # characters of a successor's name


@dataclass(frozen=True, slots=True)
class Standing:
    """What an owner says of a project: a status of PEP 792, why, and what takes its place."""

    status: str
    reason: str = ""
    successor: str = ""


def next_standing(now: Standing, wanted: Standing, ends: str = "") -> Standing | None:
    """Return what the project becomes, or None: it stays. `ends` is the one status that going back to active takes away."""
    if wanted.status == ACTIVE and now.status != ends:
        return None
    return None if wanted == now else wanted


def judge_successor(normalized_name: str, successor: str) -> Refusal | None:
    """Return why this can't be named as what takes the project's place, or None; naming nothing is fine."""
    if not successor:
        return None
    if len(successor) > LONGEST_NAME or not is_valid_name(successor):
        return SuccessorRefused()
    if normalise(successor) == normalized_name:
        return SuccessorRefused("A project can't be its own successor.")
    return None


def judge_restore(until_at: datetime, swept_at: datetime | None, now: datetime) -> Refusal | None:
    """Return why it is too late to bring something back, or None."""
    return NothingToRestore() if swept_at is not None or now >= until_at else None


def judge_place(taken_by: str) -> Refusal | None:
    """Return why something can't come back where `taken_by` (a name; empty: nothing) stands now, or None."""
    if not taken_by:
        return None
    return RestoreImpossible(
        f"It can't be brought back: {taken_by} has taken its place.",
        fix="Delete that first, where it may go; otherwise release a new version.",
    )


def judge_yank(version: str, *, was_yanked: bool, is_yanked: bool) -> Refusal | None:
    """Return why files of a release that was yanked can't come into the one that is there now, or None."""
    if is_yanked or not was_yanked:
        return None
    sentence = f"Its release was yanked when it was deleted; the new release {version} is not."
    return RestoreImpossible(sentence, fix="Yank the release that is here first, or delete it.")


def judge_held(filename: str, version: str) -> Refusal | None:
    """Return why a file in quarantine (its name; empty: none is) can't come into a release of another spelling, or None."""
    if not filename:
        return None
    sentence = f"{filename} is in quarantine, and its version is written {version} here now."
    return RestoreImpossible(
        sentence, fix="Delete the release that is here first; it can be brought back, too."
    )


__all__ = [
    "ACTIVE",
    "ARCHIVED",
    "DEPRECATED",
    "Standing",
    "judge_held",
    "judge_place",
    "judge_restore",
    "judge_successor",
    "judge_yank",
    "next_standing",
]
