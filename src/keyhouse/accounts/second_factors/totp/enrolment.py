"""Setting up an authenticator app in a session: the secret waits, sealed, until its first code."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from keyhouse.accounts.drafts import change_draft, read_draft
from keyhouse.accounts.errors import EnrolmentMissing
from keyhouse.accounts.models import Authenticator, Session
from keyhouse.accounts.second_factors.totp import rules
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import lock_session, prove
from keyhouse.core.actor import Actor


def begin_enrolment(session: Session) -> bytes:
    """Return the secret that waits in this session, making one where there is none."""
    kept = read_draft(session).get("totp")
    if kept:
        return rules.decode_secret(kept)
    with transaction.atomic():
        kept = read_draft(lock_session(session)).get("totp") or rules.encode_secret(rules.new_secret())
        change_draft(session, totp=kept)
    return rules.decode_secret(kept)


def finish_enrolment(
    session: Session, typed: str, *, name: str, by: Actor, now: datetime
) -> tuple[Authenticator, str]:
    """Enrol the waiting app by its first code; returns it and the session's new cookie value.

    The session has proven the app by that; all other sessions of the account end. The code counts as used.
    Raises EnrolmentMissing (also for the second of two clicks), CodeWrong, ClockOff, SecondFactorsMany.
    """
    with transaction.atomic():
        kept = read_draft(lock_session(session)).get("totp")
        if not kept:
            raise EnrolmentMissing
        secret = rules.decode_secret(kept)
        accepted = rules.verify(secret, typed, now, 0)
        authenticator = enrol_authenticator(
            session.user, secret, by=by, name=name, last_step=accepted.step, at=now
        )
        change_draft(session, totp=None)
        value = prove(session, ["totp"], now=now)
    return authenticator, value
