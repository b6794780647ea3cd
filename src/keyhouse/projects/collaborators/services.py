"""Inviting people into projects: invite, send again, take back, accept, decline.

An invitation gives nothing. Whoever accepts gains authority there and then, so the gate is asked as for a first upload.
Accounts are locked before the project, as the end of an account does, and the project before its invitations.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final

from django.db import transaction

from keyhouse.accounts import limits
from keyhouse.accounts import queries as accounts
from keyhouse.accounts.models import User
from keyhouse.accounts.offers import is_surely_themselves, life_of_offers, mail_offer, may_mail, read_target
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.organizations.changing import person_of
from keyhouse.projects import ownership
from keyhouse.projects import queries as projects
from keyhouse.projects import rules as project_rules
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators import ending, letters, locking, queries, rules
from keyhouse.projects.collaborators.errors import (
    AlreadyCollaborator,
    AlreadyInvited,
    InvitationMissing,
    InvitationOver,
    InvitationRests,
    InvitationsTooMany,
    InviteeRefused,
    ProjectLeft,
    RoleUnknown,
)
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation
from keyhouse.projects.models import Project, Role

INVITE: Final = "collaborator.invite"
RESEND: Final = "collaborator.resend"
REVOKE: Final = "collaborator.revoke"
ACCEPT: Final = "collaborator.accept"
DECLINE: Final = "collaborator.decline"
HAND_OVER: Final = "collaborator.hand-over"
_Outcome = ProjectInvitation.Outcome


def invite(  # noqa: PLR0913 - whom to what, and what only the host may say
    name: str,
    invitee: str,
    kind: str,
    *,
    by: Actor,
    until: datetime | None = None,
    is_told: bool = True,
) -> ProjectInvitation:
    """Offer a role in the project of that normalised name to a user name or an e-mail address.

    The answer is the same whether or not anybody has that name or address. `is_told` (whether a mail goes out) is for the
    host, and `until` (7 days otherwise) for what the host has just imported. Raises InviteeRefused, UsernameRefused, AddressRefused, RoleUnknown,
    AlreadyInvited, AlreadyCollaborator, InvitationsTooMany, TooManyAttempts, ProjectNotFound, ProjectQuarantined,
    ProjectLeft (the host), RoleRequired and what the gate raises.
    """
    if kind not in rules.KINDS:
        raise RoleUnknown
    is_host = by.kind == "host"
    return _offer(
        name, invitee, kind, INVITE, by, until=until if is_host else None, is_told=is_told or not is_host
    )


def raise_role(name: str, username: str, *, by: Actor) -> ProjectInvitation:
    """Offer a maintainer to be an owner: they gain authority, so they are asked as anybody is. Raises as `invite`."""
    return _offer(name, username, project_rules.OWNER, ending.CHANGE, by)


def hand_over(name: str, invitee: str, *, by: Actor) -> ProjectInvitation:
    """Offer one's own ownership to somebody; once they accept, it ends. Raises as `invite`."""
    return _offer(name, invitee, project_rules.OWNER, HAND_OVER, by, hands_over=True)


def _offer(  # noqa: PLR0913 - the columns of the row
    name: str,
    invitee: str,
    kind: str,
    action: str,
    by: Actor,
    *,
    hands_over: bool = False,
    until: datetime | None = None,
    is_told: bool = True,
) -> ProjectInvitation:
    now, (username, address) = clock.now(), read_target(invitee, InviteeRefused)
    _require_role(name, action, by)
    _count(by, now)
    is_mailed = is_told and may_mail(username or address, now)
    with transaction.atomic():
        user = accounts.find_user(username) if username else None
        project = locking.lock_project(name, action, by, user.pk if user else None)
        if until is None:  # what an import just made is the host's to give
            _require_answerable(project, by, now)
        _require_new(project, user, username, address, kind, now)
        invitation = ProjectInvitation(project=project, user=user, username=username, address=address)
        invitation.kind, invitation.hands_over = kind, hands_over
        invitation.invited_by_id, invitation.invited_by_name = by.user_id, by.name
        invitation.invited_at, invitation.sent_at = now, now if is_told else None
        invitation.expires_at = until or now + life_of_offers()
        invitation.save(force_insert=True)
        record(action, by=by, about=thing_of(project), details=_told(invitation))
        _tell(invitation, project, by, now, is_mailed=is_mailed)
        faults.reach("invitation.rows-written")
    return invitation


