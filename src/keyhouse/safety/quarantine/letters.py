"""What mails say about quarantine."""

from __future__ import annotations

from keyhouse.accounts.emails import site_address
from keyhouse.mail.letters import Facts, Letter, Link, Text


def placed(what: str, name: str, reason: str) -> Letter:
    """Return the notice to the people of a project that something of it is in quarantine."""
    return Letter(
        "quarantine-placed",
        f"{what} is in quarantine",
        (
            Text("The people who run this index took this out of circulation while they look into it:"),
            Facts((("What", what), ("Reason", reason))),
            Text(
                "Nobody can install it meanwhile, and it can't be changed or deleted. Nothing of it is lost."
            ),
            Text(
                "If you know what happened, or think that this is a mistake, write to the operators of the index."
            ),
            Link("Its page", site_address(f"/manage/project/{name}/")),
        ),
    )


def lifted(what: str, name: str) -> Letter:
    """Return the notice that it is back."""
    return Letter(
        "quarantine-lifted",
        f"{what} is back",
        (
            Text(f"The quarantine of {what} was lifted. It is as it was before, and can be installed again."),
            Link("Its page", site_address(f"/manage/project/{name}/")),
        ),
    )
