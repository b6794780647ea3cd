"""Declaring what an organization asks of its people, asking for less, answering for that, and taking it back.

Each is one transaction that holds the organization's row and writes one audit record. To ask for more is at once on its way;
to ask for less waits, so that a thief who is one owner can't switch it off on the spot.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Max

from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit import services as audit
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actor import Actor
from keyhouse.mandate.by_organizations import letters, queries
from keyhouse.mandate.by_organizations.errors import (
    DeclarationApprovalRefused,
    DeclarationDayRefused,
    DeclarationMixed,
    DeclarationNotHeld,
    DeclarationNothing,
    DeclarationOver,
    DeclarationSame,
    DeclarationTooSoon,
    DeclarationWaits,
)
from keyhouse.mandate.by_organizations.models import Declaration
from keyhouse.mandate.calendars import Calendar
from keyhouse.mandate.declarations import (
    DECLARED,
    LOOSEN_AFTER,
    NOTICE,
    Change,
    Declared,
    Demand,
    change_to,
    holding,
    policy_of,
    without_superseded,
)
from keyhouse.mandate.facts import Asking
from keyhouse.mandate.models import Change as ChangeRow
from keyhouse.mandate.rules import is_accepted
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.changing import organization_to_change, person_of, thing_of
from keyhouse.organizations.models import Membership, Organization
from keyhouse.organizations.rules import OWNER

DECLARE: Final = "organization.declare-mandate"
LOOSEN: Final = "organization.loosen-mandate"
APPROVE: Final = "organization.approve-mandate"
KEEP: Final = "organization.keep-mandate"
FURTHEST: Final = timedelta(days=366)


def declare(name: str, demand: Demand, from_at: datetime, *, by: Actor) -> Declaration:
    """Ask for something of an organization's people, from an instant on; what would loosen waits, as `loosen` says.

    Raises DeclarationNotHeld, DeclarationTooSoon, DeclarationDayRefused, DeclarationSame, DeclarationMixed,
    DeclarationWaits, OrganizationMissing, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        organization = organization_to_change(name, DECLARE, by)
        present = _nothing_waiting(organization, now)
        change = change_to(demand, from_at, present, now)
        if change is None:
            raise DeclarationMixed
        if present and demand.text == present[-1].demand:
            raise DeclarationSame
        if change.is_loosening:
            actions.require(by, LOOSEN, thing_of(organization))
            return _loosen(organization, demand.text, change, by, now)
        _require_held(organization, demand, by, now)
        _check_day(from_at, now)
        row = _add(organization, demand.text, change, by, now)
        details: dict[str, audit.Detail] = {
            "demand": demand.text,
            "version": row.version,
            "from_at": clock.format_instant(from_at),
        }
        record(DECLARE, by=by, about=thing_of(organization), details=details)
        faults.reach("declaration.rows-written")
    return row


def lift(name: str, *, by: Actor) -> Declaration:
    """Ask for nothing any more, after a wait.

    Raises DeclarationNothing, DeclarationWaits, OrganizationMissing, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        organization = organization_to_change(name, LOOSEN, by)
        present = _nothing_waiting(organization, now)
        change = change_to(None, now, present, now)
        if change is None or not present:
            raise DeclarationNothing
        return _loosen(organization, "", change, by, now)


def approve(name: str, *, by: Actor) -> Declaration:
    """Answer for a loosening as a second owner; it is in effect at once. Whoever became an owner just now can't.

    Raises DeclarationOver, DeclarationApprovalRefused, OrganizationMissing, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        organization = organization_to_change(name, APPROVE, by)
        row = _waiting(organization, now)
        owned = Membership.objects.filter(organization=organization, user_id=person_of(by), kind=OWNER)
        is_settled = owned.filter(since_at__lte=now - LOOSEN_AFTER).exists()
        if by.kind != "session" or by.name == row.declared_by or not is_settled:
            raise DeclarationApprovalRefused
        row.begins_at, row.approved_by = now, by.name
        row.save(update_fields=["begins_at", "approved_by"])
        record(APPROVE, by=by, about=thing_of(organization), details=_details(row))
        owners = organizations.owners_of(organization)
        tell_others(owners, letters.approved(organization, row.demand, by.name), now)
        faults.reach("declaration.rows-written")
    return row


def keep(name: str, *, by: Actor) -> Declaration:
    """Take a loosening back that waits, as any owner.

    Raises DeclarationOver, OrganizationMissing, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        organization = organization_to_change(name, KEEP, by)
        row = _waiting(organization, now)
        row.withdrawn_at, row.withdrawn_by = now, by.name
        row.save(update_fields=["withdrawn_at", "withdrawn_by"])
        record(KEEP, by=by, about=thing_of(organization), details=_details(row))
        tell_others(organizations.owners_of(organization), letters.kept(organization, by.name), now)
        faults.reach("declaration.rows-written")
    return row


def _loosen(organization: Organization, demand: str, change: Change, by: Actor, now: datetime) -> Declaration:
    row = _add(organization, demand, change, by, now)
    record(LOOSEN, by=by, about=thing_of(organization), details=_details(row))
    letter = letters.loosening(organization, demand, row.begins_at, by.name)
    tell_others(organizations.owners_of(organization), letter, now)
    faults.reach("declaration.rows-written")
    return row


def _nothing_waiting(organization: Organization, now: datetime) -> Sequence[Declared]:
    """Return what is asked; raises DeclarationWaits."""
    if queries.find_waiting(organization, now) is not None:
        raise DeclarationWaits
    return without_superseded(holding(queries.declared_by(organization), now), now)


def _waiting(organization: Organization, now: datetime) -> Declaration:
    row = queries.find_waiting(organization, now)
    if row is None:
        raise DeclarationOver
    return row


def _require_held(organization: Organization, demand: Demand, by: Actor, now: datetime) -> None:
    """Raise DeclarationNotHeld unless whoever declares it holds it and has shown it in this session.

    So at least one owner can act once it is in force: whoever declares is one.
    """
    user = User.objects.get(pk=person_of(by))
    policy = policy_of(Declared(1, demand.text, False, now, now, now), organization.normalized_name)
    is_shown = is_accepted(policy.mandate, Asking.of(by.kind, by.strength))
    if not is_shown or not queries.is_met_by(user, demand, organization, now):
        raise DeclarationNotHeld


def _check_day(from_at: datetime, now: datetime) -> None:
    if not now + NOTICE <= from_at <= now + FURTHEST:
        raise DeclarationTooSoon
    objection = Calendar().objection(from_at)
    if objection:
        allowed = Calendar().next_allowed(from_at)
        raise DeclarationDayRefused(
            f"{Calendar.named(from_at)} is {objection}: nobody would be there to help.",
            fix=f"The next day that will do is {Calendar.named(allowed)}.",
        )


def _add(organization: Organization, demand: str, change: Change, by: Actor, now: datetime) -> Declaration:
    known = Declaration.objects.filter(organization=organization)
    ChangeRow.objects.bulk_create([ChangeRow(pk=DECLARED, value=1)], ignore_conflicts=True)
    return Declaration.objects.create(
        organization=organization,
        version=(known.aggregate(last=Max("version"))["last"] or 0) + 1,
        demand=demand,
        is_loosening=change.is_loosening,
        declared_at=now,
        declared_by=by.name,
        announced_at=change.announced_at,
        from_at=change.from_at,
        begins_at=now + LOOSEN_AFTER if change.is_loosening else now,
    )


def _details(row: Declaration) -> dict[str, audit.Detail]:
    begins = clock.format_instant(row.begins_at)
    return {"demand": row.demand, "version": row.version, "begins_at": begins}
