"""What mails about second factors and recovery codes say. Pure."""

from __future__ import annotations

from datetime import datetime

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Facts, Letter, Text

_LIST = "The page of your second factors lists all of them."


def added(what: str, name: str, *, by: Actor, now: datetime) -> Letter:
    """Tell that a second factor was added; `what` is its kind in words, such as `authenticator app`."""
    return Letter(
        "second-factor-added",
        f"A second factor was added to your account: {name}",
        (
            Text(f"The {what} “{name}” was added to your account and can sign in to it now. {_LIST}"),
            _circumstances(by, now),
        ),
    )


def removed(what: str, name: str, *, by: Actor, now: datetime) -> Letter:
    """Tell that a second factor was removed."""
    return Letter(
        "second-factor-removed",
        f"A second factor was removed from your account: {name}",
        (
            Text(f"The {what} “{name}” was removed from your account. {_LIST}"),
            _circumstances(by, now),
        ),
    )


def switched_off(name: str, failures: int, *, now: datetime) -> Letter:
    """Tell that an authenticator app was switched off by wrong codes, and that the others go on."""
    return Letter(
        "second-factor-switched-off",
        f"An authenticator app of your account was switched off: {name}",
        (
            Text(
                f"{failures} wrong codes in a row were typed for your account, so its authenticator app “{name}” takes "
                f"none any more. Your other second factors and your recovery codes go on working."
            ),
            Text(
                "Whoever typed them knew your password. If that was not you, change it. To use the app again, sign in by "
                "another second factor and switch it on, or add it anew after a recovery code."
            ),
            Facts((("When", clock.format_second(now)),)),
        ),
    )


def copied(name: str, *, now: datetime) -> Letter:
    """Tell that there may be a copy of a security key, that it opens nothing any more, and what to do."""
    return Letter(
        "security-key-copied",
        f"There may be a copy of a security key of your account: {name}",
        (
            Text(
                f"Security keys count their uses. The security key “{name}” came with a count that had been seen before, "
                f"as happens when somebody has a copy of it. Which of the two was the copy can't be told, so the key "
                f"opens your account no more, and sessions that a key had opened were ended."
            ),
            Text(
                "Your other second factors and your recovery codes go on working. Sign in by one of them, remove this "
                "key and add another one. If you have none of them, the sign-in page leads you back in."
            ),
            Facts((("When", clock.format_second(now)),)),
        ),
    )


def switched_on(name: str, *, by: Actor, now: datetime) -> Letter:
    """Tell that an authenticator app takes codes again."""
    return Letter(
        "second-factor-switched-on",
        f"An authenticator app of your account was switched on again: {name}",
        (
            Text(f"The authenticator app “{name}” had been switched off and takes codes again. {_LIST}"),
            _circumstances(by, now),
        ),
    )


def new_codes(*, by: Actor, now: datetime) -> Letter:
    """Tell that a new set of recovery codes was made."""
    return Letter(
        "recovery-codes-new",
        "New recovery codes were made for your account",
        (
            Text(
                "Ten new recovery codes were made for your account. The ones it had before are worth nothing now."
            ),
            _circumstances(by, now),
        ),
    )


def _circumstances(by: Actor, now: datetime) -> Facts:
    where = (("From", by.network),) if by.network else ()
    return Facts((("When", clock.format_second(now)), *where))
