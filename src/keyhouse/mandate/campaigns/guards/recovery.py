"""Whoever loses their factor comes back: mails arrive, operators are there to decide, and have codes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from keyhouse.accounts import strength
from keyhouse.accounts.recovery.queries import active_operators, all_operators
from keyhouse.accounts.recovery.rules import OPERATORS_NEEDED
from keyhouse.mail import queries as mail
from keyhouse.mail.models import SENT
from keyhouse.mandate.campaigns.guards.guard import Guard, Missing, listed
from keyhouse.mandate.documents import Mandate

SEEN_WITHIN: Final = timedelta(days=30)
NAME: Final = "recovery"


def _look(mandate: Mandate, now: datetime) -> Iterator[Missing]:
    del mandate
    yield from _mail(now)
    yield from _people(now)


def _mail(now: datetime) -> Iterator[Missing]:
    if mail.is_off():
        yield Missing(
            NAME,
            "Mail is off, so nobody gets a link by which they come back.",
            "Set KEYHOUSE_MAIL_URL and send a mail to try it: `keyhouse mail test ADDRESS`.",
            "/operator/mail/",
        )
        return
    if mail.is_stuck(now):
        yield Missing(
            NAME,
            "A security mail is stuck.",
            "See what the mail server says, and mend it.",
            "/operator/mail/",
        )
    if not mail.ledger().filter(state=SENT, ended_at__gt=now - SEEN_WITHIN, ended_at__lte=now).exists():
        yield Missing(
            NAME,
            f"No mail was delivered within {SEEN_WITHIN.days} days, so nothing shows that mails arrive.",
            "Send one to try it: `keyhouse mail test ADDRESS`.",
            "/operator/mail/",
        )


def _people(now: datetime) -> Iterator[Missing]:
    able = list(active_operators(now))
    needed = min(OPERATORS_NEEDED, all_operators().count()) or 1  # a sole operator decides alone, a day later
    if len(able) < needed:
        yield Missing(
            NAME,
            f"{len(able)} of the {needed} operators whom a recovery case needs can act.",
            "Let the others come back, or make somebody else an operator.",
            "/operator/people/?office=operator",
        )
    without = [user.username for user in able if not strength.codes_left(user.pk)]
    if without:
        yield Missing(
            NAME,
            f"{len(without)} of {len(able)} operators have no recovery code: {listed(without)}.",
            "Each of them makes codes at /account/recovery-codes/ and keeps them apart from the key.",
            "/operator/people/?office=operator",
        )


RECOVERY: Final = Guard(
    NAME,
    "Mails were delivered lately, enough operators can decide recovery cases, and each has recovery codes.",
    _look,
)