def _tell(
    invitation: ProjectInvitation, project: Project, by: Actor, now: datetime, *, is_mailed: bool
) -> None:
    """Mail it to whoever is invited, and to the other owners where somebody shall join them."""
    if is_mailed:
        mail_offer(invitation, partial(letters.invited, invitation, project), by, now)
    if invitation.kind == project_rules.OWNER:
        others = [pk for pk in queries.owners_of(project) if pk != by.user_id]
        tell_others(others, letters.owner_invited(project, str(invitation), by.name), now)


def resend(name: str, invitation_id: int, *, by: Actor) -> ProjectInvitation:
    """Send an invitation once more; it lives for 7 days from then on, also where it was too old.

    Raises InvitationMissing for one of another project, one that is over and one that never was, TooManyAttempts,
    ProjectNotFound, ProjectQuarantined, ProjectLeft (the host), RoleRequired and what the gate raises.
    """
    now = clock.now()
    _require_role(name, RESEND, by)
    if not ProjectInvitation.objects.filter(pk=invitation_id, project__normalized_name=name).exists():
        raise _none_waits()
    _count(by, now)
    limits.count_attempt(now=now, limit=limits.MAIL, subject=f"invitation:{invitation_id}")
    with transaction.atomic():
        project = locking.lock_project(name, RESEND, by)
        _require_answerable(project, by, now)
        invitation = _open_one(project, invitation_id)
        invitation.sent_at = now
        invitation.expires_at = max(invitation.expires_at, now + life_of_offers())
        invitation.save(update_fields=["sent_at", "expires_at"])
        record(RESEND, by=by, about=thing_of(project), details=_told(invitation))
        if may_mail(str(invitation), now):
            mail_offer(invitation, partial(letters.invited, invitation, project), by, now)
    return invitation


def renew(invitation: ProjectInvitation, until: datetime, *, by: Actor) -> bool:
    """Let an invitation that is over wait anew until then, in the caller's transaction, which tells whom it is for.

    False where somebody was faster, or it has ended. Raises ProjectLeft (the host) and what the gate raises.
    """
    now, project = clock.now(), invitation.project
    actions.require(by, RESEND, thing_of(project))
    _require_answerable(project, by, now)
    # its row alone is locked: with several projects' locks held, two who wait for each other would be possible
    over = ProjectInvitation.objects.filter(pk=invitation.pk, ended_at=None, expires_at__lte=now)
    if not over.update(sent_at=now, expires_at=until):
        return False
    invitation.sent_at, invitation.expires_at = now, until
    record(RESEND, by=by, about=thing_of(project), details=_told(invitation))
    return True


def revoke(name: str, invitation_id: int, *, by: Actor) -> None:
    """Take an invitation back; a second time changes nothing. Raises as `resend`."""
    with transaction.atomic():
        project = locking.lock_project(name, REVOKE, by)
        found = project.invitations.filter(pk=invitation_id).first()
        if found is not None and found.outcome == _Outcome.REVOKED:
            return
        invitation = _open_one(project, invitation_id)
        _end(invitation, _Outcome.REVOKED, clock.now())
        record(REVOKE, by=by, about=thing_of(project), details=_told(invitation))


def accept(invitation_id: int, *, by: Actor) -> Role:
    """Take on the role that was offered; a second click changes nothing.

    Whoever has a higher role keeps that. Raises InvitationMissing for somebody else's and for none, InvitationOver,
    InvitationRests,
    ProjectQuarantined and what the gate raises.
    """
    found, user_id = _mine(invitation_id, by), person_of(by)
    with transaction.atomic():
        project = locking.lock_project(found.project.normalized_name, ACCEPT, by, found.invited_by_id)
        invitation, now = _mine(invitation_id, by), clock.now()
        present = Role.objects.filter(project=project, user_id=user_id).first()
        if invitation.accepted_by_id == user_id and present is not None:
            return present
        if not rules.is_waiting(invitation.ended_at, invitation.expires_at, now):
            raise InvitationOver
        _require_good_inviter(invitation, now)
        role = _take_on(project, present, invitation.kind, user_id, now)
        invitation.accepted_by_id = user_id
        _end(invitation, _Outcome.ACCEPTED, now)
        if invitation.hands_over and invitation.invited_by_id is not None:
            ending.hand_over(project, role, invitation.invited_by_id, now)
        record(ACCEPT, by=by, about=thing_of(project), account_id=user_id, details=_told(invitation))
        others = [pk for pk in queries.owners_of(project) if pk != user_id]
        tell_others(others, letters.joined(project, by.name, role.kind), now)
        faults.reach("invitation.accepted")
    return role


