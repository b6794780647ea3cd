"""From the address of a page to the project, the release and the file that it is about."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from packaging.utils import canonicalize_name

from keyhouse.core.errors import NotFound
from keyhouse.index.errors import FileQuarantined
from keyhouse.projects.models import File, Project
from keyhouse.projects.queries import find_project
from keyhouse.projects.reading import is_hidden
from keyhouse.projects.visiting import actor_of
from keyhouse.web import queries
from keyhouse.web.project_pages.errors import ProjectQuarantined, ReleaseQuarantined
from keyhouse.web.versions import LONGEST_VERSION, ReleaseLine, find_version

_NAME: Final = re.compile(r"[a-z0-9-]{1,200}")  # a database must not be asked for anything else
_FILENAME: Final = re.compile(r"[A-Za-z0-9_.+!-]{1,250}")


@dataclass(frozen=True, slots=True)
class Looked:
    """A project as asked for: its releases (the newest first), the recommended one and the chosen one."""

    project: Project
    history: list[ReleaseLine]
    recommended: ReleaseLine | None
    chosen: ReleaseLine | None

    @property
    def context(self) -> dict[str, Any]:
        """Return what every page of a project shows of it."""
        return {
            "project": self.project,
            "chosen": self.chosen,
            "recommended": self.recommended,
            "release_count": len(self.history),
            "has_only_prereleases": bool(self.history) and all(line.is_prerelease for line in self.history),
        }

    @property
    def release_id(self) -> int:
        """Return the key of the chosen release; raises NotFound where there is none."""
        if self.chosen is None:
            raise NotFound
        return self.chosen.id

    @property
    def previous(self) -> ReleaseLine | None:
        """Return the release whose version comes before the chosen one, or None."""
        if self.chosen is None:
            return None
        return next(iter(self.history[self.history.index(self.chosen) + 1 :]), None)

    def require_open(self) -> None:
        """Raise ProjectQuarantined where nothing of the project's files may be shown."""
        if self.project.status == Project.Status.QUARANTINED:
            reason = self.project.status_reason
            raise ProjectQuarantined(f"This project is in quarantine: {reason}" if reason else None)


class SpeltOtherwise(Exception):  # noqa: N818 - nothing is wrong; the page lives at another spelling
    """The thing exists, and its page has another address."""

    def __init__(self, name: str, version: str, rest: str) -> None:
        """Take the right name and version, and the rest of the address behind them as it is written there."""
        super().__init__()
        self.address = project_path(name, version) + rest


Page = Callable[..., HttpResponse]


def project_path(name: str, version: str = "") -> str:
    """Return the address of the page of a project or a release."""
    return "/project/" + "".join(quote(part, safe="") + "/" for part in (name, version) if part)


def look_up(request: HttpRequest, name: str, version: str = "", rest: str = "") -> Looked:
    """Find the project and, where one is named, the release; `rest` is what stands behind them in the address.

    A project that whoever asks may not read is not found. Raises NotFound, or SpeltOtherwise where name or version stand
    there in another spelling.
    """
    normalized = canonicalize_name(name)
    project = _find_readable(request, normalized)
    if project is None:
        raise NotFound("There is no project of that name here.", fix="Look for it by searching.")
    history = queries.history_of(project)
    recommended = find_version(history, project.latest_version) or next(iter(history), None)
    chosen = find_version(history, version) if version else recommended
    if version and chosen is None:
        _require_no_quarantine(project, version)
        raise NotFound(f"{project.name} has no such release.", fix="Its page lists all releases.")
    if name != normalized or (version and chosen and version != chosen.version):
        raise SpeltOtherwise(normalized, chosen.version if version and chosen else "", rest)
    return Looked(project, history, recommended, chosen)


def _find_readable(request: HttpRequest, normalized: str) -> Project | None:
    if not _NAME.fullmatch(normalized):
        return None
    found, hides = find_project(normalized), is_hidden(actor_of(request).user_id, normalized)
    return None if hides else found  # both asked of every name: the time tells nothing


def _require_no_quarantine(project: Project, version: str) -> None:
    reason = queries.find_quarantine(project, version[:LONGEST_VERSION])
    if reason is not None:
        raise ReleaseQuarantined(f"This release is in quarantine: {reason}" if reason else None)


def or_redirected(page: Page) -> Page:
    """Send other spellings of a name or a version to the one address."""

    @wraps(page)
    def answer(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        try:
            return page(request, *args, **kwargs)
        except SpeltOtherwise as other:
            query = request.META.get("QUERY_STRING", "")
            return HttpResponsePermanentRedirect(other.address + (f"?{query}" if query else ""))

    return answer


def get_open_file(looked: Looked, filename: str) -> File:
    """Return a file of the chosen release that may be looked into; raises NotFound, FileQuarantined, ProjectQuarantined."""
    looked.require_open()
    found = queries.find_file_of(looked.release_id, filename) if _FILENAME.fullmatch(filename) else None
    if found is None:
        raise NotFound("This release has no such file.", fix="Its page lists all files.")
    if found.is_quarantined:
        raise FileQuarantined(
            f"This file is in quarantine: {found.quarantine_reason}" if found.quarantine_reason else None
        )
    return found
