"""Asking for an account: an address, and a mail to it. Nothing tells whether the address has an account already.

Both kinds of address cost the same: a link (one that never worked where there is an account), a mail, a record. What the
mail says differs, and only whoever reads that mailbox learns it.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts import emails, limits, links, queries, rules, sign_up_letters
from keyhouse.accounts.errors import SignUpClosed
from keyhouse.accounts.forgetting import forget_old_sometimes
from keyhouse.accounts.models import Email
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record
from keyhouse.core import actions, configuration
from keyhouse.core.actions import Thing
from keyhouse.mail.services import queue

ASK: Final = "sign-up.ask"

_log = logging.getLogger("keyhouse.accounts")


def ask_to_sign_up(address: str, trap: str, visitor: Visitor, now: datetime) -> None:
    """Mail a link by which an account is made, or, to whoever has one, that they have. `trap` is what people leave empty.

    An address that was asked for too often gets no further mail. Raises SignUpClosed, AddressRefused, and
    TooManyAttempts for a network that asks too often.
    """
    if configuration.current().sign_up != "open":
        raise SignUpClosed
    forget_old_sometimes(now)
    address = rules.check_address(address)
    if trap:
        limits.count_attempt(now=now, limit=limits.SIGN_UP, network=visitor.network)
        _log.warning("a sign-up was left alone: its form was filled in by a program")
        return
    limits.count_attempt(now=now, limit=limits.MAIL, network=visitor.network)
    if limits.is_within(limits.MAIL, limits.typed_subject(address), now):
        _mail(address, visitor, now)


def _mail(address: str, visitor: Visitor, now: datetime) -> None:
    with transaction.atomic():
        actions.require(visitor.actor, ASK)
        known = queries.find_verified_email(address)
        path = links.make_sign_up_link(address, now=now, is_dead=known is not None)
        if known is None:
            _send_link(address, path, now)
        else:
            _send_reminder(known, now)
        account_id = known.user_id if known else None
        record(ASK, by=visitor.actor, about=Thing("sign-up"), account_id=account_id)


def _send_link(address: str, path: str, now: datetime) -> None:
    expires_at = now + links.LIFE[links.SIGN_UP]
    letter = sign_up_letters.link_letter(emails.site_address(path), expires_at)
    queue(letter, to=address, now=now, expires_at=expires_at, even_if_bounced=True)


def _send_reminder(known: Email, now: datetime) -> None:
    letter = sign_up_letters.reminder_letter(known.user.username)
    emails.send_to(known.user, known.address, letter, now=now)
