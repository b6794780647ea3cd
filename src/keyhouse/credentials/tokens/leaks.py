"""Tokens that were found in the open: revoked at once, their people told, the finding written down.

Whoever reports learns nothing: an unknown text, a token that ended long ago and one that worked are answered alike.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db import transaction

from keyhouse.accounts import emails, limits
from keyhouse.accounts.models import User
from keyhouse.audit import services as audit
from keyhouse.core import actions, clock, configuration, faults
from keyhouse.core.actor import Actor, job
from keyhouse.core.errors import CredentialInvalid, NotFound
from keyhouse.core.keys import SealBrokenError
from keyhouse.credentials.tokens import authentication, leak_rules, letters, queries, services
from keyhouse.credentials.tokens.errors import LeakKeysUnreadable
from keyhouse.credentials.tokens.leak_rules import Leak
from keyhouse.credentials.tokens.macaroons import Macaroon, MacaroonMalformed, is_signed_by, read_text
from keyhouse.credentials.tokens.models import Token

REASON: Final = "found in the open"
JOB: Final = "leak-report"
REPORT: Final = "token.report-leak"
MAX_KEY_FILE: Final = 256 * 1024


def take_report(body: bytes, key_name: str, signature: str) -> None:
    """Take a scanner's report: all of it, or none where it isn't signed or malformed.

    Raises NotFound where no scanner is known here or none is named, LeakReportRefused and LeakKeysUnreadable.
    """
    file = configuration.current().leak_report_keys
    if file is None or not (key_name and signature):
        raise NotFound
    leak_rules.require_signature(body, key_name, signature, _keys_in(file))
    end_leaked(leak_rules.read_report(body), reporter=f"scanner {key_name}"[:100])


def _keys_in(file: Path) -> dict[str, str]:
    """Read the keys anew for each report: reports are rare, and keys are changed in a hurry."""
    try:
        with file.open("rb") as opened:
            return dict(leak_rules.read_keys(opened.read(MAX_KEY_FILE).decode()))
    except (OSError, ValueError, RecursionError) as error:
        raise LeakKeysUnreadable from error


def report_text(text: str, *, url: str = "", by: Actor) -> None:
    """Take what a person pasted; raises LeakReportRefused where nothing in it looks like a token, and TooManyAttempts.

    Each report counts, whatever is in it: who guesses at texts learns nothing by it, and each costs a look at the ledger.
    """
    actions.require(by, REPORT)
    limits.count_attempt(
        now=clock.now(), limit=limits.LEAK, subject=f"account:{by.user_id}", network=by.network
    )
    prefix = configuration.current().token_prefix
    leaks = leak_rules.leaks_in(text, prefix, url=url, source="a report by a person")
    if refusal := leak_rules.refusal_of_nothing(leaks):
        raise refusal
    end_leaked(leaks, reporter=by.name)


def end_leaked(leaks: Iterable[Leak], *, reporter: str) -> int:
    """End what works of these tokens, each in a transaction of its own; again changes nothing. Returns how many ended."""
    return sum(_end(leak, reporter) for leak in leaks)


def _end(leak: Leak, reporter: str) -> bool:
    try:
        macaroon = read_text(leak.token.strip(), configuration.current().token_prefix)
    except MacaroonMalformed:
        return False
    ledger = authentication.ledger_for(macaroon)
    if ledger is None:
        return _end_own(macaroon, leak, reporter, clock.now())
    try:
        return ledger.end_leaked(macaroon, leak, reporter, clock.now())
    except CredentialInvalid:
        return False


def _end_own(macaroon: Macaroon, leak: Leak, reporter: str, now: datetime) -> bool:
    """End an API or robot token; a copy that somebody narrowed ends the whole, by whose key it is signed, too."""
    if len(macaroon.identifier) != authentication.ID_BYTES:
        return False
    token = Token.objects.filter(pk=uuid.UUID(bytes=macaroon.identifier)).first()
    if token is None or not _is_ours(token, macaroon):
        return False
    with transaction.atomic():
        ended = Token.objects.filter(pk=token.pk, revoked_at__isnull=True, expires_at__gt=now).update(
            revoked_at=now, revoked_reason=REASON
        )
        if not ended:
            return False
        services.count_change()
        audit.record(
            "robot-token.revoke" if token.is_robot else "token.revoke",
            by=job(JOB),
            about=services.thing_of(token),
            account_id=token.user_id,
            details=details_of(leak, reporter),
        )
        _tell(token, leak, now)
        faults.reach("leak.rows-written")
    return True


def _is_ours(token: Token, macaroon: Macaroon) -> bool:
    try:
        return is_signed_by(macaroon, services.key_of(token))
    except SealBrokenError:
        return False


def details_of(leak: Leak, reporter: str) -> dict[str, audit.Detail]:
    """Return what the audit log keeps of a finding; never the token."""
    return {"reason": REASON, "url": leak.url, "source": leak.source, "reported_by": reporter}


def _tell(token: Token, leak: Leak, now: datetime) -> None:
    kind = "robot token" if token.is_robot else "API token"
    letter = letters.leaked(
        kind, token.description, letters.Spot(leak.url, leak.source), letters.page_of(token)
    )
    for person in User.objects.filter(pk__in=queries.people_of(token)).order_by("pk"):
        emails.tell(person, letter, now=now)
