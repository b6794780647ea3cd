"""What mails say about passwords."""

from __future__ import annotations

from datetime import datetime

from keyhouse.core import clock
from keyhouse.mail.letters import Facts, Letter, Link, Text

FORGOTTEN = "/account/password/forgotten/"


def reset_letter(username: str, url: str, expires_at: datetime) -> Letter:
    """Return the mail with the link for a new password."""
    return Letter(
        "password-reset-link",
        "Set a new password",
        (
            Text(f"Somebody asked for a new password for the account {username}. Set it here:"),
            Link("Set a new password", url),
            Text(
                f"The link works once, until {clock.format_second(expires_at)}. It changes the password and nothing else: "
                "you sign in as always after that, with your second factor."
            ),
            Text("If it wasn't you, there is nothing to do. Nothing has changed."),
        ),
    )


def disabled_letter(username: str, forgotten_url: str, *, has_factor: bool) -> Letter:
    """Return the notice that a password was disabled because others know it."""
    tokens = (
        "API tokens and trusted publishers go on working."
        if has_factor
        else "API tokens and trusted publishers rest until then, because the account has no second factor."
    )
    return Letter(
        "password-disabled",
        "Your password was disabled",
        (
            Text(
                f"The password of the account {username} is among passwords that were stolen somewhere. It doesn't have to be "
                "you whom it was stolen from, and nobody has to have used it here. Because it can be tried by anybody now, "
                "it was disabled, and all sessions were ended."
            ),
            Text(f"Set a new one that you use nowhere else. {tokens}"),
            Text(
                f"Type the address of this index into your browser and choose “Forgot your password?” ({forgotten_url})."
            ),
        ),
    )


def changed_letter(username: str, what: str, at: datetime, network: str) -> Letter:
    """Return the notice that a password was changed, reset or removed."""
    facts = (("When", clock.format_second(at)), *((("From", network),) if network else ()))
    return Letter(
        f"password-{what}",
        f"Your password was {what}",
        (Text(f"The password of the account {username} was {what}."), Facts(facts)),
    )


def reset_done_letter(username: str, at: datetime, network: str, *, has_factor: bool) -> Letter:
    """Return the notice that a password was set by a mailed link."""
    told = changed_letter(username, "reset", at, network)
    next_step = "proven" if has_factor else "set up"
    held = Text(f"All sessions were ended. The account is on hold until its second factor is {next_step}.")
    return Letter(told.kind, told.subject, (*told.blocks, held))
