"""Which projects of an organization a token or publisher is for: found and held under its lock, so that none is gone by then.

Projects are locked before organizations, and people before both, as a project's move does.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet

from keyhouse.core.actor import Actor
from keyhouse.credentials.tokens.errors import ReachInvalid
from keyhouse.credentials.tokens.rules import MAX_PROJECTS, Reach
from keyhouse.distfiles.names import normalise
from keyhouse.organizations.changing import lock_people, organization_to_change, owner_ids, require_role
from keyhouse.organizations.models import Organization
from keyhouse.organizations.rules import key_of
from keyhouse.projects.models import Project

Held = tuple[Organization, Sequence[Project] | None]  # None: all of its projects, also later ones


def hold_organization(
    name: str, action: str, by: Actor, *more: int | None, reach: Reach | None = None
) -> Held:
    """Lock an organization and the projects that are meant; authority and gate are asked before anything is told.

    Without a `reach` no project is meant. Raises ReachInvalid, OrganizationMissing, RoleRequired and what the gate raises.
    """
    require_role(name, action, by)
    lock_people([*owner_ids(name), by.user_id, *more])
    wanted = _wanted(name, reach or Reach())
    held = None if wanted is None else list(wanted)
    organization = organization_to_change(name, action, by, *more)
    if held is not None and reach is not None:
        _require_all(held, reach)
    return organization, held


def _wanted(name: str, reach: Reach) -> QuerySet[Project] | None:
    if reach.is_also_later:
        return None
    there = Project.objects.filter(organization__normalized_name=key_of(name)).order_by("pk")
    if not reach.is_all_now:
        there = there.filter(normalized_name__in=_names(reach))
    return there.select_for_update(of=("self",), no_key=True)[: MAX_PROJECTS + 1]


def _names(reach: Reach) -> set[str]:
    return {normalise(name) for name in reach.names[: MAX_PROJECTS + 1]}


def _require_all(held: Sequence[Project], reach: Reach) -> None:
    """Raise ReachInvalid where a name is none of a project there, be it anybody's or nobody's, and for too many."""
    missing = _names(reach) - {one.normalized_name for one in held}
    if missing and not reach.is_all_now:
        told = ", ".join(sorted(missing))[:100]
        raise ReachInvalid(f"No project of this organization: {told}.")
    if len(held) > MAX_PROJECTS or len(reach.names) > MAX_PROJECTS:
        raise ReachInvalid(f"That are more than {MAX_PROJECTS} projects.")
