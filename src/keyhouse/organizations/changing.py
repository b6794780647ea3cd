"""What every change of an organization begins with: accounts and its row locked, authority and gate asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from keyhouse.accounts import limits
from keyhouse.accounts.limit_table import Limit
from keyhouse.accounts.models import User
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import SignInRequired
from keyhouse.organizations import ownership, queries
from keyhouse.organizations.errors import OrganizationLeft, OrganizationMissing
from keyhouse.organizations.models import Membership, Organization
from keyhouse.organizations.rules import OWNER, key_of


def organization_to_change(name: str, action: str, by: Actor, *more: int | None) -> Organization:
    """Lock an organization and, before it, whom the act may tell or change; nobody without the role learns whether it is there.

    Accounts are locked first and in one order, as the end of an account does.
    """
    lock_people([*owner_ids(name), by.user_id, *more])
    organization = queries.lock_organization(name)
    actions.require(by, action, thing_of(organization) if organization else thing_named(name))
    if organization is None:
        raise OrganizationMissing
    return organization


def owner_ids(name: str) -> list[int]:
    """Return the account numbers of the owners of the organization of that name, if there is one."""
    owners = Membership.objects.filter(organization__normalized_name=key_of(name), kind=OWNER)
    return list(owners.values_list("user_id", flat=True))


def lock_people(user_ids: Iterable[int | None]) -> None:
    """Hold the locks of these accounts, in one order and before that of an organization."""
    wanted = sorted({one for one in user_ids if one is not None})
    list(User.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk"))


def require_role(name: str, action: str, by: Actor) -> None:
    """Ask before anything is counted or locked; it is asked once more under the lock."""
    actions.require_authority(by, action, thing_named(name))


def count(by: Actor, limit: Limit) -> None:
    """Count what somebody does against a limit; the host has none."""
    if by.user_id is not None:
        subject = f"account:{by.user_id}"
        limits.count_attempt(now=clock.now(), limit=limit, subject=subject, network=by.network)


def require_answerable(organization: Organization, by: Actor, now: datetime) -> None:
    """Raise OrganizationLeft where the host alone would decide who may do what there: no owner is there to object.

    What takes away whom a team makes an owner counts, too: for as long as they are, they may object to a new owner.
    """
    if by.kind == "host" and ownership.may_have_new_owner(organization, now):
        raise OrganizationLeft


def thing_of(organization: Organization) -> Thing:
    """Return the organization as actions and records name it."""
    return Thing("organization", organization.pk, organization.normalized_name)


def thing_named(name: str) -> Thing:
    """Return an organization that may not be there."""
    return Thing("organization", None, key_of(name))


def person_of(by: Actor) -> int:
    """Return who acts; raises SignInRequired for the host, a job and nobody."""
    if by.user_id is None:
        raise SignInRequired
    return by.user_id
