"""What is true of staged releases, without a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from keyhouse.core.errors import Refusal
from keyhouse.projects.errors import ContentExists, SecondSourceDistribution
from keyhouse.projects.rules import is_same_version
from keyhouse.publishing.staging.errors import StagedFileExists

WARN_BEFORE: Final = timedelta(days=1)
MOST_WAITING: Final = 50  # releases of one project; each has written to its people
_NOT_COMPARED: Final = frozenset({"description", "description_content_type", "version"})


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that waits: what a new one beside it is judged by."""

    filename: str
    kind: str
    sha256: str
    version: str
    size: int = 0


def judge_beside(new: Waiting, waiting: Iterable[Waiting]) -> Refusal | None:
    """Return why a file can't wait beside the others of its project, or None; the very same one is no objection."""
    others = list(waiting)
    same_name = next((one for one in others if one.filename == new.filename), None)
    if same_name is not None:
        is_repeat = same_name.sha256 == new.sha256
        return None if is_repeat else StagedFileExists(f"{new.filename} is staged with other content.")
    for one in others:
        if one.sha256 == new.sha256:
            return ContentExists(f"The same content is staged as {one.filename}.")
        if new.kind == one.kind == "sdist" and is_same_version(new.version, one.version):
            return SecondSourceDistribution(
                f"This release has a source distribution already: {one.filename}."
            )
    return None


def fingerprint(files: Iterable[tuple[str, str]]) -> str:
    """Return a digest of what is staged, as pairs of file name and SHA-256: whoever publishes names what they saw."""
    lines = sorted(f"{sha256}  {filename}\n" for filename, sha256 in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_to_warn(opened_at: datetime, expires_at: datetime, now: datetime) -> bool:
    """Tell whether people are told now that it ends soon; one that never waits so long is told of once, at its start."""
    return opened_at < expires_at - WARN_BEFORE <= now


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of the metadata that a staged release has otherwise than the one before it."""

    field: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return which fields of the metadata differ, by name; of the description nothing is told."""
    names = sorted((set(before) | set(after)) - _NOT_COMPARED)
    pairs = ((name, _lines(before.get(name)), _lines(after.get(name))) for name in names)
    return [
        Difference(name.replace("_", " "), tuple(old), tuple(new)) for name, old, new in pairs if old != new
    ]


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return sorted(f"{key}: {one}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return [" ".join(map(str, one)) if isinstance(one, list | tuple) else str(one) for one in value]
    return [str(value)] if value not in {None, ""} else []
