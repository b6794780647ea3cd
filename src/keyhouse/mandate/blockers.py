"""Who of a project's people lacks what a live mandate asks of them. Their factors are told to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keyhouse.mandate import queries
from keyhouse.mandate.asked import Asked, standing_of
from keyhouse.projects.models import Project
from keyhouse.projects.queries import roles_of_project


@dataclass(frozen=True, slots=True)
class Blocker:
    """Somebody with a role, and the mandates that they don't meet yet, exempt or not."""

    username: str
    role: str
    unmet: tuple[Asked, ...]


def blockers_of(project: Project, now: datetime) -> list[Blocker]:
    """Return those who don't comply, owners first."""
    policies = queries.live_policies(now)
    found = []
    for role in roles_of_project(project):
        standing = standing_of(queries.facts_of_person(role.user_id), policies, now)
        # who is an operator is nothing to a project's people
        unmet = tuple(one for one in standing.asked if not (one.is_met or one.is_floor))
        if unmet:
            found.append(Blocker(role.user.username, role.get_kind_display(), unmet))
    return found
