"""A new owner for an organization that nobody looks after, by operators (A17).

As for a project: where no owner was here for half a year, by two operators, or a day after a sole one announced it; owners
who are merely silent have two weeks to come back, and everybody who belongs to it is told at all addresses.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.proposals import Undertaking
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.core.actor import Actor
from keyhouse.mail.letters import Letter, Text
from keyhouse.organizations import queries
from keyhouse.organizations.errors import OrganizationMissing, OrganizationOwned
from keyhouse.organizations.models import Membership, Organization
from keyhouse.organizations.rules import OWNER, key_of

PROPOSE: Final = "ownership.propose"
SILENCE: Final = timedelta(days=180)  # after which an owner counts as one who looks after nothing
OBJECTION: Final = timedelta(days=14)  # for silent owners, to come back
_GONE: Final = (User.State.SUSPENDED, User.State.DELETED)


def _living_owners(name: str) -> QuerySet[Membership]:
    owners = Membership.objects.filter(organization__normalized_name=key_of(name), kind=OWNER)
    return owners.exclude(user__state__in=_GONE)


def may_have_new_owner(organization: Organization, now: datetime) -> bool:
    """Whether no owner is there who looks after the organization."""
    living = _living_owners(organization.normalized_name)
    seen = living.annotate(seen_at=Coalesce("user__last_seen_at", "user__joined_at"))
    return not seen.filter(seen_at__gt=now - SILENCE).exists()


def _judge(user: User, name: str, now: datetime) -> None:
    del user
    organization = queries.lock_organization(name)
    if organization is None:
        raise OrganizationMissing
    if not may_have_new_owner(organization, now):
        raise OrganizationOwned


def _appoint(user: User, name: str, now: datetime) -> None:
    organization = queries.lock_organization(name)
    if organization is None:
        raise OrganizationMissing
    Membership.objects.update_or_create(
        organization=organization, user=user, defaults={"kind": OWNER, "since_at": now}
    )


def _tell_members(name: str, told: str, now: datetime) -> None:
    people = Membership.objects.filter(organization__normalized_name=key_of(name))
    letter = Letter(
        "ownership",
        f"A new owner for the organization {name}",
        (
            Text(f"By the operators of this index: {told}. Your own role stays as it is."),
            Text("If you look after the organization, sign in to your account, and tell the operators."),
        ),
    )
    tell_others(list(people.values_list("user_id", flat=True)), letter, now)


def _notice(name: str, since: datetime) -> datetime | None:
    """Return until when silent owners can come back; None where nobody is there who could."""
    return since + OBJECTION if _living_owners(name).exists() else None


ORGANIZATION: Final = Undertaking(
    kind=Proposal.Kind.ORGANIZATION,
    action=PROPOSE,
    sentence="{person} becomes an owner of the organization {about}",
    judge=_judge,
    carry_out=_appoint,
    tell_others=_tell_members,
    notice=_notice,
)


def propose_owner(
    organization: Organization, user: User, reason: str, *, by: Actor, now: datetime
) -> Proposal:
    """Propose a new owner. Raises OrganizationOwned, OrganizationMissing and as `proposals.propose`."""
    return proposals.propose(ORGANIZATION, user, organization.normalized_name, reason, by=by, now=now)


def carry_out_due(now: datetime) -> int:
    """Appoint whom was waited for long enough; returns how many."""
    return proposals.carry_out_due(ORGANIZATION, now)
