"""Reading roles and invitations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from keyhouse.accounts.models import Email, User
from keyhouse.organizations.models import Membership
from keyhouse.projects import rights
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation
from keyhouse.projects.models import Project, Role
from keyhouse.projects.rights import Right
from keyhouse.projects.rules import OWNER

_SUSPENDED: Final = User.State.SUSPENDED
_CLOSED: Final = (_SUSPENDED, User.State.DELETED)


class Leaving(NamedTuple):
    """What somebody gives up who steps down in a project, what they keep there, and who else owns it and could act.

    `is_alone`: nobody would own it then who could act, so that it is laid down instead of stepped down from.
    """

    own: Role | None
    kept: Right | None
    others: list[str]
    is_alone: bool


def waiting_invitations(now: datetime) -> QuerySet[ProjectInvitation]:
    """Return the invitations that can be accepted."""
    return ProjectInvitation.objects.filter(ended_at=None, expires_at__gt=now)


def open_invitations_of(project: Project) -> QuerySet[ProjectInvitation]:
    """Return a project's invitations that were neither used nor taken back, also those too old, the newest first."""
    return project.invitations.filter(ended_at=None).order_by("-invited_at", "-pk")


def for_person(user_id: int) -> Q:
    """Return the condition of an invitation being for this person: by account, or by an address they verified.

    One list of numbers: where "or" joins both, PostgreSQL looks at every invitation of the index.
    """
    verified = Email.objects.filter(user_id=user_id, verified_at__isnull=False)
    by_address = ProjectInvitation.objects.filter(address__in=verified.values(folded=Lower("address")))
    by_account = ProjectInvitation.objects.filter(user_id=user_id)
    return Q(pk__in=by_account.values("pk").union(by_address.values("pk"), all=True))


def invitations_of_person(user_id: int, now: datetime) -> QuerySet[ProjectInvitation]:
    """Return what somebody is invited to, with the projects, the newest first."""
    waiting = waiting_invitations(now).filter(for_person(user_id)).select_related("project")
    return waiting.order_by("-invited_at", "-pk")


def find_invitation_of_person(invitation_id: int, user_id: int) -> ProjectInvitation | None:
    """Return an invitation for this person, in whatever state, with its project, or None."""
    mine = ProjectInvitation.objects.filter(for_person(user_id), pk=invitation_id)
    return mine.select_related("project").first()


def owners_of(project: Project) -> list[int]:
    """Return the account numbers of a project's owners: by a role, of its organization, by a team."""
    return rights.owners_of(project.pk)


def leaving_of(project: Project, user_id: int) -> Leaving:
    """Return what stepping down would mean for somebody: others by user name, and what is kept by a team or organization."""
    held = rights.rights_in(project.pk)
    owners = {one.user_id for one in held if one.kind == OWNER and one.user_id != user_id}
    able = User.objects.filter(pk__in=owners).exclude(state__in=_CLOSED).order_by("username")
    own = project.roles.filter(user_id=user_id).first()
    return Leaving(
        own,
        max(
            (one for one in held if one.user_id == user_id and one.via != rights.OWN),
            key=lambda one: one.kind,
            default=None,
        ),
        list(able.values_list("username", flat=True)),
        own is not None and own.kind == OWNER and not owned_without(user_id, [project]),
    )


def owned_without(user_id: int, projects: Iterable[Project]) -> set[int]:
    """Return the numbers of those of these projects that have an owner who could act, also without somebody's own role there.

    An organization always has one, who owns its projects; that may be the same person.
    """
    found = list(projects)
    places = {one.organization_id for one in found if one.organization_id is not None}
    owners = Membership.objects.filter(organization__in=places, kind=OWNER).exclude(user__state=_SUSPENDED)
    able = set(owners.values_list("organization_id", flat=True))
    others = Role.objects.filter(project__in=found, kind=OWNER).exclude(user_id=user_id)
    shared = set(others.exclude(user__state=_SUSPENDED).values_list("project_id", flat=True))
    return {one.pk for one in found if one.organization_id in able or one.pk in shared}


def find_role(project: Project, username: str) -> Role | None:
    """Return the role of their own that somebody has in a project, by user name in whatever case, or None."""
    return project.roles.select_related("user").filter(user__username__iexact=username).first()


def had_role(project: Project, user_id: int) -> bool:
    """Whether somebody has a role of their own in a project, or had one there."""
    has = Role.objects.filter(project=project, user_id=user_id)
    return has.exists() or FormerRole.objects.filter(lineage=project.lineage, user_id=user_id).exists()
