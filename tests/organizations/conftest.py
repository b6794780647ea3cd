"""Organizations with people; the gate is that of the tests of projects."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from tests.projects.conftest import StrengthGate, id_of, make_person
from tests.projects.conftest import wired as wired  # noqa: PLC0414 - a fixture
from tests.projects.test_invitations import with_address

from keyhouse.accounts.models import User
from keyhouse.core.actor import Actor, host
from keyhouse.organizations import populating, services
from keyhouse.organizations.models import Organization

__all__ = ["StrengthGate", "everything", "id_of", "make_person", "person", "user_of", "with_people"]


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row that an act on an organization could touch, but for what is counted of attempts."""
    labels = ("audit", "accounts", "organizations", "projects", "mail")
    models = [model for label in labels for model in apps.get_app_config(label).get_models()]
    found = {model._meta.label: sorted(model._default_manager.values_list(), key=repr) for model in models}
    return found | {"accounts.Attempt": []}


def person(name: str) -> Actor:
    """Make somebody with a verified address and a session that has proven a second factor."""
    return with_address(make_person(name))


def user_of(actor: Actor) -> User:
    return User.objects.get(pk=id_of(actor))


def with_people(organization: Organization, **kinds: str) -> dict[str, Actor]:
    """Let new people belong to an organization: name → kind."""
    made = {name: person(name) for name in kinds}
    populating.add_members(
        organization, {user_of(made[name]): kind for name, kind in kinds.items()}, by=host()
    )
    return made


@pytest.fixture
def ada(db: None) -> Actor:
    return person("ada")


@pytest.fixture
def acme(ada: Actor) -> Organization:
    """Return an organization that Ada owns."""
    return services.create_organization("Acme", by=ada)
