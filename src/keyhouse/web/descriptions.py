"""A rendered description made fit for the page around it, and cut into pages where it is long.

The HTML was sanitised at upload, so tags are well formed and attributes stand in double quotes. Here its headings move
below those of the page; its anchors get a name space of their own, and of its classes only those of highlighted code
stay (a description must look like nothing of the page's own); landmarks become plain blocks; links that lead into this
site lose their target; pictures on other hosts become their text, for the pages load nothing from elsewhere; and what is
nested deeper than anybody reads is flattened. What keeps a screen reader from reading it goes: links without a word
beside headings, programming languages said to be spoken ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from django.utils.safestring import SafeString, mark_safe

PAGE_BYTES: Final = 64_000
_TAG: Final = re.compile(r'<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"]|"[^"]*")*)>')
_ATTRIBUTE: Final = re.compile(r'\s([a-zA-Z-]+)(?:="([^"]*)")?')
_HEADING: Final = re.compile(r"h([1-6])")
_TOKEN_CLASS: Final = re.compile(r"[a-z][a-z0-9]{0,2}")  # the short classes of Pygments
_SCHEME: Final = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_EMPTY_LINK: Final = re.compile(r'<a href="#[^"]*"[^<>]*></a>')
_LANGUAGE: Final = re.compile(r'\slang="[^"]*"')
_DEEPER: Final = 2
_DEEPEST: Final = 6
_MOST_NESTED: Final = 40
_LONGEST_ATTRIBUTES: Final = 2000
_LONGEST_PICTURE: Final = 8000
_ENTITY: Final = 12  # no entity that the sanitiser writes is longer
_VOID: Final = {"br", "hr", "img", "input", "col"}
_FLAGS: Final = {"checked", "disabled"}  # of boxes in lists of tasks; they hold no value
_LANDMARKS: Final = {"nav", "aside", "section", "figure", "figcaption", "picture"}


def fit_description(html: str) -> SafeString:
    """Return sanitised HTML made fit for a page, as a whole."""
    return mark_safe("".join(piece.text for piece in _fit(html)))  # noqa: S308 - sanitised at upload; tags are narrowed here


def cut_description(html: str) -> list[SafeString]:
    """Return the same in pages of a bounded length; elements that are open at an end go on on the next page."""
    return [mark_safe(page) for page in _cut(_fit(html))]  # noqa: S308 - as above


@dataclass(frozen=True, slots=True)
class _Piece:
    """A tag or a text; `opens` and `closes` name the element of a tag that has an end."""

    text: str
    opens: str = ""
    closes: str = ""


def _fit(html: str) -> Iterator[_Piece]:
    """Yield the fitted tags and the texts between them; too deep ones are left out, with their ends."""
    html = _EMPTY_LINK.sub("", html)
    depth = place = 0
    for match in _TAG.finditer(html):
        if match.start() > place:
            yield _Piece(html[place : match.start()])
        place = match.end()
        slash, name = match[1], match[2].lower()
        if name in _VOID:
            yield _Piece("" if slash else _fit_void(name, match[3]))
            continue
        depth += -1 if slash else 1
        if (depth if slash else depth - 1) < _MOST_NESTED:
            yield _fit_element(name, match[3], is_end=bool(slash))
    yield _Piece(html[place:])


def _fit_element(name: str, attributes: str, *, is_end: bool) -> _Piece:
    heading = _HEADING.fullmatch(name)
    if heading:
        name = f"h{min(int(heading[1]) + _DEEPER, _DEEPEST)}"
    elif name in _LANDMARKS:
        name = "div"
    elif name in {"pre", "code"}:
        attributes = _LANGUAGE.sub("", attributes)
    if is_end:
        return _Piece(f"</{name}>", closes=name)
    return _Piece(f"<{name}{_fit_attributes(attributes)}>", opens=name)


def _fit_void(name: str, attributes: str) -> str:
    if name == "img":
        return _fit_picture(attributes)
    if name == "input" and 'type="checkbox"' not in attributes:
        return ""
    return f"<{name}{_fit_attributes(attributes)}>"


def _fit_attributes(attributes: str) -> str:
    fitted = "".join(_fit_attribute(*found.groups()) for found in _ATTRIBUTE.finditer(attributes))
    return fitted if len(fitted) <= _LONGEST_ATTRIBUTES else ""


def _fit_attribute(name: str, value: str | None) -> str:
    if not value:
        return f" {name}" if name in _FLAGS else ""
    if name in {"id", "name"}:
        value = f"text-{value}"
    elif name == "class":
        value = " ".join(part for part in value.split() if _TOKEN_CLASS.fullmatch(part))
    elif name == "rel":
        value = "nofollow noopener ugc"
    elif name == "href" and value.startswith("#"):
        value = f"#text-{value[1:]}"
    elif name == "href" and not _SCHEME.match(value):
        value = ""
    return f' {name}="{value}"' if value else ""


def _fit_picture(attributes: str) -> str:
    values = {found[1]: found[2] or "" for found in _ATTRIBUTE.finditer(attributes)}
    source, alt = values.get("src", ""), values.get("alt", "").strip()
    if source.startswith("data:image/") and len(source) <= _LONGEST_PICTURE:
        return f'<img src="{source}" alt="{alt}">'
    shown = alt[:_LONGEST_ATTRIBUTES].replace("<", "&lt;").replace(">", "&gt;")
    return f'<span class="picture">{shown}</span>' if shown else ""


@dataclass(slots=True)
class _Page:
    """A page in the making: its pieces, its size, and the tags of the elements that are open."""

    parts: list[str] = field(default_factory=list)
    size: int = 0
    opened: list[_Piece] = field(default_factory=list)

    def add(self, piece: _Piece) -> None:
        """Add a piece and remember what it opens or closes."""
        self.parts.append(piece.text)
        self.size += len(piece.text.encode())
        if piece.opens:
            self.opened.append(piece)
        elif piece.closes and self.opened and self.opened[-1].opens == piece.closes:
            self.opened.pop()

    def close(self) -> str:
        """Return the page with an end for each element that is open."""
        return "".join([*self.parts, *(f"</{piece.opens}>" for piece in reversed(self.opened))])

    def follow(self) -> _Page:
        """Return the page after this one, in which the same elements are open, without their anchors."""
        page = _Page()
        for piece in self.opened:
            page.add(_Piece(re.sub(r' id="[^"]*"', "", piece.text), opens=piece.opens))
        return page


def _cut(pieces: Iterator[_Piece]) -> Iterator[str]:
    page = _Page()
    for piece in pieces:
        for part in _parts_of(piece):
            if page.size + len(part.text.encode()) > PAGE_BYTES:
                yield page.close()
                page = page.follow()
            page.add(part)
    yield page.close()


def _parts_of(piece: _Piece) -> Iterator[_Piece]:
    """Cut a long text where no entity stands."""
    text = piece.text
    most = PAGE_BYTES // 8
    while len(text) > most and not (piece.opens or piece.closes or text.startswith("<")):
        at = most
        entity = text.rfind("&", at - _ENTITY, at)
        if entity > 0 and ";" not in text[entity:at]:
            at = entity
        yield _Piece(text[:at])
        text = text[at:]
    yield _Piece(text, piece.opens, piece.closes)
