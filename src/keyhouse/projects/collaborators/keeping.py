"""What roles and invitations need done beside requests, deciding by the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import close_old_connections

from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work, do_all
from keyhouse.organizations import membership, teams
from keyhouse.organizations.keeping import forget_old
from keyhouse.projects import team_roles
from keyhouse.projects.collaborators import ending, rules
from keyhouse.projects.collaborators.models import ProjectInvitation

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 5.0  # after the start, which has more urgent things to do


def forget_invitations(now: datetime) -> int:
    """Forget invitations that are over for long: they hold addresses of people who may have no account here."""
    before = now - rules.KEPT_FOR
    ended = ProjectInvitation.objects.filter(ended_at__lte=before).delete()[0]
    return ended + ProjectInvitation.objects.filter(ended_at=None, expires_at__lte=before).delete()[0]


WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "roles_ended": ending.carry_out_due,
    "old_invitations": forget_invitations,
    "memberships_ended": membership.carry_out_due,
    "team_members_ended": teams.carry_out_due,
    "team_roles_ended": team_roles.carry_out_due,
    "old_organization_invitations": forget_old,
}


def keep(now: datetime) -> dict[str, int]:
    """Do all that is due at `now`; returns how much of what. Where one work fails the others are done first."""
    return do_all(WORKS, now)


class Keeper(Rounds):
    """Does it in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "collaborators-keeper",
            lambda: keep(clock.now()),
            "what roles in projects need can't be done right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
