"""The widely used JSON documents `/pypi/{project}/json` and `/pypi/{project}/{version}/json`, and `/stats.json`.

They are built from what the files themselves say, never from a form. Absolute addresses hold `addresses.HERE` in place
of this server's own; `addresses.fill_in` makes what is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from keyhouse.index.addresses import HERE, without_mark
from keyhouse.index.model import IndexFile, ReleaseDocument, Totals

_TEXTS: Final = (
    "author",
    "author_email",
    "description",
    "description_content_type",
    "download_url",
    "home_page",
    "license",
    "license_expression",
    "maintainer",
    "maintainer_email",
    "requires_python",
    "summary",
)
_LISTS: Final = ("classifiers", "dynamic", "license_files", "provides_extra", "requires_dist")
# present in the shape everybody reads, and never filled there any more
_CONSTANTS: Final = {
    "bugtrack_url": None,
    "docs_url": None,
    "downloads": {"last_day": -1, "last_week": -1, "last_month": -1},
}


def render_project_json(document: ReleaseDocument) -> bytes:
    """Render `/pypi/{project}/json`: the document of its newest release, and the files of all releases."""
    files: dict[str, list[str]] = {}
    for file in document.page.offered:
        files.setdefault(file.version, []).append(_file(file))
    releases = ",".join(f"{_text(version)}:[{','.join(some)}]" for version, some in files.items())
    own = _release(document, files.get(document.version, []))
    return _bytes(f'{own},"releases":{{{releases}}}}}')


def render_release_json(document: ReleaseDocument) -> bytes:
    """Render `/pypi/{project}/{version}/json`."""
    files = [_file(file) for file in document.page.offered if file.version == document.version]
    return _bytes(_release(document, files) + "}")


def render_stats(totals: Totals) -> bytes:
    """Render `/stats.json`; sizes in bytes."""
    totals_as_json = _text(
        {
            "projects": totals.projects,
            "releases": totals.releases,
            "files": totals.files,
            "total_size": totals.size,
            "largest_projects": [{"name": name, "size": size} for name, size in totals.largest],
            "last_serial": totals.serial,
        }
    )
    return _bytes(totals_as_json)


def _release(document: ReleaseDocument, files: list[str]) -> str:
    """Return the JSON of a release without the brace at its end; `files` are written already."""
    told, serial = _text(_told(document.metadata)), document.page.serial
    if HERE in told:
        told = _text(_told(without_mark(document.metadata)))
    info = f"{told[:-1]},{_text(_placed(document))[1:]}"
    return f'{{"info":{info},"last_serial":{serial},"urls":[{",".join(files)}],"vulnerabilities":[]'


def _told(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the files themselves tell, the first part of `info`."""
    return {
        **_CONSTANTS,
        **{key: metadata.get(key) or "" for key in _TEXTS},
        **{key: metadata.get(key) or [] for key in _LISTS},
        "keywords": ",".join(_strings(metadata, "keywords")),
        "platform": ",".join(_strings(metadata, "platforms")),
        "project_urls": metadata.get("project_urls") or None,
    }


def _placed(document: ReleaseDocument) -> dict[str, Any]:
    """Return the rest: where the release stands here."""
    project = f"{HERE}/project/{document.page.normalized}/"
    return {
        "name": document.page.name,
        "version": document.version,
        "package_url": project,
        "project_url": project,
        "release_url": f"{project}{quote(document.version)}/",
        "yanked": document.yanked is not None,
        "yanked_reason": without_mark(document.yanked) or None,
    }


def _strings(metadata: Mapping[str, Any], key: str) -> list[str]:
    value = metadata.get(key) or []
    return [str(part) for part in value] if isinstance(value, (list, tuple)) else [str(value)]


# A publish renders all files of its project, and nearly all of them are as they were.
@lru_cache(maxsize=4096)
def _file(file: IndexFile) -> str:
    uploaded_at = file.uploaded_at.astimezone(UTC).replace(tzinfo=None)
    entry = {
        "comment_text": "",
        "digests": {"blake2b_256": file.blake2, "md5": file.md5, "sha256": file.sha256},
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": file.md5,
        "packagetype": file.kind,
        "python_version": file.python_tag,
        "requires_python": without_mark(file.requires_python) or None,
        "size": file.size,
        "upload_time": uploaded_at.isoformat(timespec="seconds"),
        "upload_time_iso_8601": uploaded_at.isoformat(timespec="microseconds") + "Z",
        "url": f"{HERE}/files/{quote(file.path)}",
        "yanked": file.yanked is not None,
        "yanked_reason": without_mark(file.yanked) or None,
    }
    return _text(entry)


_text: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
