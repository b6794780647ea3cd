"""Laying down what one owns alone (S6): whoever doesn't want to look after it any more needs nobody for that, and no factor.

It waits a week, told to everybody concerned, so that a thief with a password breaks nothing unseen. Then the role ends, and
what has no owner is archived. Nobody becomes an owner by it; operators can look for one where two of them agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.holds import is_doubtful
from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others, tell_person
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job
from keyhouse.mail.letters import Letter
from keyhouse.mandate.exits import letters
from keyhouse.mandate.exits.errors import LaidDownOver, OwnedByOthers
from keyhouse.mandate.exits.letters import Archived
from keyhouse.mandate.exits.models import LayingDown
from keyhouse.mandate.exits.scope import tell_after
from keyhouse.organizations import membership
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.changing import lock_people, organization_to_change, owner_ids, person_of
from keyhouse.organizations.errors import OrganizationMissing, OrganizationOwnerLast
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects import queries as projects
from keyhouse.projects import rights
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators import ending, locking
from keyhouse.projects.collaborators.models import FormerRole
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.life_cycle.services import archive_in
from keyhouse.projects.models import Project, Role
from keyhouse.projects.rules import DEPRECATED, OWNER, QUARANTINED

LAY_DOWN: Final = "collaborator.lay-down"
LAY_DOWN_ORGANIZATION: Final = "organization.lay-down"
WAIT: Final = timedelta(days=7)
JOB: Final = "exits"
REASON: Final = "Its only owner has stepped down."
_PROJECT, _ORGANIZATION = LayingDown.Kind.PROJECT, LayingDown.Kind.ORGANIZATION


# ---- projects


def lay_down(name: str, *, by: Actor) -> LayingDown:
    """Give up a project that one owns alone, a week from now; a second time changes nothing.

    Never gated. Raises OwnedByOthers, ProjectNotFound, RoleRequired, SignInRequired.
    """
    now = clock.now()
    with transaction.atomic():
        project, role = _own_project(name, by)
        if ending.has_other_owner(project, role):
            raise OwnedByOthers
        return _begin(_PROJECT, project.normalized_name, str(project.lineage), role.user, by, now)


def take_up(name: str, *, by: Actor) -> None:
    """Take back giving a project up. Raises LaidDownOver and as `lay_down`."""
    now = clock.now()
    with transaction.atomic():
        project, role = _own_project(name, by)
        _take_back(_PROJECT, str(project.lineage), role.user, by, now)


def _own_project(name: str, by: Actor) -> tuple[Project, Role]:
    locking.lock_people(locking.people_to_lock(name, by.user_id))
    project = projects.lock_project(name)
    actions.require(by, LAY_DOWN, thing_of(project) if project else Thing("project", None, name))
    mine = Role.objects.filter(project=project, user_id=by.user_id or 0, kind=OWNER).select_related("user")
    role = mine.first() if project else None
    if project is None or role is None:
        raise ProjectNotFound("You don't own this project by a role of your own.")
    return project, role


# ---- organizations


def lay_down_organization(name: str, *, by: Actor) -> LayingDown:
    """Give up an organization that one owns alone, a week from now; a second time changes nothing.

    Never gated. Raises OwnedByOthers, OrganizationMissing, RoleRequired, SignInRequired.
    """
    now = clock.now()
    with transaction.atomic():
        organization, member = _own_organization(name, by)
        if not _is_last(organization, member):
            raise OwnedByOthers
        return _begin(_ORGANIZATION, organization.normalized_name, str(organization.pk), member.user, by, now)


def take_up_organization(name: str, *, by: Actor) -> None:
    """Take back giving an organization up. Raises LaidDownOver and as `lay_down_organization`."""
    now = clock.now()
    with transaction.atomic():
        organization, member = _own_organization(name, by)
        _take_back(_ORGANIZATION, str(organization.pk), member.user, by, now)


def _own_organization(name: str, by: Actor) -> tuple[Organization, Membership]:
    organization = organization_to_change(name, LAY_DOWN_ORGANIZATION, by)
    mine = organization.members.filter(user_id=person_of(by), kind=Membership.Kind.OWNER)
    member = mine.select_related("user").first()
    if member is None:
        raise OrganizationMissing
    return organization, member


def _is_last(organization: Organization, member: Membership) -> bool:
    try:
        membership.require_other_owner(organization, member)
    except OrganizationOwnerLast:
        return True
    return False


# ---- both


def _begin(  # noqa: PLR0913, PLR0917 - the columns of the row
    kind: LayingDown.Kind, name: str, key: str, user: User, by: Actor, now: datetime
) -> LayingDown:
    row, is_new = LayingDown.objects.get_or_create(
        kind=kind,
        key=key,
        user=user,
        defaults={"normalized_name": name, "asked_at": now, "due_at": now + WAIT},
    )
    if is_new:
        _tell(row, letters.will_be_laid_down(row), now)
        _record(row, by, due_at=clock.format_instant(row.due_at))
    return row


def _take_back(kind: LayingDown.Kind, key: str, user: User, by: Actor, now: datetime) -> None:
    row = LayingDown.objects.filter(kind=kind, key=key, user=user).select_related("user").first()
    if row is None:
        raise LaidDownOver
    _tell(row, letters.taken_up(row), now)
    _record(row, by, kept=True)
    row.delete()


def _tell(row: LayingDown, letter: Letter, now: datetime) -> None:
    """Tell the owner at every address, with the link by which a thief is stopped, and everybody else who is in it."""
    tell_person(row.user, letter, now)
    tell_others(_people(row) - {row.user_id}, letter, now)


def _people(row: LayingDown) -> set[int]:
    if row.kind == _PROJECT:
        return set(rights.people_named(row.normalized_name))
    members = Membership.objects.filter(organization__normalized_name=row.normalized_name)
    return set(members.values_list("user_id", flat=True))


def _record(row: LayingDown, by: Actor, **details: str | bool) -> None:
    action = LAY_DOWN if row.kind == _PROJECT else LAY_DOWN_ORGANIZATION
    number = _number_of(row)
    about = Thing(row.kind, number, row.normalized_name)
    told = {"user": row.user.username, **details}
    record(action, by=by, about=about, account_id=row.user_id, details=dict(told))


def _number_of(row: LayingDown) -> int | None:
    if row.kind == _ORGANIZATION:
        return int(row.key)
    found = Project.objects.filter(normalized_name=row.normalized_name)
    return found.values_list("pk", flat=True).first()


def disown(user_id: int, since: datetime) -> int:
    """Forget what was laid down from an account since then, as it may have been whoever was in it; returns how many."""
    return LayingDown.objects.filter(user_id=user_id, asked_at__gte=since).delete()[0]


# ---- when its instant has come


def carry_out_due(now: datetime) -> int:
    """End the roles whose week is over and archive what has no owner then; returns how many.

    Twice, or by two at once, does no harm. While the account is on hold, frozen or suspended, or the project in
    quarantine, it waits on.
    """
    due = LayingDown.objects.filter(due_at__lte=now).order_by("due_at", "pk")
    return sum(_carry_out(row, now) for row in list(due))


def _carry_out(row: LayingDown, now: datetime) -> bool:
    with transaction.atomic():
        act = _end_project if row.kind == _PROJECT else _end_membership
        return act(row, now)


def _end_project(row: LayingDown, now: datetime) -> bool:
    locking.lock_people(locking.people_to_lock(row.normalized_name, row.user_id))
    project = projects.lock_project(row.normalized_name)
    found = _find_due(row, now)
    if found is None or (project is not None and project.status == QUARANTINED):
        return False
    told = _people(found) - {found.user_id}
    LayingDown.objects.filter(pk=found.pk).delete()
    if project is None or str(project.lineage) != found.key:
        return True  # deleted meanwhile, perhaps begun anew
    role = Role.objects.filter(project=project, user_id=found.user_id).select_related("user").first()
    if role is None:
        return True
    is_alone = not ending.has_other_owner(project, role)
    by = job(JOB)
    archived = _archive([project] if is_alone else [])
    ending.end_role(project, role, ending.NOTHING, FormerRole.How.LEFT, found.user_id, now)
    _finish(found, told, archived, by, now)
    return True


def _end_membership(row: LayingDown, now: datetime) -> bool:
    lock_people([*owner_ids(row.normalized_name), row.user_id])
    # projects before organizations, as everywhere
    held = list(
        Project.objects.select_for_update()
        .filter(organization__normalized_name=row.normalized_name)
        .order_by("pk")
    )
    organization = organizations.lock_organization(row.normalized_name)
    found = _find_due(row, now)
    if found is None:
        return False
    told = _people(found) - {found.user_id}
    LayingDown.objects.filter(pk=found.pk).delete()
    if organization is None or str(organization.pk) != found.key:
        return True
    member = organization.members.filter(user_id=found.user_id).select_related("user").first()
    if member is None:
        return True
    membership.end_membership(organization, member)
    archived = _archive(one for one in held if not _has_owner(one))
    _finish(found, told, archived, job(JOB), now)
    return True


def _archive(held: Iterable[Project]) -> tuple[Archived, ...]:
    """Archive these locked projects, and return those that were not archived."""
    before = [(one, one.status == DEPRECATED) for one in held]
    return tuple(
        Archived(one.name, was_deprecated) for one, was_deprecated in before if archive_in(one, REASON)
    )


def _has_owner(project: Project) -> bool:
    owners = User.objects.filter(pk__in=rights.owners_of(project.pk))
    return owners.exclude(state__in=(User.State.SUSPENDED, User.State.DELETED)).exists()


def _find_due(row: LayingDown, now: datetime) -> LayingDown | None:
    """Return the row as it stands under the locks, or None: taken back, or somebody has to find out first who asked."""
    found = LayingDown.objects.filter(pk=row.pk, due_at__lte=now).select_related("user").first()
    if found is None or is_doubtful(found.user, now):
        return None
    return found


def _finish(
    row: LayingDown, told: set[int], archived: tuple[Archived, ...], by: Actor, now: datetime
) -> None:
    undeprecated = ", ".join(one.name for one in archived if one.was_deprecated)
    more = {"undeprecated": undeprecated} if undeprecated else {}
    _record(row, by, is_done=True, archived=", ".join(one.name for one in archived), **more)
    tell_others(told, letters.laid_down(row, archived), now)
    tell_after(row.user, f"the {row.kind} {row.normalized_name}", now)
    faults.reach("exit.laid-down")
