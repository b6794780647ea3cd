"""What a release says of itself, made ready to be shown. Pure: metadata in, facts out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlsplit

_LONGEST_LICENCE: Final = 80


@dataclass(frozen=True, slots=True)
class Link:
    """A link that the release names; nobody has checked whose it is."""

    label: str
    url: str
    host: str


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


def read_facts(metadata: dict[str, Any]) -> ReleaseFacts:
    """Read the facts out of the metadata's dictionary (`distfiles.metadata`); what is missing is empty."""
    return ReleaseFacts(
        summary=str(metadata.get("summary", "")),
        licence=_licence(metadata),
        requires_python=str(metadata.get("requires_python", "")),
        authors=_people(metadata),
        keywords=_texts(metadata, "keywords"),
        links=_links(metadata),
        classifiers=_classifiers(metadata),
        requirements=_texts(metadata, "requires_dist"),
        extras=_texts(metadata, "provides_extra"),
    )


def _texts(metadata: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(str(value) for value in metadata.get(key) or ())


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
    named = (part for field in fields for part in names_in(str(metadata.get(field, ""))))
    return tuple(dict.fromkeys(named))


def names_in(text: str) -> list[str]:
    """Return the names of a field of people, without their addresses."""
    parts = (part.partition("<")[0].strip().strip('"') or part.strip(" <>") for part in text.split(","))
    return [part for part in parts if part and "@" not in part]


def _links(metadata: dict[str, Any]) -> tuple[Link, ...]:
    named = [("Home page", metadata.get("home_page", "")), ("Download", metadata.get("download_url", ""))]
    urls = metadata.get("project_urls") or {}
    found: dict[str, Link | None] = {}
    for label, url in [*urls.items(), *named]:
        found.setdefault(str(url), _link(str(label), str(url)))
    return tuple(link for link in found.values() if link)


def _link(label: str, url: str) -> Link | None:
    """Return a link to the web, or None for anything that a browser should not be sent to."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    return Link(label or parts.hostname, url.strip(), parts.hostname)


def _classifiers(metadata: dict[str, Any]) -> tuple[ClassifierGroup, ...]:
    pairs = sorted(value.partition(" :: ")[::2] for value in _texts(metadata, "classifiers"))
    groups = groupby(pairs, key=lambda pair: pair[0])
    return tuple(ClassifierGroup(topic, tuple(value for _, value in found)) for topic, found in groups)
