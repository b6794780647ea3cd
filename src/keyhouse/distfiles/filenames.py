"""File names of wheels (PEP 427, PEP 425) and source distributions (PEP 625).

A name is accepted in one spelling only, so that one release never has two files that differ in
spelling, and so that the name alone says which project, version and tags a file is for.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NoReturn

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from keyhouse.distfiles.findings import UnacceptableError, shown

LONGEST = 250
LONGEST_VERSION = 200
SDIST = ".tar.gz"
ZIP_SDIST = ".zip"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_TAGS = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")
_BUILD = re.compile(r"[0-9][a-z0-9_.]*")
_PRINTABLE = re.compile(r"[\x20-\x7e]+")
_WHEEL_PARTS = (5, 6)
_MANY_DOTS = 8  # fewer make 36 tags at most; a long name can make 60,000, which nobody may let a process keep


@dataclass(frozen=True, slots=True)
class DistributionName:
    """What a file name says: `name` is normalised (PEP 503), `tags` are `py-abi-platform`."""

    filename: str
    canonical: str
    kind: Literal["wheel", "sdist"]
    name: str
    version: Version
    build: str | None = None
    tags: frozenset[str] = frozenset()

    @property
    def stem(self) -> str:
        """Return `{name}-{version}` as files and folders spell it."""
        return f"{component(self.name)}-{self.version}"

    @property
    def platforms(self) -> frozenset[str]:
        """Return the platform tags."""
        return frozenset(tag.rpartition("-")[2] for tag in self.tags)


def parse_filename(filename: str) -> DistributionName:
    """Read a file name; raise `UnacceptableError` unless it is canonical.

    Source: PEP 427, PEP 425, PEP 440 and PEP 625.
    """
    name = parse_any_spelling(filename)
    if filename != name.canonical:
        sentence = f"The file must be called {shown(name.canonical, 120)}, spelt exactly so."
        raise UnacceptableError("filename-not-canonical", sentence)
    return name


@lru_cache(maxsize=8)  # an upload asks three times; few, since a name of many tags is large
def parse_any_spelling(filename: str, *, takes_zip: bool = False) -> DistributionName:
    """Read a file name that may be spelt as older tools did; raise where it cannot be read.

    `takes_zip`: also that of a source distribution in a ZIP archive, as old releases have it.
    """
    _check_characters(filename)
    if filename.endswith(".whl"):
        return _parse_wheel(filename)
    if filename.endswith(SDIST):
        return _parse_sdist(filename, SDIST)
    if takes_zip and filename.endswith(ZIP_SDIST):
        return _parse_sdist(filename, ZIP_SDIST)
    sentence = "Only wheels (.whl) and source distributions (.tar.gz) are taken."
    raise UnacceptableError("filename-extension", sentence)


def component(name: str) -> str:
    """Spell a project name for a file name: normalised, with underscores (PEP 625)."""
    return canonicalize_name(name).replace("-", "_")


def _check_characters(filename: str) -> None:
    if len(filename) > LONGEST:
        sentence = f"The file name has more than {LONGEST} characters."
        raise UnacceptableError("filename-too-long", sentence)
    if not _PRINTABLE.fullmatch(filename) or "/" in filename or "\\" in filename:
        sentence = "The file name must be printable ASCII without slashes."
        raise UnacceptableError("filename-characters", sentence)


def _parse_wheel(filename: str) -> DistributionName:
    parts = filename.removesuffix(".whl").split("-")
    if len(parts) not in _WHEEL_PARTS:
        _refuse_malformed(filename, "name-version[-build]-python-abi-platform.whl")
    build = parts[2] if len(parts) == max(_WHEEL_PARTS) else None
    if build is not None and not _BUILD.fullmatch(build):
        _refuse_malformed(filename, "a build part that starts with a digit")
    if not (_TAGS.fullmatch(parts[-3]) and _TAGS.fullmatch(parts[-2]) and _TAGS.fullmatch(parts[-1])):
        _refuse_malformed(filename, "lower-case tags")
    name, version = _parse_release(filename, parts[0], parts[1])
    canonical = "-".join([component(name), str(version), *parts[2:]]) + ".whl"
    compressed = "-".join(parts[-3:])
    is_short = compressed.count(".") < _MANY_DOTS
    tags = _tags_of(compressed) if is_short else frozenset(expand_tags(compressed))
    return DistributionName(filename, canonical, "wheel", name, version, build, tags)


@lru_cache(maxsize=32)  # nearly all wheels have one of few sets
def _tags_of(compressed: str) -> frozenset[str]:
    return frozenset(expand_tags(compressed))


def expand_tags(compressed: str) -> list[str]:
    """Expand a compressed tag set such as `py2.py3-none-any` (PEP 425)."""
    pythons, abis, platforms = (part.split(".") for part in compressed.split("-"))
    return [f"{p}-{a}-{f}" for p in pythons for a in abis for f in platforms]


def _parse_sdist(filename: str, extension: str) -> DistributionName:
    project, hyphen, release = filename.removesuffix(extension).rpartition("-")
    if not hyphen:
        _refuse_malformed(filename, f"name-version{extension}")
    name, version = _parse_release(filename, project, release)
    canonical = f"{component(name)}-{version}{extension}"
    return DistributionName(filename, canonical, "sdist", name, version)


def _parse_release(filename: str, project: str, release: str) -> tuple[str, Version]:
    if not _NAME.fullmatch(project):
        _refuse_malformed(filename, "a valid project name")
    if len(release) > LONGEST_VERSION:
        _refuse_malformed(filename, f"a version of at most {LONGEST_VERSION} characters")
    try:
        return canonicalize_name(project), Version(release)
    except InvalidVersion:
        _refuse_malformed(filename, "a valid version (PEP 440)")


def _refuse_malformed(filename: str, wanted: str) -> NoReturn:
    sentence = f"The file name {shown(filename)} does not have {wanted}."
    raise UnacceptableError("filename-malformed", sentence)
