"""Which ways out somebody has: of each project and organization, what they can do there now, by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyhouse.accounts.models import User
from keyhouse.mandate.exits.models import LayingDown
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.models import Membership
from keyhouse.projects import rights
from keyhouse.projects.collaborators.queries import owned_without
from keyhouse.projects.models import Project
from keyhouse.projects.rules import ARCHIVED, OWNER

MOST_SHOWN: Final = 40  # projects on a page
_CLOSED: Final = (User.State.SUSPENDED, User.State.DELETED)


@dataclass(frozen=True, slots=True)
class Way:
    """What somebody can do about one project or organization that they have a role in.

    `via`: `own`, `organization`, or the name of a team: what isn't one's own ends with the organization. `is_alone`: nobody
    else owns it who could act, so it is laid down instead of stepped down from; `ends_at`: when that takes effect.
    """

    kind: str
    name: str
    normalized_name: str
    role: str
    via: str = rights.OWN
    is_alone: bool = False
    is_archived: bool = False
    ends_at: datetime | None = None

    @property
    def is_owned(self) -> bool:
        """Whether it is theirs to hand over or archive."""
        return self.role == OWNER

    @property
    def is_own(self) -> bool:
        """Whether the role is one's own."""
        return self.via == rights.OWN


@dataclass(frozen=True, slots=True)
class Ways:
    """All of them; `more`: of how many projects nothing is shown here."""

    projects: tuple[Way, ...]
    organizations: tuple[Way, ...]
    more: int


def ways_of(user_id: int) -> Ways:
    """Return the ways out of somebody: projects by name, as many as a page holds, and organizations."""
    laid = {row.key: row.due_at for row in LayingDown.objects.filter(user_id=user_id)}
    best = _best_rights(user_id)
    found = list(Project.objects.filter(pk__in=best).order_by("normalized_name")[:MOST_SHOWN])
    shared = owned_without(user_id, found)
    projects = tuple(_project(one, best[one.pk], one.pk in shared, laid) for one in found)
    members = tuple(_organization(one, laid) for one in organizations.memberships_of(user_id))
    return Ways(projects, members, len(best) - len(found))


def _best_rights(user_id: int) -> dict[int, rights.Right]:
    """Return of each project the right by which one leaves it: one's own before others."""
    found: dict[int, rights.Right] = {}
    for one in rights.rights_of(user_id):
        if one.project_id not in found or one.via == rights.OWN:
            found[one.project_id] = one
    return found


def _project(found: Project, right: rights.Right, is_shared: bool, laid: dict[str, datetime]) -> Way:  # noqa: FBT001 - a fact of the row
    return Way(
        "project",
        found.name,
        found.normalized_name,
        right.kind,
        right.via,
        is_alone=right.kind == OWNER and right.via == rights.OWN and not is_shared,
        is_archived=found.status == ARCHIVED,
        ends_at=laid.get(str(found.lineage)),
    )


def _organization(member: Membership, laid: dict[str, datetime]) -> Way:
    others = Membership.objects.filter(organization=member.organization_id, kind=OWNER).exclude(pk=member.pk)
    is_alone = member.kind == OWNER and not others.exclude(user__state__in=_CLOSED).exists()
    one = member.organization
    ends_at = laid.get(str(one.pk))
    return Way("organization", one.name, one.normalized_name, member.kind, is_alone=is_alone, ends_at=ends_at)
