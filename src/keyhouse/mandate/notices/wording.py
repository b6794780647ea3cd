"""The words of notices: paragraphs with gaps where each person's own parts stand. Pure.

No link, no hurry, no threat: whoever reads one knows what, when and why, and goes to the index by themselves (N4). The
text with its gaps is public, with its SHA-256, so that anybody can compare a mail with it (A21).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from keyhouse.mail.letters import tidy
from keyhouse.mandate import words
from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.notices import rules
from keyhouse.mandate.rules import Policy

PUBLIC: Final = "/mandate/notices/"
EVERY: Final = "every-mail"  # what stands around each notice
_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Gap:
    """Where a part of each person's own stands."""

    name: str


NAME: Final = Gap("your name")
DATE: Final = Gap("your date")
PLACE: Final = Gap("your projects and organizations")
PROJECTS: Final = Gap("the projects")
ORGANIZATION: Final = Gap("the organization")
DEMAND: Final = Gap("what it asks for")
TEXTS: Final = Gap("the notices in this mail, each with its SHA-256")
NOTICES: Final = Gap("the notices themselves")

Paragraph = tuple[str | Gap, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A notice of one kind of one version of a mandate; of no mandate for what stands in every mail."""

    mandate: str
    version: int
    kind: str
    title: str
    paragraphs: tuple[Paragraph, ...]

    @property
    def text(self) -> str:
        """Return the public text: gaps in square brackets, a blank line between paragraphs."""
        return "\n\n".join((self.title, *(_with_gaps(one) for one in self.paragraphs))) + "\n"

    @property
    def digest(self) -> str:
        """Return SHA-256 of the text in UTF-8, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def filled(self, values: Mapping[Gap, str]) -> list[str]:
        """Return the paragraphs as one person reads them."""
        return [
            "".join(part if isinstance(part, str) else values[part] for part in one)
            for one in self.paragraphs
        ]


def _with_gaps(paragraph: Paragraph) -> str:
    return "".join(part if isinstance(part, str) else f"[{part.name}]" for part in paragraph)


@lru_cache(maxsize=256)  # a round asks for the same few, a hundred thousand times
def template_of(policy: Policy, kind: str) -> Template:
    """Return the notice of this kind of a mandate."""
    if policy.organization:
        return of_organizations(kind)
    title, paragraphs = _TITLES[kind], _WORDS[kind](policy.mandate)
    head: Paragraph = (f"{_plain(policy.mandate.title)} (mandate {policy.name}, version {policy.version}).",)
    return Template(policy.name, policy.version, kind, title, (head, *paragraphs))


def digest_of(policy: Policy, kind: str) -> str:
    """Return the SHA-256 of a notice's text."""
    return _digest(template_of(policy, kind))


@lru_cache(maxsize=256)
def _digest(template: Template) -> str:
    return template.digest


_TITLES: Final[Mapping[str, str]] = {
    rules.ANNOUNCEMENT: "What this index will ask of you",
    rules.REMINDER: "A reminder of what this index asks of you",
    rules.BROWNOUT: "A trial run of what this index asks of you",
    rules.ENFORCED: "What this index asks of you is in force",
    rules.COMPLIANT: "You have what this index asks of you; please keep it",
    rules.WEAK: "A release came by a credential that is weaker than asked for",
    rules.PAUSED: "The calendar of a mandate rests",
    rules.RESUMED: "The calendar of a mandate goes on",
    rules.CHANGED: "Your date has changed",
    rules.COMPLETED: "A mandate is complete",
    rules.CHECK_UP: "Does your second factor still work?",
}
_UNTOUCHED: Final[Paragraph] = (
    "Signing in, setting up a second factor, recovering an account, installing, and giving up a role stay as they are.",
)
_GAINED: Final = (
    "What you gain after the announcement, such as a new role or a new token, needs it from the first moment."
)


def _announcement(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        *_why(mandate),
        (
            "Your date is ",
            DATE,
            f". What you can do now is not refused for want of it before then. {_GAINED}",
        ),
        _dates(mandate),
        _UNTOUCHED,
    )


def _why(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        (f"Why: {_plain(mandate.reason)}",),
        (f"Whom it is about: {words.who(mandate.who)}. You are among them.",),
        (f"What it asks for: {words.accepted(mandate)}.",),
    )


def _reminder(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        (
            "You do not have yet what it asks for. Your date is ",
            DATE,
            "; nothing changes for you before then.",
        ),
        *_why(mandate),
        _dates(mandate),
        _UNTOUCHED,
    )


def _brownout(mandate: Mandate) -> tuple[Paragraph, ...]:
    runs = [one for one in _spans(mandate) if one[0].state == "brownout"]
    told = "; ".join(f"from {words.moment(one.at)} to {end}: {words.effect(one)}" for one, end in runs)
    return (
        (
            (
                "You do not have yet what it asks for. In a trial run some people are refused, for a while, what will be "
                "refused to all one day, so that everybody can find in good time what still hangs on it."
            ),
        ),
        (f"Trial runs, in UTC: {told}.",),
        ("Your date is ", DATE, ". After each trial run everything is as it was before."),
        *_why(mandate),
        _UNTOUCHED,
    )


def _enforced(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        (
            "You do not have yet what it asks for, and your date was ",
            DATE,
            ". What is refused until you have it:",
        ),
        _dates(mandate),
        *_why(mandate),
        _UNTOUCHED,
        ("There is no hurry: nothing of yours is lost, and all of it opens again with your second factor.",),
    )


def _compliant(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        *_why(mandate),
        (
            "You have it, so you need do nothing. Please do not remove yours: it would be missed from ",
            DATE,
            " on. A second one, or saved recovery codes, help you if you lose it.",
        ),
        _dates(mandate),
    )


def _weak(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        (
            "It published ", PROJECTS, (". You made it, or own the project. It was made or set up in a session that proved "
            "less than the mandate asks for; its uploads go on for now, and will be refused one day."),
        ),
        (
            ("If it is yours: sign in with your second factor, make a new token or confirm the trusted publisher, and "
            "let the old one go. If it is not, and you don't know whose it is, look at the activity of the project."),
        ),
        *_why(mandate),
    )  # fmt: skip


def _paused(mandate: Mandate) -> tuple[Paragraph, ...]:
    del mandate
    return (
        (
            (
                "Its calendar rests. What is in force stays in force; nothing more begins, and your date will be later by as "
                "long as the rest lasts. You get a notice with your new date when it goes on."
            ),
        ),
    )


def _resumed(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (("Its calendar goes on after a rest. Your date is now ", DATE, "."), _dates(mandate), _UNTOUCHED)


def _changed(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        ("Its dates are others than those you were told before. Your date is now ", DATE, "."),
        *_why(mandate),
        _dates(mandate),
        _UNTOUCHED,
    )


def _completed(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        ("It is complete: nobody is left who needs it and does not have it. What it asks for still holds.",),
        (f"What it asks for: {words.accepted(mandate)}. Please do not remove yours.",),
    )


def _check_up(mandate: Mandate) -> tuple[Paragraph, ...]:
    return (
        (
            (
                "You added your second factor some weeks ago. A test of a few seconds, on your account page, shows that it still "
                "works, or lets you repair it while you are signed in: add a second one, make new recovery codes, remove what "
                "you lost."
            ),
        ),
        (f"What this mandate asks for: {words.accepted(mandate)}.",),
        (
            "It is asked once. Nothing is refused to you for it, and you can have yourself reminded a week later, twice.",
        ),
    )


_WORDS: Final = {
    rules.ANNOUNCEMENT: _announcement,
    rules.REMINDER: _reminder,
    rules.BROWNOUT: _brownout,
    rules.ENFORCED: _enforced,
    rules.COMPLIANT: _compliant,
    rules.WEAK: _weak,
    rules.PAUSED: _paused,
    rules.RESUMED: _resumed,
    rules.CHANGED: _changed,
    rules.COMPLETED: _completed,
    rules.CHECK_UP: _check_up,
}


def _dates(mandate: Mandate) -> Paragraph:
    told = (
        f"{words.moment(one.at)} {words.state(one)}: {_of_whom(one)}{words.effect(one)}"
        for one in mandate.stages
    )
    return (f"All dates, in UTC: {'; '.join(told)}.",)


def _of_whom(stage: Stage) -> str:
    return f"for {words.who(stage.who)}, " if stage.who is not None else ""


def _spans(mandate: Mandate) -> list[tuple[Stage, str]]:
    ends = [words.moment(one.at) for one in mandate.stages[1:]]
    return list(zip(mandate.stages, [*ends, "further notice"], strict=True))


def told_date(at: datetime | None, now: datetime) -> str:
    """Write somebody's date."""
    if rules.known_date(at) is None or at is None:
        return "not set yet"
    return words.moment(at) if at > now else f"{words.moment(at)}, which has passed"


# ---- what organizations ask

# The same words for all of them: which organization asks for what is nobody's business but its people's.
_WHOSE: Final[Paragraph] = (
    "The organization ", ORGANIZATION, (", in which you have a role, asks something of whoever acts on it or on its projects, on "
    "top of what this index asks of everybody. What it asks for: "), DEMAND, ".",
)  # fmt: skip
_UNTOUCHED_THERE: Final[Paragraph] = (
    (
        "Your membership, teams and roles stay, and everything of yours outside of that organization is as it was: your account, "
        "other projects, installing, and giving up a role."
    ),
)
_OF_ORGANIZATIONS: Final[Mapping[str, tuple[str, tuple[Paragraph, ...]]]] = {
    rules.ANNOUNCEMENT: (
        "What an organization of yours will ask of you",
        (
            (
                "Your date is ", DATE, (". What you can do there now is not refused for want of it before then. What you gain "
                "there from now on, such as a new role or a new token, needs it from the first moment."),
            ),
            _UNTOUCHED_THERE,
        ),
    ),
    rules.REMINDER: (
        "A reminder of what an organization of yours asks of you",
        (
            ("You do not have yet what it asks for. Your date is ", DATE, "; nothing changes for you before then."),
            _UNTOUCHED_THERE,
        ),
    ),
    rules.ENFORCED: (
        "What an organization of yours asks of you is in force",
        (
            (
                "You do not have yet what it asks for, and your date was ", DATE, (". Acting on that organization and on its "
                "projects is refused to you until you have it; all of it opens again with your second factor."),
            ),
            _UNTOUCHED_THERE,
        ),
    ),
    rules.COMPLIANT: (
        "You have what an organization of yours asks of you; please keep it",
        (("You have it, so you need do nothing. Please do not remove yours: it would be missed from ", DATE, " on."),),
    ),
    rules.CHANGED: (
        "Your date in an organization of yours has changed",
        (
            ("Your date is another one than you were told before. It is now ", DATE, "."),
            _UNTOUCHED_THERE,
        ),
    ),
}  # fmt: skip


@lru_cache(maxsize=16)
def of_organizations(kind: str) -> Template:
    """Return the notice of this kind of what an organization asks of its own people."""
    title, paragraphs = _OF_ORGANIZATIONS[kind]
    return Template("organizations", 1, kind, title, (_WHOSE, *paragraphs))


# ---- what stands around them

FRAME: Final = Template(
    "",
    0,
    EVERY,
    "In every mail about mandates",
    (
        ("Hello ", NAME, ","),
        (
            ("this is one mail with all that the mandates of this index have to tell you now. You get it as somebody with a "
            "role in "), PLACE, ".",
        ),
        (NOTICES,),
        (
            ("What to do: type the address of this index yourself, as you know it, sign in the way you always do, and look at "
            "your account page. It shows the one next step, and takes about two minutes."),
        ),
        (
            ("This mail has no link, on purpose, and asks for no answer and no password. After signing in you find the same "
            "among the notices of your account. Their exact words, without your own parts, are public at the path "
            f"{PUBLIC} of this index: "), TEXTS, ".",
        ),
    ),
)  # fmt: skip


def listed(names: Sequence[str], one: str, several: str) -> str:
    """Name a few of many: `the projects a, b and 3 more`."""
    if not names:
        return ""
    shown = list(names[:_MOST_NAMED])
    more = len(names) - len(shown)
    told = words.listed([*shown, f"{more:,} more"] if more else shown)
    return f"the {one if len(names) == 1 else several} {told}"


def place_of(projects: Sequence[str], organizations: Sequence[str]) -> str:
    """Name what somebody has a role in."""
    parts = [listed(projects, "project", "projects"), listed(organizations, "organization", "organizations")]
    return words.listed([one for one in parts if one]) or "this index"


# What readers of mails would turn into a link: operators write titles and reasons, and a mandate's mail has none (N4).
_ADDRESS: Final = re.compile(r"\S*://\S*|\bwww\.\S+|(?:[\w-]+\.)+[a-z]{2,}(?:/\S*)?|\S+@\S+", re.IGNORECASE)


def _plain(text: str) -> str:
    return _ADDRESS.sub("(an address, see the public page)", tidy(text))


def all_templates(policies: Iterable[Policy]) -> list[Template]:
    """Return every notice that these versions may send, and what stands around each."""
    mandates = (template_of(policy, kind) for policy in policies for kind in rules.KINDS)
    return [FRAME, *(of_organizations(kind) for kind in _OF_ORGANIZATIONS), *mandates]
