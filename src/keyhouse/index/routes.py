"""From an address to what it names. The faces of the read plane are listed here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from packaging.version import Version

Kind = Literal["root", "simple", "json", "rss", "releases", "stats", "file", "integrity"]

LONGEST_PATH: Final = 2048
_PREFIXES: Final = ("/simple/", "/files/", "/pypi/", "/rss/", "/integrity/")
_EXACTLY: Final = frozenset({"/simple", "/stats.json"})

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?"  # PEP 508
_VERSION: Final = r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,199}"
_FILENAME: Final = r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,249}"


@dataclass(frozen=True, slots=True)
class Target:
    """What an address names.

    `path` is the one right spelling of the address; whoever asked by another one is redirected there. `name` is the
    page's (`project`, `project/version`, `updates.xml`), or a file's address below `/files/`; `project` is normalised,
    None where the address alone doesn't tell.
    """

    kind: Kind
    path: str
    name: str = ""
    project: str | None = None
    is_metadata: bool = False

    @property
    def has_forms(self) -> bool:
        """Whether it exists as JSON and as HTML (PEP 691)."""
        return self.kind in ("root", "simple")


def owns(path: str) -> bool:
    """Whether an address belongs to the read plane."""
    return path.startswith(_PREFIXES) or path in _EXACTLY


def normalize(name: str) -> str:
    """Return the PEP 503 form of a project's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def simple_path(project: str) -> str:
    """Return the address of a project's index page."""
    return f"/simple/{project}/"


def document_path(name: str) -> str:
    """Return the address of a JSON document; `name` is `project` or `project/version`."""
    return f"/pypi/{name}/json"


def releases_path(project: str) -> str:
    """Return the address of the feed of a project's releases."""
    return f"/rss/project/{project}/releases.xml"


def provenance_path(name: str) -> str:
    """Return the address of a file's provenance; `name` is `project/version/filename`."""
    return f"/integrity/{name}/provenance"


def find_target(path: str) -> Target | None:
    """Return what an address names, whether or not it exists; None for one that can't name anything."""
    for pattern, make in FACES:
        match = pattern.fullmatch(path)
        if match is not None:
            return make(*match.groups())
    return None


def _root() -> Target:
    return Target("root", "/simple/")


def _simple(name: str) -> Target:
    project = normalize(name)
    return Target("simple", simple_path(project), project, project)


def _file(folder: str, filename: str) -> Target:
    plain = filename.removesuffix(".metadata")
    path = f"/files/{folder}/{filename}"
    return Target("file", path, f"{folder}/{plain}", is_metadata=plain != filename)


def _project_document(name: str) -> Target:
    project = normalize(name)
    return Target("json", document_path(project), project, project)


def _release_document(name: str, version: str) -> Target:
    project = normalize(name)
    page = f"{project}/{_canonical(version)}"
    return Target("json", document_path(page), page, project)


def _canonical(version: str) -> str:
    try:
        return str(Version(version))
    except ValueError:  # also for numbers of thousands of digits
        return version


def _feed(name: str) -> Target:
    return Target("rss", f"/rss/{name}", name)


def _releases(name: str) -> Target:
    project = normalize(name)
    return Target("releases", releases_path(project), project, project)


def _stats() -> Target:
    return Target("stats", "/stats.json")


def _integrity(name: str, version: str, filename: str) -> Target:
    project = normalize(name)
    page = f"{project}/{_canonical(version)}/{filename}"
    return Target("integrity", provenance_path(page), page, project)


_FACES: Final[tuple[tuple[str, Callable[..., Target]], ...]] = (
    (rf"/simple/({_NAME})/?", _simple),
    (rf"/files/([0-9a-f]{{2}}/[0-9a-f]{{2}}/[0-9a-f]{{60}})/({_FILENAME}(?:\.metadata)?)", _file),
    (r"/simple/?", _root),
    (rf"/pypi/({_NAME})/json/?", _project_document),
    (rf"/pypi/({_NAME})/({_VERSION})/json/?", _release_document),
    (r"/rss/(updates\.xml|packages\.xml)", _feed),
    (rf"/rss/project/({_NAME})/releases\.xml", _releases),
    (r"/stats\.json", _stats),
    (rf"/integrity/({_NAME})/({_VERSION})/({_FILENAME})/provenance/?", _integrity),
)
FACES: Final = tuple((re.compile(pattern), make) for pattern, make in _FACES)
