"""People with and without roles, projects, and the real gate and authority."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conftest import WIRED
from tests.standing import SetClock, standing_clock

from keyhouse.accounts.models import Email, User
from keyhouse.core import actions, clock, configuration, keys
from keyhouse.core.actor import Actor, Strength
from keyhouse.credentials.tokens import services
from keyhouse.credentials.tokens.models import Token
from keyhouse.mandate.gates import MandateGate
from keyhouse.projects.authority import ProjectAuthority
from keyhouse.projects.models import Project, Role

MakeToken = Callable[..., tuple[Token, str]]
__all__ = ["SetClock"]


@pytest.fixture(autouse=True)
def wired() -> Iterator[None]:
    keys.ensure_ring(configuration.current().key_file)
    before = [getattr(actions._wiring, name) for name in WIRED]
    actions.wire(gate=MandateGate(), authority=ProjectAuthority())
    yield
    for name, part in zip(WIRED, before, strict=True):
        setattr(actions._wiring, name, part)


@pytest.fixture
def set_clock() -> Iterator[SetClock]:
    """Let time stand at an instant, until the next one is set."""
    with standing_clock() as set_to:
        yield set_to


def make_user(name: str, **facts: Any) -> User:
    user = User.objects.create(username=name, joined_at=clock.now(), **facts)
    Email.objects.create(
        user=user,
        address=f"{name}@example.org",
        is_primary=True,
        verified_at=clock.now(),
        added_at=clock.now(),
    )
    return user


def session_of(user: User, *methods: str, **facts: Any) -> Actor:
    """Return a fresh session of that person, proven by password and authenticator app if not said otherwise."""
    defaults: dict[str, Any] = {
        "kind": "session",
        "user_id": user.pk,
        "name": user.username,
        "credential": f"session-of-{user.username}",
        "strength": Strength(frozenset(methods or ("password", "totp")), clock.now()),
        "network": "192.0.2.1",
        "email_is_verified": True,
        "state": user.state,
    }
    return Actor(**(defaults | facts))


def make_project(name: str, owner: User | None = None) -> Project:
    project = Project.objects.create(
        name=name, normalized_name=name, folded_name=name, created_at=clock.now()
    )
    if owner:
        Role.objects.create(project=project, user=owner, kind="owner", since_at=clock.now())
    return project


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def alpha(ada: User) -> Project:
    return make_project("alpha", ada)


@pytest.fixture
def beta(db: None) -> Project:
    return make_project("beta", make_user("bob"))


@pytest.fixture
def mint(ada: User, alpha: Project) -> MakeToken:
    """Mint a token of ada's for alpha, with changes."""

    def make(**changes: Any) -> tuple[Token, str]:
        terms: dict[str, Any] = {
            "description": f"token {Token.objects.count()}",
            "project_ids": [alpha.pk],
            "expires_in_days": 30,
            "actions": ["upload"],
            "by": session_of(ada),
        }
        return services.mint_token(changes.pop("user", ada), **(terms | changes))

    return make
