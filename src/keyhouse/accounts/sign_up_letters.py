"""What mails say to whoever asked for an account."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock, configuration
from keyhouse.mail.letters import Facts, Letter, Link, Text


def link_letter(address: str, expires_at: datetime) -> Letter:
    """Return the mail with the link by which an account is made."""
    return Letter(
        "sign-up",
        "Make your account",
        (
            Text(f"Somebody, probably you, asked for an account at {configuration.current().base_url}."),
            Link("Make the account", address),
            Facts((("The link works once, until", clock.format_second(expires_at)),)),
            Text("If it wasn't you, there is nothing to do: without the link no account is made."),
        ),
    )


def reminder_letter(username: str) -> Letter:
    """Return the mail to somebody who has an account already."""
    return Letter(
        "sign-up-known",
        "You have an account already",
        (
            Text(
                f"Somebody, probably you, asked for an account at {configuration.current().base_url} with this address."
            ),
            Text("It belongs to an account already, so no other one is made with it."),
            Facts((("Your user name", username),)),
            Link("Sign in, or choose a new password", site_address("/account/sign-in/")),
            Text(
                "If it wasn't you, there is nothing to do: whoever asked was not told that you have an account."
            ),
        ),
    )
