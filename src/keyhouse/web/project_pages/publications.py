"""How a file came here: by what, by whom, with which program; and what vouches for it.

`claims` are what a trusted publisher adds: rows of a label and a text, the text with an address where there is one. A file
published by a token has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from keyhouse.core import clock
from keyhouse.credentials.trusted_publishers.places import Place, find_place, repository_in
from keyhouse.distfiles.shown_text import shortened
from keyhouse.projects.models import File
from keyhouse.projects.services import IMPORTED_AT
from keyhouse.web.project_pages.attested import said_of
from keyhouse.web.project_pages.link_rules import Ground

_LONGEST_CLIENT: Final = 60
_LONGEST_CLAIM: Final = 200
_MOST_CLAIMS: Final = 12
_ISSUERS: Final = {
    "github": "GitHub Actions",
    "gitlab": "GitLab CI",
    "google": "Google Cloud",
    "activestate": "ActiveState",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that is known of how a file was made; `address` is a page about it, checked before it comes here."""

    label: str
    text: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Means:
    """A way to publish: how it is said in a row, and what it is worth in a sentence."""

    code: str
    phrase: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Publication:
    """How one file was published."""

    means: Means
    by: str
    client: str
    at: datetime
    claims: tuple[Claim, ...] = ()
    staged_at: datetime | None = None  # since when it waited for a person to publish it
    imported_at: datetime | None = None  # when it came here, where `at` is what its source told

    @property
    def line(self) -> str:
        """Return all of it in a few words, for a row of a table."""
        if self.means.code == "publisher":
            return f"{self.means.phrase}: {self.by}" if self.by else self.means.phrase
        return f"by {self.by} {self.means.phrase}" if self.by else self.means.phrase


_HOST: Final = Means("host", "at the host", "Put in by whoever runs this index, at the machine itself.")
_MEANS: Final = {
    "token": Means("token", "with an API token", "Uploaded with an API token that a person made."),
    "publisher": Means(
        "publisher",
        "by a trusted publisher",
        "Uploaded by a CI job that this project trusts, with a credential that lived for minutes.",
    ),
    "import": Means(
        "import",
        "by an import",
        "Carried over from another index by whoever runs this one; who uploaded it there wasn't checked here.",
    ),
    "host": _HOST,
    "seed": _HOST,
}
_ROBOT: Final = Means(
    "robot-token",
    "with a robot token",
    "Uploaded with a token that belongs to the project and uploads to nothing else; an owner stands behind it.",
)
_UNKNOWN: Final = Means("unknown", "in an unknown way", "How it came here was not written down.")


def publication_of(file: File) -> Publication:
    """Return how a file was published, as its row tells it."""
    return Publication(
        means=_means_of(file),
        by=_told_by(file),
        client=shortened(file.client, _LONGEST_CLIENT),
        at=file.uploaded_at,
        claims=claims_of(file.publication) if file.uploaded_via == "publisher" else (),
        staged_at=_instant(file.publication.get("staged_at")),
        imported_at=_instant(file.publication.get(IMPORTED_AT)),
    )


def _means_of(file: File) -> Means:
    return _means(file.uploaded_via, file.publication.get("class"))


def _means(uploaded_via: str, token_class: object) -> Means:
    if uploaded_via == "token" and token_class == "robot-token":  # noqa: S105 - a kind of token
        return _ROBOT
    return _MEANS.get(uploaded_via, _UNKNOWN)


def means_of_release(means: Collection[tuple[str, object]]) -> str:
    """Return how a release was published, by the means and the class of the token of each of its files; empty without any."""
    phrases = {_means(*one).phrase for one in means}
    return phrases.pop() if len(phrases) == 1 else _DIFFERENT if phrases else ""


_DIFFERENT: Final = "in different ways"


def _told_by(file: File) -> str:
    """Return who published it: of a publisher, the repository rather than the name by which it is found."""
    if file.uploaded_via != "publisher":
        return file.uploaded_by
    return repository_in(_claims_in(file.publication)) or file.uploaded_by.partition(":")[2]


