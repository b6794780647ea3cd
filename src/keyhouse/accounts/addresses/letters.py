"""What mails about addresses say. Pure but for the address of this index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from keyhouse.accounts.devices import describe
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Code, Facts, Letter, Link, Text

_SIDES: Final = "Your account page lists your addresses."


def verify(username: str, url: str, code: str) -> Letter:
    """Return the mail that proves an address: link and code are for who is signed in as that person, for nobody else."""
    return Letter(
        "email-verify",
        "Verify this e-mail address",
        (
            Text(f"Somebody who is signed in as {username} wants to receive mails at this address."),
            Text("If that is you, open this in the browser in which you are signed in:"),
            Link("Verify this address", url),
            Text("Or type this code on the page of your addresses:"),
            Code(code),
            Text(
                "Both work once, within 24 hours. If that is not you, do nothing: without it the address is not theirs, "
                "and it is forgotten after a week."
            ),
        ),
    )


def added(address: str, *, by: Actor, now: datetime) -> Letter:
    """Return the notice that somebody wants to add an address."""
    return Letter(
        "email-added",
        "An e-mail address is being added to your account",
        (
            Text(
                f"{address} is being added to your account. It counts once the code in a mail to it was entered."
            ),
            _circumstances(by, now),
        ),
    )


def verified(address: str, *, is_primary: bool, by: Actor, now: datetime) -> Letter:
    """Return the notice that an address was verified."""
    more = " It is your primary address now." if is_primary else ""
    return Letter(
        "email-verified",
        "An e-mail address of your account was verified",
        (Text(f"{address} was verified and belongs to your account now.{more}"), _circumstances(by, now)),
    )


def removed(address: str, *, by: Actor, now: datetime) -> Letter:
    """Return the notice that an address was removed."""
    return Letter(
        "email-removed",
        "An e-mail address was removed from your account",
        (Text(f"{address} was removed from your account."), _circumstances(by, now)),
    )


def made_primary(address: str, former: str, *, by: Actor, now: datetime) -> Letter:
    """Return the notice that the primary address is another one."""
    was = f" Until now it was {former}." if former else ""
    return Letter(
        "email-primary-changed",
        "The primary e-mail address of your account has changed",
        (Text(f"{address} is the primary address of your account now.{was}"), _circumstances(by, now)),
    )


def primary_changed_to_others(username: str, until: datetime) -> Letter:
    """Return the notice to co-owners; the address is nobody's business."""
    return Letter(
        "email-primary-changed-co-owner",
        f"The primary e-mail address of {username} has changed",
        (
            Text(
                f"{username}, with whom you own a project, has another primary e-mail address. To be safe, what {username} "
                f"publishes and changes waits until {clock.format_second(until)}."
            ),
            Text("If you didn't expect it, ask them, by another way than mail."),
        ),
    )


def held(until: datetime) -> Text:
    """Return the paragraph about the hold that follows a change."""
    end = clock.format_second(until)
    return Text(f"To be safe, publishing and changes of the account wait until {end}. {_SIDES}")


def revert(url: str) -> tuple[Text, Link]:
    """Return what a former address can do about a change."""
    return (
        Text(
            "If this was not you, this page puts the former addresses back, within seven days, and ends all sessions:"
        ),
        Link("Put the former addresses back", url),
    )


def reverted(addresses: Sequence[str], tokens_ended: int, *, by: Actor, now: datetime) -> Letter:
    """Return the notice that former addresses were put back, and API tokens made since revoked."""
    tokens = f" API tokens that were made since the day before the change are revoked: {tokens_ended}."
    return Letter(
        "email-reverted",
        "The former e-mail addresses of your account are back",
        (
            Text(
                f"By the link in a mail these are the addresses of your account again: {', '.join(addresses)}."
            ),
            Text(
                f"All sessions ended.{tokens if tokens_ended else ''} If somebody else was in your account, change its password when you sign in."
            ),
            _circumstances(by, now),
        ),
    )


def lost_domain(domain: str, addresses: Sequence[str], now: datetime) -> Letter:
    """Return the notice that addresses count as unproven, since their domain is gone."""
    return Letter(
        "email-domain-gone",
        "The domain of one of your e-mail addresses is gone",
        (
            Text(
                f"The name system says on the third day in a row that there is no domain {domain}. Whoever registers it anew "
                f"could read mails to {', '.join(addresses)}, so nothing is recovered by it any more."
            ),
            Text(
                "If the domain comes back, verify the address again on your account page. Otherwise remove it."
            ),
            Facts((("When", clock.format_second(now)),)),
        ),
    )


def frozen(*, by: Actor, now: datetime) -> Letter:
    """Return the notice that the account was frozen, with the way back."""
    return Letter(
        "account-frozen",
        "Your account is frozen",
        (
            Text(
                "Somebody said “this was not me”. Nobody can sign in, publish or use a token of your account any more; "
                "all sessions and links have ended."
            ),
            Text(
                "The way back: type the address of this index into your browser yourself, open /account/recover/ there, and "
                "follow the steps."
            ),
            _circumstances(by, now),
        ),
    )


def frozen_for_operators(username: str, *, by: Actor, now: datetime) -> Letter:
    """Return the notice to operators that somebody's account was frozen."""
    return Letter(
        "account-frozen-operators",
        f"The account {username} was frozen by its owner",
        (
            Text(
                f"{username} said “this was not me”: somebody else may have been in the account. Its sessions ended and its "
                f"tokens rest. Look at the audit log for what was done with it."
            ),
            _circumstances(by, now),
        ),
    )


def _circumstances(by: Actor, now: datetime) -> Facts:
    rows = [("When", clock.format_second(now))]
    if by.network:
        rows.append(("From", by.network))
    if by.user_agent:
        # in our words: what a browser says of itself could be a sentence with a link
        rows.append(("Browser", describe(by.user_agent)))
    return Facts(tuple(rows))
