"""Reading the pages of an index: JSON (PEP 691, 700, 792) and HTML (PEP 503, 592). What is read is believed by nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from keyhouse.distfiles.findings import shown
from keyhouse.publishing.importing.errors import SourceEntryInvalid, SourcePageInvalid
from keyhouse.publishing.importing.offers import Offer, Offered

ACCEPT: Final = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
HASHES: Final = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s"})
_HEX: Final = re.compile(r"[0-9a-fA-F]{32,128}")
_PIECE: Final = 2**14
_LONGEST_TAG: Final = 2**16  # characters that the parser may hold back: more is no link
_LONGEST_TEXT: Final = 500
_MOST_LINKS: Final = 1_000_000
_LARGEST_SIZE: Final = 2**50


def is_json(content_type: str) -> bool:
    """Tell whether this Content-Type is one of JSON."""
    return content_type.partition(";")[0].strip().lower().endswith("json")


def read_names(body: bytes, content_type: str, url: str) -> list[str]:
    """Return the names of the projects on a root list; raises SourcePageInvalid."""
    if is_json(content_type):
        document = read_document(body)
        _check_version(document)
        return [
            entry["name"]
            for entry in _list(document, "projects")
            if isinstance(entry, dict) and isinstance(entry.get("name"), str)
        ]
    page = read_html(body, url)
    return [name for link in page.links if (name := _last_part(link.href)) or (name := link.text.strip())]


def read_project(name: str, body: bytes, content_type: str, url: str) -> Offered:
    """Return what a project's page offers, addresses made absolute; raises SourcePageInvalid."""
    if is_json(content_type):
        return read_project_json(name, read_document(body), url)
    page = read_html(body, url)
    files = tuple(_offer_of_link(link, page.base) for link in page.links if link.href)
    return Offered(name, files, page.status or "active", page.status_reason)


def read_project_json(name: str, document: Mapping[str, Any], url: str) -> Offered:
    """Read the JSON form of a project's page."""
    _check_version(document)
    status = document.get("project-status") or {}
    status = status if isinstance(status, dict) else {}
    files = tuple(_offer_of_entry(entry, url) for entry in _list(document, "files"))
    return Offered(name, files, _text(status.get("status")) or "active", _text(status.get("reason")))


def read_instant(value: object) -> datetime | None:
    """Return an instant as RFC 3339 writes it (without a zone: UTC), or None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_hashes(found: object) -> dict[str, str]:
    """Return the digests of a kind that can be computed here; what is no digest is left out."""
    pairs = found.items() if isinstance(found, dict) else ()
    return {
        name: value.lower()
        for name, value in pairs
        if name in HASHES and isinstance(value, str) and _HEX.fullmatch(value)
    }


def read_yanked(value: object) -> str | None:
    """Return the reason of a yank, None where there is none (PEP 592, 691)."""
    if value is None or value is False:
        return None
    reason = value if isinstance(value, str) else ""
    return "".join(sign if sign.isprintable() else " " for sign in reason).strip()[:_LONGEST_TEXT]


def read_size(value: object) -> int | None:
    """Return a number of bytes, or None."""
    is_size = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_SIZE
    return value if is_size else None  # type: ignore[return-value]  # is_size says that it is an int


def read_document(body: bytes) -> dict[str, Any]:
    """Return a JSON object; raises SourcePageInvalid."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourcePageInvalid("A page of the source is no JSON.") from error
    if not isinstance(found, dict):
        raise SourcePageInvalid("A page of the source is JSON, but not that of an index.")
    return found


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    found = document.get(key)
    if not isinstance(found, list):
        raise SourcePageInvalid(f"A page of the source has no list of {key}.")
    return found


def _check_version(document: Mapping[str, Any]) -> None:
    meta = document.get("meta")
    version = str(meta.get("api-version", "1.0")) if isinstance(meta, dict) else "1.0"
    if (
        version.partition(".")[0] != "1"
    ):  # a newer major version means something else by the same words (PEP 691)
        raise SourcePageInvalid(f"The source speaks version {shown(version)} of the API, not 1.")


def _offer_of_entry(entry: object, base: str) -> Offer:
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("url"), str)
        or not isinstance(entry.get("filename"), str)
    ):
        problem = SourceEntryInvalid("An entry of the page has no file name or no address.")
        return Offer("", problem=problem)
    return Offer(
        filename=entry["filename"],
        address=_join(base, entry["url"]),
        hashes=read_hashes(entry.get("hashes")) or _fragment_hashes(entry["url"]),
        size=read_size(entry.get("size")),
        uploaded_at=read_instant(entry.get("upload-time")),
        yanked=read_yanked(entry.get("yanked")),
    )


def _text(value: object) -> str:
    return read_yanked(value) or ""


# ---- HTML


@dataclass(slots=True)
class Link:
    """One anchor: where it leads, whether it is yanked, and what stands in it."""

    href: str
    yanked: str | None
    text: str = ""


@dataclass(slots=True)
class HtmlPage:
    """What a page of an index says; `base` is what its addresses are relative to."""

    base: str
    links: list[Link] = field(default_factory=list)
    status: str = ""
    status_reason: str = ""


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = HtmlPage(url)
        self._is_in_link = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(reversed(attrs))  # of a repeated attribute the first counts, as in browsers
        if tag == "a" and "href" in named:
            yanked = read_yanked(named["data-yanked"] or "") if "data-yanked" in named else None
            self.page.links.append(Link((named["href"] or "").strip(), yanked))
            self._is_in_link = True
        elif tag == "base" and named.get("href") and not self.page.links:
            self.page.base = _join(self.page.base, named["href"] or "")
        elif tag == "meta":
            self._read_meta(named)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._is_in_link = False

    def handle_data(self, data: str) -> None:
        if self._is_in_link and len(self.page.links[-1].text) < _LONGEST_TEXT:
            self.page.links[-1].text += data[:_LONGEST_TEXT]

    def _read_meta(self, named: Mapping[str, str | None]) -> None:
        if named.get("name") == "pypi:project-status":
            self.page.status = _text(named.get("content"))
        elif named.get("name") == "pypi:project-status-reason":
            self.page.status_reason = _text(named.get("content"))


def read_html(body: bytes, url: str) -> HtmlPage:
    """Read the links of a page; raises SourcePageInvalid where it is no page that anybody would write.

    It is fed in small pieces, and the parser may hold back little, so that no text makes it look at everything again.
    """
    reader = _Reader(url)
    text = body.decode("utf-8", "replace")
    for start in range(0, len(text), _PIECE):
        reader.feed(text[start : start + _PIECE])
        if len(reader.rawdata) > _LONGEST_TAG or len(reader.page.links) > _MOST_LINKS:
            raise SourcePageInvalid("A page of the source holds something that never ends.")
    return reader.page


def _offer_of_link(link: Link, base: str) -> Offer:
    address = _join(base, link.href)
    return Offer(
        filename=_last_part(address),
        address=address,
        hashes=_fragment_hashes(link.href),
        yanked=link.yanked,
    )


def _last_part(href: str) -> str:
    try:
        return unquote(urlsplit(href).path.rstrip("/").rpartition("/")[2])
    except ValueError:
        return ""


def _fragment_hashes(href: str) -> dict[str, str]:
    return read_hashes(dict(_pairs(href.partition("#")[2])))


def _pairs(fragment: str) -> Iterator[tuple[str, str]]:
    for part in fragment.split("&"):
        name, equals, value = part.partition("=")
        if equals:
            yield name, value


def _join(base: str, href: str) -> str:
    try:
        return urljoin(base, href)
    except ValueError:
        return href
