"""Ending and lowering roles: removing, stepping down, handing over. A project always has an owner.

Whoever takes an owner out tells all owners by it; of a critical project it waits, so that a thief who is alone in one
account doesn't take it from the others unseen. Until then the person themselves or any owner takes it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.holds import is_doubtful
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, configuration, faults, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job
from keyhouse.projects import queries as projects
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators import ending_letters as letters
from keyhouse.projects.collaborators import locking, queries, rules
from keyhouse.projects.collaborators.errors import CollaboratorMissing, OwnerLast, RoleUnknown
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation, RoleChange
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project, Role
from keyhouse.projects.rules import MAINTAINER, OWNER, QUARANTINED

CHANGE: Final = "collaborator.change-role"
REMOVE: Final = "collaborator.remove"
KEEP: Final = "collaborator.keep"
LEAVE: Final = "collaborator.leave"
JOB: Final = "collaborators"
NOTHING: Final = ""  # the role of whoever has none
How = FormerRole.How


def lower_role(name: str, username: str, *, by: Actor) -> RoleChange | None:
    """Make an owner a maintainer; returns what waits, or None where it is done. Raises as `remove_role`."""
    return _take_from(name, username, MAINTAINER, CHANGE, by)


def remove_role(name: str, username: str, *, by: Actor) -> RoleChange | None:
    """End somebody's role in a project; returns what waits, or None where it is done.

    Raises CollaboratorMissing, OwnerLast, ProjectNotFound, ProjectQuarantined, RoleRequired and what the gate raises.
    """
    return _take_from(name, username, NOTHING, REMOVE, by)


def _take_from(name: str, username: str, kind: str, action: str, by: Actor) -> RoleChange | None:
    now = clock.now()
    with transaction.atomic():
        project = locking.lock_project(name, action, by)
        role = queries.find_role(project, username)
        if role is None:
            raise CollaboratorMissing
        if not rules.is_higher(role.kind, kind or None):
            return None
        require_other_owner(project, role)
        due_at = _due_at(project, role, now)
        if due_at > now:
            return _wait(project, role, kind, due_at, action, by)
        _end(project, role, kind, by, now)
        _record(action, project, role, kind, by)
    return None


def keep_role(name: str, username: str, *, by: Actor) -> bool:
    """Take back what waits for somebody's role, as any owner may, also the one whom it is about.

    Returns whether there was anything. Raises as `remove_role`.
    """
    with transaction.atomic():
        project = locking.lock_project(name, KEEP, by)
        role = queries.find_role(project, username)
        if role is None:
            raise CollaboratorMissing
        is_kept = bool(RoleChange.objects.filter(project=project, user_id=role.user_id).delete()[0])
        if is_kept:
            tell_others(
                queries.owners_of(project), letters.kept(project, role.user.username, by.name), clock.now()
            )
            _record(KEEP, project, role, role.kind, by)
    return is_kept


def leave(name: str, kind: str = NOTHING, *, by: Actor) -> None:
    """Give up one's own role, or as an owner become a maintainer; never gated, and open in quarantine, too.

    A second time it changes nothing while another role is left. Raises OwnerLast, RoleUnknown, RoleRequired.
    """
    if kind not in {NOTHING, MAINTAINER}:
        raise RoleUnknown
    now = clock.now()
    with transaction.atomic():
        locking.lock_people(locking.people_to_lock(name, by.user_id))
        project = projects.lock_project(name)
        actions.require(by, LEAVE, thing_of(project) if project else Thing("project", None, name))
        role = (
            None if project is None else Role.objects.filter(project=project, user_id=by.user_id or 0).first()
        )
        if project is None or role is None:
            raise ProjectNotFound("You have no role of your own in this project.")
        if not rules.is_higher(role.kind, kind or None):
            return
        require_other_owner(project, role)
        end_role(project, role, kind, How.LEFT, by.user_id, now)
        tell_others(queries.owners_of(project), letters.left(project, by.name, role.kind, kind), now)
        _record(LEAVE, project, role, kind, by)


def hand_over(project: Project, to: Role, by_id: int, now: datetime) -> None:
    """Let the owner who handed the project over go, as the new one has accepted; in the caller's transaction.

    Of a critical project that waits as any other end of an owner does.
    """
    role = Role.objects.filter(project=project, user_id=by_id, kind=OWNER).select_related("user").first()
    if role is None or role.pk == to.pk:
        return
    due_at = _due_at(project, role, now)
    if due_at > now:
        _put_off(project, role, NOTHING, due_at, role.user_id, role.user.username, now)
        return
    end_role(project, role, NOTHING, How.HANDED_OVER, role.user_id, now)


def carry_out_due(now: datetime) -> int:
    """End and lower the roles whose wait is over; returns how many. Twice, or by two at once, does no harm.

    Where the project is in quarantine, or the account of whoever asked is on hold, frozen or suspended by now, it waits on.
    """
    due = RoleChange.objects.filter(due_at__lte=now).order_by("due_at", "pk")
    return sum(
        _carry_out(pk, name, now) for pk, name in list(due.values_list("pk", "project__normalized_name"))
    )


def _carry_out(change_id: int, name: str, now: datetime) -> bool:
    by = job(JOB)
    with transaction.atomic():
        locking.lock_people(locking.people_to_lock(name))
        project = projects.lock_project(name)
        change = RoleChange.objects.filter(pk=change_id, project=project, due_at__lte=now).first()
        if (
            project is None
            or change is None
            or project.status == QUARANTINED
            or is_doubtful(change.asked_by, now)
        ):
            return False
        role = Role.objects.filter(project=project, user_id=change.user_id).select_related("user").first()
        change.delete()
        if role is None or not rules.is_higher(role.kind, change.kind or None):
            return True
        action = CHANGE if change.kind else REMOVE
        if not has_other_owner(project, role):
            told = letters.stays(project, role.user.username)
            tell_others(queries.owners_of(project), told, now)
            _record(action, project, role, role.kind, by, code=OwnerLast.code)
            return True
        how = How.LOWERED if change.kind else How.REMOVED
        end_role(project, role, change.kind, how, change.asked_by_id, now)
        told = letters.ended(project, role.user.username, change.kind, change.asked_by_name)
        tell_others({*queries.owners_of(project), role.user_id}, told, now)
        _record(action, project, role, change.kind, by, is_done=True)
        faults.reach("role.ended")
    return True


def require_other_owner(project: Project, role: Role) -> None:
    """Raise OwnerLast where nobody else owns the project who could act; the caller holds the locks of all of them."""
    if not has_other_owner(project, role):
        raise OwnerLast


def has_other_owner(project: Project, role: Role) -> bool:
    """Tell whether somebody else owns the project who could act; also where the role is none of an owner."""
    return role.kind != OWNER or bool(queries.owned_without(role.user_id, [project]))


def end_role(  # noqa: PLR0913, PLR0917 - what is remembered of it
    project: Project, role: Role, kind: str, how: str, by_id: int | None, now: datetime
) -> None:
    """End a role or lower it to `kind`, and remember it; what its owner gave out in the project ends with it.

    In the caller's transaction, with the lock of the project's row held; whether an owner is left is the caller's to ask.
    """
    remember(project, role, how, by_id, now)
    RoleChange.objects.filter(project=project, user_id=role.user_id).delete()
    if kind:
        Role.objects.filter(pk=role.pk).update(kind=kind, since_at=role.since_at)
    else:
        Role.objects.filter(pk=role.pk).delete()
    if how == How.LEFT:
        return  # whoever steps down of their own may leave invitations behind them
    given = ProjectInvitation.objects.filter(project=project, invited_by_id=role.user_id, ended_at=None)
    given.update(ended_at=now, outcome=ProjectInvitation.Outcome.REVOKED)
    RoleChange.objects.filter(project=project, asked_by_id=role.user_id).delete()


def remember(project: Project, role: Role, how: str, by_id: int | None, now: datetime) -> None:
    """Write down a role that ends or changes, by the project's lineage."""
    FormerRole.objects.create(
        lineage=project.lineage,
        normalized_name=project.normalized_name,
        user_id=role.user_id,
        kind=role.kind,
        since_at=role.since_at,
        ended_at=now,
        how=how,
        ended_by_id=by_id,
    )


