"""The mail by which somebody is invited to make an account."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock, configuration
from keyhouse.mail.letters import Facts, Letter, Link, Text


def invited(username: str, path: str, expires_at: datetime) -> Letter:
    """Return the mail with the one-time link."""
    site = configuration.current().base_url
    return Letter(
        "account-invitation",
        "You are invited to make an account",
        (
            Text(f"Whoever runs the package index at {site} invites you to make an account there."),
            Facts((("User name", username), ("Until", clock.format_second(expires_at)))),
            Text("You choose a second factor with it: a passkey, a security key or an authenticator app."),
            Link("Make the account", site_address(path)),
            Text("The link works once. If you don't know what this is about, there is nothing to do."),
        ),
    )
