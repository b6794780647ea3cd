"""Inviting people into organizations: invite, hand over, send again, take back, accept, decline.

An invitation gives nothing. Whoever accepts gains authority there and then, so the gate is asked as for a first upload.
Accounts are locked before the organization, as the end of an account does, and the organization before its invitations.
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
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actor import Actor
from keyhouse.organizations import letters, membership, queries, rules
from keyhouse.organizations.changing import (
    count,
    lock_people,
    organization_to_change,
    person_of,
    require_answerable,
    require_role,
    thing_of,
)
from keyhouse.organizations.errors import (
    AlreadyMember,
    MembershipKindUnknown,
    OfferedAlready,
    OfferMissing,
    OfferOver,
    OfferRests,
    OffersTooMany,
    OfferTargetRefused,
)
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation

INVITE: Final = "organization.invite"
HAND_OVER: Final = "organization.hand-over"
RESEND: Final = "organization.resend"
REVOKE: Final = "organization.revoke"
ACCEPT: Final = "organization.accept"
DECLINE: Final = "organization.decline"
_Outcome = OrganizationInvitation.Outcome


def invite(name: str, invitee: str, kind: str, *, by: Actor) -> OrganizationInvitation:
    """Offer a role in the organization to a user name or an e-mail address.

    The answer is the same whether or not anybody has that name or address. Raises OfferTargetRefused, UsernameRefused,
    AddressRefused, MembershipKindUnknown, OfferedAlready, AlreadyMember, OffersTooMany, TooManyAttempts,
    OrganizationLeft, OrganizationMissing, RoleRequired and what the gate raises.
    """
    if kind not in rules.KINDS:
        raise MembershipKindUnknown
    return _offer(name, invitee, kind, INVITE, by)


def hand_over(name: str, invitee: str, *, by: Actor) -> OrganizationInvitation:
    """Offer one's own ownership to somebody; once they accept, it ends. Raises as `invite`."""
    person_of(by)
    return _offer(name, invitee, rules.OWNER, HAND_OVER, by)


def _offer(name: str, invitee: str, kind: str, action: str, by: Actor) -> OrganizationInvitation:
    now, (username, address) = clock.now(), read_target(invitee, OfferTargetRefused)
    require_role(name, action, by)
    count(by, limits.INVITATION)
    is_mailed = may_mail(username or address, now)
    with transaction.atomic():
        user = accounts.find_user(username) if username else None
        organization = organization_to_change(name, action, by, user.pk if user else None)
        require_answerable(organization, by, now)
        _require_new(organization, user, (username, address), kind, now)
        invitation = OrganizationInvitation.objects.create(
            organization=organization,
            user=user,
            username=username,
            address=address,
            kind=kind,
            hands_over=action == HAND_OVER,
            invited_by_id=by.user_id,
            invited_by_name=by.name,
            invited_at=now,
            sent_at=now,
            expires_at=now + life_of_offers(),
        )
        record(action, by=by, about=thing_of(organization), details=_told(invitation))
        _tell(invitation, organization, by, now, is_mailed=is_mailed)
        faults.reach("invitation.rows-written")
    return invitation


def _tell(
    invitation: OrganizationInvitation,
    organization: Organization,
    by: Actor,
    now: datetime,
    *,
    is_mailed: bool,
) -> None:
    """Mail it to whoever is invited, and to the other owners where somebody shall join them."""
    if is_mailed:
        mail_offer(invitation, partial(letters.invited, invitation, organization), by, now)
    if invitation.kind == rules.OWNER:
        others = [pk for pk in queries.owners_of(organization) if pk != by.user_id]
        tell_others(others, letters.owner_invited(organization, str(invitation), by.name), now)


def resend(name: str, invitation_id: int, *, by: Actor) -> OrganizationInvitation:
    """Send an invitation once more; it lives for its days from then on, also where it was too old.

    Raises OfferMissing for one of another organization, one that is over and one that never was, TooManyAttempts,
    OrganizationLeft, OrganizationMissing, RoleRequired and what the gate raises.
    """
    now = clock.now()
    require_role(name, RESEND, by)
    here = OrganizationInvitation.objects.filter(organization__normalized_name=rules.key_of(name))
    if not here.filter(pk=invitation_id).exists():
        raise _none_waits()
    count(by, limits.INVITATION)
    limits.count_attempt(now=now, limit=limits.MAIL, subject=f"organization-invitation:{invitation_id}")
    with transaction.atomic():
        organization = organization_to_change(name, RESEND, by)
        require_answerable(organization, by, now)
        invitation = _open_one(organization, invitation_id)
        until = max(invitation.expires_at, now + life_of_offers())
        send_once_more(invitation, organization, until, by, now, is_mailed=may_mail(str(invitation), now))
    return invitation


def send_once_more(  # noqa: PLR0913 - what is sent, and by whom
    invitation: OrganizationInvitation,
    organization: Organization,
    until: datetime,
    by: Actor,
    now: datetime,
    *,
    is_mailed: bool = True,
) -> None:
    """Let an invitation live until then and mail it, in the caller's transaction, which holds the lock of the organization."""
    invitation.sent_at, invitation.expires_at = now, until
    invitation.save(update_fields=["sent_at", "expires_at"])
    record(RESEND, by=by, about=thing_of(organization), details=_told(invitation))
    if is_mailed:
        mail_offer(invitation, partial(letters.invited, invitation, organization), by, now)


