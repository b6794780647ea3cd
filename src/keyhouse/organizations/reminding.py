"""Telling everybody who is invited into an organization once more, or inviting anew everybody who didn't come in time."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet

from keyhouse.accounts.offers import Reminded, life_of_offers, was_told_lately
from keyhouse.accounts.queries import find_verified_email
from keyhouse.core import clock, faults
from keyhouse.core.actor import Actor
from keyhouse.organizations import rules
from keyhouse.organizations.changing import organization_to_change, require_answerable, require_role
from keyhouse.organizations.inviting import RESEND, is_resting, send_once_more
from keyhouse.organizations.models import Membership, OrganizationInvitation


def remind(name: str, *, by: Actor, is_over: bool = False, is_dry: bool = False) -> Reminded:
    """Mail everybody whose invitation waits, or anew everybody whose invitation `is_over`, for the host.

    One transaction for each, so that it goes on where it was stopped; `is_dry` takes each back. What waits keeps its
    deadline, and what is over gets a new one. Whoever was mailed within a day is left out, and whoever couldn't accept now.
    Whoever has the role by now, or a higher one, is passed over, as are a user name that nobody has, and a hand-over that is
    over. Raises OrganizationLeft, OrganizationMissing, RoleRequired and what the gate raises.
    """
    require_role(name, RESEND, by)
    with transaction.atomic():
        organization = organization_to_change(name, RESEND, by)
        require_answerable(organization, by, clock.now())
    done = Reminded()
    for key in list(_offers(organization.pk, is_over=is_over).order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            _send(name, key, done, by, is_over=is_over)
            transaction.set_rollback(is_dry)
    return done


def _offers(organization_id: int, *, is_over: bool) -> QuerySet[OrganizationInvitation]:
    """Return the invitations that can be sent; one to a user name that nobody has reaches nobody, whoever takes it.

    What was handed over and is over isn't among them: whoever accepts it puts somebody out, who let it lapse.
    """
    reach = OrganizationInvitation.objects.filter(Q(user__isnull=False) | ~Q(address=""))
    found = reach.filter(organization=organization_id, ended_at=None)
    now = clock.now()
    over = found.filter(expires_at__lte=now, hands_over=False)
    return over if is_over else found.filter(expires_at__gt=now)


def _send(name: str, key: int, done: Reminded, by: Actor, *, is_over: bool) -> None:
    """Send one and add to `done` what became of it: nothing, where somebody was faster or there is nothing to offer."""
    organization, now = organization_to_change(name, RESEND, by), clock.now()
    require_answerable(organization, by, now)
    found = _offers(organization.pk, is_over=is_over).filter(pk=key).select_related("user").first()
    if found is None or _has_it(found):
        return
    if is_resting(found, organization, now):
        done.resting.append(str(found))
    elif was_told_lately(found.sent_at, now):
        done.lately.append(str(found))
    else:
        until = now + life_of_offers() if is_over else found.expires_at
        send_once_more(found, organization, until, by, now)
        done.told.append(str(found))
        faults.reach("invitation.rows-written")


def _has_it(invitation: OrganizationInvitation) -> bool:
    """Tell whether whoever is invited has the role, or a higher one, as by another invitation."""
    user_id = invitation.user_id
    if invitation.address:
        email = find_verified_email(invitation.address)
        user_id = email.user_id if email else None
    present = Membership.objects.filter(organization=invitation.organization_id, user=user_id).first()
    return present is not None and not rules.is_higher(invitation.kind, present.kind)
