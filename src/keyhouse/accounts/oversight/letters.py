"""What mails about acts of operators say. Pure."""

from __future__ import annotations

from datetime import datetime

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Facts, Letter, Text


def _facts(by: Actor, reason: str, now: datetime) -> Facts:
    rows = (("When", clock.format_instant(now)), ("Who", by.name), ("Why", reason))
    return Facts(tuple(row for row in rows if row[1]))


def suspended(*, is_final: bool, by: Actor, reason: str, now: datetime) -> Letter:
    """Return the notice to a person whose account was closed."""
    what = (
        "Your account here was closed because you have left. Its sessions and API tokens have ended."
        if is_final
        else "Your account here is suspended. Its sessions have ended, and its API tokens rest."
    )
    return Letter(
        "account-suspended",
        "Your account was suspended",
        (
            Text(what),
            _facts(by, reason, now),
            Text("If you think that is a mistake, write to the operators."),
        ),
    )


def reinstated(*, by: Actor, reason: str, now: datetime) -> Letter:
    """Return the notice to a person whose account is open again."""
    return Letter(
        "account-reinstated",
        "Your account is open again",
        (Text("The suspension of your account has ended."), _facts(by, reason, now)),
    )


def sessions_ended(*, by: Actor, reason: str, now: datetime) -> Letter:
    """Return the notice that somebody else ended a person's sessions."""
    return Letter(
        "sessions-ended",
        "You were signed out everywhere",
        (Text("An operator ended all your sessions. Sign in again as usual."), _facts(by, reason, now)),
    )


def told_operators(username: str, what: str, *, by: Actor, reason: str, now: datetime) -> Letter:
    """Return the notice to the other operators; `what` goes on after the name."""
    return Letter(
        "operator-act",
        f"{username} {what}",
        (Text(f"{username} {what}."), _facts(by, reason, now), Text("The audit log has it, too.")),
    )


def proposed(told: str, effective_at: datetime | None, *, by: Actor, reason: str, now: datetime) -> Letter:
    """Return the announcement of what two operators answer for."""
    when = (
        f"It takes effect at {clock.format_instant(effective_at)}, unless an operator withdraws it before."
        if effective_at
        else "Another operator has to approve it. Any operator can withdraw it."
    )
    return Letter(
        "proposal",
        f"Proposed: {told}",
        (Text(f"Proposed: {told}. {when}"), _facts(by, reason, now), Text("The console lists proposals.")),
    )


def address_proposed(told: str) -> Letter:
    """Return the notice to the address that operators are about to answer for."""
    return Letter(
        "proposal",
        "This address is about to count as verified",
        (
            Text(f"Proposed by the operators of this index: {told}, since mails did not leave it."),
            Text("If you have no account here, or asked nobody for it, write to them."),
        ),
    )


def proposal_done(told: str, *, by: Actor, reason: str, now: datetime) -> Letter:
    """Return the notice that a proposal holds now."""
    return Letter("proposal-done", f"Done: {told}", (Text(f"{told}, from now on."), _facts(by, reason, now)))


def proposal_over(told: str, *, by: Actor, reason: str, now: datetime) -> Letter:
    """Return the notice that a proposal was withdrawn."""
    return Letter(
        "proposal-over", f"Withdrawn: {told}", (Text(f"Withdrawn: {told}."), _facts(by, reason, now))
    )


def office_ended(office: str, *, by: Actor, reason: str, now: datetime) -> Letter:
    """Return the notice to somebody whose office ended."""
    return Letter(
        "office-ended",
        f"You are no {office} of this index any more",
        (Text(f"Your office as {office} of this index has ended."), _facts(by, reason, now)),
    )
