"""What mails about recovery say. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keyhouse.core.actor import named
from keyhouse.core.clock import format_second
from keyhouse.mail.letters import Facts, Letter, Link, Text

BASIS_WORDS: Final = {
    "host": "whoever runs the machine of this index",
    "operators": "two operators",
    "one operator": "one operator, who is the only one here",
    "co-owners": "a mailed link and co-owners who vouched",
    "two factors": "two proofs of its own that were given at once",
    "mail and password": "a mailed link and the password",
    "mail and code": "a mailed link and a recovery code",
    "mail, nothing at stake": "a mailed link (the account can change nothing but itself)",
}


def asked(username: str, url: str, until: datetime) -> Letter:
    """Return the mail with the link by which a case begins."""
    return Letter(
        "recovery.asked",
        f"A way back into {username}",
        (
            Text(f"Somebody asked for a way back into the account {username}. This link begins it:"),
            Link("Begin", url),
            Text(f"It works once, until {format_second(until)}, and changes nothing by being opened."),
            Text("If you didn't ask for it, there is nothing to do: without this link nobody can go on."),
        ),
    )


def opened(username: str, facts: tuple[tuple[str, str], ...]) -> Letter:
    """Return the notice to the person that a case was opened."""
    return Letter(
        "recovery.opened",
        f"Somebody wants to come back into {username}",
        (
            Text(
                f"A request was opened to set the account {username} up anew, as somebody who lost their second factor "
                "does. If that is you, its page says what is next."
            ),
            Facts(facts),
            Text(
                "If it is not you: sign in with your second factor, which stops it at once, or use the page below."
            ),
        ),
    )


def opened_to_others(username: str, facts: tuple[tuple[str, str], ...], url: str, what: str) -> Letter:
    """Return the notice to co-owners and operators that a case was opened; `what` they can do at `url`."""
    return Letter(
        "recovery.opened-to-others",
        f"{username} asks to come back in",
        (
            Text(
                f"Somebody asks to set the account {username} up anew, as somebody who lost their second factor does."
            ),
            Facts(facts),
            Text(what),
            Link("The request", url),
        ),
    )


def spoken(username: str, by: str, facts: tuple[tuple[str, str], ...]) -> Letter:
    """Return the notice that somebody gave, or took back, their word in a case."""
    return Letter(
        "recovery.spoken",
        f"The request to come back into {username}",
        (Text(f"{by} spoke in the request to set the account {username} up anew."), Facts(facts)),
    )


def ready(username: str, url: str, ready_at: datetime, until: datetime) -> Letter:
    """Return the mail with the link that sets an account up anew."""
    return Letter(
        "recovery.link",
        f"Set {username} up anew",
        (
            Text(f"By this link you set a password, a second factor and recovery codes of {username} anew:"),
            Link("Set the account up anew", url),
            Text(f"It works once, from {format_second(ready_at)} until {format_second(until)}."),
            Text(
                "What the account has now is void at the end. It then stays on hold for a while, as its page says."
            ),
        ),
    )


def settled(username: str, basis: str, ready_at: datetime) -> Letter:
    """Return the notice that a case has proofs enough."""
    return Letter(
        "recovery.settled",
        f"{username} can be set up anew",
        (
            Text(
                f"The request to set the account {username} up anew has what it takes: {BASIS_WORDS[basis]}. "
                f"It can be done from {format_second(ready_at)} on, and stopped until then."
            ),
        ),
    )


def over(username: str, how: str) -> Letter:
    """Return the notice that a case ended without anything being set up."""
    return Letter(
        "recovery.over",
        f"The request to come back into {username} is over",
        (Text(f"{how} The request itself changed nothing; its links are dead."),),
    )


def finished(username: str, basis: str, until: datetime | None, ended: int = 0) -> Letter:
    """Return the notice that an account was set up anew."""
    wait = (
        f" It is on hold until {format_second(until)}: it can change no project until then." if until else ""
    )
    tokens = f" API tokens that were made since the week before are revoked: {ended}." if ended else ""
    rests = f" It rested on {BASIS_WORDS[basis]}." if basis in BASIS_WORDS else ""
    return Letter(
        "recovery.finished",
        f"{username} was set up anew",
        (
            Text(
                f"Password, second factor and recovery codes of the account {username} were set anew.{rests}{tokens}{wait}"
            ),
        ),
    )


def code_used(username: str, left: int, until: datetime | None, facts: tuple[tuple[str, str], ...]) -> Letter:
    """Return the notice that a recovery code let somebody in."""
    wait = (
        f"The account is on hold until {format_second(until)}: it can publish nothing and change nothing that protects "
        "it. A second factor that was enrolled before ends the hold, and so does a co-owner who confirms."
        if until
        else "Set up a new second factor now: a code lets you in once."
    )
    return Letter(
        "recovery-code.used",
        f"A recovery code of {username} was used",
        (Text(f"A recovery code was used for {username}; {left} are left."), Facts(facts), Text(wait)),
    )


def first_factor(username: str, until: datetime) -> Letter:
    """Return the notice that a first second factor was enrolled, and authority sleeps until an instant."""
    return Letter(
        "first-enrolment.held",
        f"A second factor was added to {username}",
        (
            Text(
                f"The account {username} got its first second factor. Since the browser was not known, or the account "
                f"was silent for long, it can change no project until {format_second(until)}. "
                "A co-owner or an operator who confirms that it was you ends this earlier."
            ),
        ),
    )


def held_to_others(username: str, why: str, until: datetime, url: str, label: str) -> Letter:
    """Return the notice to co-owners (or operators) that somebody's account is on hold, and where to confirm."""
    return Letter(
        "hold.to-others",
        f"The account {username} is on hold",
        (
            Text(f"{why} Until {format_second(until)} it can change no project that you share."),
            Text("If you know, by talking to them, that it was them, you can end the hold:"),
            Link(label, url),
        ),
    )


def hold_ended(username: str, by: str) -> Letter:
    """Return the notice that somebody confirmed, and the hold is over."""
    return Letter(
        "hold.ended",
        f"The hold of {username} is over",
        (Text(f"{named(by)} confirmed that it was you, so the account {username} is no longer on hold."),),
    )


def mailed_proof(username: str, url: str, until: datetime) -> Letter:
    """Return the mail with the link that proves an address before the first second factor."""
    return Letter(
        "first-enrolment.proof",
        "Before you add a second factor",
        (
            Text(
                f"Open this link in the browser in which you are signed in as {username}, then add your second factor:"
            ),
            Link("Go on", url),
            Text(f"It works once, until {format_second(until)}, in that session only."),
            Text(
                "If you are not adding one, somebody knows your password: use the page of the notice they cause, or change it."
            ),
        ),
    )


def thawed(username: str, until: datetime | None, removed: int) -> Letter:
    """Return the notice that a frozen account was opened again."""
    wait = f" It is on hold until {format_second(until)}." if until else ""
    late = (
        " Factors, codes and API tokens that came in the week before are ended: make yours again."
        if removed
        else ""
    )
    return Letter(
        "account.thawed",
        f"{username} is open again",
        (
            Text(
                f"The account {username} was frozen. It was opened again by a mailed link and its second factor, with a "
                f"new password.{late}{wait}"
            ),
        ),
    )
