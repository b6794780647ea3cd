"""Every refusal in plain words: what it means and what to do. One page for each code.

Codes come from the refusal classes of all features and from the findings about files; where a text of its own is
missing here, a code is explained by its class's sentence and docstring.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import keyhouse
from keyhouse.core.errors import Refusal, Situation, all_refusals
from keyhouse.distfiles import findings
from keyhouse.web.errors import STATUS

TRY_AGAIN: Final = "Nothing was stored. Mend the file and upload it again."

# What a code means where its sentence alone says too little; None of it repeats the sentence.
MEANINGS: Final[dict[str, str]] = {
    "not-found": "The address is misspelt, the thing was deleted, or it is one that you may not know of. "
    "These three look the same on purpose.",
    "sign-in-required": "Only somebody who is signed in can do this.",
    "credential-invalid": "The API token is unknown, misspelt, expired, revoked, or limited to something else. "
    "The answer is the same for all of these, so that nobody can try tokens out.",
    "role-required": "Your account, or the token you used, has no role in this project that allows it. "
    "Being an operator of the index gives no right to publish.",
    "step-up-required": "Acts that can do harm ask for a proof that is at most 15 minutes old. "
    "A browser that was left open is not enough.",
    "second-factor-required": "Whoever can change a project must hold a second factor, so that a stolen password alone "
    "can publish nothing. Your session was started without one.",
    "credential-weak": "A token is never stronger than the session that made it. "
    "This one was made in a session without a second factor.",
    "email-unverified": "The index must be able to reach whoever can change a project.",
    "account-held": "Something about the account needs to be cleared up first. Nothing was deleted.",
    "account-frozen": "Nobody can sign in or publish with this account until it is opened again.",
    "gate-unavailable": "The part that decides about permissions could not be asked. In doubt the answer is no. "
    "Installing packages does not depend on it.",
    "file-unacceptable": "The file is not what its name says, or holds something that an index must not hand on. "
    "A more exact code stands in the answer.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code: the sentence people get, what it means, what to do, and the HTTP status of pages."""

    code: str
    sentence: str
    meaning: str
    fix: str
    status: int
    topic: str


def _of_the_web(code: str, sentence: str, meaning: str, fix: str, status: int) -> Explanation:
    return Explanation(code, sentence, meaning, fix, status, "Pages and forms")


_OF_THE_WEB: Final = (
    _of_the_web(
        "form-refused",
        "This form didn't come from this site, or is too old.",
        "Every form carries a mark that only this site can make for your browser. Without it another site could act "
        "in your name.",
        "Go back, load the page again and send the form once more. Cookies must be allowed for this site.",
        403,
    ),
    _of_the_web(
        "request-malformed",
        "The request can't be understood.",
        "It breaks the rules of HTTP or of the form it was meant for.",
        "Use the forms of this site, or a current version of your client.",
        400,
    ),
    _of_the_web(
        "method-not-allowed",
        "This address doesn't take that kind of request.",
        "Pages are read with GET; acts are sent with POST by a form.",
        "Go to the page and use its form.",
        405,
    ),
    _of_the_web(
        "too-large",
        "That is more than this address takes.",
        "Forms are small; only uploads may be big, and those have limits of their own.",
        "Send less.",
        413,
    ),
    _of_the_web(
        "too-many",
        "Too many attempts.",
        "Limits on attempts make guessing pointless. They are counted for an account and for a network.",
        "Wait as long as the answer says, then try again.",
        429,
    ),
    _of_the_web(
        "server-error",
        "Something broke on our side.",
        "A defect or a full disk. It was written to the server's log.",
        "Try again; if it stays, tell the operators of this index when it happened.",
        500,
    ),
    _of_the_web(
        "unavailable",
        "This can't be done right now.",
        "The server lacks something it needs for writing, or is starting or stopping. Installing goes on.",
        "Try again in a minute.",
        503,
    ),
)

_FILE_TOPICS: Final[dict[str, tuple[str, str]]] = {
    "filename": (
        "File names",
        "Build the file again with a current build tool and leave its name as the tool made it.",
    ),
    "archive": (
        "Archives",
        (
            "Build the file again with a current build tool, without packing it anew by hand. "
            "Readers must not be able to see two different things in one archive."
        ),
    ),
    "wheel": ("Wheels", "Build the wheel again with a current build tool."),
    "record": (
        "Wheels",
        (
            "Build the wheel again. If something changes it after the build (signing, stripping, repairing), that step "
            "must write RECORD anew."
        ),
    ),
    "sdist": ("Source distributions", "Build the sdist again with a current build tool."),
    "metadata": (
        "Metadata",
        "Correct the field in pyproject.toml (or where your build tool keeps it) and build again.",
    ),
    "name": ("Names", "Choose another name."),
    "file": ("Files", TRY_AGAIN),
}

_TOPICS: Final[dict[Situation, str]] = {
    Situation.UNAUTHENTICATED: "People, credentials, permissions",
    Situation.FORBIDDEN: "People, credentials, permissions",
    Situation.UNAVAILABLE: "Right now",
    Situation.TOO_MANY: "Right now",
}


@cache
def all_explanations() -> dict[str, Explanation]:
    """Return the explanation of every code, by code. The most exact source of a code wins."""
    _load_families()
    found: dict[str, Explanation] = {}
    for explanation in (*_OF_THE_WEB, *_of_refusals(), *_of_findings()):
        found.setdefault(explanation.code, explanation)
    return found


def find(code: str) -> Explanation | None:
    """Return the explanation of a code, or None."""
    return all_explanations().get(code)


def grouped() -> list[tuple[str, list[Explanation]]]:
    """Return all explanations by topic, both in the order of the alphabet."""
    topics: dict[str, list[Explanation]] = {}
    for explanation in sorted(all_explanations().values(), key=lambda one: one.code):
        topics.setdefault(explanation.topic, []).append(explanation)
    return sorted(topics.items())


def _load_families() -> None:
    """Import the `errors` module of every feature, so that all refusal classes exist."""
    for module in pkgutil.walk_packages(keyhouse.__path__, "keyhouse."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)


def _of_refusals() -> Iterator[Explanation]:
    for code, cls in all_refusals().items():
        yield Explanation(
            code,
            cls.sentence,
            MEANINGS.get(code) or _first_paragraph(cls),
            cls.fix,
            STATUS[cls.situation],
            _TOPICS.get(cls.situation, "Requests and their limits"),
        )


def _first_paragraph(cls: type[Refusal]) -> str:
    paragraph = (cls.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("`", "")


def _of_findings() -> Iterator[Explanation]:
    for code, sentence in findings.CODES.items():
        topic, fix = _FILE_TOPICS.get(code.partition("-")[0], ("Files", TRY_AGAIN))
        yield Explanation(code, sentence, "", fix, STATUS[Situation.INVALID], topic)
