"""What is mailed about unknown browsers."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts.devices import describe
from keyhouse.accounts.visitor import Visitor
from keyhouse.core import clock
from keyhouse.mail.letters import Code, Facts, Letter, Link, Text


def confirmation(code: str, url: str, visitor: Visitor, now: datetime) -> Letter:
    """Ask whether a sign-in is the reader's; `code` stands on the page of the browser that waits, too."""
    return Letter(
        "sign-in-confirmation",
        "Confirm your sign-in",
        (
            Text(
                "Somebody is signing in to your account with the right password, in a browser that the account doesn't "
                "know."
            ),
            _facts(visitor, now),
            Text(
                "The page in that browser shows this code. If yours shows another one, or none, don't go on:"
            ),
            Code(code),
            Text(
                "If it is the same, open this link in that very browser. It works once, until 15 minutes after this mail "
                "was sent."
            ),
            Link("Confirm the sign-in", url),
            Text(
                "If you are not signing in, somebody knows your password. Don't open the link above; change your password."
            ),
        ),
    )


def new_browser(visitor: Visitor, now: datetime) -> Letter:
    """Tell that somebody signed in with a new browser."""
    return Letter(
        "new-sign-in",
        "A new browser signed in to your account",
        (
            Text("Somebody signed in to your account with a browser that it didn't know before."),
            _facts(visitor, now),
            Text(
                "If that was you, there is nothing to do. The page of your sessions lists it, and can end it."
            ),
        ),
    )


def waiting_browser(visitor: Visitor, now: datetime, until: datetime, *, is_mailed: bool) -> Letter:
    """Tell that a browser waits to be let in without a mailed confirmation. `is_mailed`: one could have come by mail."""
    why = (
        "They say that they can't read your mail, by which they would confirm it, so the browser has to wait."
        if is_mailed
        else "No mail could be sent to confirm that, so the browser has to wait."
    )
    return Letter(
        "browser-waits",
        "A browser waits to sign in to your account",
        (
            Text(
                "Somebody proved your password, and your second factor if you have one, in a browser that your account "
                f"doesn't know. {why}"
            ),
            Facts((*_facts(visitor, now).rows, ("It may sign in from", clock.format_second(until)))),
            Text(
                "If that was you, there is nothing to do. If not, refuse it on the page of your sessions, and change your "
                "password."
            ),
        ),
    )


def _facts(visitor: Visitor, now: datetime) -> Facts:
    return Facts(
        (
            ("When", clock.format_second(now)),
            ("Browser, as it names itself", describe(visitor.user_agent)),
            ("Network", visitor.network or "unknown"),
        )
    )
