"""Reminding a co-owner of what the mandates ask of them, once a day at most."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.emails import site_address
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Letter, Link, Text
from keyhouse.mandate.blockers import Blocker, blockers_of
from keyhouse.mandate.errors import NothingLacking, NudgedAlready
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators.errors import CollaboratorMissing
from keyhouse.projects.collaborators.locking import lock_project
from keyhouse.projects.collaborators.queries import find_role
from keyhouse.projects.models import Project

NUDGE: Final = "collaborator.nudge"
EVERY: Final = timedelta(days=1)


def nudge(normalized_name: str, username: str, *, by: Actor) -> None:
    """Mail somebody who holds a project up what they lack; whoever asks again within a day is told when it may be.

    Raises CollaboratorMissing, NothingLacking, NudgedAlready, ProjectNotFound, ProjectQuarantined, RoleRequired and
    what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        project = lock_project(normalized_name, NUDGE, by)
        role = find_role(project, username)
        if role is None:
            raise CollaboratorMissing
        lacking = [one for one in blockers_of(project, now) if one.username == role.user.username]
        if not lacking:
            raise NothingLacking
        if role.nudged_at is not None and now - role.nudged_at < EVERY:
            raise NudgedAlready(retry_after=int((role.nudged_at + EVERY - now).total_seconds()) + 1)
        role.nudged_at = now
        role.save(update_fields=["nudged_at"])
        record(
            NUDGE,
            by=by,
            about=thing_of(project),
            account_id=role.user_id,
            details={"user": role.user.username},
        )
        tell_others([role.user_id], _letter(project, lacking[0], by.name), now)


def _letter(project: Project, blocker: Blocker, by: str) -> Letter:
    titles = "; ".join(one.mandate.title for one in blocker.unmet)
    return Letter(
        "project-nudge",
        f"{by} asks you to complete your account for {project.name}",
        (
            Text(
                f"{by} owns the project {project.name}, in which you are {blocker.role.lower()}. You do not have yet what "
                f"this index asks of you there: {titles}."
            ),
            Text("Sign in the way you always do, and look at your account page; it says what is next."),
            Text("If you don't want to look after the project any more, you can step down on this page:"),
            Link("People of the project", site_address(f"/manage/project/{project.normalized_name}/people/")),
        ),
    )
