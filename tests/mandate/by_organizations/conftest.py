"""An organization with people of every kind, the real gate, and a clock that stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from tests.mandate.conftest import SetClock
from tests.mandate.conftest import set_clock as set_clock  # noqa: PLC0414 - a fixture
from tests.mandate.conftest import wired as wired  # noqa: PLC0414 - a fixture
from tests.mandate.stored import ANNOUNCED, make_project, make_user, session_of

from keyhouse.accounts.models import Authenticator, SecurityKey, User
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.errors import Refusal
from keyhouse.mandate.by_organizations import services as declaring
from keyhouse.mandate.by_organizations.models import Declaration
from keyhouse.mandate.by_organizations.queries import declared_of, people_there
from keyhouse.mandate.declarations import Demand
from keyhouse.mandate.models import Notice
from keyhouse.organizations import populating, services
from keyhouse.organizations.models import Organization
from keyhouse.projects.organizing import move_project, set_team_role

NOW = ANNOUNCED  # a Monday
FROM = NOW + timedelta(days=21, hours=9)  # a Monday, too
ACME = Thing("organization", None, "acme")
ALPHA = Thing("project", None, "alpha")
OTHER = Thing("project", None, "other")


def with_app(user: User) -> User:
    Authenticator.objects.create(user=user, name="app", secret_sealed="x", created_at=NOW)
    return user


def with_key(user: User) -> User:
    SecurityKey.objects.create(
        user=user, name="key", credential_id=user.username, public_key=b"x", algorithm=-7,
        backup_eligible=False, rp_id=configuration.current().key_name, created_at=NOW,
    )  # fmt: skip
    return user


def by_app(user: User) -> Actor:
    return session_of(user, "password", "totp")


def by_key(user: User) -> Actor:
    strength = Strength(
        frozenset({"password", "webauthn"}), clock.now(), device_bound=True, key_at=clock.now()
    )
    return Actor("session", user.pk, user.username, strength=strength, email_is_verified=True, needs_key=True)


def let_know() -> None:
    """Let everybody with authority there have got the notices of what was declared, just now."""
    for row in Declaration.objects.all():
        for user_id in people_there(row.organization):
            key = {"user_id": user_id, "mandate": declared_of(row).told_as, "kind": "announcement"}
            Notice.objects.get_or_create(**key, defaults={"delivered_at": clock.now()})


def declare_known(name: str, demand: Demand, at: datetime, *, by: Actor) -> Declaration:
    """Declare it, and let everybody there know."""
    row = declaring.declare(name, demand, at, by=by)
    let_know()
    return row


def code_of(actor: Actor, action: str, thing: Thing | None) -> str:
    """Return the code by which an act is refused, or nothing."""
    try:
        actions.require(actor, action, thing)
    except Refusal as refusal:
        return refusal.code
    return ""


@dataclass
class Crew:
    """Who is there: Ada and Otto own it, Mo is in the team that maintains alpha, Cora has a role in alpha alone."""

    ada: User
    otto: User
    mo: User
    cora: User


@pytest.fixture
def crew(db: None, wired: None, set_clock: SetClock) -> Crew:
    set_clock(NOW - timedelta(days=30))
    made = Crew(*(with_app(make_user(name, last_seen_at=NOW)) for name in ("ada", "otto", "mo", "cora")))
    with_key(made.ada)
    organization = services.create_organization("Acme", by=host(), owners=[made.ada, made.otto])
    populating.add_members(organization, {made.mo: "member"}, by=host())
    populating.add_team(organization, "ci", [made.mo], by=host())
    alpha = make_project("alpha", made.ada)
    move_project("alpha", "acme", by=host())
    alpha.roles.all().delete()
    alpha.roles.create(user=made.cora, kind="maintainer", since_at=NOW - timedelta(days=30))
    set_team_role("alpha", "ci", "maintainer", by=host())
    make_project("other", made.ada, made.mo, made.otto)
    set_clock(NOW)
    return made


@pytest.fixture
def acme(crew: Crew) -> Organization:
    return Organization.objects.get()


def everything(*labels: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row that an act here could touch."""
    found = {}
    for label in labels or ("audit", "organizations", "organizationmandates", "mail", "projects", "mandate"):
        for model in apps.get_app_config(label).get_models():
            found[model._meta.label] = sorted(model._default_manager.values_list(), key=repr)
    return found
