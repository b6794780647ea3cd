"""Ending what hangs on a right that somebody had by an organization: as they leave it, or as the project does.

The rights themselves end by being worked out at use. What was given out by them ends here: invitations that wait, asked-for
ends of roles. The right is remembered by the project's lineage, as one that was somebody's own is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from keyhouse.projects import rights
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation, RoleChange
from keyhouse.projects.models import Project, TeamRole
from keyhouse.projects.rights import Right
from keyhouse.projects.rules import OWNER


@contextmanager
def remembering(organization_id: int, user_ids: frozenset[int], now: datetime) -> Iterator[None]:
    """Remember which rights in an organization's projects these people lose by what stands in it."""
    before = [one for user_id in sorted(user_ids) for one in rights.rights_of(user_id)]
    yield
    after = [one for user_id in sorted(user_ids) for one in rights.rights_of(user_id)]
    lost = lost_between(before, after)
    found = Project.objects.filter(organization_id=organization_id, pk__in={one.project_id for one in lost})
    for project in found:
        gone = (one for one in lost if one.project_id == project.pk)
        remember_rights(project, gone, FormerRole.How.REMOVED, now)


def lost_between(before: Iterable[Right], after: Iterable[Right]) -> list[Right]:
    """Return the rights by an organization or a team that are over; whoever has as much otherwise has lost nothing."""
    kept: dict[tuple[int, int], str] = {}
    for one in after:
        kept[one.project_id, one.user_id] = max(one.kind, kept.get((one.project_id, one.user_id), ""))
    over = (one for one in before if one.via != rights.OWN)
    return [one for one in over if one.kind > kept.get((one.project_id, one.user_id), "")]


def end_rights_by_organization(organization_id: int, user_id: int, now: datetime) -> int:
    """End what somebody gave out in projects of an organization that they own by nothing any more; returns how many."""
    kinds = rights.highest(rights.rights_of(user_id))
    owned = [key for key, kind in kinds.items() if kind == OWNER]
    lost = Project.objects.filter(organization_id=organization_id).exclude(pk__in=owned)
    return _end_given(list(lost.values_list("pk", flat=True)), [user_id], now)


def end_rights_besides(project_id: int, staying: frozenset[int], now: datetime) -> int:
    """End what was given out in a project that went to other hands, and asked for by who owns it no more; returns how many."""
    given = ProjectInvitation.objects.filter(project_id=project_id, ended_at=None)
    ended = given.update(ended_at=now, outcome=ProjectInvitation.Outcome.REVOKED)
    changes = RoleChange.objects.filter(project_id=project_id, asked_by__isnull=False)
    owners = staying.intersection(rights.owners_of(project_id))
    return ended + changes.exclude(asked_by_id__in=owners).delete()[0]


def _end_given(project_ids: list[int], user_ids: list[int], now: datetime) -> int:
    given = ProjectInvitation.objects.filter(
        project_id__in=project_ids, invited_by_id__in=user_ids, ended_at=None
    )
    ended = given.update(ended_at=now, outcome=ProjectInvitation.Outcome.REVOKED)
    changes = RoleChange.objects.filter(project_id__in=project_ids, asked_by_id__in=user_ids)
    asked = TeamRole.objects.filter(project_id__in=project_ids, ends_asked_by_id__in=user_ids)
    ended += asked.update(ends_at=None, ends_as="", ends_asked_by=None, ends_asked_by_name="")
    return ended + changes.delete()[0]


def remember_rights(project: Project, lost: Iterable[Right], how: str, now: datetime) -> None:
    """Write down rights by an organization or a team that ended, so that a mandate's hold doesn't end with them."""
    FormerRole.objects.bulk_create(
        FormerRole(
            lineage=project.lineage,
            normalized_name=project.normalized_name,
            user_id=one.user_id,
            kind=one.kind,
            since_at=one.since_at,
            ended_at=now,
            how=how,
        )
        for one in lost
    )
