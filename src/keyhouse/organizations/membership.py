"""Changing and ending memberships. An organization always has an owner who can act.

Its row is locked by every one of these acts, so of two owners who end each other's role at once the later one sees that they
are the last. Whoever is out of an organization is out of its teams with the same statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.holds import is_doubtful
from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import belongings, clock, configuration, faults, standing
from keyhouse.core.actor import Actor, job
from keyhouse.organizations import critical, letters, queries, rules, teams
from keyhouse.organizations.changing import (
    lock_people,
    organization_to_change,
    owner_ids,
    person_of,
    require_answerable,
    thing_of,
)
from keyhouse.organizations.errors import (
    MemberMissing,
    MembershipKindUnknown,
    OrganizationMissing,
    OrganizationOwnerLast,
)
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation, TeamMember

CHANGE: Final = "organization.change-role"
REMOVE: Final = "organization.remove-member"
LEAVE: Final = "organization.leave"
KEEP: Final = "organization.keep-member"
JOB: Final = "organizations"
NOTHING: Final = ""  # the role of whoever belongs to it no more
_CLOSED: Final = (User.State.SUSPENDED, User.State.DELETED)
_AS_BEFORE: Final = {"ends_at": None, "ends_as": "", "ends_asked_by": None, "ends_asked_by_name": ""}


def change_kind(name: str, username: str, kind: str, *, by: Actor) -> Membership:
    """Give a member another role; the one they have changes nothing. What lowers an owner may wait (`ends_at`).

    Raises MembershipKindUnknown, MemberMissing, OrganizationLeft, OrganizationOwnerLast, OrganizationMissing, RoleRequired
    and what the gate raises.
    """
    if kind not in rules.KINDS:
        raise MembershipKindUnknown
    with transaction.atomic():
        organization, member = _member_to_change(name, username, CHANGE, by)
        before, now = member.kind, clock.now()
        if kind == before:
            return member
        if rules.is_higher(kind, before):
            require_answerable(organization, by, now)
        require_other_owner(organization, member)
        if _waits(organization, member, kind, CHANGE, by, now):
            return member
        told = {*queries.owners_of(organization), member.user_id}
        _change(organization, member, kind, now)
        letter = letters.changed(organization, member.user.username, before, kind, by.name)
        tell_others(sorted(told), letter, now)
        _record(CHANGE, organization, member, by, before=before, after=kind)
        faults.reach("membership.ended")
    return member


def _change(organization: Organization, member: Membership, kind: str, now: datetime) -> None:
    before = member.kind
    # what somebody holds since when counts for the grace of mandates: more of it is held since now
    if rules.is_higher(kind, before):
        member.since_at = now
    was_owner = before == rules.OWNER
    with _ending_rights(organization, member.user_id) if was_owner else nullcontext():
        member.kind = kind
        member.save(update_fields=["kind", "since_at"])
        Membership.objects.filter(pk=member.pk).update(**_AS_BEFORE)


def remove_member(name: str, username: str, *, by: Actor) -> Membership | None:
    """End somebody's membership, and with it all rights by the organization and its teams; returns what waits, or None.

    Raises MemberMissing, OrganizationLeft, OrganizationOwnerLast, OrganizationMissing, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        organization, member = _member_to_change(name, username, REMOVE, by)
        if any(_is_living_owner_by(one, member) for one in member.teams.select_related("team")):
            require_answerable(organization, by, clock.now())
        require_other_owner(organization, member)
        if _waits(organization, member, NOTHING, REMOVE, by, clock.now()):
            return member
        told = {*queries.owners_of(organization), member.user_id}
        end_membership(organization, member)
        letter = letters.removed(organization, member.user.username, by.name)
        tell_others(sorted(told), letter, clock.now())
        _record(REMOVE, organization, member, by, before=member.kind, after="")
        faults.reach("membership.ended")
    return None


def _is_living_owner_by(found: TeamMember, member: Membership) -> bool:
    return critical.living_owners(found.team).filter(member=member).exists()