def is_resting(invitation: OrganizationInvitation, organization: Organization, now: datetime) -> bool:
    """Tell whether nobody can accept it for now: whoever invited may not do that any more, or may not be themselves."""
    inviter = invitation.invited_by
    if inviter is None:
        return False
    is_owner = organization.members.filter(user_id=inviter.pk, kind=rules.OWNER).exists()
    return not is_owner or not is_surely_themselves(inviter, now)


def revoke(name: str, invitation_id: int, *, by: Actor) -> None:
    """Take an invitation back; a second time changes nothing. Raises as `resend`."""
    with transaction.atomic():
        organization = organization_to_change(name, REVOKE, by)
        found = organization.invitations.filter(pk=invitation_id).first()
        if found is not None and found.outcome == _Outcome.REVOKED:
            return
        invitation = _open_one(organization, invitation_id)
        _end(invitation, _Outcome.REVOKED, clock.now())
        record(REVOKE, by=by, about=thing_of(organization), details=_told(invitation))


def accept(invitation_id: int, *, by: Actor) -> Membership:
    """Take on the role that was offered; a second click changes nothing, and no invitation is good twice.

    Whoever has a higher role keeps that. Raises OfferMissing for somebody else's and for none, OfferOver, OfferRests and
    what the gate raises.
    """
    found, user_id = _mine(invitation_id, by), person_of(by)
    name = found.organization.normalized_name
    with transaction.atomic():
        organization = organization_to_change(name, ACCEPT, by, found.invited_by_id)
        invitation, now = _mine(invitation_id, by), clock.now()
        present = Membership.objects.filter(organization=organization, user_id=user_id).first()
        if invitation.accepted_by_id == user_id and present is not None:
            return present
        if not rules.is_waiting(invitation.ended_at, invitation.expires_at, now):
            raise OfferOver
        if is_resting(invitation, organization, now):
            raise OfferRests
        member = _take_on(organization, present, invitation.kind, user_id, now)
        invitation.accepted_by_id = user_id
        _end(invitation, _Outcome.ACCEPTED, now)
        if invitation.hands_over and invitation.invited_by_id is not None:
            membership.hand_over(organization, member, invitation.invited_by_id, now)
        record(ACCEPT, by=by, about=thing_of(organization), account_id=user_id, details=_told(invitation))
        others = [pk for pk in queries.owners_of(organization) if pk != user_id]
        tell_others(others, letters.joined(organization, by.name, member.kind), now)
        faults.reach("invitation.accepted")
    return member


def decline(invitation_id: int, *, by: Actor) -> None:
    """Say no to an invitation; a second time changes nothing. Raises OfferMissing, OfferOver."""
    found = _mine(invitation_id, by)
    name = found.organization.normalized_name
    with transaction.atomic():
        lock_people([by.user_id, found.invited_by_id])
        organization = queries.lock_organization(name)
        actions.require(by, DECLINE, thing_of(found.organization))
        invitation = _mine(invitation_id, by)
        if organization is None or invitation.outcome == _Outcome.DECLINED:
            return
        if invitation.ended_at is not None:
            raise OfferOver
        now = clock.now()
        _end(invitation, _Outcome.DECLINED, now)
        about = thing_of(organization)
        record(DECLINE, by=by, about=about, account_id=by.user_id, details=_told(invitation))
        if invitation.invited_by_id is not None:
            letter = letters.declined(organization, str(invitation))
            tell_others([invitation.invited_by_id], letter, now)


def _require_new(
    organization: Organization, user: User | None, invitee: tuple[str, str], kind: str, now: datetime
) -> None:
    username, address = invitee
    if user is not None:
        present = Membership.objects.filter(organization=organization, user=user).first()
        if present is not None and not rules.is_higher(kind, present.kind):
            raise AlreadyMember
    waiting = queries.waiting_invitations(now).filter(organization=organization)
    if waiting.filter(username__iexact=username, address=address).exists():
        raise OfferedAlready
    if waiting.count() >= rules.MOST_WAITING:
        raise OffersTooMany
    # one that was too old is replaced
    old = organization.invitations.filter(ended_at=None, username__iexact=username, address=address)
    old.update(ended_at=now, outcome=_Outcome.REVOKED)


def _open_one(organization: Organization, invitation_id: int) -> OrganizationInvitation:
    found = queries.open_invitations_of(organization).filter(pk=invitation_id).select_related("user").first()
    if found is None:
        raise _none_waits()
    return found


def _none_waits() -> OfferMissing:
    return OfferMissing(
        "This organization has no such invitation that waits.",
        fix="The page of its people lists those that wait, as does `keyhouse organization people invitations` at the host.",
    )


def _mine(invitation_id: int, by: Actor) -> OrganizationInvitation:
    found = queries.find_invitation_of_person(invitation_id, person_of(by))
    if found is None:
        raise OfferMissing
    return found


def _take_on(
    organization: Organization, present: Membership | None, kind: str, user_id: int, now: datetime
) -> Membership:
    if present is None:
        return Membership.objects.create(organization=organization, user_id=user_id, kind=kind, since_at=now)
    if rules.is_higher(kind, present.kind):
        present.kind, present.since_at = kind, now
        present.save(update_fields=["kind", "since_at"])
    return present


def _end(invitation: OrganizationInvitation, outcome: str, now: datetime) -> None:
    invitation.ended_at, invitation.outcome = now, outcome
    invitation.save(update_fields=["ended_at", "outcome", "accepted_by"])


def _told(invitation: OrganizationInvitation) -> dict[str, Detail]:
    """Return what the audit log keeps; addresses stay out of it."""
    return {
        "invitation": invitation.pk,
        "role": invitation.kind,
        "invitee": invitation.username or "an address",
        "hands_over": invitation.hands_over,
    }
