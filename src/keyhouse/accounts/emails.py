"""Mails to people about their account: written in the transaction of what they tell of, sent later.

Each to a verified address carries the check phrase that the account page shows, so that a mail made to look like one of
ours can be told from it. A notice says besides how to stop what the person didn't do; it never asks anybody to sign in by a link.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from django.db import DatabaseError, transaction

from keyhouse.accounts import links
from keyhouse.accounts.models import Email, User
from keyhouse.accounts.phrases import new_phrase
from keyhouse.core import configuration
from keyhouse.mail.letters import Letter, Link, Text
from keyhouse.mail.services import Posting, queue, queue_all

_log = logging.getLogger("keyhouse.accounts")


def tell(user: User, letter: Letter, *, now: datetime, key: str = "") -> int:
    """Queue a notice to every verified address of a person, in the caller's transaction; returns how many.

    With a `key` the same notice is sent once, however often this is called.
    """
    verified = Email.objects.filter(user=user, verified_at__isnull=False)
    addresses = list(verified.order_by("pk").values_list("pk", "address"))
    for pk, address in addresses:
        send_notice(user, address, letter, now=now, key=key and f"{key}:{pk}")
    return len(addresses)


def send_notice(  # noqa: PLR0913 - one keyword for each thing that a mail can differ in
    user: User,
    address: str,
    letter: Letter,
    *,
    now: datetime,
    key: str = "",
    expires_at: datetime | None = None,
) -> None:
    """Queue a notice to one address, which may have been the person's until now, in the caller's transaction."""
    path = links.make_link_for(user, links.NOT_ME, now=now, address=address)
    stop = (
        Text("If this was not you, this page freezes your account, so that nobody can use it:"),
        Link("This was not me", site_address(path)),
    )
    with_stop = replace(letter, footer=(*letter.footer, *stop))
    send_to(user, address, with_stop, now=now, key=key, expires_at=expires_at)


def send_to(  # noqa: PLR0913 - one keyword for each thing that a mail can differ in
    user: User,
    address: str,
    letter: Letter,
    *,
    now: datetime,
    key: str = "",
    expires_at: datetime | None = None,
    even_if_bounced: bool = False,
    is_verified: bool = True,
) -> None:
    """Queue a mail that the person asked for, to one address, in the caller's transaction.

    With a `key` the same mail is sent once. One that isn't verified may be a stranger's, who learns no check phrase.
    `expires_at`: the instant from which on it is of no use, such as the end of the link in it.
    """
    queue(
        phrased(letter, check_phrase_of(user)) if is_verified else _unphrased(letter),
        to=address,
        now=now,
        lane="security",
        account_id=user.pk,
        key=key,
        expires_at=expires_at,
        even_if_bounced=even_if_bounced,
    )


def send_to_all(addresses: Iterable[Email], letter: Letter, *, now: datetime, key: str = "") -> None:
    """Queue the same mail to many people at once, in the caller's transaction; the addresses come with their accounts.

    With a `key` it is sent once to each address.
    """
    send_to_each(((one, letter) for one in addresses), now=now, key=key)


def send_to_each(mails: Iterable[tuple[Email, Letter]], *, now: datetime, key: str = "") -> None:
    """Do the same with mails that differ."""
    queue_all(
        [
            Posting(
                phrased(letter, check_phrase_of(one.user)),
                one.address,
                one.user_id,
                key and f"{key}:{one.pk}",  # a number: the key stays where an account's addresses are erased
            )
            for one, letter in mails
        ],
        now=now,
        lane="security",
    )


def site_address(path: str) -> str:
    """Return the whole address of a page of this index; never made from what a request says of its host."""
    return configuration.current().base_url.rstrip("/") + path


def check_phrase_of(user: User) -> str:
    """Return the words that stand in every mail to verified addresses of this person and on their account page.

    An account is made with them. (One that an older process made meanwhile gets them here, which takes the lock of its row.)
    """
    if not user.check_phrase:
        User.objects.filter(pk=user.pk, check_phrase="").update(check_phrase=new_phrase())
        user.refresh_from_db(fields=["check_phrase"])
    return user.check_phrase


def phrased(letter: Letter, check_phrase: str) -> Letter:
    """Return the letter with somebody's check phrase at its end, as every mail to a verified address has it."""
    told = Text(
        f"Your check phrase is “{check_phrase}”. Your account page shows the same; a mail without it is not "
        f"from this index."
    )
    return replace(letter, footer=(*letter.footer, told))


def _unphrased(letter: Letter) -> Letter:
    told = Text("This mail has no check phrase: that goes to addresses which are verified, and to no others.")
    return replace(letter, footer=(*letter.footer, told))


def shown_check_phrase(user: User) -> str:
    """Return those words for a page, or nothing where they were never made and can't be written now: reading goes on."""
    if user.check_phrase:
        return user.check_phrase
    try:
        with transaction.atomic():
            return check_phrase_of(user)
    except DatabaseError:
        _log.warning("a check phrase could not be made", exc_info=True)
        return ""
