"""Authority by organizations and teams: gathered from live rows, covered by mandates, asked for when it is gained."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.mandate.conftest import SetClock
from tests.mandate.stored import (
    ANNOUNCED,
    ENFORCED,
    document,
    make_project,
    make_user,
    retire_default,
    session_of,
    store,
)
from tests.mandate.test_invited import roles_of, with_app

from keyhouse.accounts.models import User
from keyhouse.core import actions, clock, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import host
from keyhouse.core.errors import RoleRequired, SecondFactorRequired, StrongerFactorRequired
from keyhouse.mandate import people, queries
from keyhouse.mandate.blockers import blockers_of
from keyhouse.mandate.models import CriticalProject
from keyhouse.mandate.rules import covers
from keyhouse.organizations import inviting, membership, populating, services, teams
from keyhouse.organizations.errors import OfferMissing
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import Project
from keyhouse.projects.organizing import move_project, set_team_role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]
ALPHA = Thing("project", None, "alpha")


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> None:
    set_clock(ANNOUNCED)


@pytest.fixture
def ada() -> User:
    return with_app(make_user("ada", last_seen_at=ENFORCED))


@pytest.fixture
def eve() -> User:
    """Return somebody whose only authority is by a team, and who has no second factor."""
    return make_user("eve")


@pytest.fixture
def acme(ada: User, eve: User) -> Organization:
    """Return an organization of Ada's whose project `alpha` the team `ci`, which is Eve, maintains."""
    made = services.create_organization("Acme", by=host(), owners=[ada])
    populating.add_members(made, {eve: "member"}, by=host())
    populating.add_team(made, "ci", [eve], by=host())
    make_project("alpha", ada)
    move_project("alpha", "acme", by=host())
    Project.objects.get().roles.all().delete()
    set_team_role("alpha", "ci", "maintainer", by=host())
    return made


def authority_of(user: User) -> set[tuple[str, str, str, str]]:
    """Return what somebody may do as the gate sees it, and see that plans see the same."""
    gathered = queries.facts_of_person(user.pk)
    [listed] = [one for one in people.all_facts() if one.person.name == user.username]
    assert replace(listed, person=replace(listed.person, recovery_codes=0)) == replace(
        gathered, person=replace(gathered.person, recovery_codes=0)
    )
    return {(one.kind, one.name, one.role, one.via) for one in gathered.authority}


def test_facts_know_organizations_and_through_what_a_right_comes(
    ada: User, eve: User, acme: Organization
) -> None:
    assert authority_of(ada) == {
        ("organization", "acme", "owner", "own"),
        ("project", "alpha", "owner", "organization"),
    }
    assert authority_of(eve) == {
        ("organization", "acme", "member", "own"),
        ("project", "alpha", "maintainer", "ci"),
    }
    CriticalProject.objects.create(
        criterion="x", normalized_name="alpha", lineage=uuid4(), since_at=ANNOUNCED
    )
    assert {one.name: set(one.critical) for one in queries.facts_of_person(eve.pk).authority} == {
        "acme": set(),
        "alpha": {"x"},
    }
    assert authority_of(eve)
    assert standing.of(eve.pk).has_critical_project
    assert standing.of(ada.pk).sole_organizations == ("Acme",)
    assert standing.of(eve.pk).co_owner_ids == (ada.pk,)


def test_what_is_gained_later_is_held_since_then(eve: User, acme: Organization, set_clock: SetClock) -> None:
    set_clock(ENFORCED)
    set_team_role("alpha", "ci", "owner", by=host())
    since = {one.kind: one.since for one in queries.facts_of_person(eve.pk).authority}
    assert since == {"organization": ANNOUNCED, "project": ENFORCED}
    assert authority_of(eve)


def test_the_mandate_of_a_new_index_covers_members_of_organizations(eve: User, acme: Organization) -> None:
    Project.objects.all().delete()
    [default] = queries.live_policies(clock.now())
    assert covers(default, queries.facts_of_person(eve.pk))
    membership.remove_member("acme", "eve", by=host())
    assert not covers(default, queries.facts_of_person(eve.pk))


def test_a15_an_invitation_waits_without_authority(ada: User, acme: Organization) -> None:
    zoe = make_user("zoe")
    weak, strong = session_of(zoe, "password"), session_of(zoe)
    offered = inviting.invite("acme", "zoe@example.org", "owner", by=session_of(ada))
    assert roles_of(zoe) == ("invited",)
    assert standing.of(zoe.pk).is_invited
    with pytest.raises(SecondFactorRequired):
        inviting.accept(offered.pk, by=weak)
    with pytest.raises(RoleRequired):
        actions.require(strong, "project.manage", ALPHA)
    with CaptureQueriesContext(connection) as asked:
        queries.gather(strong, "organization.accept", Thing("organization", None, "acme"), clock.now())
    assert len(asked) <= 3
    inviting.accept(offered.pk, by=strong)
    assert roles_of(zoe) == ()
    actions.require(strong, "project.manage", ALPHA)
    with pytest.raises(OfferMissing):
        inviting.accept(offered.pk, by=session_of(make_user("yan")))


