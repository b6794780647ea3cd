"""Reminding a co-owner or a member of what the mandates ask of them, once a day at most."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.emails import site_address
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Letter, Link, Text
from keyhouse.mandate.asked import Asked
from keyhouse.mandate.blockers import Blocker, Within, blockers_of, unmet_of
from keyhouse.mandate.errors import NothingLacking, NudgedAlready
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.changing import organization_to_change
from keyhouse.organizations.changing import thing_of as organization_thing
from keyhouse.organizations.errors import MemberMissing
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators.errors import CollaboratorMissing
from keyhouse.projects.collaborators.locking import lock_project
from keyhouse.projects.collaborators.queries import find_role
from keyhouse.projects.models import Project

NUDGE: Final = "collaborator.nudge"
NUDGE_MEMBER: Final = "organization.nudge"
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
        _require_not_lately(role.nudged_at, now)
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


def nudge_member(name: str, username: str, *, by: Actor) -> None:
    """Mail a member of an organization what they lack, as an owner of it; once a day at most.

    Raises MemberMissing, NothingLacking, NudgedAlready, OrganizationMissing, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        user = organizations.find_account(username)
        organization = organization_to_change(name, NUDGE_MEMBER, by, user.pk if user else None)
        member = organizations.find_member(organization, username)
        if member is None:
            raise MemberMissing
        unmet = unmet_of([member.user_id], now, Within.of(organization)).get(member.user_id)
        if not unmet:
            raise NothingLacking
        _require_not_lately(member.nudged_at, now)
        member.nudged_at = now
        member.save(update_fields=["nudged_at"])
        about, details = organization_thing(organization), {"user": member.user.username}
        record(NUDGE_MEMBER, by=by, about=about, account_id=member.user_id, details=dict(details))
        tell_others([member.user_id], _letter_to_member(organization, member, unmet, by.name), now)


def _require_not_lately(nudged_at: datetime | None, now: datetime) -> None:
    if nudged_at is not None and now - nudged_at < EVERY:
        raise NudgedAlready(retry_after=int((nudged_at + EVERY - now).total_seconds()) + 1)


def _letter_to_member(
    organization: Organization, member: Membership, unmet: Sequence[Asked], by: str
) -> Letter:
    titles = "; ".join(one.mandate.title for one in unmet)
    return Letter(
        "organization-nudge",
        f"{by} asks you to complete your account for {organization.name}",
        (
            Text(
                f"{by} owns the organization {organization.name}, in which you are {member.get_kind_display().lower()}. You "
                f"do not have yet what this index asks of you there: {titles}."
            ),
            Text("Sign in the way you always do, and look at your account page; it says what is next."),
            Text("If you don't want to belong to it any more, you can leave it on this page:"),
            Link(
                "The organization",
                site_address(f"/manage/organization/{organization.normalized_name}/leave/"),
            ),
        ),
    )


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
