"""Changing and ending memberships. An organization always has an owner who can act.

Its row is locked by every one of these acts, so of two owners who end each other's role at once the later one sees that they
are the last. Whoever is out of an organization is out of its teams with the same statement.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import belongings, clock, faults
from keyhouse.core.actor import Actor
from keyhouse.organizations import letters, queries, rules
from keyhouse.organizations.changing import organization_to_change, person_of, thing_of
from keyhouse.organizations.errors import (
    MemberMissing,
    MembershipKindUnknown,
    OrganizationMissing,
    OrganizationOwnerLast,
)
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation

CHANGE: Final = "organization.change-role"
REMOVE: Final = "organization.remove-member"
LEAVE: Final = "organization.leave"


def change_kind(name: str, username: str, kind: str, *, by: Actor) -> Membership:
    """Give a member another role; the one they have changes nothing.

    Raises MembershipKindUnknown, MemberMissing, OrganizationOwnerLast, OrganizationMissing, RoleRequired and what the gate
    raises.
    """
    if kind not in rules.KINDS:
        raise MembershipKindUnknown
    with transaction.atomic():
        organization, member = _member_to_change(name, username, CHANGE, by)
        before, now = member.kind, clock.now()
        if kind == before:
            return member
        if before == rules.OWNER:
            require_other_owner(organization, member)
        told = {*queries.owners_of(organization), member.user_id}
        # what somebody holds since when counts for the grace of mandates: more of it is held since now
        if rules.is_higher(kind, before):
            member.since_at = now
        member.kind = kind
        member.save(update_fields=["kind", "since_at"])
        if before == rules.OWNER:
            _end_rights(organization, member.user_id)
        letter = letters.changed(organization, member.user.username, before, kind, by.name)
        tell_others(sorted(told), letter, now)
        _record(CHANGE, organization, member, by, before=before, after=kind)
        faults.reach("membership.ended")
    return member


def remove_member(name: str, username: str, *, by: Actor) -> None:
    """End somebody's membership, and with it all rights by the organization and its teams.

    Raises MemberMissing, OrganizationOwnerLast, OrganizationMissing, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        organization, member = _member_to_change(name, username, REMOVE, by)
        told = {*queries.owners_of(organization), member.user_id}
        _end(organization, member)
        letter = letters.removed(organization, member.user.username, by.name)
        tell_others(sorted(told), letter, clock.now())
        _record(REMOVE, organization, member, by, before=member.kind, after="")
        faults.reach("membership.ended")


def leave(name: str, *, by: Actor) -> None:
    """Leave an organization; never gated. Raises OrganizationOwnerLast, OrganizationMissing, RoleRequired."""
    with transaction.atomic():
        organization = organization_to_change(name, LEAVE, by)
        member = organization.members.select_related("user").filter(user_id=person_of(by)).first()
        if member is None:
            raise OrganizationMissing
        _end(organization, member)
        told = letters.left(organization, by.name, member.kind)
        tell_others(queries.owners_of(organization), told, clock.now())
        _record(LEAVE, organization, member, by, before=member.kind, after="")
        faults.reach("membership.ended")


def require_other_owner(organization: Organization, member: Membership) -> None:
    """Raise OrganizationOwnerLast where nobody else owns it who could act; the caller holds the lock of its row."""
    others = organization.members.filter(kind=rules.OWNER).exclude(pk=member.pk)
    closed = (User.State.SUSPENDED, User.State.DELETED)
    if member.kind == rules.OWNER and not others.exclude(user__state__in=closed).exists():
        raise OrganizationOwnerLast


def end_membership(organization: Organization, member: Membership) -> None:
    """End a membership and what hangs on it, in the caller's transaction, with the lock of the organization's row held."""
    Membership.objects.filter(pk=member.pk).delete()
    _end_rights(organization, member.user_id)


def _member_to_change(name: str, username: str, action: str, by: Actor) -> tuple[Organization, Membership]:
    user = find_user(username)
    organization = organization_to_change(name, action, by, user.pk if user else None)
    member = queries.find_member(organization, username)
    if member is None:
        raise MemberMissing
    return organization, member


def _end(organization: Organization, member: Membership) -> None:
    require_other_owner(organization, member)
    end_membership(organization, member)


def _end_rights(organization: Organization, user_id: int) -> None:
    """End what an owner offered, and let other features end what hung on the membership."""
    now = clock.now()
    offered = OrganizationInvitation.objects.filter(
        organization=organization, invited_by_id=user_id, ended_at=None
    )
    offered.update(ended_at=now, outcome=OrganizationInvitation.Outcome.REVOKED)
    belongings.leave_all(organization.pk, user_id, now)


def _record(  # noqa: PLR0913 - what an auditor asks
    action: str, organization: Organization, member: Membership, by: Actor, *, before: str, after: str
) -> None:
    told = {"user": member.user.username, "before": before, "after": after}
    record(action, by=by, about=thing_of(organization), account_id=member.user_id, details=told)
