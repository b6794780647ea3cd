"""Setting publishers up for an organization: for projects that stand in it, and for names to come that it will own.

Who answers for one is an owner of the organization; once they are none it rests, until another owner confirms it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired
from keyhouse.credentials.tokens import homes
from keyhouse.credentials.tokens.errors import ReachInvalid
from keyhouse.credentials.tokens.reaching import hold_organization
from keyhouse.credentials.tokens.rules import Reach
from keyhouse.credentials.trusted_publishers import letters, queries, services
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherExists, PublishersTooMany
from keyhouse.credentials.trusted_publishers.services import ADD, ADD_PENDING, MOST_OF_PROJECT, Told
from keyhouse.organizations.changing import require_role
from keyhouse.organizations.models import Organization
from keyhouse.organizations.queries import owners_of

MOST_PENDING: Final = 10  # of one organization
_TOO_MANY: Final = "An organization may have {} trusted publishers{}."


def add_organization_publisher(  # noqa: PLR0913 - what a publisher is
    name: str,
    provider: str,
    issuer_url: str,
    fields: Mapping[str, Any],
    *,
    reach: Reach,
    by: Actor,
    told: Told | None = None,
) -> Publisher:
    """Let projects of the organization of that name trust an identity; all its owners are told.

    Raises ReachInvalid, OrganizationMissing, and else as `services.add_publisher`.
    """
    require_role(name, ADD, by)
    now = clock.now()
    draft = services.draft_of(provider, issuer_url, fields, by, told, now)
    with transaction.atomic():
        organization, held = hold_organization(name, ADD, by, draft.configured_by_id, reach=reach)
        if held is not None and not held:
            raise ReachInvalid("Name at least one project, or choose all.")
        draft.organization, draft.is_for_all_projects = organization, held is None
        _require_owner(draft, organization)
        _require_room(draft, queries.of_organization(organization.pk).count(), MOST_OF_PROJECT)
        draft.save(force_insert=True)
        draft.projects.set(held or ())
        names = [one.normalized_name for one in held or ()]
        services.note(ADD, draft, by, projects=names or "all")
        _tell(draft, organization, by, told, now)
    return draft


def add_organization_pending(  # noqa: PLR0913 - what a publisher is
    organization_name: str,
    name: str,
    provider: str,
    issuer_url: str,
    fields: Mapping[str, Any],
    *,
    by: Actor,
    told: Told | None = None,
) -> Publisher:
    """Let an identity make a project of that name in the organization by its first upload; the name is not reserved.

    Raises as `services.add_pending_publisher`, and OrganizationMissing.
    """
    require_role(organization_name, ADD_PENDING, by)
    if told is None:
        services.require_strong(by)
    now = clock.now()
    draft = services.draft_of(provider, issuer_url, fields, by, told, now)
    services.let_wait(draft, name)
    with transaction.atomic():
        organization, _ = hold_organization(organization_name, ADD_PENDING, by, draft.configured_by_id)
        draft.organization = organization
        _require_owner(draft, organization)
        services.judge_name(draft.pending_name, owners_of(organization), by)
        # what is too old makes room for the same once more, before the round that ends it
        stale = Publisher.objects.filter(organization=organization, expires_at__lte=now)
        stale.filter(pending_normalized_name=draft.pending_normalized_name, identity=draft.identity).delete()
        _require_room(draft, queries.pending_of_organization(organization.pk, now).count(), MOST_PENDING)
        draft.save(force_insert=True)
        services.note(ADD_PENDING, draft, by)
        if told is None:
            services.tell_owners(draft, letters.pending_added(draft), now)
    return draft


def _require_owner(draft: Publisher, organization: Organization) -> None:
    """Refuse whom the host names and who is no owner, as anybody else is refused."""
    if draft.configured_by_id not in owners_of(organization):
        raise RoleRequired("A publisher of an organization is set up by an owner of it.")


def _require_room(draft: Publisher, present: int, most: int) -> None:
    alike = Publisher.objects.filter(organization=draft.organization, identity=draft.identity)
    if alike.filter(pending_normalized_name=draft.pending_normalized_name).exists():
        raise PublisherExists("The organization has this publisher already.")
    if present >= most:
        raise PublishersTooMany(
            _TOO_MANY.format(most, " that wait for a project" if draft.is_pending else "")
        )


def _tell(draft: Publisher, organization: Organization, by: Actor, told: Told | None, now: datetime) -> None:
    if told is None:
        letter = letters.added(draft, homes.of_organization(organization), by.name)
        services.tell_owners(draft, letter, now)
