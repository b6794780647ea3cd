"""Several at once, with real threads and real commits: an organization always has an owner, a name one organization."""

from __future__ import annotations

import pytest
from tests.organizations.conftest import id_of, person, user_of
from tests.projects.test_races import at_once, kinds

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import belongings, clock
from keyhouse.core.actor import Actor, host
from keyhouse.organizations import inviting, membership, populating, services, teams
from keyhouse.organizations.belongings import BELONGINGS
from keyhouse.organizations.models import Membership, Organization, TeamMember
from keyhouse.projects.collaborators import services as collaborators
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.models import Project
from keyhouse.projects.organizing import create_project_in, move_project, set_team_role

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def two() -> tuple[Actor, Actor, Organization]:
    ada, bob = person("ada"), person("bob")
    made = services.create_organization("acme", by=host(), owners=[user_of(ada), user_of(bob)])
    return ada, bob, made


@pytest.mark.parametrize("way", ["remove", "lower", "leave", "mixed", "delete"])
def test_two_last_owners_at_once(way: str, two: tuple[Actor, Actor, Organization]) -> None:
    ada, bob, acme = two

    def give_up(actor: Actor) -> None:
        from django.db import transaction  # noqa: PLC0415 - of this way alone

        with transaction.atomic():
            User.objects.select_for_update().get(pk=id_of(actor))
            assert BELONGINGS.give_up is not None
            BELONGINGS.give_up(id_of(actor), clock.now())

    ways = {
        "remove": (
            lambda: membership.remove_member("acme", "bob", by=ada),
            lambda: membership.remove_member("acme", "ada", by=bob),
        ),
        "lower": (
            lambda: membership.change_kind("acme", "bob", "member", by=ada),
            lambda: membership.change_kind("acme", "ada", "manager", by=bob),
        ),
        "leave": (lambda: membership.leave("acme", by=ada), lambda: membership.leave("acme", by=bob)),
        "mixed": (
            lambda: membership.remove_member("acme", "bob", by=ada),
            lambda: membership.leave("acme", by=bob),
        ),
        "delete": (lambda: give_up(ada), lambda: give_up(bob)),
    }
    at_once(*ways[way])
    assert acme.members.filter(kind="owner").count() == 1
    assert belongings.all_belongings()


def test_a_name_at_once(db: None) -> None:
    ada, bob = person("ada"), person("bob")
    outcomes = at_once(
        lambda: services.create_organization("acme", by=ada),
        lambda: services.create_organization("a-cme", by=bob),
    )
    assert kinds(outcomes) == ["Organization", "OrganizationNameRefused"]
    assert Organization.objects.count() == Membership.objects.count() == 1


def test_an_invitation_accepted_twice_at_once(two: tuple[Actor, Actor, Organization]) -> None:
    ada, _, acme = two
    eve = person("eve")
    invitation = inviting.invite("acme", "eve", "member", by=ada)
    outcomes = at_once(*[lambda: inviting.accept(invitation.pk, by=eve)] * 3)
    assert kinds(outcomes) == ["Membership"] * 3
    assert acme.members.count() == 3


def test_removed_while_put_into_a_team(two: tuple[Actor, Actor, Organization]) -> None:
    ada, bob, acme = two
    eve = person("eve")
    populating.add_members(acme, {user_of(eve): "member"}, by=host())
    teams.create_team("acme", "ci", by=ada)
    at_once(
        lambda: teams.add_to_team("acme", "ci", "eve", by=ada),
        lambda: membership.remove_member("acme", "eve", by=bob),
    )
    assert not TeamMember.objects.exists()
    assert not acme.members.filter(user_id=id_of(eve)).exists()


def test_put_into_a_team_and_given_a_role_twice_at_once(two: tuple[Actor, Actor, Organization]) -> None:
    ada, _, acme = two
    populating.add_members(acme, {user_of(person("eve")): "member"}, by=host())
    create_project_in("acme", "alpha", by=ada)
    teams.create_team("acme", "ci", by=ada)
    for act in (
        lambda: teams.add_to_team("acme", "ci", "eve", by=host()),
        lambda: set_team_role("alpha", "ci", "owner", by=host()),
    ):
        assert len({one.pk for one in at_once(act, act)}) == 1
    done = Record.objects.filter(action__in=["team.add-member", "team-role.set"], outcome="done")
    assert sorted(done.values_list("action", "actor_kind")) == [
        ("team-role.set", "host"),
        ("team.add-member", "host"),
    ]


def test_deleted_while_a_project_comes_in(two: tuple[Actor, Actor, Organization]) -> None:
    ada, _, acme = two
    services.create_organization("other", by=ada)
    create_project_in("other", "alpha", by=ada)
    at_once(
        lambda: services.delete_organization("acme", by=ada),
        lambda: move_project("alpha", "acme", by=ada),
    )
    project = Project.objects.get()
    assert (project.organization_id == acme.pk) == Organization.objects.filter(pk=acme.pk).exists()
    assert project.organization is not None


def test_a_team_is_deleted_while_an_owner_by_it_offers_the_ownership(
    two: tuple[Actor, Actor, Organization],
) -> None:
    ada, _, acme = two
    eve, _ = person("eve"), person("puppet")
    populating.add_members(acme, {user_of(eve): "member"}, by=host())
    create_project_in("acme", "alpha", by=ada)
    populating.add_team(acme, "ci", [user_of(eve)], by=host())
    set_team_role("alpha", "ci", "owner", by=ada)
    at_once(
        lambda: teams.delete_team("acme", "ci", by=ada),
        lambda: collaborators.invite("alpha", "puppet", "owner", by=eve),
    )
    assert not acme.teams.exists()
    assert not ProjectInvitation.objects.filter(ended_at=None).exists(), "refused, or ended with her right"
