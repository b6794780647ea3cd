"""Making, describing, renaming and deleting organizations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from keyhouse.accounts import limits
from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, configuration, faults
from keyhouse.core.actor import Actor
from keyhouse.distfiles.names import fold, normalise
from keyhouse.organizations import letters, queries, rules
from keyhouse.organizations.changing import (
    count,
    lock_people,
    organization_to_change,
    person_of,
    thing_named,
    thing_of,
)
from keyhouse.organizations.errors import (
    MemberMissing,
    OrganizationApplied,
    OrganizationNameRefused,
    OrganizationNotEmpty,
)
from keyhouse.organizations.models import Membership, Organization, UsedName

CREATE: Final = "organization.create"
DESCRIBE: Final = "organization.describe"
RENAME: Final = "organization.rename"
DELETE: Final = "organization.delete"
TAKEN: Final = "Another organization has or had this name, or one that people would confuse with it."


def create_organization(
    name: str, *, by: Actor, title: str = "", description: str = "", owners: Iterable[User] = ()
) -> Organization:
    """Make an organization that the actor owns; `owners` is for the host.

    Raises OrganizationNameRefused, OrganizationTextRefused, OrganizationApplied where operators decide about each,
    TooManyAttempts and what the gate raises.
    """
    is_host = by.kind == "host"
    actions.require(by, CREATE, thing_named(name))
    if not is_host:
        if configuration.current().organizations == "application":
            raise OrganizationApplied
        rules.check_name(name)
        count(by, limits.CREATION)
    owner_ids = [user.pk for user in owners] if is_host else [person_of(by)]
    texts = (rules.check_text(title, rules.LONGEST_TITLE), rules.check_text(description))
    with transaction.atomic():
        actions.require(by, CREATE, thing_named(name))
        organization = write_organization(name, texts, owner_ids, clock.now())
        record(CREATE, by=by, about=thing_of(organization), details={"owners": len(owner_ids)})
        faults.reach("organization.rows-written")
    return organization


def write_organization(
    name: str, texts: tuple[str, str], owner_ids: list[int], now: datetime
) -> Organization:
    """Write organization, name and owners, in the caller's transaction; raises OrganizationNameRefused, MemberMissing."""
    rules.check_name(name)
    lock_people(owner_ids)
    living = User.objects.filter(pk__in=owner_ids).exclude(state=User.State.DELETED)
    if not owner_ids or living.count() != len(set(owner_ids)):
        raise MemberMissing
    title, description = texts
    organization = Organization(
        name=name, normalized_name=normalise(name), title=title, description=description, created_at=now
    )
    _take_name(organization, name, now)
    Membership.objects.bulk_create(
        Membership(organization=organization, user_id=pk, kind=rules.OWNER, since_at=now)
        for pk in dict.fromkeys(owner_ids)
    )
    return organization


def _take_name(organization: Organization, name: str, now: datetime) -> None:
    """Store the organization under a name that nobody else has or had; of two who ask at once one is refused."""
    used = UsedName.objects.select_for_update().filter(folded_name=fold(name)).first()
    if used is not None and (used.organization_id is None or used.organization_id != organization.pk):
        raise OrganizationNameRefused(TAKEN)
    try:
        with transaction.atomic():
            organization.save()
            if used is None:
                UsedName.objects.create(folded_name=fold(name), organization=organization, used_at=now)
    except IntegrityError as error:
        raise OrganizationNameRefused(TAKEN) from error


def describe_organization(name: str, title: str, description: str, *, by: Actor) -> Organization:
    """Say what an organization is about; the same again changes nothing. Raises OrganizationTextRefused and as `rename_organization`."""
    texts = (rules.check_text(title, rules.LONGEST_TITLE), rules.check_text(description))
    with transaction.atomic():
        organization = organization_to_change(name, DESCRIBE, by)
        if (organization.title, organization.description) == texts:
            return organization
        organization.title, organization.description = texts
        organization.save(update_fields=["title", "description"])
        record(DESCRIBE, by=by, about=thing_of(organization), details={"title": organization.title})
    return organization


def rename_organization(name: str, new_name: str, *, by: Actor) -> Organization:
    """Give it another name; the former one leads to it, and nobody else can have it. The same again changes nothing.

    Raises OrganizationNameRefused, OrganizationMissing, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        organization = organization_to_change(name, RENAME, by)
        rules.check_name(new_name)
        before, now = organization.name, clock.now()
        if before == new_name:
            return organization
        organization.name, organization.normalized_name = new_name, normalise(new_name)
        _take_name(organization, new_name, now)
        details = {"before": before, "after": new_name}
        record(RENAME, by=by, about=thing_of(organization), details=details)
        tell_others(queries.owners_of(organization), letters.renamed(organization, before, by.name), now)
        faults.reach("organization.rows-written")
    return organization


def delete_organization(name: str, *, by: Actor) -> None:
    """Delete an organization without projects; its names stay taken for ever.

    Raises OrganizationNotEmpty, OrganizationMissing, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        organization = organization_to_change(name, DELETE, by)
        about, told = thing_of(organization), organization.name
        people = list(organization.members.values_list("user_id", flat=True))
        try:
            organization.delete()
        except ProtectedError as error:  # by the projects that stand in it
            raise OrganizationNotEmpty from error
        record(DELETE, by=by, about=about, details={"name": told})
        tell_others([pk for pk in people if pk != by.user_id], letters.deleted(told, by.name), clock.now())
        faults.reach("organization.rows-written")
