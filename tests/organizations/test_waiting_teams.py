"""A15: whoever owns a critical project by a team isn't taken out unseen: it waits, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.organizations.conftest import everything, id_of, person, user_of, with_people
from tests.projects.test_invitations import moved as moved  # noqa: PLC0414 - a fixture
from tests.projects.test_races import at_once

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import belongings, clock, faults, standing
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import RoleRequired
from keyhouse.mail.models import Mail
from keyhouse.organizations import membership, populating, teams
from keyhouse.organizations.errors import TeamOwnsCritical
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember
from keyhouse.projects import rights, team_roles
from keyhouse.projects.collaborators.keeping import WORKS
from keyhouse.projects.errors import TeamElsewhere
from keyhouse.projects.models import Project, TeamRole
from keyhouse.projects.organizing import create_project_in, end_team_role, set_team_role

pytestmark = pytest.mark.django_db
WEEKS = timedelta(days=30)


@pytest.fixture
def people(ada: Actor, acme: Organization, monkeypatch: pytest.MonkeyPatch) -> dict[str, Actor]:
    """Return a member whom the team `core` makes an owner of a critical project, a manager and another member."""
    create_project_in("acme", "alpha", by=ada)
    made = with_people(acme, eve="member", mia="manager", max="member")
    populating.add_team(acme, "core", [user_of(made["eve"])], by=host())
    set_team_role("alpha", "core", "owner", by=ada)
    monkeypatch.setattr(standing, "is_critical", lambda name: name == "alpha")
    return made


def is_owner(name: str = "eve") -> bool:
    user = User.objects.get(username=name)
    return user.pk in rights.owners_of(Project.objects.get().pk)


def all_due() -> int:
    works = ("memberships_ended", "team_members_ended", "team_roles_ended")
    return sum(WORKS[name](clock.now()) for name in works)


WAYS: dict[str, Callable[[Actor], Any]] = {
    "team": lambda by: teams.remove_from_team("acme", "core", "eve", by=by),
    "role": lambda by: end_team_role("alpha", "core", by=by),
    "lower": lambda by: set_team_role("alpha", "core", "maintainer", by=by),
    "organization": lambda by: membership.remove_member("acme", "eve", by=by),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a15_an_owner_by_a_team_goes_after_a_wait(
    way: str, ada: Actor, people: dict[str, Actor], moved: Any
) -> None:
    for _ in range(2):
        assert WAYS[way](ada).ends_at is not None
    assert is_owner()
    told = Mail.objects.filter(kind__endswith="-ends").values_list("address", flat=True)
    assert sorted(told)[:2] == ["ada@example.org", "eve@example.org"], "once, and whom it is about"
    assert len(told) == len(set(told))
    assert all_due() == 0
    moved(WEEKS)
    assert [all_due(), all_due()] == [1, 0]
    assert not is_owner()
    if way == "lower":
        assert TeamRole.objects.get().kind == "maintainer"


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a15_it_is_taken_back_until_then(way: str, ada: Actor, people: dict[str, Actor], moved: Any) -> None:
    WAYS[way](ada)
    eve = people["eve"]
    if way == "team":
        with pytest.raises(RoleRequired):
            teams.keep_in_team("acme", "core", "eve", by=people["max"])
        assert teams.keep_in_team("acme", "core", "eve", by=eve)
        assert not teams.keep_in_team("acme", "core", "eve", by=people["mia"])
    elif way == "organization":
        assert membership.keep_member("acme", "eve", by=ada)
    else:
        for other in (people["max"], person("sam")):
            with pytest.raises(RoleRequired):
                team_roles.keep_team_role("alpha", "core", by=other)
        with pytest.raises(TeamElsewhere):
            team_roles.keep_team_role("alpha", "nowhere", by=ada)
        assert team_roles.keep_team_role("alpha", "core", by=eve), "whom it is about, as any owner"
        assert not team_roles.keep_team_role("alpha", "core", by=ada)
    moved(WEEKS)
    assert all_due() == 0
    assert is_owner()


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a15_it_rests_while_whoever_asked_is_in_doubt_and_ends_with_their_recovery(
    way: str, ada: Actor, people: dict[str, Actor], moved: Any
) -> None:
    WAYS[way](ada)
    User.objects.filter(pk=id_of(ada)).update(state=User.State.FROZEN)
    moved(WEEKS)
    assert all_due() == 0
    User.objects.filter(pk=id_of(ada)).update(state=User.State.ACTIVE)
    belongings.disown_since(id_of(ada), clock.now(), clock.now())
    assert all_due() == 0
    assert is_owner()


def test_a15_deleting_the_team_is_no_way_around(ada: Actor, people: dict[str, Actor]) -> None:
    before = everything()
    for by in (ada, people["mia"], host()):
        with pytest.raises(TeamOwnsCritical):
            teams.delete_team("acme", "core", by=by)
    assert everything()["organizations.TeamMember"] == before["organizations.TeamMember"]
    assert everything()["mail.Mail"] == before["mail.Mail"]
    assert Team.objects.exists()


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a15_the_host_waits_as_everybody(way: str, people: dict[str, Actor], moved: Any) -> None:
    WAYS[way](host())
    assert is_owner()
    assert all_due() == 0
    moved(WEEKS)
    assert all_due() == 1
    assert not is_owner()


def test_a15_what_takes_nobody_out_is_done_at_once(ada: Actor, people: dict[str, Actor]) -> None:
    teams.add_to_team("acme", "core", "ada", by=ada)
    assert teams.remove_from_team("acme", "core", "ada", by=ada) is None, "who owns it by the organization"
    membership.leave("acme", by=people["eve"])
    assert end_team_role("alpha", "core", by=ada) is None, "nobody is in it"
    assert not TeamMember.objects.exists()


def test_a15_ones_own_act_does_not_wait(ada: Actor, people: dict[str, Actor]) -> None:
    membership.leave("acme", by=people["eve"])
    assert not Membership.objects.filter(user=user_of(people["eve"])).exists()


def test_a15_dying_in_the_middle_leaves_it_waiting(
    ada: Actor, people: dict[str, Actor], moved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for way in ("team", "role"):
        WAYS[way](ada)
    moved(WEEKS)
    before = everything()

    def die(reached: str) -> None:
        raise KeyboardInterrupt(reached)

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", die)
        for work in (teams.carry_out_due, team_roles.carry_out_due):
            with pytest.raises(KeyboardInterrupt):
                work(clock.now())
    assert everything() == before
    assert teams.carry_out_due(clock.now()) + team_roles.carry_out_due(clock.now()) == 2


@pytest.mark.django_db(transaction=True)
def test_a15_two_rounds_at_once_do_it_once(ada: Actor, people: dict[str, Actor], moved: Any) -> None:
    WAYS["team"](ada)
    moved(WEEKS)
    done = at_once(*[lambda: teams.carry_out_due(clock.now())] * 3)
    assert sum(done) == 1
    assert Record.objects.filter(action=teams.REMOVE, actor_kind="job").count() == 1
