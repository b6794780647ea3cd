"""Making a project that comes from elsewhere with its history: its roles begin today, and it may have no owner yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.distfiles.names import normalise
from keyhouse.projects import pages, queries, rules, services
from keyhouse.projects.changing import require_people, settled, thing_of
from keyhouse.projects.errors import OwnerMissing
from keyhouse.projects.models import Project, Role


def receive_project(  # noqa: PLR0913 - each argument is a fact of the project
    name: str,
    owners: Iterable[User],
    maintainers: Iterable[User] = (),
    *,
    by: Actor,
    created_at: datetime | None = None,
    may_lack_owner: bool = False,
    takes_reserved: bool = False,
) -> Project:
    """Make a project without files, or return the one that is there as it is.

    `created_at` is when it began elsewhere; by `takes_reserved` it may have a name that is kept for others. Raises NameRefused, OwnerMissing, RoleRequired and what the gate raises.
    """
    people = {user.pk: rules.MAINTAINER for user in maintainers} | {user.pk: rules.OWNER for user in owners}
    if rules.OWNER not in people.values() and not may_lack_owner:
        raise OwnerMissing
    return settled(lambda: _receive(name, people, by, created_at, takes_reserved=takes_reserved))


def _receive(
    name: str, people: dict[int, str], by: Actor, created_at: datetime | None, *, takes_reserved: bool
) -> Project:
    now = clock.now()
    with transaction.atomic():
        found = queries.lock_project(normalise(name))
        actions.require(by, "project.create", Thing("project", None, normalise(name)))
        if found is not None:
            return found
        project = services.add_project(
            name, created_at or now, by=by, people=list(people), takes_reserved=takes_reserved
        )
        Role.objects.bulk_create(
            Role(project=project, user_id=pk, kind=kind, since_at=now) for pk, kind in people.items()
        )
        require_people(people)
        owners = [kind for kind in people.values() if kind == rules.OWNER]
        details: dict[str, Detail] = {"is_imported": True, "owners": len(owners)}
        record("project.create", by=by, about=thing_of(project), details=details)
        pages.refresh_pages(project, touches_listing=True)
    return project