def test_whoever_joins_is_asked_what_the_role_asks(ada: User, acme: Organization) -> None:
    retire_default()
    enforced = [{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}]
    owners = {"role": ["organization.owner"]}
    keys = {"accept": ["phishing-resistant"]}
    store(document(name="keys", who=owners, methods=keys, stages=enforced), origin="seeded")
    zoe, yan = with_app(make_user("zoe")), with_app(make_user("yan"))
    by = session_of(ada, "password", "webauthn")
    as_owner = inviting.invite("acme", "zoe", "owner", by=by)
    as_member = inviting.invite("acme", "yan", "member", by=by)
    with pytest.raises(StrongerFactorRequired):
        inviting.accept(as_owner.pk, by=session_of(zoe))
    with pytest.raises(StrongerFactorRequired):
        services.create_organization("other", by=session_of(yan))
    inviting.accept(as_member.pk, by=session_of(yan))
    inviting.accept(as_owner.pk, by=session_of(zoe, "password", "webauthn"))


def test_a16_a_team_right_opens_nothing_after_its_end(eve: User, acme: Organization) -> None:
    with_app(eve)
    actions.require(session_of(eve), "release.upload", ALPHA)
    move_of = Project.objects.get()
    make_project("own", eve)
    services.create_organization("other", by=host(), owners=[make_user("bob")])
    move_project(move_of.normalized_name, "other", by=host())
    with pytest.raises(RoleRequired):
        actions.require(session_of(eve), "release.upload", ALPHA)
    move_project("alpha", "acme", by=host())
    with pytest.raises(RoleRequired):
        actions.require(session_of(eve), "release.upload", ALPHA)  # it isn't given back by itself
    set_team_role("alpha", "ci", "maintainer", by=host())
    teams.remove_from_team("acme", "ci", "eve", by=host())
    with pytest.raises(RoleRequired):
        actions.require(session_of(eve), "release.upload", ALPHA)


def test_a17_an_owner_who_lacks_a_factor_keeps_the_organization_and_is_named(
    ada: User, eve: User, acme: Organization
) -> None:
    olga = make_user("olga")
    populating.add_members(acme, {olga: "owner"}, by=host())
    with pytest.raises(SecondFactorRequired):
        actions.require(session_of(olga, "password"), "organization.manage", Thing("organization", acme.pk))
    assert acme.members.filter(user=olga, kind="owner").exists()
    lacking = {(one.username, one.role, one.via) for one in blockers_of(Project.objects.get(), clock.now())}
    assert lacking == {("olga", "Owner", "organization"), ("eve", "Maintainer", "ci")}
    assert set(Project.objects.get().roles.values_list("pk")) == set(), "nobody is promoted"


def test_somebody_covered_by_a_team_alone_is_gated(eve: User, acme: Organization) -> None:
    with pytest.raises(SecondFactorRequired):
        actions.require(session_of(eve, "password"), "release.upload", ALPHA)
    with_app(eve)
    actions.require(session_of(eve), "release.upload", ALPHA)


def test_a_deletion_is_held_through_people_of_teams(ada: User, eve: User, acme: Organization) -> None:
    store(document(who={"user": ["eve"]}), origin="seeded")
    facts, _ = queries.gather(session_of(ada), "project.delete", ALPHA, clock.now())
    assert facts.object is not None
    assert facts.object.held_by == (document()["name"],)


def test_an_organization_says_nothing_about_a_project_of_its_name(ada: User, set_clock: SetClock) -> None:
    """Whoever founded one long ago has no grace by it in a project that they gained since."""
    store(document(notice={"floor_days": 30, "unreached_cap_days": 60}))
    set_clock(ANNOUNCED - timedelta(days=100))
    services.create_organization("alpha", by=host(), owners=[ada])
    make_project("alpha", ada, since=ANNOUNCED + timedelta(days=1))
    set_clock(ENFORCED)
    facts, _ = queries.gather(session_of(ada), "release.upload", ALPHA, clock.now())
    assert {one.kind for one in facts.entries_of_object} == {"project"}
    assert facts.held_since == (ANNOUNCED + timedelta(days=1), False)
    about = Thing("organization", None, "alpha")
    facts, _ = queries.gather(session_of(ada), "organization.manage", about, clock.now())
    assert facts.held_since == (ANNOUNCED - timedelta(days=100), False)
