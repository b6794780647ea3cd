"""Asking for a way back by mail: the same answer, and the same work, whoever is asked about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts import emails, limits, links, queries
from keyhouse.accounts.models import OneTimeLink, User
from keyhouse.accounts.recovery import letters
from keyhouse.accounts.recovery.cases import CLOSED
from keyhouse.accounts.recovery.queries import find_for_case
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record
from keyhouse.core.actions import Thing
from keyhouse.mail.contents import seal

ASK: Final = "recovery.ask"
COUNTED: Final = "recovery:"
_NOBODY: Final = "nobody@example.invalid"


def ask_for_mail(typed: str, visitor: Visitor, now: datetime) -> None:
    """Mail a link that begins a case, where what was typed names somebody whom a mail reaches.

    For everybody else a link is made that nobody gets: whoever looks from outside sees no difference, also none in time.
    What was asked for too often is mailed no further, and nothing tells so: other pages count on the account where there
    is one, and a refusal here would say whether they did. Raises TooManyAttempts for a network that asks too often.
    """
    limits.count_attempt(now=now, limit=limits.MAIL, network=visitor.network)
    user = queries.find_user_by_identifier(typed)
    if user is not None and user.state in CLOSED:
        user = None
    # counted apart from other mails: what is asked here must not use up what is asked elsewhere
    subject = COUNTED + (f"account:{user.pk}" if user else limits.typed_subject(typed))
    is_within = limits.is_within(limits.MAIL, subject, now)
    address = find_for_case(user, typed) if user and is_within else ""
    with transaction.atomic():
        if user is not None and address:
            _send_link(user, address, now)
        else:
            _send_nothing(now)
        record(
            ASK,
            by=visitor.actor,
            about=Thing("account", user.pk, user.username) if user else None,
            account_id=user.pk if user else None,
        )


def _send_link(user: User, address: str, now: datetime) -> None:
    path = links.make_link_for(user, links.RECOVERY, now=now, address=address)
    until = now + links.LIFE[links.RECOVERY]
    letter = letters.asked(user.username, emails.site_address(path), until)
    emails.send_to(user, address, letter, now=now, expires_at=until)


def _send_nothing(now: datetime) -> None:
    """Do what `_send_link` does, for nobody: the link is dead at once."""
    path = links.make_link(links.RECOVERY, now=now, username="-")
    OneTimeLink.objects.filter(purpose=links.RECOVERY, user=None).update(
        expires_at=now - timedelta(seconds=1)
    )
    seal(letters.asked("-", emails.site_address(path), now), _NOBODY)
