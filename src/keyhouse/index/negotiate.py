"""Which form and which encoding of a page is sent (RFC 9110 section 12; media types and `?format=` of PEP 691)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

JSON: Final = "application/vnd.pypi.simple.v1+json"
HTML: Final = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML: Final = "text/html"
INTEGRITY: Final = "application/vnd.pypi.integrity.v1+json"  # a provenance, in its one form (PEP 740)
# Every way an index page can be sent, in the order preferred where several are named and equally wanted.
FORMS: Final = (JSON, HTML, PLAIN_HTML)
# The order where nobody named any of them: people's browsers and old installers want HTML.
_UNNAMED: Final = (PLAIN_HTML, JSON, HTML)
_LATEST: Final = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}
ENCODINGS: Final = ("zstd", "gzip", "identity")  # in the order preferred
_ALSO_CALLED: Final = {"x-gzip": "gzip"}  # RFC 9110 8.4.1.3

_QUALITY: Final = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z")
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token of RFC 9110 5.6.2, no secret
_RANGE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}\Z")
_CODING: Final = re.compile(rf"{_TOKEN}\Z")
_REMEMBERED: Final = 512  # longer headers than any client sends are judged anew each time
_LONGEST: Final = 8192  # what follows in a header is not read


@dataclass(frozen=True, slots=True)
class Choice:
    """What a client gets: `form` is one of FORMS or None (nothing it takes, 406), `encoding` one of ENCODINGS."""

    form: str | None
    encoding: str
    variant: int | None  # the number of the pair among all pairs, form first; None with the form


def _pair(form: str | None, encoding: str) -> Choice:
    if form is None:
        return Choice(None, encoding, None)
    return Choice(form, encoding, number_of(form, encoding))


def number_of(form: str, encoding: str) -> int:
    """Return the number of a pair of form and encoding."""
    return FORMS.index(form) * len(ENCODINGS) + ENCODINGS.index(encoding)


def choose(accept: bytes | None, accept_encoding: bytes | None) -> Choice:
    """Choose by the headers `Accept` and `Accept-Encoding` as they came (None: not sent)."""
    if len(accept or b"") + len(accept_encoding or b"") <= _REMEMBERED:
        return _remembered(accept, accept_encoding)
    return _choose(accept, accept_encoding)


def _choose(accept: bytes | None, accept_encoding: bytes | None) -> Choice:
    return _pair(choose_form(_text(accept)), choose_encoding(_text(accept_encoding)))


_remembered = lru_cache(maxsize=1024)(_choose)


def _text(header: bytes | None) -> str | None:
    return None if header is None else header[:_LONGEST].decode("latin-1")


def choose_form(accept: str | None) -> str | None:
    """Choose among FORMS; None when the header takes none of them. No header, or an empty one, means HTML."""
    if accept is None or not accept.strip():
        return PLAIN_HTML
    ranges = [
        (media, quality)
        for media, quality in _weighted(accept, _LATEST | {"*": "*/*"})
        if _RANGE.match(media)
    ]
    wanted = {form: _wish(form, ranges) for form in FORMS}
    best = max(wanted.values())
    if best[0] <= 0:
        return None
    order = _UNNAMED if best[1] == 0 else FORMS
    return next(form for form in order if wanted[form] == best)


@lru_cache(maxsize=256)
def takes_integrity(accept: bytes | None) -> bool:
    """Tell whether a client takes a provenance; plain JSON, which it is, counts as asking for it."""
    header = _text(accept)
    if header is None or not header.strip():
        return True
    ranges = [(media, quality) for media, quality in _weighted(header, {"*": "*/*"}) if _RANGE.match(media)]
    return max(_wish(INTEGRITY, ranges), _wish("application/json", ranges))[0] > 0


def choose_format(query: bytes) -> tuple[bool, str | None]:
    """Read `?format=` of an index page: whether it was given, and the form it names or None for one we don't have.

    A `+` stays what it is: people write the media type as it is spelt.
    """
    for part in query[:_LONGEST].split(b"&"):
        key, _, value = part.partition(b"=")
        if key == b"format":
            named = unquote(value.decode("latin-1")).strip().lower()
            named = _LATEST.get(named, named)
            return True, named if named in FORMS else None
    return False, None


def choose_encoding(accept_encoding: str | None) -> str:
    """Choose among ENCODINGS. Nothing sent, or nothing taken that we have, means identity (RFC 9110 12.5.3)."""
    if not accept_encoding or not accept_encoding.strip():
        return "identity"
    given: dict[str, float] = {}
    for coding, quality in _weighted(accept_encoding, _ALSO_CALLED):
        if _CODING.match(coding):
            given.setdefault(coding, quality)
    others = given.get("*", 0.0)
    # identity is always taken unless it is refused by name, but comes last
    wishes = {
        "identity": given.get("identity", 0.0001),
        **{name: given.get(name, others) for name in _OTHERS},
    }
    best = max(wishes.values())
    return next(name for name in ENCODINGS if wishes[name] == best) if best > 0 else "identity"


_OTHERS: Final = ENCODINGS[:-1]


def _wish(form: str, ranges: list[tuple[str, float]]) -> tuple[float, int]:
    """Return quality and exactness (2 named, 1 by type, 0 by `*/*`) of the most exact range that covers a form."""
    family = form.partition("/")[0] + "/*"
    for exactness, name in ((2, form), (1, family), (0, "*/*")):
        for media, quality in ranges:
            if media == name:
                return quality, exactness
    return 0.0, 0


def _weighted(header: str, aliases: dict[str, str]) -> list[tuple[str, float]]:
    """Split a list of values with weights; an element whose weight can't be read is left out."""
    found = []
    for element in header.lower().split(","):
        value, *parameters = (part.strip() for part in element.split(";"))
        quality = _quality(parameters)
        if value and quality is not None:
            found.append((aliases.get(value, value), quality))
    return found


def _quality(parameters: list[str]) -> float | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if _QUALITY.match(value.strip()) else None
    return 1.0
