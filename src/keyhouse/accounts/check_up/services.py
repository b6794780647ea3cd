"""Asking, putting off, reporting what is lost, and closing check-ups.

Whoever is asked, and how it ended, is not audited: the rows are the ledger, as with notices. What people do is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts.check_up import queries, rules
from keyhouse.accounts.check_up.errors import CheckUpOver, CheckUpPutOff
from keyhouse.accounts.errors import SecondFactorMissing
from keyhouse.accounts.models import CheckUp, User
from keyhouse.audit.services import record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

ANSWER: Final = "second-factor.check-up"
AT_ONCE: Final = 500


def ask_due(now: datetime) -> int:
    """Ask whoever enrolled some weeks ago, once; returns how many. Raises DatabaseError.

    Whoever used theirs a moment before gets a row as well, and is not asked: so nobody is looked at a second time.
    """
    found = queries.to_ask(now, AT_ONCE)
    methods = queries.methods_of([user_id for user_id, _ in found])
    rows = [_asked(user_id, enrolled, methods.get(user_id, []), now) for user_id, enrolled in found]
    CheckUp.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _asked(user_id: int, enrolled: datetime, methods: list[rules.Method], now: datetime) -> CheckUp:
    is_in_use = rules.is_in_use(methods, enrolled)
    return CheckUp(
        user_id=user_id,
        enrolled_at=enrolled,
        asked_at=now,
        outcome=CheckUp.Outcome.USED if is_in_use else "",
        ended_at=now if is_in_use else None,
    )


def close_due(now: datetime) -> int:
    """Close what was answered, or wasn't for long; returns how many. Raises DatabaseError."""
    found = queries.to_close(now, AT_ONCE)
    methods = queries.methods_of([row.user_id for row in found])
    closed = 0
    for row in found:
        told = rules.outcome(methods.get(row.user_id, []), row.asked_at, queries.reported_in(row), now)
        if told:
            mine = CheckUp.objects.filter(pk=row.pk, ended_at=None, reported=row.reported)
            closed += mine.update(outcome=told, ended_at=now)
    return closed


def put_off(*, by: Actor, now: datetime) -> CheckUp:
    """Have oneself asked again a week later, twice at most. Raises CheckUpOver, CheckUpPutOff."""
    with transaction.atomic():
        standing = _locked(by, now)
        if not standing.may_put_off:
            raise CheckUpPutOff
        row = standing.row
        row.later_count, row.later_until = row.later_count + 1, now + rules.LATER
        row.save(update_fields=["later_count", "later_until"])
        _record(row, by, {"later_until": clock.format_instant(row.later_until)})
    return row


def report_lost(key: str, *, by: Actor, now: datetime) -> CheckUp:
    """Say of one's factor that it can't be used any more; nothing is switched off by that.

    Removing it, and adding another, stay what they are, with their proofs. Raises CheckUpOver, SecondFactorMissing.
    """
    with transaction.atomic():
        standing = _locked(by, now)
        found = next((one for one in standing.methods if one.key == key), None)
        if found is None:
            raise SecondFactorMissing
        row = standing.row
        if key not in row.reported:
            row.reported = {**row.reported, key: clock.format_instant(now)}
            row.later_until = None
            row.save(update_fields=["reported", "later_until"])
            _record(row, by, {"lost": found.name, "kind": found.kind})
    return row


def _locked(by: Actor, now: datetime) -> queries.Standing:
    """Return the open check-up of whoever acts, with their account's lock held."""
    actions.require(by, ANSWER)
    User.objects.select_for_update().filter(pk=by.user_id or 0).first()
    standing = queries.find_standing(by.user_id or 0, now)
    if standing is None or standing.is_answered:
        raise CheckUpOver
    return standing


def _record(row: CheckUp, by: Actor, details: dict[str, str]) -> None:
    record(
        ANSWER, by=by, about=Thing("account", row.user_id, by.name), account_id=row.user_id, details=details
    )
