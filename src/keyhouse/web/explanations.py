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

from django.utils.text import slugify

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
    "stronger-factor-required": "A mandate accepts other second factors than the one your session was proven with. "
    "The page of your account says which.",
    "second-factor-last": "Without it a stolen password would be enough again. A new one can take its place first.",
    "check-up-over": "Some weeks after you added your second factor you are asked once whether it still works. That is answered, "
    "has ended, or has not begun.",
    "check-up-put-off": "A reminder can be moved by a week, twice. After that it stays on your account page until it ends by itself.",
    "deletion-held": "Between its announcement and its enforcement a mandate holds the deletion of the projects it covers, "
    "so that nobody deletes one and makes it anew to shed what is asked. Whoever asks for the deletion may do it after the hold.",
    "deletion-not-held": "Asking starts the wait that a mandate between its announcement and its enforcement imposes. "
    "Without one there is no wait, and none can be begun in advance.",
    "mandate-invalid": "The file breaks the grammar of mandates. The line and the reason stand in the answer.",
    "mandate-refused": "The file can be read, and what it says would harm: it would lock somebody out without the notice they "
    "are due, or leave nobody who could mend it.",
    "mandate-missing": "The name is misspelt, or that version was never written.",
    "simulation-missing": "Results are kept for 30 days, and by number; that of a mandate's newest one changes when it is simulated anew.",
    "simulation-failed": "A simulation is kept as a whole or not at all. A process of it ended, or the database was away.",
    "approval-refused": "What loosens a mandate takes two operators, so that no single one, and nobody who has taken over one "
    "account, opens the index alone.",
    "proposal-over": "Somebody approved, withdrew or replaced it a moment ago, or you clicked twice. Nothing was done now.",
    "exemption-invalid": "Nobody is exempt without somebody who answers for it: a reason, evidence, what compensates "
    "meanwhile, and an end.",
    "question-malformed": "A dry run must not guess: what it would answer to a misread question could be wrong.",
    "email-unverified": "The index must be able to reach whoever can change a project.",
    "account-held": "Something about the account needs to be cleared up first. Nothing was deleted.",
    "account-frozen": "Nobody can sign in or publish with this account until it is opened again.",
    "account-suspended": "An operator closed the account. Sessions have ended and tokens rest; no way back that its owner "
    "has opens it, only an operator does.",
    "announcement-malformed": "Announcements are plain text on every page, and lift themselves.",
    "announcement-missing": "The address is misspelt.",
    "work-missing": "Some works are begun by the server alone; the list of jobs shows which have a button.",
    "proposal-missing": "The address is misspelt.",
    "proposal-open": "One proposal is enough: whoever proposes the same once more would only hide the first.",
    "person-unfit": "Somebody without a second factor could lose what they are given to a stolen password.",
    "office-unchanged": "Another operator was faster, or the page was old.",
    "project-owned": "Operators have no right in a project. They find a new owner only where every owner was suspended, has "
    "left, or was neither seen nor published anything for half a year.",
    "person-missing": "The name is misspelt, or the account was deleted.",
    "own-account": "Whoever borrows the session of an operator must not be able to close that account, or hand it more power.",
    "operator-needed": "Without an operator who can act nobody could mend anything in the pages any more. "
    "Accounts that are frozen or suspended don't count.",
    "not-suspended": "Another operator ended the suspension, or there never was one.",
    "why-missing": "Acts on other people's accounts are told to these people, with the reason.",
    "gate-unavailable": "The part that decides about permissions could not be asked. In doubt the answer is no. "
    "Installing packages does not depend on it.",
    "sign-in-refused": "There is no such account, or its password is another one. The answer is the same for both, "
    "so that nobody can find out who has an account.",
    "code-replayed": "A code that somebody watched you type must be of no use to them.",
    "code-wrong": "The code is mistyped, too old, or of another account.",
    "code-refused": "Something is wrong with the code; a more exact code of refusal says what.",
    "account-refused": "Something about the account stands against it; a more exact code of refusal says what.",
    "password-refused": "Something is wrong with the password; a more exact code of refusal says what.",
    "password-guessable": "It is long enough, and yet among the first that somebody who guesses with method would try.",
    "password-malformed": "It holds a NUL or half of a character.",
    "password-compromised": "It is known from a theft somewhere, of whomever, so it is among the first that is tried.",
    "password-dump-refused": "The list that was to be imported is damaged, cut off, not ordered by hash, or of another kind of digest.",
    "password-needed": "A password may go where two passkeys open the account, or one and saved recovery codes.",
    "password-missing": "The account is opened by passkeys alone.",
    "reset-link-stale": "A change of password, second factors or addresses ends such a link, so that nobody can wait with one.",
    "password-file-damaged": "It is not as it was written, so nobody can rely on what it says. Sign-ins go on without it.",
    "password-not-accepted": "A password can be stolen, guessed or reused elsewhere, so nothing is published with one.",
    "password-disabled": "The password was right. It was switched off because others may know it.",
    "file-exists": "A file of this name is here with other bytes. What a file name stands for never changes, because "
    "people have pinned it.",
    "file-name-used": "It belonged to a file that was deleted. What a file name stood for must never change, because "
    "somebody may have pinned it.",
    "content-exists": "The very same bytes were published before; two names for them would only confuse.",
    "project-archived": "Its owners have said that no more releases will come.",
    "successor-refused": "People read the successor's name to know what to install instead, so it must be one that can be installed.",
    "nothing-to-restore": "It was brought back already, or its days are over and its bytes are gone.",
    "restore-impossible": "Whatever has taken its place meanwhile stays: a project of that name, a file of the same bytes, a second source distribution.",
    "attestations-refused": "An attestation says who built a file and where. With an API token that can't be checked.",
    "attestation-invalid": "It is cut off or changed, or its certificate, log entry or signature doesn't hold by the roots of trust here.",
    "attestation-file-differs": "An attestation holds for one file name and one SHA-256.",
    "attestation-publisher-differs": "It must come from the repository, workflow and environment that the project trusts.",
    "attestation-predicate-unknown": "What an attestation says is shown to people, so only kinds whose meaning is known are taken.",
    "attestation-repeated": "Two statements of one kind could say different things of the same file.",
    "attestation-issuer-not-covered": "The public roots of trust vouch for identities of public issuers only.",
    "trusted-root-damaged": "The file in KEYHOUSE_TRUSTED_ROOT is missing, cut off, or of another kind.",
    "database-unavailable": "The server works, and its database doesn't answer.",
    "uploads-frozen": "The operators have closed the index for uploads. Installing goes on.",
    "new-accounts-frozen": "The operators have stopped the making of accounts. A link that was mailed to you works again afterwards, as long as it lives.",
    "deletions-frozen": "The operators have stopped deletions while they look into something.",
    "everything-frozen": "The operators have stopped all changes while they look into something. Installing, signing in, revoking and recovering go on.",
    "switch-end-refused": "A switch whose end has passed would stop nothing.",
    "new-projects-frozen": "The operators have closed the index for new names. Existing projects take new files.",
    "file-unacceptable": "The file is not what its name says, or holds something that an index must not hand on. "
    "A more exact code stands in the answer.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code: the sentence people get, what it means, what to do, and the HTTP status (0: it depends)."""

    code: str
    sentence: str
    meaning: str
    fix: str
    status: int
    topic: str

    @property
    def topic_slug(self) -> str:
        """Return the name of the page of its topic."""
        return slugify(self.topic)


