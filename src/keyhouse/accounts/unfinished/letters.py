"""What is mailed about sign-ins that stopped half-way. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from keyhouse.core.clock import format_second
from keyhouse.mail.letters import Facts, Letter, Text


def stopped(username: str, count: str, rows: Sequence[tuple[datetime, str, str]]) -> Letter:
    """Return the digest; `rows` are instant, browser and network of the last ones, the last one last."""
    facts = [(format_second(at), f"{browser}, from {network or 'unknown'}") for at, browser, network in rows]
    return Letter(
        "sign-in-stopped",
        f"Somebody knows the password of {username}, and stopped there",
        (
            Text(
                f"{count} the right password of {username} was given in a browser that the account doesn't know, and no second "
                "factor after it, or a wrong one. Nobody was let in."
            ),
            Facts(tuple(facts)),
            Text(
                "If that was you, there is nothing to do. If not, somebody knows your password: sign in and change it, here and "
                "wherever else you use it."
            ),
            Text("Of more such sign-ins you hear once a day at most."),
        ),
    )


def times(count: int) -> str:
    """Say how often."""
    return "Once" if count == 1 else f"{count} times"