def claims_of(publication: Mapping[str, Any]) -> tuple[Claim, ...]:
    """Return what is kept of the identity that published a file; addresses lead to its issuer's own host only."""
    issuer, provider = str(publication.get("issuer", "")), str(publication.get("provider", ""))
    if not issuer:
        return ()
    host = urlsplit(issuer).hostname or issuer
    label = _ISSUERS.get(provider)
    rows = [Claim("Publisher", f"{label} ({host})" if label else host)]
    claims, place = _claims_in(publication), find_place(provider, issuer)
    rows += _origin(claims, place) if repository_in(claims) else _configured(publication)
    environment = _text(claims, "environment")
    if environment:
        rows.append(Claim("Environment", environment))
    return tuple(rows[:_MOST_CLAIMS])


def _claims_in(publication: Mapping[str, Any]) -> Mapping[str, Any]:
    claims = publication.get("claims")
    return claims if isinstance(claims, dict) else {}


def _origin(claims: Mapping[str, Any], place: Place | None) -> Iterator[Claim]:
    """Yield from which repository, commit, workflow and run a file came."""
    name, commit = repository_in(claims), _text(claims, "sha")
    ref, run = _text(claims, "ref"), _text(claims, "run")
    workflow, is_own = _workflow_in(claims)
    yield Claim("Repository", name, place.repository(name) if place else "")
    if commit:
        yield Claim("Commit", commit, place.commit(name, commit) if place else "")
    if ref:
        yield Claim("Branch or tag", ref)
    if workflow:
        yield Claim("Workflow", workflow, place.file(name, commit, workflow) if place and is_own else "")
    if run:
        yield Claim("Run", run, place.run(name, run) if place else "")


def _workflow_in(claims: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the path of the workflow's file, and whether it lies in the very repository rather than in another one."""
    path, name = _text(claims, "workflow").partition("@")[0], repository_in(claims)
    for mark in (f"{name}//", f"{name}/"):
        before, found, after = path.partition(mark)
        if found and (not before or before.endswith("/")):  # the issuer's host may stand before it
            return after, True
    return path, False


def _configured(publication: Mapping[str, Any]) -> Iterator[Claim]:
    """Yield what was asked of an identity that has no repository."""
    configured = publication.get("configured")
    told: Mapping[str, Any] = configured if isinstance(configured, dict) else {}
    for name in sorted(told):
        text = _text(told, name)
        if text:
            yield Claim(shortened(str(name), _LONGEST_CLAIM).replace("_", " ").capitalize(), text)


def _text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim in a shown length, or nothing."""
    found = claims.get(name, "")
    return shortened(str(found), _LONGEST_CLAIM) if isinstance(found, (str, int)) else ""


def ground_of(origins: Collection[tuple[str, Mapping[str, Any]]]) -> tuple[Ground, ...]:
    """Return the repository as a ground for links, where all files of a release were published from one.

    `origins`: of each file the means and what is kept of its publication. One file by other means, whose metadata anybody
    with a token could have written, takes the ground away.
    """
    homes = {_home_of(publication) if means == "publisher" else "" for means, publication in origins}
    if len(homes) != 1 or "" in homes:
        return ()
    why = "It is the repository from which a trusted publisher published this release."
    return (Ground(homes.pop(), why, ignores_case=True),)


def _home_of(publication: Mapping[str, Any]) -> str:
    place = find_place(str(publication.get("provider", "")), str(publication.get("issuer", "")))
    name = repository_in(_claims_in(publication))
    return place.repository(name) if place and name else ""


def as_json(file: File) -> dict[str, Any]:
    """Return how a file was published, for programs; of a publisher, what was configured and what its identity claimed."""
    told = {
        "filename": file.filename,
        "sha256": file.sha256,
        "published": _means_of(file).code,
        "by": _told_by(file),
        "at": file.uploaded_at.isoformat().replace("+00:00", "Z"),
        "has_provenance": file.has_provenance,
        "attestations": said_of(file),
        "imported_at": file.publication.get(IMPORTED_AT),
        "publisher": None,
    }
    if file.uploaded_via == "publisher":
        kept = ("provider", "issuer", "configured", "environment", "claims")
        told["publisher"] = {name: file.publication.get(name) for name in kept}
    return told


def _instant(written: object) -> datetime | None:
    return clock.parse_instant(written) if isinstance(written, str) else None


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file as a row of a table."""

    file: File
    publication: Publication


def lines_of(files: list[File]) -> list[FileLine]:
    """Return files with how they were published, in their order."""
    return [FileLine(file, publication_of(file)) for file in files]
