"""What a release says of itself, made ready to be shown. Pure: metadata in, facts out.

Metadata may hold anything in any length; what is shown of it is bounded (`Room`), and what is left out is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Final
from urllib.parse import urlsplit

from keyhouse.distfiles.shown_text import shortened
from keyhouse.web.project_pages.link_rules import Ground, find_ground
from keyhouse.web.project_pages.room import Room

_LONGEST_LICENCE: Final = 80
_LONGEST: Final = 100
_LONGEST_URL: Final = 500
_ROOM: Final = 12_000  # bytes of the page
_MOST: Final = {
    "links": 30,
    "authors": 10,
    "extras": 40,
    "keywords": 30,
    "requirements": 60,
    "classifiers": 60,
}
_MOST_READ: Final = 2000  # entries of a list that are looked at
# browsers read these otherwise than other readers of addresses, or leave them out
_UNSAFE_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Link:
    """A link that the release names; `verified` says why it is known to be the project's, empty where it isn't."""

    label: str
    url: str
    host: str
    verified: str = ""


@dataclass(frozen=True, slots=True)
class ClassifierGroup:
    """Classifiers of one topic, without its name."""

    topic: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """The parts of the metadata that the page shows."""

    summary: str
    licence: str
    requires_python: str
    authors: tuple[str, ...]
    keywords: tuple[str, ...]
    links: tuple[Link, ...]
    classifiers: tuple[ClassifierGroup, ...]
    requirements: tuple[str, ...]
    extras: tuple[str, ...]
    hidden: int = 0  # entries that are not shown

    @property
    def verified_links(self) -> tuple[Link, ...]:
        """Return the links that are known to be the project's."""
        return tuple(link for link in self.links if link.verified)

    @property
    def other_links(self) -> tuple[Link, ...]:
        """Return the links that nobody has checked."""
        return tuple(link for link in self.links if not link.verified)


def read_facts(metadata: dict[str, Any], grounds: Sequence[Ground] = ()) -> ReleaseFacts:
    """Read the facts out of the metadata's dictionary (`distfiles.metadata`); what is missing is empty."""
    room = Room(_ROOM)
    all_links = _links(metadata, grounds)
    links = tuple(link for link in all_links[: _MOST["links"]] if room.take(link.label, link.url, link.host))
    texts = {
        "authors": _people(metadata),
        "extras": _texts(metadata, "provides_extra"),
        "keywords": _texts(metadata, "keywords"),
        "requirements": _texts(metadata, "requires_dist"),
        "classifiers": tuple(sorted(_texts(metadata, "classifiers"))),
    }
    shown = {key: tuple(room.fit(some, _MOST[key], _LONGEST)) for key, some in texts.items()}
    hidden = len(all_links) - len(links) + sum(len(texts[key]) - len(shown[key]) for key in texts)
    return ReleaseFacts(
        summary=shortened(str(metadata.get("summary", "")), 512),
        licence=shortened(_licence(metadata), _LONGEST),
        requires_python=shortened(str(metadata.get("requires_python", "")), _LONGEST),
        authors=shown["authors"],
        keywords=shown["keywords"],
        links=links,
        classifiers=_grouped(shown["classifiers"]),
        requirements=shown["requirements"],
        extras=shown["extras"],
        hidden=hidden,
    )


def _texts(metadata: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(str(value) for value in islice(metadata.get(key) or (), _MOST_READ))


def _licence(metadata: dict[str, Any]) -> str:
    """Prefer the SPDX expression (PEP 639), then a short licence field, then the classifiers."""
    expression = str(metadata.get("license_expression", ""))
    first_line = str(metadata.get("license", "")).strip().partition("\n")[0]
    classified = [
        value.rpartition(" :: ")[2]
        for value in _texts(metadata, "classifiers")
        if value.startswith("License ::")
    ]
    if expression:
        return expression
    if first_line and len(first_line) <= _LONGEST_LICENCE:
        return first_line
    return ", ".join(classified)


def _people(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Return author and maintainer as names; an address is kept only where there is no name."""
    fields = ("author", "author_email", "maintainer", "maintainer_email")
    named = (part for field in fields for part in names_in(str(metadata.get(field, ""))[:_MOST_READ]))
    return tuple(dict.fromkeys(named))


def names_in(text: str) -> list[str]:
    """Return the names of a field of people, without their addresses."""
    parts = (part.partition("<")[0].strip().strip('"') or part.strip(" <>") for part in text.split(","))
    return [part for part in parts if part and "@" not in part]


def _links(metadata: dict[str, Any], grounds: Sequence[Ground]) -> tuple[Link, ...]:
    named = [("Home page", metadata.get("home_page", "")), ("Download", metadata.get("download_url", ""))]
    urls = metadata.get("project_urls") or {}
    found: dict[str, Link | None] = {}
    for label, url in [*list(urls.items())[:_MOST_READ], *named]:
        found.setdefault(str(url), _link(str(label), str(url).strip(), grounds))
    return tuple(link for link in found.values() if link)


def _link(label: str, url: str, grounds: Sequence[Ground]) -> Link | None:
    """Return a link, or None for anything that a browser should not be sent to, or reads otherwise than others."""
    if len(url) > _LONGEST_URL or _UNSAFE_IN_URLS.search(url):
        return None
    try:
        parts = urlsplit(url)
        host = (
            (parts.hostname or "").encode("idna").decode()
        )  # letters that look like others show as what they are
    except ValueError:
        return None
    if parts.scheme == "mailto" and "@" in parts.path:
        address = parts.path  # without what a link could fill in for whoever clicks
        return Link(shortened(label, _LONGEST), f"mailto:{address}", "e-mail")
    if parts.scheme not in {"http", "https"} or not host:
        return None
    ground = find_ground(url, grounds)
    return Link(
        shortened(label or host, _LONGEST), url, shortened(host, _LONGEST), ground.why if ground else ""
    )


def _grouped(classifiers: Iterable[str]) -> tuple[ClassifierGroup, ...]:
    pairs = sorted(value.partition(" :: ")[::2] for value in classifiers)
    groups = groupby(pairs, key=lambda pair: pair[0])
    return tuple(ClassifierGroup(topic, tuple(value for _, value in found)) for topic, found in groups)