def keep_member(name: str, username: str, *, by: Actor) -> bool:
    """Take back the end of an owner's membership that waits; returns whether one did.

    Raises MemberMissing, OrganizationMissing, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        organization, member = _member_to_change(name, username, KEEP, by)
        if member.ends_at is None:
            return False
        Membership.objects.filter(pk=member.pk).update(**_AS_BEFORE)
        letter = letters.kept(organization, member.user.username, member.kind, by.name)
        tell_others(queries.owners_of(organization), letter, clock.now())
        _record(KEEP, organization, member, by, before=member.kind, after=member.kind)
    return True


def leave(name: str, *, by: Actor) -> None:
    """Leave an organization; never gated. Raises OrganizationOwnerLast, OrganizationMissing, RoleRequired."""
    with transaction.atomic():
        organization = organization_to_change(name, LEAVE, by)
        member = organization.members.select_related("user").filter(user_id=person_of(by)).first()
        if member is None:
            raise OrganizationMissing
        require_other_owner(organization, member)
        end_membership(organization, member)
        told = letters.left(organization, by.name, member.kind)
        tell_others(queries.owners_of(organization), told, clock.now())
        _record(LEAVE, organization, member, by, before=member.kind, after="")
        faults.reach("membership.ended")


def require_other_owner(organization: Organization, member: Membership) -> None:
    """Raise OrganizationOwnerLast where nobody else owns it who could act; the caller holds the lock of its row."""
    others = organization.members.filter(kind=rules.OWNER).exclude(pk=member.pk)
    if member.kind == rules.OWNER and not others.exclude(user__state__in=_CLOSED).exists():
        raise OrganizationOwnerLast


def end_membership(organization: Organization, member: Membership) -> None:
    """End a membership and what hangs on it, in the caller's transaction, with the lock of the organization's row held."""
    with _ending_rights(organization, member.user_id):
        Membership.objects.filter(pk=member.pk).delete()


def _member_to_change(name: str, username: str, action: str, by: Actor) -> tuple[Organization, Membership]:
    user = queries.find_account(username)
    organization = organization_to_change(name, action, by, user.pk if user else None)
    member = queries.find_member(organization, username)
    if member is None:
        raise MemberMissing
    return organization, member


def _waits(  # noqa: PLR0913, PLR0917 - what waits, and who asked for it
    organization: Organization, member: Membership, kind: str, action: str, by: Actor, now: datetime
) -> bool:
    """Put off what takes an owner out where many depend on a project (A15); asked again by whom one can trust, it goes on."""
    if not _takes_an_owner_out(organization, member, kind, by):
        return False
    if member.ends_at is not None and member.ends_as == kind and not is_doubtful(member.ends_asked_by, now):
        return True
    due_at = now + timedelta(days=configuration.current().owner_removal_days)
    if due_at <= now:
        return False
    _put_off(organization, member, kind, due_at, (by.user_id, by.name), now)
    told = {"user": member.user.username, "before": member.kind, "after": kind}
    told["due_at"] = clock.format_instant(due_at)
    record(action, by=by, about=thing_of(organization), account_id=member.user_id, details=dict(told))
    return True


def _put_off(  # noqa: PLR0913, PLR0917 - what waits, and who asked for it
    organization: Organization,
    member: Membership,
    kind: str,
    due_at: datetime,
    asked_by: tuple[int | None, str],
    now: datetime,
) -> None:
    member.ends_at, member.ends_as = due_at, kind
    member.ends_asked_by_id, member.ends_asked_by_name = asked_by
    member.save(update_fields=list(_AS_BEFORE))
    letter = letters.will_end(organization, member.user.username, kind, asked_by[1], due_at)
    tell_others(sorted({*queries.owners_of(organization), member.user_id}), letter, now)


def hand_over(organization: Organization, to: Membership, by_id: int, now: datetime) -> None:
    """Let the owner who handed the organization over go, as the new one has accepted; in the caller's transaction.

    Where many depend on a project of it, that waits as any other end of an owner does.
    """
    owners = organization.members.filter(user_id=by_id, kind=rules.OWNER).exclude(pk=to.pk)
    member = owners.select_related("user").first()
    if member is None:
        return
    due_at = now + timedelta(days=configuration.current().owner_removal_days)
    if due_at > now and _has_critical_project(organization):
        _put_off(organization, member, NOTHING, due_at, (by_id, member.user.username), now)
        return
    end_membership(organization, member)
    letter = letters.handed_over(organization, member.user.username)
    tell_others(sorted({*queries.owners_of(organization), by_id}), letter, now)


def _takes_an_owner_out(organization: Organization, member: Membership, kind: str, by: Actor) -> bool:
    """Tell whether somebody would be an owner of a critical project no more, by the organization or by a team of it."""
    if member.kind == rules.OWNER:
        return _has_critical_project(organization)
    return kind == NOTHING and member.user_id != by.user_id and critical.is_owner_by_team(member)


def _has_critical_project(organization: Organization) -> bool:
    names = organization.projects.values_list("normalized_name", flat=True)
    return any(standing.is_critical(name) for name in names)


def carry_out_due(now: datetime) -> int:
    """End and lower the memberships whose wait is over; returns how many. Twice, or by two at once, does no harm.

    Where the account of whoever asked is on hold, frozen or suspended by now, it waits on.
    """
    due = Membership.objects.filter(ends_at__lte=now).order_by("ends_at", "pk")
    found = list(due.values_list("pk", "organization__normalized_name", "user_id", "ends_asked_by_id"))
    return sum(_carry_out(pk, name, people, now) for pk, name, *people in found)


def _carry_out(member_id: int, name: str, people: Sequence[int | None], now: datetime) -> bool:
    with transaction.atomic():
        lock_people([*owner_ids(name), *people])
        organization = queries.lock_organization(name)
        waiting = Membership.objects.select_related("user").filter(pk=member_id, ends_at__lte=now)
        member = waiting.filter(organization=organization).first()
        if organization is None or member is None or is_doubtful(member.ends_asked_by, now):
            return False
        owners = set(queries.owners_of(organization))
        others = User.objects.filter(pk__in=owners - {member.user_id}).exclude(state__in=_CLOSED)
        if member.kind == rules.OWNER and not others.exists():
            _keep_sole_owner(organization, member, owners, now)
        else:
            _end_or_lower(organization, member, owners, now)
    return True


def _keep_sole_owner(organization: Organization, member: Membership, owners: set[int], now: datetime) -> None:
    Membership.objects.filter(pk=member.pk).update(**_AS_BEFORE)
    who, kind = member.user.username, member.kind
    tell_others(owners, letters.kept(organization, who, kind, "this index, as nobody else owns it"), now)
    _record(KEEP, organization, member, job(JOB), before=kind, after=kind)


def _end_or_lower(organization: Organization, member: Membership, owners: set[int], now: datetime) -> None:
    who, before, after, asked = member.user.username, member.kind, member.ends_as, member.ends_asked_by_name
    if after:
        _change(organization, member, after, now)
        letter = letters.changed(organization, who, before, after, asked)
    else:
        end_membership(organization, member)
        letter = letters.removed(organization, who, asked)
    tell_others(sorted(owners | {member.user_id}), letter, now)
    _record(CHANGE if after else REMOVE, organization, member, job(JOB), before=before, after=after)
    faults.reach("membership.ended")


def take_back_asked_by(user_id: int, organization: Organization | None = None) -> None:
    """Let ends of memberships, and of places in teams, not come that somebody asked for who may ask for none any more."""
    teams.take_back_asked_by(user_id, organization)
    asked = Membership.objects.filter(ends_asked_by_id=user_id)
    if organization is not None:
        asked = asked.filter(organization=organization)
    asked.update(**_AS_BEFORE)


@contextmanager
def _ending_rights(organization: Organization, user_id: int) -> Iterator[None]:
    """End with a membership what its owner offered, and let other features end what hung on it and remember what it gave."""
    now = clock.now()
    with belongings.leaving_all(organization.pk, frozenset({user_id}), now):
        yield
    offered = OrganizationInvitation.objects.filter(
        organization=organization, invited_by_id=user_id, ended_at=None
    )
    offered.update(ended_at=now, outcome=OrganizationInvitation.Outcome.REVOKED)
    take_back_asked_by(user_id, organization)


def _record(  # noqa: PLR0913 - what an auditor asks
    action: str, organization: Organization, member: Membership, by: Actor, *, before: str, after: str
) -> None:
    told = {"user": member.user.username, "before": before, "after": after}
    record(action, by=by, about=thing_of(organization), account_id=member.user_id, details=told)
