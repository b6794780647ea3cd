"""What `keyhouse doctor` finds: a grade, what is so, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from keyhouse.core.configuration import Configuration

Grade = Literal["ok", "hint", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `fix` is empty where all is well."""

    about: str
    grade: Grade
    sentence: str
    fix: str = ""


Check = Callable[[Configuration], Iterator[Finding]]


def ok(about: str, sentence: str) -> Finding:
    """Return that all is well."""
    return Finding(about, "ok", sentence)


def hint(about: str, sentence: str, fix: str) -> Finding:
    """Return something that works, and that its operator should know."""
    return Finding(about, "hint", sentence, fix)


def problem(about: str, sentence: str, fix: str) -> Finding:
    """Return something that is wrong."""
    return Finding(about, "problem", sentence, fix)
