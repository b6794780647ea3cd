"""Accounts of the made-up index that their people can't reach, or that others may have reached."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from demo.acting import acting, person_named
from keyhouse.accounts import links
from keyhouse.accounts.addresses.services import Change, add_address
from keyhouse.accounts.models import RecoveryCase
from keyhouse.accounts.recovery import cases, code_use, first_enrolment, words
from keyhouse.accounts.recovery.rules import Newness
from keyhouse.accounts.visitor import Visitor
from keyhouse.mail.services import Bounced, record_bounces

FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


def come_back() -> None:
    """Let three ask to come back in: one is refused, one is known to a co-owner, one is reached by no mail."""
    with acting("ana", days=16) as (_, now):
        stranger = _ask_by_mail("ana", now)
    with acting("iris", days=15, hours=20) as (by, now):
        reason = "She was called, and it wasn't her who asked."
        words.refuse(stranger.pk, reason, by=by, now=now)
    with acting("kenji", hours=9) as (_, now):
        lost = _ask_by_mail("kenji", now)
    with acting("jonas", hours=2) as (by, now):
        words.vouch(lost.pk, "We sat together when his phone fell into the dock.", by=by, now=now)
    with acting("tomas", hours=30) as (by, now):
        reason = "Called from the number that we know; phone and mailbox went down with the ship."
        words.propose("felix", reason, hands_over=True, by=by, now=now)


def _ask_by_mail(name: str, now: datetime) -> RecoveryCase:
    user = person_named(name)
    path = links.make_link_for(user, links.RECOVERY, now=now, address=f"{name}@harbour.example")
    case, _ = cases.open_by_mail(path.split("/")[2], "", "", Visitor("203.0.113.7", FIREFOX), now)
    return case


def be_held() -> None:
    """Let olu use a recovery code, and somebody who knows rafael's password add a first factor."""
    with acting("olu", hours=5) as (_, now), transaction.atomic():
        code_use.follow_code(person_named("olu"), Visitor("203.0.113.40", FIREFOX), now)
    newness = Newness(
        has_authority=True,
        is_first=True,
        is_idle=False,
        is_known_browser=False,
        has_deliverable_mail=True,
        proved_mail_at=None,
    )
    with acting("rafael", hours=7) as (by, now), transaction.atomic():
        first_enrolment.follow(person_named("rafael"), newness, by=by, now=now)


def change_addresses() -> None:
    """Let two people add an address, to one of which no mail gets, and mails to felix come back."""
    for name, hours, address in (
        ("mara", 6, "mara.second@harbour.example"),
        ("bodil", 50, "bodil@spindrift.example"),
    ):
        with acting(name, hours=hours) as (by, now):
            add_address(Change(person_named(name), by, now), address)
    with acting("iris", hours=31) as (_, before):
        record_bounces(
            [
                Bounced("felix@harbour.example", "permanent", before),
                Bounced("bodil@spindrift.example", "permanent", before),
            ],
            source="report",
        )
