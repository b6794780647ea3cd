"""Undoing what was given out from an account while it was in somebody else's hands."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Q

from keyhouse.audit.services import record
from keyhouse.core.actor import job
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators import queries
from keyhouse.projects.collaborators.ending import JOB, NOTHING, REMOVE, end_role
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation, RoleChange
from keyhouse.projects.models import Project, Role, TeamRole
from keyhouse.projects.rules import OWNER

How = FormerRole.How
_OWN_ACTS: Final = (How.LEFT, How.HANDED_OVER)


def disown(user_id: int, since: datetime, now: datetime) -> int:
    """End the invitations, roles and removals that this account gave out since an instant; returns how many.

    In the transaction that recovers the account, whose row is locked. Where that would leave a project to nobody, the
    account gets back the ownership that was given up from it since then; else the last of the new owners stays.
    """
    made = ProjectInvitation.objects.filter(invited_by_id=user_id, invited_at__gt=since)
    asked = RoleChange.objects.filter(asked_by_id=user_id, asked_at__gt=since)
    TeamRole.objects.filter(ends_asked_by_id=user_id).update(
        ends_at=None, ends_as="", ends_asked_by=None, ends_asked_by_name=""
    )
    ids = {*made.values_list("project_id", flat=True), *asked.values_list("project_id", flat=True)}
    locked = Project.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return sum(_disown_in(project, user_id, since, now) for project in list(locked))


def _disown_in(project: Project, user_id: int, since: datetime, now: datetime) -> int:
    made = ProjectInvitation.objects.filter(project=project, invited_by_id=user_id, invited_at__gt=since)
    count = made.filter(ended_at=None).update(ended_at=now, outcome=ProjectInvitation.Outcome.REVOKED)
    asked = RoleChange.objects.filter(project=project, asked_by_id=user_id, asked_at__gt=since)
    count += asked.delete()[0]
    accepted = made.filter(outcome=ProjectInvitation.Outcome.ACCEPTED).exclude(accepted_by_id=user_id)
    for invitation in accepted.order_by("ended_at", "pk"):
        count += _undo(project, invitation, user_id, since, now)
    if count:
        details = {"is_recovered": True, "ended": count}
        record(REMOVE, by=job(JOB), about=thing_of(project), account_id=user_id, details=details)
    return count


def _undo(
    project: Project, invitation: ProjectInvitation, user_id: int, since: datetime, now: datetime
) -> bool:
    """End the role that an invitation gave, or lower it to what the person had before."""
    given = {"project": project, "user_id": invitation.accepted_by_id, "kind": invitation.kind}
    role = Role.objects.filter(**given, since_at__gte=invitation.ended_at).first()
    if role is None:
        return False
    is_alone = role.kind == OWNER and set(queries.owners_of(project)) == {role.user_id}
    if is_alone and not _give_back(project, user_id, since):
        return False
    end_role(project, role, _kind_before(project, invitation), How.RECOVERED, user_id, now)
    return True


def _kind_before(project: Project, invitation: ProjectInvitation) -> str:
    raised = Q(user_id=invitation.accepted_by_id, how=How.RAISED, ended_at=invitation.ended_at)
    before = FormerRole.objects.filter(raised, lineage=project.lineage).first()
    return before.kind if before else NOTHING


def _give_back(project: Project, user_id: int, since: datetime) -> bool:
    """Give the account back the ownership that it gave up since then; returns whether there was any."""
    mine = FormerRole.objects.filter(lineage=project.lineage, user_id=user_id, kind=OWNER, how__in=_OWN_ACTS)
    former = mine.filter(ended_by_id=user_id, ended_at__gt=since).order_by("since_at").first()
    if former is None:
        return False
    Role.objects.update_or_create(
        project=project, user_id=user_id, defaults={"kind": OWNER, "since_at": former.since_at}
    )
    return True
