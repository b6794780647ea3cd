"""A new owner for a project that nobody looks after, by operators: as for an organization.

Whoever published something lately looks after it, too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight import new_owners, proposals
from keyhouse.accounts.oversight.new_owners import GONE, SILENCE
from keyhouse.core.actor import Actor
from keyhouse.organizations.models import Membership
from keyhouse.projects import queries, rights
from keyhouse.projects.errors import ProjectNotFound, ProjectOwned
from keyhouse.projects.models import File, FormerRole, Project, Role


def _owners() -> QuerySet[Role]:
    return Role.objects.filter(project=OuterRef("pk"), kind=Role.Kind.OWNER)


def _organization_owners() -> QuerySet[Membership]:
    return Membership.objects.filter(organization=OuterRef("organization"), kind=Role.Kind.OWNER)


def _is_looked_after(roles: QuerySet[Any], project: Project, now: datetime) -> bool:
    """Tell whether somebody with one of these roles was here lately, or published something lately."""
    uploads = File.objects.filter(
        project=project, uploaded_by=OuterRef("user__username"), uploaded_at__gt=now - SILENCE
    )
    return new_owners.present(roles, now, besides=Q(Exists(uploads))).exists()


def projects_without_owner() -> QuerySet[Project]:
    """Return the projects that have no owner, or only such who were suspended; an archived one needs nobody.

    Those of silent owners are not among them: nobody is looked for only because they are quiet.
    """
    live = Project.objects.exclude(status=Project.Status.ARCHIVED)
    own, of_organization = _owners().exclude(user__state__in=GONE), _organization_owners()
    return live.filter(~Exists(own), ~Exists(of_organization.exclude(user__state__in=GONE))).order_by(
        "normalized_name"
    )


def may_have_new_owner(project: Project, now: datetime) -> bool:
    """Whether no owner is there who looks after the project."""
    owners = Role.objects.filter(project=project, kind=Role.Kind.OWNER)
    of_organization = Membership.objects.filter(
        organization_id=project.organization_id or 0, kind=Role.Kind.OWNER
    )
    return not (_is_looked_after(owners, project, now) or _is_looked_after(of_organization, project, now))


def is_left(project: Project, now: datetime) -> bool:
    """Whether somebody owned the project once and nobody looks after it any more: operators give it a new owner together.

    One that was imported and never had an owner isn't left.
    """
    had = FormerRole.objects.filter(lineage=project.lineage, kind=Role.Kind.OWNER)
    has = Role.objects.filter(project=project, kind=Role.Kind.OWNER)
    is_owned = project.organization_id is not None or has.exists() or had.exists()
    return is_owned and may_have_new_owner(project, now)


def _appoint(project: Project, user: User, now: datetime) -> None:
    Role.objects.update_or_create(
        project=project, user=user, defaults={"kind": Role.Kind.OWNER, "since_at": now}
    )


def _has_living_owner(name: str) -> bool:
    project = queries.find_project(name)
    owners = User.objects.filter(pk__in=rights.owners_of(project.pk) if project else ())
    return owners.exclude(state__in=GONE).exists()


OWNER: Final = new_owners.undertaking(
    new_owners.Ownable(
        kind=Proposal.Kind.OWNER,
        word="project",
        sentence="{person} becomes an owner of {about}",
        title="A new owner for {name}",
        lock=queries.lock_project,
        is_free=may_have_new_owner,
        appoint=_appoint,
        people=rights.people_named,
        has_living=_has_living_owner,
        missing=ProjectNotFound,
        owned=ProjectOwned,
    )
)


def propose_owner(project: Project, user: User, reason: str, *, by: Actor, now: datetime) -> Proposal:
    """Propose a new owner. Raises ProjectOwned, ProjectNotFound and as `proposals.propose`."""
    return proposals.propose(OWNER, user, project.normalized_name, reason, by=by, now=now)


def carry_out_due(now: datetime) -> int:
    """Appoint whom was waited for long enough; returns how many."""
    return proposals.carry_out_due(OWNER, now)
