"""From model to bytes: the pages of the simple repository API (PEP 503, 691) and the root list.

Attributes and keys by their source: `data-requires-python` and hashes PEP 503, `data-yanked` PEP 592, core metadata
PEP 658 and 714, `provenance` PEP 740, `versions`, `size`, `upload-time` PEP 700, `project-status` PEP 792; the version of all that is 1.4.
Addresses of files are relative, so that a page is right wherever the server stands. Those of provenances must be whole
(PEP 740): they hold `addresses.HERE` in place of this server's own, which is put in when a page is loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from json.encoder import encode_basestring
from typing import Any, Final
from urllib.parse import quote

from keyhouse.index.addresses import HERE, without_mark
from keyhouse.index.documents import render_project_json, render_release_json, render_stats
from keyhouse.index.feeds import render_rss
from keyhouse.index.model import IndexFile, ListedProject, ProjectPage
from keyhouse.index.routes import provenance_path

__all__ = [
    "API_VERSION",
    "Rendered",
    "etag_of",
    "render_project_json",
    "render_provenance",
    "render_release_json",
    "render_root",
    "render_rss",
    "render_simple",
    "render_stats",
]

API_VERSION: Final = "1.4"
_FILES: Final = "../../files/"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Both forms of one page of the simple repository API."""

    json: bytes
    html: bytes


def etag_of(body: bytes) -> str:
    """Return the opaque part of a page's strong entity tag: 128 bits of BLAKE2b as hex, without quotes."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def render_simple(page: ProjectPage) -> Rendered:
    """Render the page of one project in both forms."""
    files = page.offered
    return Rendered(json=_project_json(page, files), html=_project_html(page, files))


def render_root(projects: Iterable[ListedProject], serial: int) -> Rendered:
    """Render the list of all projects in both forms, in the order given."""
    listed = list(projects)
    # One step of Python for each project, not one long call for all: other threads must get their turn in between.
    entries = ",".join(
        f'{{"name":{encode_basestring(project.name)},"_last-serial":{project.serial}}}' for project in listed
    )
    body = f'{{"meta":{{"api-version":"{API_VERSION}","_last-serial":{serial}}},"projects":[{entries}]}}'
    links = "".join(
        f'<a href="{project.normalized}/">{escape(project.name)}</a><br />\n' for project in listed
    )
    return Rendered(json=body.encode("utf-8", "replace"), html=_document("Simple index", "", links, serial))


def render_provenance(body: Mapping[str, object]) -> bytes:
    """Render a provenance object (PEP 740), the same bytes whatever the order in which a database keeps its members."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode("utf-8", "replace")


def _project_json(page: ProjectPage, files: tuple[IndexFile, ...]) -> bytes:
    status = {"status": page.status}
    if page.status_reason:
        status["reason"] = without_mark(page.status_reason)
    own = _compact(
        {
            "meta": {"api-version": API_VERSION, "_last-serial": page.serial},
            "name": page.normalized,
            "project-status": status,
            "versions": list(dict.fromkeys(file.version for file in files)),
        }
    )
    entries = ",".join([_file_json(file, page.normalized) for file in files])
    text = f'{own[:-1]},"files":[{entries}]}}'
    return text.encode("utf-8", "replace")


# A publish renders all files of its project, and nearly all of them are as they were.
@lru_cache(maxsize=4096)
def _file_json(file: IndexFile, project: str) -> str:
    metadata = {"sha256": file.metadata_sha256} if file.metadata_sha256 else False
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": _FILES + quote(file.path),
        "hashes": {"sha256": file.sha256},
        "size": file.size,
        "upload-time": instant_with_fraction(file.uploaded_at),
        "yanked": False if file.yanked is None else without_mark(file.yanked) or True,
        "core-metadata": metadata,
        "dist-info-metadata": metadata,
    }
    if file.requires_python:
        entry["requires-python"] = without_mark(file.requires_python)
    if file.has_provenance:
        entry["provenance"] = _provenance(file, project)
    return _compact(entry)


def _provenance(file: IndexFile, project: str) -> str:
    return HERE + quote(provenance_path(f"{project}/{file.version}/{file.filename}"))


def instant_with_fraction(instant: datetime) -> str:
    """Write an instant as PEP 700 wants it: UTC with `Z`, always six digits behind the second."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _project_html(page: ProjectPage, files: tuple[IndexFile, ...]) -> bytes:
    metas = _meta("pypi:project-status", page.status)
    if page.status_reason:
        metas += _meta("pypi:project-status-reason", without_mark(page.status_reason))
    links = "".join([_file_html(file, page.normalized) for file in files])
    return _document(f"Links for {page.normalized}", metas, links, page.serial)


@lru_cache(maxsize=4096)
def _file_html(file: IndexFile, project: str) -> str:
    attributes = f'href="{_FILES}{quote(file.path)}#sha256={file.sha256}"'
    if file.requires_python:
        attributes += f' data-requires-python="{escape(without_mark(file.requires_python))}"'
    if file.metadata_sha256:
        digest = f'"sha256={file.metadata_sha256}"'
        attributes += f" data-dist-info-metadata={digest} data-core-metadata={digest}"
    if file.yanked is not None:
        attributes += f' data-yanked="{escape(without_mark(file.yanked))}"'
    if file.has_provenance:
        attributes += f' data-provenance="{escape(_provenance(file, project))}"'
    return f"<a {attributes}>{escape(file.filename)}</a><br />\n"


def _meta(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{escape(content)}">\n'


def _document(title: str, metas: str, links: str, serial: int) -> bytes:
    heading = escape(title)
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"{_meta('pypi:repository-version', API_VERSION)}{metas}<title>{heading}</title>\n</head>\n<body>\n"
        f"<h1>{heading}</h1>\n{links}</body>\n</html>\n<!--SERIAL {serial}-->\n"
    )
    return text.encode("utf-8", "replace")


_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
