"""How a file came here: by what, by whom, with which program; and what vouches for it.

`claims` are what a trusted publisher adds: rows of a label and a text, the text with an address where there is one. A file
published by a token has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyhouse.distfiles.shown_text import shortened
from keyhouse.projects.models import File

_LONGEST_CLIENT: Final = 60


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
        by=file.uploaded_by,
        client=shortened(file.client, _LONGEST_CLIENT),
        at=file.uploaded_at,
    )


def _means_of(file: File) -> Means:
    if file.uploaded_via == "token" and file.publication.get("class") == "robot-token":
        return _ROBOT
    return _MEANS.get(file.uploaded_via, _UNKNOWN)


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file as a row of a table."""

    file: File
    publication: Publication


def lines_of(files: list[File]) -> list[FileLine]:
    """Return files with how they were published, in their order."""
    return [FileLine(file, publication_of(file)) for file in files]