@dataclass(frozen=True, slots=True)
class Topic:
    """What the refusals of one part of the index have in common: a page of them."""

    title: str
    explanations: tuple[Explanation, ...]

    @property
    def slug(self) -> str:
        """Return the name of its page, `accounts-and-signing-in` for example."""
        return slugify(self.title)


def _of_the_web(code: str, sentence: str, meaning: str, fix: str, status: int) -> Explanation:
    return Explanation(code, sentence, meaning, fix, status, "Pages and forms")


_OF_THE_WEB: Final = (
    _of_the_web(
        "form-refused",
        "This form didn't come from this site, or is too old.",
        "Every form carries a mark that only this site can make for your browser. Without it another site could act "
        "in your name. The mark of a session ends with it.",
        "Sign in if you were signed out meanwhile, load the page again and send the form once more. Cookies must be "
        "allowed for this site.",
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

_READING: Final = "Reading the index"
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

# by the beginning of the module's name; what is in `core` concerns all
_TOPICS: Final[dict[str, str]] = {
    "keyhouse.accounts": "Accounts and signing in",
    "keyhouse.credentials": "API tokens",
    "keyhouse.projects": "Projects",
    "keyhouse.mandate": "Mandates",
    "keyhouse.mail": "Mail",
    "keyhouse.publishing": "Uploading",
    "keyhouse.index": _READING,
    "keyhouse.storage": "The server",
    "keyhouse.distfiles": "Files",
    "keyhouse.web": "Pages and forms",
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


def topics() -> list[Topic]:
    """Return all topics with their explanations, both in the order of the alphabet."""
    found: dict[str, list[Explanation]] = {}
    for explanation in sorted(all_explanations().values(), key=lambda one: one.code):
        found.setdefault(explanation.topic, []).append(explanation)
    return [Topic(title, tuple(explained)) for title, explained in sorted(found.items())]


def find_topic(slug: str) -> Topic | None:
    """Return the topic whose page has this name, or None."""
    return next((one for one in topics() if one.slug == slug), None)


def _load_families() -> None:
    """Import the `errors` module of every feature, so that all refusal classes exist, and those with refusals beside."""
    for module in pkgutil.walk_packages(keyhouse.__path__, "keyhouse."):
        if module.name.endswith((".errors", ".publisher_errors", ".matching", ".web.control_plane")):
            importlib.import_module(module.name)


def _of_refusals() -> Iterator[Explanation]:
    for code, cls in all_refusals().items():
        topic = _topic_of(cls)
        meaning = MEANINGS.get(code) or _first_paragraph(cls)
        # the read plane has a table of its own from situation to status
        status = 0 if topic == _READING else STATUS[cls.situation]
        yield Explanation(code, cls.sentence, meaning, cls.fix, status, topic)


def _topic_of(cls: type[Refusal]) -> str:
    found = (topic for module, topic in _TOPICS.items() if cls.__module__.startswith(module))
    return next(found, "Permissions")


def _first_paragraph(cls: type[Refusal]) -> str:
    """Return what the class says of itself, unless its sentence says the same."""
    paragraph = " ".join((cls.__doc__ or "").strip().partition("\n\n")[0].split()).replace("`", "")
    return "" if paragraph == cls.sentence else paragraph


def _of_findings() -> Iterator[Explanation]:
    for code, sentence in findings.CODES.items():
        topic, fix = _FILE_TOPICS.get(code.partition("-")[0], ("Files", TRY_AGAIN))
        yield Explanation(code, sentence, "", fix, STATUS[Situation.INVALID], topic)
