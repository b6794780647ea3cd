"""A rendered description made fit for the page around it.

The HTML was sanitised at upload, so tags are well formed and attributes stand in double quotes. Here its headings
move below those of the page, its anchors get a name space of their own (a description must not take the place of the
page's own anchors), and pictures on other hosts become their text: the pages load nothing from elsewhere. What keeps a
screen reader from reading it goes: links without a word beside headings, programming languages said to be spoken ones.
"""

from __future__ import annotations

import re
from typing import Final

from django.utils.safestring import SafeString, mark_safe

_TAG: Final = re.compile(r'<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"]|"[^"]*")*)>')
_HEADING: Final = re.compile(r"[hH]([1-6])")
_ANCHOR: Final = re.compile(r'(\s)(id|name|href)="(#?)([^"]*)"')
_ATTRIBUTE: Final = re.compile(r'\s(src|alt)="([^"]*)"')
_EMPTY_LINK: Final = re.compile(r'<a href="#[^"]*"[^<>]*></a>')
_LANGUAGE: Final = re.compile(r'\slang="[^"]*"')
_DEEPER: Final = 2
_DEEPEST: Final = 6


def fit_description(html: str) -> SafeString:
    """Return sanitised HTML with lower headings, its own anchors and no pictures from other hosts."""
    return mark_safe(_TAG.sub(_fit_tag, _EMPTY_LINK.sub("", html)))  # noqa: S308 - sanitised at upload; only tags are narrowed here


def _fit_tag(match: re.Match[str]) -> str:
    slash, name, attributes = match.groups()
    if name.lower() == "img":
        return _fit_picture(match.group(), attributes)
    if name.lower() in {"pre", "code"}:
        attributes = _LANGUAGE.sub("", attributes)
    heading = _HEADING.fullmatch(name)
    if heading:
        name = f"h{min(int(heading[1]) + _DEEPER, _DEEPEST)}"
    return f"<{slash}{name}{_ANCHOR.sub(_fit_anchor, attributes)}>"


def _fit_anchor(match: re.Match[str]) -> str:
    space, attribute, hash_, value = match.groups()
    if attribute == "href" and not hash_:
        return match.group()
    return f'{space}{attribute}="{hash_}text-{value}"'


def _fit_picture(tag: str, attributes: str) -> str:
    values = dict(_ATTRIBUTE.findall(attributes))
    if values.get("src", "").startswith("data:image/"):
        return tag
    alt = values.get("alt", "").strip().replace("<", "&lt;").replace(">", "&gt;")
    return f'<span class="picture">{alt}</span>' if alt else ""
