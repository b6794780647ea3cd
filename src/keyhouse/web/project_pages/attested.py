"""What verified attestations say of a file, as rows for its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from keyhouse.distfiles.shown_text import shortened
from keyhouse.index.routes import provenance_path
from keyhouse.projects.models import File
from keyhouse.publishing.attestations.reading import kind_of

_LONGEST: Final = 200
_LABELS: Final = {
    "repository": "Repository",
    "commit": "Commit",
    "ref": "Branch or tag",
    "workflow": "Workflow",
    "environment": "Environment",
    "run": "Run",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that an attestation says; `address` is a page about it, below that of the repository."""

    label: str
    text: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Attested:
    """One attestation: what kind it is of, and what it says."""

    title: str
    rows: tuple[Said, ...]


def said_of(file: File) -> list[dict[str, Any]]:
    """Return what is kept of the attestations of a file, nothing where it has no provenance."""
    told = file.publication.get("attestations") if file.has_provenance else None
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def attested_of(file: File) -> tuple[Attested, ...]:
    """Return what the attestations of a file say, for its page."""
    return tuple(map(_attested, said_of(file)))


def provenance_address(file: File, project: str, version: str) -> str:
    """Return where the attestations themselves are served, for programs; empty where there are none."""
    name = provenance_path(f"{project}/{version}/{file.filename}")
    return quote(name) if file.has_provenance else ""


def _attested(one: Mapping[str, Any]) -> Attested:
    kind = kind_of(str(one.get("predicate")))
    return Attested(f"{kind[:1].upper()}{kind[1:]}", tuple(_rows(one)))


def _rows(one: Mapping[str, Any]) -> Iterator[Said]:
    home = str(one.get("repository") or "")
    for name, label in _LABELS.items():
        text = one.get(name)
        if isinstance(text, str) and text:
            yield Said(label, shortened(text, _LONGEST), _address(home, name, text))


def _address(home: str, name: str, text: str) -> str:
    """Return a page about what is said; only of the repository that the certificate names, and below it."""
    if urlsplit(home).scheme != "https":
        return ""
    if name == "commit":
        return f"{home}/commit/{text}" if text.isalnum() else ""
    is_below = name in ("repository", "run") and (text == home or text.startswith(f"{home}/"))
    return text if is_below else ""
