"""A new owner for a project that nobody looks after, by operators.

Being an operator gives no right in a project, so this is the one way: for a project without an owner who could act, by two
operators or a day after one announced it. Where owners are merely silent they have two weeks more; whoever comes back ends it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.proposals import Undertaking
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Letter, Text
from keyhouse.organizations.models import Membership
from keyhouse.projects import queries, rights
from keyhouse.projects.errors import ProjectNotFound, ProjectOwned
from keyhouse.projects.models import File, Project, Role

PROPOSE: Final = "ownership.propose"
SILENCE: Final = timedelta(days=180)  # after which an owner counts as one who looks after nothing
OBJECTION: Final = timedelta(days=14)  # for silent owners, to come back
_Row = TypeVar("_Row", Role, Membership)
_GONE: Final = (User.State.SUSPENDED, User.State.DELETED)


def _owners() -> QuerySet[Role]:
    return Role.objects.filter(project=OuterRef("pk"), kind=Role.Kind.OWNER)


def _organization_owners() -> QuerySet[Membership]:
    return Membership.objects.filter(organization=OuterRef("organization"), kind=Role.Kind.OWNER)


def _present(roles: QuerySet[_Row], project: Project, now: datetime) -> QuerySet[_Row]:
    """Return those of these roles whose person was here lately, or published something lately."""
    since = now - SILENCE
    uploads = File.objects.filter(
        project=project, uploaded_by=OuterRef("user__username"), uploaded_at__gt=since
    )
    seen = roles.exclude(user__state__in=_GONE).annotate(
        seen_at=Coalesce("user__last_seen_at", "user__joined_at")
    )
    return seen.filter(Q(seen_at__gt=since) | Exists(uploads))


def projects_without_owner() -> QuerySet[Project]:
    """Return the projects that have no owner, or only such who were suspended; an archived one needs nobody.

    Those of silent owners are not among them: nobody is looked for only because they are quiet.
    """
    live = Project.objects.exclude(status=Project.Status.ARCHIVED)
    own, of_organization = _owners().exclude(user__state__in=_GONE), _organization_owners()
    return live.filter(~Exists(own), ~Exists(of_organization.exclude(user__state__in=_GONE))).order_by(
        "normalized_name"
    )


def may_have_new_owner(project: Project, now: datetime) -> bool:
    """Whether no owner is there who looks after the project."""
    owners = Role.objects.filter(project=project, kind=Role.Kind.OWNER)
    of_organization = Membership.objects.filter(
        organization_id=project.organization_id or 0, kind=Role.Kind.OWNER
    )
    return not (_present(owners, project, now).exists() or _present(of_organization, project, now).exists())


def _judge(user: User, name: str, now: datetime) -> None:
    del user
    project = queries.lock_project(name)
    if project is None:
        raise ProjectNotFound
    if not may_have_new_owner(project, now):
        raise ProjectOwned


def _appoint(user: User, name: str, now: datetime) -> None:
    project = queries.lock_project(name)
    if project is None:
        raise ProjectNotFound
    Role.objects.update_or_create(
        project=project, user=user, defaults={"kind": Role.Kind.OWNER, "since_at": now}
    )


def _tell_former(name: str, told: str, now: datetime) -> None:
    """Tell whoever has a role in the project; whoever comes back in time stays its owner alone."""
    people = rights.people_named(name)
    letter = Letter(
        "ownership",
        f"A new owner for {name}",
        (
            Text(f"By the operators of this index: {told}. Your own role stays as it is."),
            Text("If you look after the project, sign in to your account, and tell the operators."),
        ),
    )
    tell_others(people, letter, now)


def _notice(name: str, since: datetime) -> datetime | None:
    """Return until when silent owners can come back; None where nobody is there who could."""
    project = queries.find_project(name)
    owners = User.objects.filter(pk__in=rights.owners_of(project.pk) if project else ())
    return since + OBJECTION if owners.exclude(state__in=_GONE).exists() else None


OWNER: Final = Undertaking(
    kind=Proposal.Kind.OWNER,
    action=PROPOSE,
    sentence="{person} becomes an owner of {about}",
    judge=_judge,
    carry_out=_appoint,
    tell_others=_tell_former,
    notice=_notice,
)


def propose_owner(project: Project, user: User, reason: str, *, by: Actor, now: datetime) -> Proposal:
    """Propose a new owner. Raises ProjectOwned, ProjectNotFound and as `proposals.propose`."""
    return proposals.propose(OWNER, user, project.normalized_name, reason, by=by, now=now)


def carry_out_due(now: datetime) -> int:
    """Appoint whom was waited for long enough; returns how many."""
    return proposals.carry_out_due(OWNER, now)
