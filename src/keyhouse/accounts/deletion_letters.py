"""What mails say about the end of an account."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.mail.letters import Facts, Letter, Link, Text


def asked(username: str, due_at: datetime, path: str) -> Letter:
    """Return the notice that an account will be deleted, with the way to keep it."""
    return Letter(
        "account-deletion-asked",
        f"Your account {username} will be deleted",
        (
            Text("Somebody who was signed in to your account asked for its deletion."),
            Facts((("Account", username), ("Deleted at", clock.format_second(due_at)))),
            Text(
                "Until then nothing changes. If you want to keep the account, this page takes the deletion back:"
            ),
            Link("Keep the account", site_address(path)),
            Text(
                "Afterwards nobody can bring it back: roles, tokens, factors and addresses are gone for good."
            ),
        ),
    )


def taken_back(username: str) -> Letter:
    """Return the notice that an account stays."""
    return Letter(
        "account-deletion-taken-back",
        f"Your account {username} stays",
        (Text("The deletion of your account was taken back. Everything is as it was."),),
    )


def impossible(username: str, reason: str) -> Letter:
    """Return the notice that an account could not be deleted when its wait was over."""
    return Letter(
        "account-deletion-impossible",
        f"Your account {username} was not deleted",
        (
            Text(
                "The wait for the deletion of your account is over, and the account can't go as things are now:"
            ),
            Text(reason),
            Text("Everything is as it was. Mend that and ask for the deletion again, if you still want it."),
        ),
    )


def done(username: str, days: int) -> Letter:
    """Return the last mail to somebody whose account is gone."""
    return Letter(
        "account-deleted",
        f"Your account {username} was deleted",
        (
            Text(
                "Sessions, API tokens, second factors, recovery codes, addresses and roles in projects are gone."
            ),
            Text(
                f"What can't be undone: the account doesn't come back, and files that it published stay. Its name stays "
                f"taken for {days} days; then it is free, and your network addresses are erased from the log."
            ),
        ),
    )


def co_owner_gone(username: str) -> Letter:
    """Return the notice to somebody who owned a project together with the person who left."""
    return Letter(
        "co-owner-gone",
        f"{username} no longer owns projects with you",
        (
            Text(
                f"The account {username} was deleted. It had a role in projects that you own, and has none any more."
            ),
            Link("Your projects", site_address("/manage/projects/")),
        ),
    )
