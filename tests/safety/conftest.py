"""People with and without an office, and a project that somebody owns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.projects.conftest import make_file, make_person

from keyhouse.accounts.models import Email, User
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor
from keyhouse.projects.models import Project
from keyhouse.projects.services import publish_file
from keyhouse.web.wiring import wire_all


@pytest.fixture(autouse=True)
def wired() -> Iterator[None]:
    before = actions._wiring
    actions._wiring = actions._Wiring()
    wire_all()
    yield
    actions._wiring = before


def person(name: str, office: str = "", **changes: object) -> Actor:
    """Make an account with a verified address, and a session of it that has proven a second factor."""
    facts = {f"is_{office}": True} if office else {}
    actor = make_person(name, **facts, **changes)
    user = User.objects.get(username=name)
    if office:
        setattr(user, f"is_{office}", True)
        user.save()
    Email.objects.create(
        user=user,
        address=f"{name}@example.org",
        is_primary=True,
        verified_at=clock.now(),
        added_at=clock.now(),
    )
    return actor


@pytest.fixture
def ada(db: None) -> Actor:
    return person("ada")


@pytest.fixture
def mod(db: None) -> Actor:
    return person("mod", "moderator")


@pytest.fixture
def op(db: None) -> Actor:
    return person("op", "operator")


@pytest.fixture
def alpha(ada: Actor) -> Project:
    """A project of ada's with two releases, the first of them with two files."""
    publish_file(make_file("alpha", "1.0"), by=ada)
    publish_file(make_file("alpha", "1.0", kind="sdist"), by=ada)
    publish_file(make_file("alpha", "2.0"), by=ada)
    return Project.objects.get(normalized_name="alpha")