def decline(invitation_id: int, *, by: Actor) -> None:
    """Say no to an invitation; a second time changes nothing. Raises InvitationMissing, InvitationOver."""
    found = _mine(invitation_id, by)
    with transaction.atomic():
        told = [one for one in (by.user_id, found.invited_by_id) if one is not None]
        locking.lock_people(sorted(set(told)))
        project = projects.lock_project(found.project.normalized_name)
        actions.require(by, DECLINE, Thing("project", None, found.project.normalized_name))
        invitation = _mine(invitation_id, by)
        if project is None or invitation.outcome == _Outcome.DECLINED:
            return
        if invitation.ended_at is not None:
            raise InvitationOver
        now = clock.now()
        _end(invitation, _Outcome.DECLINED, now)
        record(DECLINE, by=by, about=thing_of(project), account_id=by.user_id, details=_told(invitation))
        if invitation.invited_by_id is not None:
            tell_others([invitation.invited_by_id], letters.declined(project, str(invitation)), now)


def _require_role(name: str, action: str, by: Actor) -> None:
    """Ask before anything is counted or locked; it is asked once more under the lock."""
    actions.require_authority(by, action, Thing("project", None, name))


def _count(by: Actor, now: datetime) -> None:
    if by.user_id is not None:
        subject = f"account:{by.user_id}"
        limits.count_attempt(now=now, limit=limits.INVITATION, subject=subject, network=by.network)


def _require_answerable(project: Project, by: Actor, now: datetime) -> None:
    """Raise ProjectLeft where the host alone would decide who looks after a project: no owner is there to object."""
    if by.kind == "host" and ownership.is_left(project, now):
        raise ProjectLeft


def _require_new(  # noqa: PLR0913, PLR0917 - what an invitation is made of
    project: Project, user: User | None, username: str, address: str, kind: str, now: datetime
) -> None:
    if user is not None:
        role = Role.objects.filter(project=project, user=user).first()
        if role is not None and not rules.is_higher(kind, role.kind):
            raise AlreadyCollaborator
    waiting = queries.waiting_invitations(now).filter(project=project)
    if waiting.filter(username__iexact=username, address=address).exists():
        raise AlreadyInvited
    if waiting.count() >= rules.MOST_WAITING:
        raise InvitationsTooMany
    # one that was too old is replaced
    project.invitations.filter(ended_at=None, username__iexact=username, address=address).update(
        ended_at=now, outcome=_Outcome.REVOKED
    )


def _open_one(project: Project, invitation_id: int) -> ProjectInvitation:
    found = queries.open_invitations_of(project).filter(pk=invitation_id).select_related("user").first()
    if found is None:
        raise _none_waits()
    return found


def _none_waits() -> InvitationMissing:
    return InvitationMissing(
        "This project has no such invitation that waits.",
        fix="The page of its people lists those that wait, as does `keyhouse project people invitations` at the host.",
    )


def _mine(invitation_id: int, by: Actor) -> ProjectInvitation:
    found = queries.find_invitation_of_person(invitation_id, person_of(by))
    if found is None:
        raise InvitationMissing
    return found


def _require_good_inviter(invitation: ProjectInvitation, now: datetime) -> None:
    """Raise InvitationRests while somebody has to find out first whether it was the owner who invited."""
    if not is_surely_themselves(invitation.invited_by, now):
        raise InvitationRests


def _take_on(project: Project, present: Role | None, kind: str, user_id: int, now: datetime) -> Role:
    if present is None:
        return Role.objects.create(project=project, user_id=user_id, kind=kind, since_at=now)
    if rules.is_higher(kind, present.kind):
        ending.remember(project, present, FormerRole.How.RAISED, user_id, now)
        present.kind, present.since_at = kind, now
        present.save(update_fields=["kind", "since_at"])
    return present


def _end(invitation: ProjectInvitation, outcome: str, now: datetime) -> None:
    invitation.ended_at, invitation.outcome = now, outcome
    invitation.save(update_fields=["ended_at", "outcome", "accepted_by"])


def _told(invitation: ProjectInvitation) -> dict[str, str | int | bool | list[str] | None]:
    """Return what the audit log keeps; addresses stay out of it."""
    return {
        "invitation": invitation.pk,
        "role": invitation.kind,
        "invitee": invitation.username or "an address",
        "hands_over": invitation.hands_over,
    }
