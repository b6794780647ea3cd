"""What changed between two releases: in their metadata, requirements, classifiers, files and descriptions.

Pure: metadata in, differences out. Bounded: of each list the first thousand entries are compared, and of the differences
no more is kept than a page shows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from keyhouse.distfiles.shown_text import shortened, size_as_html
from keyhouse.web.project_pages.line_diff import Line, diff_lines, shown_lines
from keyhouse.web.project_pages.room import Room
from keyhouse.web.release_facts import names_in

Metadata = Mapping[str, Any]

MOST_COMPARED: Final = 1000
MOST_SHOWN: Final = 40
_LONGEST: Final = 100
_MOST_ENTRIES: Final = 45_000  # bytes of a page that all entries of all lists take
_MARKS: Final = 180  # bytes around an entry
_LONGEST_REQUIREMENT: Final = 2000
_MOST_REQUIREMENTS: Final = 40_000  # characters of those of both releases that are read as requirements
_MOST_DIFF: Final = 25_000  # bytes of a page
_LONGEST_DESCRIPTION: Final = 300_000
_MARKER: Final = " ; "
_FIELDS: Final = {
    "summary": "Summary",
    "requires_python": "Python",
    "license_expression": "Licence",
    "license": "Licence text",
    "author": "Author",
    "author_email": "Author's address",
    "maintainer": "Maintainer",
    "maintainer_email": "Maintainer's address",
    "home_page": "Home page",
    "download_url": "Download address",
    "description_content_type": "Form of the description",
    "metadata_version": "Version of the metadata",
}
_LISTS: Final = {
    "classifiers": "Classifiers",
    "keywords": "Keywords",
    "project_urls": "Links",
    "provides_extra": "Extras",
    "license_files": "Licence files",
    "platforms": "Platforms",
    "requires_external": "Needs from outside",
    "provides_dist": "Provides",
    "obsoletes_dist": "Replaces",
    "dynamic": "Dynamic fields",
    "import_names": "Imported as",
    "import_namespaces": "Name spaces",
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of one text, before and after; empty where it isn't there."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ListChange:
    """What a list has gained, lost and changed; `hidden` differences are not named."""

    label: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[FieldChange, ...] = ()
    hidden: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.hidden)


@dataclass(frozen=True, slots=True)
class DescriptionChange:
    """Lines to show; without any, the descriptions differ too much, or one is too long, to be compared here."""

    lines: tuple[Line, ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that changed; empty parts didn't."""

    fields: tuple[FieldChange, ...]
    requirements: ListChange
    lists: tuple[ListChange, ...]
    files: ListChange
    description: DescriptionChange | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed but the version."""
        return not (self.fields or self.requirements or self.lists or self.files or self.description)


Files = Sequence[
    tuple[str, str]
]  # what stands behind name and version in the file name, and the size for people


def compare(before: Metadata, after: Metadata, files_before: Files, files_after: Files) -> Comparison:
    """Compare two releases."""
    room = Room(_MOST_ENTRIES, _MARKS)
    requirements = _compare_mappings(room, "Requirements", *_requirements(before, after))
    files = _compare_mappings(room, "Files", dict(files_before), dict(files_after))
    lists = (
        _compare_mappings(room, label, _as_mapping(before, key), _as_mapping(after, key))
        for key, label in _LISTS.items()
    )
    return Comparison(
        fields=tuple(_compare_fields(before, after)),
        requirements=requirements,
        lists=tuple(change for change in lists if change),
        files=files,
        description=_compare_descriptions(_text(before, "description"), _text(after, "description")),
    )


def _compare_fields(before: Metadata, after: Metadata) -> Iterable[FieldChange]:
    for key, label in _FIELDS.items():
        old, new = _text(before, key), _text(after, key)
        if old != new:
            yield _change(label, *(_people if key.endswith("_email") else _texts)(old, new))


def _texts(old: str, new: str) -> tuple[str, str]:
    return shortened(old, _LONGEST), shortened(new, _LONGEST)


def _people(old: str, new: str) -> tuple[str, str]:
    """Show people by their names alone, as everywhere on the pages; and afterwards, whose address is another one."""
    before, after = _addresses_in(old), _addresses_in(new)
    shown = (f"{name}{_OTHER}" if before.get(name, now) != now else name for name, now in after.items())
    return _texts(", ".join(before), ", ".join(shown))


def _addresses_in(text: str) -> dict[str, set[str]]:
    """Return what is written of each person, by name; of all who have none, together."""
    found: dict[str, set[str]] = {}
    for part in filter(str.strip, text[:MOST_COMPARED].split(",")):
        name = "".join(names_in(part)) or _NAMELESS
        found.setdefault(name, set()).add(part.partition("<")[2].strip(" >") or part.strip())
    return found


_NAMELESS: Final = "an address"
_OTHER: Final = " (another address)"
_ALIKE: Final = " (another text, which reads alike here)"


def _change(label: str, old: str, new: str) -> FieldChange:
    """Make a change of two texts, as they are shown; that they differ is said also where nobody could see it."""
    return FieldChange(label, old, new + _ALIKE if old == new else new)


def _compare_mappings(
    room: Room, label: str, before: Mapping[str, str], after: Mapping[str, str]
) -> ListChange:
    """Compare two lists by their keys; what has the same key and another value was changed."""
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = sorted(key for key in before.keys() & after.keys() if before[key] != after[key])
    entries = _entries(room, removed, before), _entries(room, added, after)
    changes = tuple(_changes(room, changed, before, after))
    shown = sum(map(len, entries)) + len(changes)
    hidden = len(added) + len(removed) + len(changed) - shown
    return ListChange(label, removed=entries[0], added=entries[1], changed=changes, hidden=hidden)


def _entries(room: Room, keys: list[str], values: Mapping[str, str]) -> tuple[str, ...]:
    texts = (_entry(key, values[key]) for key in keys[:MOST_SHOWN])
    return tuple(text for text in texts if room.take(text))


def _changes(
    room: Room, keys: list[str], before: Mapping[str, str], after: Mapping[str, str]
) -> Iterable[FieldChange]:
    for key in keys[:MOST_SHOWN]:
        label, old, new = shortened(key, _LONGEST), _value(before[key]), _value(after[key])
        change = _change(label, old, new)
        if room.take(label, old, change.after):
            yield change


def _entry(key: str, value: str) -> str:
    """Write an entry out; the versions of a requirement stand before its marker."""
    what, parting, marker = key.partition(_MARKER)
    return shortened(f"{what} {value}".strip() + parting + marker, _LONGEST)


def _value(value: str) -> str:
    return shortened(value, _LONGEST) or "any"


def _as_mapping(metadata: Metadata, key: str) -> dict[str, str]:
    value = metadata.get(key) or ()
    if isinstance(value, Mapping):
        return {str(label): str(text) for label, text in islice(value.items(), MOST_COMPARED)}
    return {str(text): "" for text in islice(value, MOST_COMPARED)}


def _requirements(before: Metadata, after: Metadata) -> tuple[dict[str, str], dict[str, str]]:
    """Return those of both that may differ by what is required and when, with the versions that are taken.

    The same project may be named several times for different surroundings, and in any spelling and order. To read one takes
    a tenth of a millisecond, so only those are read whose project has one that is written otherwise; as they are written
    where even these are too many.
    """
    old, new = _required(before), _required(after)
    counts = Counter(old)
    counts.subtract(new)
    names = {_name_of(text) for text, more in counts.items() if more}
    old, new = ([text for text in texts if _name_of(text) in names] for texts in (old, new))
    read = _requirement if sum(map(len, [*old, *new])) <= _MOST_REQUIREMENTS else _as_written
    return _by_key(map(read, old)), _by_key(map(read, new))


def _required(metadata: Metadata) -> list[str]:
    return [str(text) for text in islice(metadata.get("requires_dist") or (), MOST_COMPARED)]


def _name_of(text: str) -> str:
    """Return the name of the project that is required; of what is no requirement, whatever."""
    found = _NAME.match(text)
    return canonicalize_name(found[1]) if found else ""


_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def _by_key(requirements: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for key, versions in requirements:
        found.setdefault(key, []).append(versions)
    return {key: ", ".join(sorted(versions)) for key, versions in found.items()}


@lru_cache(maxsize=1024)  # releases of a project require much the same
def _requirement(text: str) -> tuple[str, str]:
    if len(text) > _LONGEST_REQUIREMENT:
        return _as_written(text)
    try:
        parsed = Requirement(text)
    except (InvalidRequirement, RecursionError):
        return _as_written(text)
    extras = f"[{','.join(sorted(map(canonicalize_name, parsed.extras)))}]" if parsed.extras else ""
    marker = f"{_MARKER}{parsed.marker}" if parsed.marker else ""
    versions = f"@ {parsed.url}" if parsed.url else ",".join(sorted(map(str, parsed.specifier)))
    return f"{canonicalize_name(parsed.name)}{extras}{marker}", versions


def _as_written(text: str) -> tuple[str, str]:
    return text, ""


def _compare_descriptions(before: str, after: str) -> DescriptionChange | None:
    if before == after:
        return None
    if max(len(before), len(after)) > _LONGEST_DESCRIPTION:
        return DescriptionChange()
    lines = diff_lines(before.splitlines(), after.splitlines())
    return _fitting(shown_lines(lines)) if lines is not None else DescriptionChange()


def _fitting(lines: Iterable[Line]) -> DescriptionChange:
    """Keep as many lines as fit into a page."""
    kept: list[Line] = []
    size = 0
    for line in lines:
        shown = Line(line.kind, shortened(line.text, _LONGEST))
        size += size_as_html(shown.text) + 60  # and the marks around it
        if size > _MOST_DIFF:
            return DescriptionChange(tuple(kept), is_cut=True)
        kept.append(shown)
    return DescriptionChange(tuple(kept))


def _text(metadata: Metadata, key: str) -> str:
    return str(metadata.get(key) or "")
