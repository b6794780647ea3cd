"""What projects keep about people: their roles, and by whom files were uploaded."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from keyhouse.accounts.errors import OwnsAlone
from keyhouse.accounts.models import User
from keyhouse.core.belongings import Belongings, Kept
from keyhouse.organizations.models import Membership
from keyhouse.projects.collaborators.departing import (
    end_rights_besides,
    end_rights_by_organization,
    remembering,
)
from keyhouse.projects.collaborators.disowning import disown
from keyhouse.projects.collaborators.ending import NOTHING, end_role
from keyhouse.projects.collaborators.queries import for_person
from keyhouse.projects.models import File, FormerRole, KeptRole, Project, ProjectInvitation, Role, RoleChange


def _roles(user_id: int) -> QuerySet[Role]:
    return Role.objects.filter(user_id=user_id).order_by("pk")


def _invitations(user_id: int) -> QuerySet[ProjectInvitation]:
    """Return the invitations of a person that are by account, or by an address of theirs."""
    return ProjectInvitation.objects.filter(for_person(user_id) | Q(accepted_by_id=user_id)).order_by("pk")


def _role_changes(user_id: int) -> QuerySet[RoleChange]:
    return RoleChange.objects.filter(user_id=user_id).order_by("pk")


def _former_roles(user_id: int) -> QuerySet[FormerRole]:
    return FormerRole.objects.filter(user_id=user_id).order_by("pk")


def _kept_roles(user_id: int) -> QuerySet[KeptRole]:
    return KeptRole.objects.filter(user_id=user_id).order_by("pk")


def _files(user_id: int) -> QuerySet[File]:
    names = User.objects.filter(pk=user_id).values("username")
    return File.objects.filter(uploaded_by__in=names).order_by("pk")


def owned_alone(user_id: int) -> QuerySet[Project]:
    """Return the projects that would have nobody left to look after them; one that was archived needs nobody.

    One of an organization has the owners of that; whoever is the only one there is asked about the organization.
    """
    roles = Role.objects.filter(project=OuterRef("pk"), kind=Role.Kind.OWNER)
    mine = roles.filter(user_id=user_id)
    others = roles.exclude(user_id=user_id).exclude(user__state=User.State.SUSPENDED)
    live = Project.objects.exclude(status=Project.Status.ARCHIVED)
    owners = Membership.objects.filter(organization=OuterRef("organization"), kind=Role.Kind.OWNER)
    besides = owners.exclude(user_id=user_id).exclude(user__state=User.State.SUSPENDED)
    return live.filter(Exists(mine), ~Exists(others), ~Exists(besides)).order_by("normalized_name")


def _give_up(user_id: int, now: datetime) -> None:
    """End a person's roles; raises OwnsAlone.

    The projects are locked first: of two owners who go at once, the later one sees that they are the last.
    """
    projects = Role.objects.filter(user_id=user_id).values("project_id")
    list(
        Project.objects.select_for_update()
        .filter(pk__in=list(projects.values_list("project_id", flat=True)))
        .order_by("pk")
    )
    alone = [project.name for project in owned_alone(user_id)]
    if alone:
        raise OwnsAlone(alone)
    for role in Role.objects.filter(user_id=user_id).select_related("project"):
        end_role(role.project, role, NOTHING, FormerRole.How.ACCOUNT_DELETED, user_id, now)


_ACCOUNT: Final = "the account itself"
_ROW: Final = "a row number"

BELONGINGS: Final = Belongings(
    "projects",
    (
        Kept(
            "project_invitations",
            "projects.ProjectInvitation",
            _invitations,
            (
                "project__name",
                "kind",
                "hands_over",
                "username",
                "address",
                "invited_by_name",
                "invited_at",
                "sent_at",
                "expires_at",
                "ended_at",
                "outcome",
            ),
            {
                "id": _ROW,
                "user": _ACCOUNT,
                "invited_by": "told by name",
                "accepted_by": _ACCOUNT,
            },
        ),
        Kept(
            "role_changes",
            "projects.RoleChange",
            _role_changes,
            ("project__name", "kind", "asked_by_name", "asked_at", "due_at"),
            {"id": _ROW, "user": _ACCOUNT, "asked_by": "told by name"},
        ),
        Kept(
            "former_roles",
            "projects.FormerRole",
            _former_roles,
            ("normalized_name", "kind", "since_at", "ended_at", "how"),
            {
                "id": _ROW,
                "lineage": "names the project, as its name does",
                "user": _ACCOUNT,
                "ended_by": "somebody else, or the account itself",
            },
            stays="a hold on the deletion of a project doesn't end with whoever it was for",
        ),
        Kept(
            "roles",
            "projects.Role",
            _roles,
            ("project__name", "kind", "since_at", "nudged_at"),
            {"id": _ROW, "user": _ACCOUNT},
        ),
        Kept(
            "roles_in_deleted_projects",
            "projects.KeptRole",
            _kept_roles,
            ("removal__project_name", "kind", "since_at"),
            {"id": "a row number", "user": "the account itself"},
        ),
        Kept(
            "files",
            "projects.File",
            _files,
            (
                "filename",
                "size",
                "sha256",
                "uploaded_at",
                "uploaded_by",
                "uploaded_via",
                "publication",
                "credential",
                "client",
            ),
            dict.fromkeys(
                (
                    "id",
                    "release",
                    "project",
                    "kind",
                    "python_tag",
                    "has_provenance",
                    "md5",
                    "blake2",
                    "metadata_sha256",
                    "requires_python",
                    "is_quarantined",
                    "quarantine_reason",
                ),
                "about the file, and public with it",
            ),
            stays="files are the projects', and whoever installed one must be able to find out where it came from",
        ),
    ),
    untold={
        "projects.TeamRole": "what a team may do; of a person only who asked for its end, while that waits"
    },
    give_up=_give_up,
    disown=disown,
    leaving=remembering,
    leave=end_rights_by_organization,
    let_go=end_rights_besides,
)