def _due_at(project: Project, role: Role, now: datetime) -> datetime:
    """Return when the end of a role takes effect: of an owner of a critical project after a wait, whoever asks (A15)."""
    if role.kind != OWNER or not standing.is_critical(project.normalized_name):
        return now
    return now + timedelta(days=configuration.current().owner_removal_days)


def _wait(  # noqa: PLR0913, PLR0917 - what waits, and who asked for it
    project: Project, role: Role, kind: str, due_at: datetime, action: str, by: Actor
) -> RoleChange:
    waiting = RoleChange.objects.filter(project=project, user_id=role.user_id, kind=kind).first()
    if waiting is not None and not is_doubtful(waiting.asked_by, clock.now()):
        return waiting
    change = _put_off(project, role, kind, due_at, by.user_id, by.name, clock.now())
    _record(action, project, role, kind, by, due_at=clock.format_instant(due_at))
    return change


def _put_off(  # noqa: PLR0913, PLR0917 - the columns of the row
    project: Project, role: Role, kind: str, due_at: datetime, by_id: int | None, by_name: str, now: datetime
) -> RoleChange:
    asked = {"asked_by_id": by_id, "asked_by_name": by_name, "asked_at": now, "due_at": due_at}
    change, _ = RoleChange.objects.update_or_create(
        project=project, user_id=role.user_id, defaults={"kind": kind, **asked}
    )
    told = letters.will_end(project, role.user.username, kind, by_name, due_at)
    tell_others(queries.owners_of(project), told, now)
    return change


def _end(project: Project, role: Role, kind: str, by: Actor, now: datetime) -> None:
    told = {*queries.owners_of(project), role.user_id}
    end_role(project, role, kind, How.LOWERED if kind else How.REMOVED, by.user_id, now)
    tell_others(told, letters.ended(project, role.user.username, kind, by.name), now)
    faults.reach("role.ended")


def _record(  # noqa: PLR0913 - what an auditor asks
    action: str, project: Project, role: Role, kind: str, by: Actor, *, code: str = "", **details: str | bool
) -> None:
    told = {"user": role.user.username, "before": role.kind, "after": kind, **details}
    record(action, by=by, about=thing_of(project), account_id=role.user_id, details=told, code=code)
