"""A new owner for an organization that nobody looks after, by operators (A17): as for a project."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight import new_owners, proposals
from keyhouse.core.actor import Actor
from keyhouse.organizations import queries
from keyhouse.organizations.errors import OrganizationMissing, OrganizationOwned
from keyhouse.organizations.models import Membership, Organization
from keyhouse.organizations.rules import OWNER, key_of


def _owners(name: str) -> QuerySet[Membership]:
    return Membership.objects.filter(organization__normalized_name=key_of(name), kind=OWNER)


def may_have_new_owner(organization: Organization, now: datetime) -> bool:
    """Whether no owner is there who looks after the organization."""
    return not new_owners.present(_owners(organization.normalized_name), now).exists()


def _appoint(organization: Organization, user: User, now: datetime) -> None:
    Membership.objects.update_or_create(
        organization=organization, user=user, defaults={"kind": OWNER, "since_at": now}
    )


def _people(name: str) -> list[int]:
    members = Membership.objects.filter(organization__normalized_name=key_of(name))
    return list(members.values_list("user_id", flat=True))


ORGANIZATION: Final = new_owners.undertaking(
    new_owners.Ownable(
        kind=Proposal.Kind.ORGANIZATION,
        word="organization",
        sentence="{person} becomes an owner of the organization {about}",
        title="A new owner for the organization {name}",
        lock=queries.lock_organization,
        is_free=may_have_new_owner,
        appoint=_appoint,
        people=_people,
        has_living=lambda name: new_owners.living(_owners(name)).exists(),
        missing=OrganizationMissing,
        owned=OrganizationOwned,
    )
)


def propose_owner(
    organization: Organization, user: User, reason: str, *, by: Actor, now: datetime
) -> Proposal:
    """Propose a new owner. Raises OrganizationOwned, OrganizationMissing and as `proposals.propose`."""
    return proposals.propose(ORGANIZATION, user, organization.normalized_name, reason, by=by, now=now)


def carry_out_due(now: datetime) -> int:
    """Appoint whom was waited for long enough; returns how many."""
    return proposals.carry_out_due(ORGANIZATION, now)
