"""Reserving names and letting them go: one transaction, one audit record."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.safety.names import rules
from keyhouse.safety.names.errors import ReservationMissing, ReservationRefused
from keyhouse.safety.names.models import ReservedFor, ReservedName
from keyhouse.safety.names.rules import Pattern

LONGEST_REASON = 300


def reserve_name(pattern: str, usernames: Iterable[str] = (), reason: str = "", *, by: Actor) -> ReservedName:
    """Keep a name or a prefix for these people, or for nobody; once more replaces people and reason.

    Projects that are there already stay as they are. Raises ReservationRefused, also where a look-alike is reserved already,
    since only names as they are typed are kept from the upstream index; RoleRequired and what the gate raises.
    """
    wanted, reason = sorted(set(usernames)), reason.strip()
    with transaction.atomic():
        actions.require(by, "name.reserve", Thing("name", None, pattern))
        kept = _read(pattern)
        people = list(User.objects.filter(username__in=wanted, state=User.State.ACTIVE).order_by("pk"))
        if len(people) != len(wanted) or len(reason) > LONGEST_REASON or not reason.isprintable():
            raise ReservationRefused
        said = {"reason": reason, "reserved_at": clock.now(), "reserved_by": by.name[:150]}
        row, _ = ReservedName.objects.update_or_create(
            folded_name=kept.folded,
            is_prefix=kept.is_prefix,
            defaults=said,
            create_defaults={**said, "name": kept.name},
        )
        if row.name != kept.name:
            raise ReservationRefused(
                f"{row} is reserved already, and {pattern.strip()} looks like it.",
                fix=f"Nobody else can use a name that looks like it. Release {row} first where yours is the one that is meant.",
            )
        row.people.all().delete()
        ReservedFor.objects.bulk_create(ReservedFor(reserved=row, user=user) for user in people)
        record("name.reserve", by=by, about=_thing(row), details={"people": wanted, "reason": reason})
        faults.reach("name.rows-written")
    return row


def release_name(pattern: str, *, by: Actor) -> None:
    """Let a reserved name go. Raises ReservationMissing, RoleRequired and what the gate raises."""
    with transaction.atomic():
        actions.require(by, "name.release", Thing("name", None, pattern))
        kept = _read(pattern)
        rows = ReservedName.objects.select_for_update()
        row = rows.filter(folded_name=kept.folded, is_prefix=kept.is_prefix).first()
        if row is None:
            raise ReservationMissing
        record("name.release", by=by, about=_thing(row), details={"reason": row.reason})
        row.delete()
        faults.reach("name.rows-written")


def _read(pattern: str) -> Pattern:
    kept = rules.read_pattern(pattern.strip())
    if kept is None:
        raise ReservationRefused(fix=rules.meant_by(pattern.strip()))
    return kept


def _thing(row: ReservedName) -> Thing:
    return Thing("name", row.pk, str(row))
