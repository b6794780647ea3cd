"""Ready answers: the messages of ASGI, made once and sent many times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import Refusal
from keyhouse.index.errors import status_of
from keyhouse.index.negotiate import (
    ENCODINGS,
    FORMS,
    HTML,
    INTEGRITY,
    JSON,
    PLAIN_HTML,
    choose,
    takes_integrity,
)
from keyhouse.index.routes import Target

Header = tuple[bytes, bytes]
Message = dict[str, Any]

NOTHING: Final[Message] = {"type": "http.response.body", "body": b""}
_NOSNIFF: Final[Header] = (b"x-content-type-options", b"nosniff")
_ASKED_ANEW: Final[Header] = (b"cache-control", b"no-cache")
_ANY_SITE: Final[Header] = (b"access-control-allow-origin", b"*")
_EXPOSED: Final[Header] = (b"access-control-expose-headers", b"ETag, X-PyPI-Last-Serial")
PREFLIGHT: Final[list[Header]] = [
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"Accept, Cache-Control, If-None-Match, If-Range, Range"),
    (b"access-control-max-age", b"86400"),
]
CONTENT_TYPES: Final = {
    JSON: JSON.encode(),
    HTML: HTML.encode(),
    PLAIN_HTML: b"text/html; charset=utf-8",
    INTEGRITY: INTEGRITY.encode(),
    "json": b"application/json",
    "xml": b"application/rss+xml; charset=utf-8",
}
_OVERHEAD: Final = 1500  # of messages and headers, in bytes


@dataclass(frozen=True, slots=True)
class FileRow:
    """What the database tells of one file."""

    id: int
    project_id: int
    release_id: int
    project: str
    blake2: str
    filename: str
    size: int
    metadata_sha256: str
    quarantine_reason: str | None  # None: not in quarantine


@dataclass(frozen=True, slots=True)
class Answer:
    """One ready answer. `file` is what is counted when it was sent."""

    etag: bytes
    start: Message
    body: Message
    not_modified: Message
    file: FileRow | None = None

    @property
    def weight(self) -> int:
        """Return the bytes that it holds."""
        return len(self.body["body"]) + _OVERHEAD


@dataclass(frozen=True, slots=True)
class Page:
    """One form and encoding of a page, as loaded. `etag` is without quotes, `form` one of CONTENT_TYPES."""

    body: bytes
    etag: str
    serial: int
    form: str
    encoding: str


class PageItem:
    """A page as a worker holds it: the variants that were asked for so far."""

    def __init__(self, *, has_forms: bool, is_integrity: bool = False) -> None:
        """Begin without any variant; `is_integrity`: it is a provenance, which not everybody takes."""
        self._has_forms = has_forms
        self._is_integrity = is_integrity
        self._answers: dict[int, Answer] = {}

    @property
    def weight(self) -> int:
        """Return the bytes of all variants."""
        return _OVERHEAD + sum(answer.weight for answer in self._answers.values())

    def find(self, headers: Mapping[bytes, bytes]) -> Answer | None:
        """Return the ready answer to a request with these headers, if it is here."""
        if self._is_integrity and not takes_integrity(headers.get(b"accept")):
            return None
        variant = variant_of(headers, has_forms=self._has_forms)
        return None if variant is None else self._answers.get(variant)

    def get(self, variant: int) -> Answer | None:
        """Return a variant, if it is here."""
        return self._answers.get(variant)

    def put(self, variant: int, answer: Answer) -> None:
        """Keep a variant."""
        self._answers[variant] = answer


class FileItem:
    """A file as a worker holds it: its row, and all its bytes where they are few."""

    def __init__(self, row: FileRow, size: int, answer: Answer, *, is_whole: bool) -> None:
        """Take the row, the size of what is sent (the file's or its metadata's) and the whole answer.

        `is_whole`: the answer holds all bytes; otherwise its body is empty, and they are read when they are sent.
        """
        self.row = row
        self.size = size
        self.answer = answer
        self.is_whole = is_whole

    @property
    def weight(self) -> int:
        """Return the bytes."""
        return self.answer.weight + _OVERHEAD

    def find(self, headers: Mapping[bytes, bytes]) -> Answer | None:
        """Return the ready answer, unless only a part is asked for, bytes must be read or the file is refused."""
        if not self.is_whole or self.row.quarantine_reason is not None or b"range" in headers:
            return None
        return self.answer


def key_of(project: str | None) -> str:
    """Return the surrogate key of everything that shows one project, or of what shows all (root list, feeds, totals)."""
    return f"project/{project}" if project else "listing"


def variant_of(headers: Mapping[bytes, bytes], *, has_forms: bool) -> int | None:
    """Return the number of the variant that the headers choose, or None where no form is acceptable."""
    choice = choose(headers.get(b"accept") if has_forms else None, headers.get(b"accept-encoding"))
    return choice.variant if has_forms or choice.variant is None else choice.variant % len(ENCODINGS)


def form_of(variant: int) -> str:
    """Return the form of a variant."""
    return FORMS[variant // len(ENCODINGS)]


def encoding_of(variant: int) -> str:
    """Return the encoding of a variant."""
    return ENCODINGS[variant % len(ENCODINGS)]


class Dress:
    """The headers that the configuration decides about: caching, private or public.

    Each header costs a server of this kind about as much as everything else we do for an answer in memory, so that none
    is sent that nobody needs; a 304 repeats only what RFC 9110 15.4.5 asks for and browsers check.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Read what doesn't change while the process runs."""
        self._is_private = configuration.is_private
        self._max_age = configuration.page_max_age
        self._has_keys = not self._is_private and bool(self._max_age or configuration.purge_url)
        self._sites: list[Header] = [] if self._is_private else [_ANY_SITE]
        self.common: list[Header] = [_NOSNIFF, *self._sites]
        self.page_caching = self._page_caching()

    def _page_caching(self) -> Header:
        lifetime = f"max-age={self._max_age}" if self._max_age else "no-cache"
        scope = "private, " if self._is_private else "public, " if self._max_age else ""
        return (b"cache-control", (scope + lifetime).encode())

    def vary(self, *names: str) -> list[Header]:
        """Return the `Vary` header of an answer that depends on these headers (RFC 9110 12.5.5)."""
        varying = [*names, *(["Authorization", "Cookie"] if self._is_private else [])]
        return [(b"vary", ", ".join(varying).encode())] if varying else []

    def page(self, target: Target, page: Page) -> Answer:
        """Make the ready answer of one variant of a page."""
        is_integrity = target.kind == "integrity"
        etag = _quoted(page.etag if page.encoding == "identity" else f"{page.etag}-{page.encoding}")
        shared = [
            (b"etag", etag),
            self.page_caching,
            *self.vary(*(["Accept"] if target.has_forms or is_integrity else []), "Accept-Encoding"),
            (b"x-pypi-last-serial", str(page.serial).encode()),
            *self.surrogate_key(target.project),
            *self._sites,
        ]
        own = [(b"content-type", CONTENT_TYPES[page.form]), *_length(len(page.body)), _NOSNIFF]
        own += [] if self._is_private else [_EXPOSED]
        if page.encoding != "identity":
            own.append((b"content-encoding", page.encoding.encode()))
        if page.form in (HTML, PLAIN_HTML):
            own.append((b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
        return Answer(etag, _start(200, own + shared), _body(page.body), _start(304, shared))

    def file(self, row: FileRow, digest: str, size: int, body: bytes, *, is_counted: bool) -> Answer:
        """Make the ready answer of a file; `digest` is the BLAKE2b-256 or SHA-256 of what is sent."""
        etag = _quoted(digest[:32])
        scope = "private" if self._is_private else "public"
        shared = [
            (b"etag", etag),
            (b"cache-control", f"{scope}, max-age=31536000, immutable".encode()),
            *self.vary(),
            *self.surrogate_key(row.project),
            *self._sites,
        ]
        own = [
            (b"content-type", b"application/octet-stream"),
            *_length(size),
            (b"accept-ranges", b"bytes"),
            _NOSNIFF,
        ]
        counted = row if is_counted else None
        return Answer(etag, _start(200, own + shared), _body(body), _start(304, shared), counted)

    def surrogate_key(self, project: str | None) -> list[Header]:
        """Name what a CDN in front may be told to forget, where one is used; see `purging`."""
        return [(b"surrogate-key", key_of(project).encode())] if self._has_keys else []

    def redirect(self, status: int, location: str, query: bytes = b"", project: str | None = None) -> Message:
        """Make the start of a redirect, one that changes with that project or with the list of all; the query goes along.

        One that is for now (302, to another index) is asked anew each time: nothing tells caches that a name was reserved.
        """
        address = location.encode() + (b"?" + query if query else b"")
        kept = _ASKED_ANEW if status == 302 and not self._is_private else self.page_caching  # noqa: PLR2004 - as above
        caching = [kept, *self.vary(), *self.surrogate_key(project)]
        return _start(status, [(b"location", address), *_length(0), *caching, *self.common])

    def refusal(self, refusal: Refusal, *, as_json: bool, extra: list[Header]) -> tuple[Message, Message]:
        """Make the answer of a refusal: one readable line first, also as the reason phrase; or the same as JSON."""
        body = _as_json(refusal) if as_json else f"{refusal.line}\n{refusal.fix}\n".encode()
        content_type = b"application/json" if as_json else b"text/plain; charset=utf-8"
        caching = (b"cache-control", b"private, no-store" if self._is_private else b"no-cache")
        headers = [(b"content-type", content_type), *_length(len(body)), caching, *self.vary(), *self.common]
        if refusal.retry_after is not None:
            headers.append((b"retry-after", str(refusal.retry_after).encode()))
        start = _start(status_of(refusal), headers + extra)
        start["reason"] = refusal.line.encode("ascii", "replace")[:200]
        return start, _body(body)


def part_of(answer: Answer, status: int, replaced: dict[bytes, bytes]) -> Message:
    """Return the start of an answer that differs from a ready one by its status and some headers."""
    kept = [(name, value) for name, value in answer.start["headers"] if name not in replaced]
    return _start(status, [*replaced.items(), *kept])


def _as_json(refusal: Refusal) -> bytes:
    return json.dumps({"message": refusal.sentence, "code": refusal.code, "fix": refusal.fix}).encode()


def _quoted(tag: str) -> bytes:
    return f'"{tag}"'.encode()


def _length(length: int) -> list[Header]:
    return [(b"content-length", str(length).encode())]


def _start(status: int, headers: list[Header]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _body(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body}
