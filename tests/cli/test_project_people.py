"""`keyhouse project people`, where it differs from the people of an organization, and `new-owner`."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.accounts.conftest import configure, give_project, make_person, time, wired
from tests.cli.peopled import Commands, actor, acts, mails

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.cli import project as cli
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.projects.collaborators import services
from keyhouse.projects.models import Project, Role

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
COMMANDS = Commands(cli.command)
run, printed, told, refused = COMMANDS.run, COMMANDS.printed, COMMANDS.told, COMMANDS.refused
WHY = ("--reason", "Its owner has left.")


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def bob(db: None) -> User:
    return make_person("bob")


@pytest.fixture(autouse=True)
def alpha(ada: User) -> Project:
    """Return the project that ada owns; eve is a maintainer."""
    project = give_project(ada)
    eve = make_person("eve")
    Role.objects.create(project=project, user=eve, kind="maintainer", since_at=clock.now())
    return project


def roles() -> dict[str, str]:
    return dict(Role.objects.values_list("user__username", "kind"))


def own_too(user: User) -> None:
    Role.objects.create(
        project=Project.objects.get(name="alpha"), user=user, kind="owner", since_at=clock.now()
    )


def test_roles_go_down_at_once_and_up_by_an_invitation(bob: User) -> None:
    own_too(bob)
    for _ in range(2):
        assert told("people", "change-role", "alpha", "BOB", "maintainer")["waits_until"] is None
    assert roles()["bob"] == "maintainer"
    assert mails() == [
        ("project-role-ended", "ada@example.org"),
        ("project-role-ended", "bob@example.org"),
    ]
    row = told("people", "change-role", "alpha", "bob", "owner")
    assert roles()["bob"] == "maintainer"
    services.accept(row["number"], by=actor(bob))
    assert roles()["bob"] == "owner"
    assert refused("people", "change-role", "alpha", "zoe", "owner") == "collaborator-missing"


def test_a_project_is_handed_over_in_two_runs(bob: User) -> None:
    first = run("people", "hand-over", "alpha", "ada", "bob@example.org", "--json")
    assert "Run this again" in first.stderr
    assert roles()["ada"] == "owner"
    assert refused("people", "hand-over", "alpha", "ada", "bob@example.org") == "already-invited"
    services.accept(json.loads(first.stdout)["number"], by=actor(bob))
    for _ in range(2):
        assert told("people", "hand-over", "alpha", "ada", "bob@example.org")["waits_until"] is None
        assert roles() == {"bob": "owner", "eve": "maintainer"}
    assert [action for action, _ in acts("collaborator.")] == [
        "collaborator.invite",
        "collaborator.accept",
        "collaborator.remove",
    ]
    for owner in ("eve", "nobody-like-that"):
        for whom in ("ada", "bob"):
            assert refused("people", "hand-over", "alpha", owner, whom) == "collaborator-missing"
    assert roles() == {"bob": "owner", "eve": "maintainer"}


def test_one_that_never_had_an_owner_is_the_hosts_to_give(ada: User, bob: User) -> None:
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    assert [one["name"] for one in COMMANDS.lines("list", "--without-owner")] == ["alpha"]
    assert refused("people", "invite", "alpha", "bob") == "project-left"
    Role.objects.filter(user=ada).delete()
    assert told("people", "invite", "alpha", "bob")["whom"] == "bob"


def test_but_not_one_that_its_owner_was_taken_from(ada: User, bob: User) -> None:
    own_too(bob)
    printed("people", "remove", "alpha", "ada")
    Role.objects.filter(user=bob).delete()
    assert refused("people", "invite", "alpha", "ada") == "project-left"


def test_a_new_owner_is_proposed_and_two_operators_are_asked(ada: User, bob: User) -> None:
    for name in ("one", "two", "three"):
        make_person(name, is_operator=True)
    assert refused("new-owner", "alpha", "bob", *WHY) == "project-owned"
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    assert refused("new-owner", "alpha", "nobody", *WHY) == "person-missing"
    assert refused("new-owner", "beta", "bob", *WHY) == "not-found"
    assert refused("new-owner", "alpha", "bob", "--reason", " ") == "why-missing"
    assert run("new-owner", "alpha", "bob").exit_code == 2
    row = told("new-owner", "alpha", "bob", *WHY)
    assert row == {"user": "bob", "proposal": Proposal.objects.get().pk, "effective_at": None}
    assert "bob" not in roles()
    assert refused("new-owner", "alpha", "bob", *WHY) == "proposal-open"


def test_with_one_operator_a_new_owner_waits_a_day(ada: User, bob: User) -> None:
    make_person("one", is_operator=True)
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    at = clock.format_instant(clock.now() + timedelta(hours=24))
    assert f"takes effect at {at}" in printed("new-owner", "alpha", "bob", *WHY)
    assert "bob" not in roles()
