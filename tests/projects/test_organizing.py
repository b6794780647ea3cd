"""Rights in projects by organizations and teams: worked out at use, over when they should be; and what a move carries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.organizations.conftest import everything, id_of, person, user_of, with_people

from keyhouse.accounts.models import User
from keyhouse.core import actions, clock, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import RoleRequired
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers import listing
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mail.models import Mail
from keyhouse.organizations import membership, services, teams
from keyhouse.organizations.errors import OrganizationMissing
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember
from keyhouse.projects import ownership, queries, rights
from keyhouse.projects.belongings import owned_alone
from keyhouse.projects.collaborators import ending
from keyhouse.projects.collaborators import services as collaborators
from keyhouse.projects.collaborators.errors import OwnerLast, RoleUnknown
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation, RoleChange
from keyhouse.projects.errors import OwnerMissing, ProjectMoveRefused, TeamElsewhere
from keyhouse.projects.life_cycle import queries as life_cycle
from keyhouse.projects.life_cycle.deleting import delete_project
from keyhouse.projects.life_cycle.restoring import restore_project
from keyhouse.projects.models import Project, ReadingTeam, Role, TeamRole
from keyhouse.projects.organizing import (
    create_project_in,
    end_team_role,
    may_add_to,
    move_project,
    projects_of,
    set_team_role,
)
from keyhouse.projects.services import create_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> Actor:
    return person("ada")


@pytest.fixture
def acme(ada: Actor) -> Organization:
    """Return an organization of Ada's with the project `alpha`, a team `ci` with Eve in it that maintains it, and Mia."""
    made = services.create_organization("acme", by=ada)
    with_people(made, eve="member", mia="manager")
    create_project_in("acme", "alpha", by=ada)
    teams.create_team("acme", "ci", by=ada)
    teams.add_to_team("acme", "ci", "eve", by=ada)
    set_team_role("alpha", "ci", "maintainer", by=ada)
    return made


def kind_of(name: str, project: str = "alpha") -> str | None:
    user_id = person_id(name)
    by_name = rights.find_role_kind(user_id, Thing("project", None, project))
    key = Project.objects.get(normalized_name=project).pk
    assert by_name == rights.find_role_kind(user_id, Thing("project", key, project))
    assert by_name == rights.highest(rights.rights_of(user_id)).get(key)
    assert (by_name is not None) == (user_id in rights.people_of(key))
    assert (by_name == "owner") == (user_id in rights.owners_of(key))
    mine = Project.objects.filter(rights.of_person(user_id), pk=key)
    assert (by_name is not None) == mine.exists()
    assert (by_name == "owner") == Project.objects.filter(rights.of_person(user_id, "owner"), pk=key).exists()
    return by_name


def person_id(name: str) -> int:
    return user_id if (user_id := _ids().get(name)) else 0


def _ids() -> dict[str, int]:
    from keyhouse.accounts.models import User  # noqa: PLC0415 - of this alone

    return dict(User.objects.values_list("username", "pk"))


def test_rights_are_the_union_of_own_organization_and_team(ada: Actor, acme: Organization) -> None:
    assert {name: kind_of(name) for name in ("ada", "eve", "mia")} == {
        "ada": "owner", "eve": "maintainer", "mia": None,
    }  # fmt: skip
    assert not Role.objects.exists(), "nothing is copied"
    mona = person("mona")
    Role.objects.create(
        project=Project.objects.get(), user_id=id_of(mona), kind="maintainer", since_at=clock.now()
    )
    assert kind_of("mona") == "maintainer"
    set_team_role("alpha", "ci", "owner", by=ada)
    assert kind_of("eve") == "owner"
    vias = {one.via for one in rights.rights_in(Project.objects.get().pk)}
    assert vias == {"own", "organization", "ci"}


def move_out(by: Actor) -> None:
    Role.objects.create(project=Project.objects.get(), user_id=id_of(by), kind="owner", since_at=clock.now())
    move_project("alpha", "", by=by)


@pytest.mark.parametrize(
    "end",
    [
        lambda by: membership.remove_member("acme", "eve", by=by),
        lambda by: teams.remove_from_team("acme", "ci", "eve", by=by),
        lambda by: teams.delete_team("acme", "ci", by=by),
        lambda by: end_team_role("alpha", "ci", by=by),
        move_out,
    ],
    ids=["removed from the organization", "from the team", "team deleted", "role taken", "project moved"],
)
def test_team_rights_end_with_what_gave_them(
    end: Callable[[Actor], Any], ada: Actor, acme: Organization
) -> None:
    """The incident of April 2025: rights by a team outlived the membership, and a project's place in the organization."""
    eve = Actor(**{**vars_of(ada), "user_id": person_id("eve"), "name": "eve"})
    thing = Thing("project", None, "alpha")
    actions.require(eve, "release.upload", thing)
    end(ada)
    assert kind_of("eve") is None
    with pytest.raises(RoleRequired):
        actions.require(eve, "release.upload", thing)


def vars_of(actor: Actor) -> dict[str, Any]:
    return {name: getattr(actor, name) for name in Actor.__dataclass_fields__}


def test_rows_that_outlived_their_reason_give_nothing(ada: Actor, acme: Organization) -> None:
    """Whatever a fault or a hand in the database leaves behind: a team gives rights in its own organization only."""
    other = services.create_organization("other", by=ada)
    alpha = Project.objects.get()
    Project.objects.filter(pk=alpha.pk).update(organization=other)  # and the team's role stays
    assert TeamRole.objects.filter(project=alpha).exists()
    assert kind_of("eve") is None
    Project.objects.filter(pk=alpha.pk).update(organization=None)
    assert (kind_of("eve"), kind_of("ada")) == (None, None)
    Project.objects.filter(pk=alpha.pk).update(organization=acme)
    foreign = Membership.objects.create(
        organization=other, user_id=id_of(person("zoe")), kind="member", since_at=clock.now()
    )
    TeamMember.objects.create(team=Team.objects.get(), member=foreign, since_at=clock.now())
    assert kind_of("zoe") is None


def test_two_questions_at_most_for_a_right(ada: Actor, acme: Organization) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        actions.require_authority(ada, "project.manage", Thing("project", None, "alpha"))
    assert len(asked) == 1


def test_publishers_rest_without_anybodys_right_by_whatever(ada: Actor, acme: Organization) -> None:
    for name in ("ada", "eve", "mia"):
        publisher_of(person_id(name), name)
    resting = [one.lookup for one in listing.resting_for(id_of(ada))]
    assert resting == ["mia"]
    told = {line.publisher.lookup: bool(line.rests) for line in listing.lines_of(Publisher.objects.all())}
    assert told == {"ada": False, "eve": False, "mia": True}
    lines = listing.lines_of(Publisher.objects.all())
    assert listing.owned_among(lines, id_of(ada)) == {"/manage/project/alpha/"}
    assert not listing.owned_among(lines, person_id("eve"))
    assert not listing.resting_for(person_id("eve")).exists()
    membership.remove_member("acme", "eve", by=ada)
    assert [one.lookup for one in listing.resting_for(id_of(ada))] == ["eve", "mia"]
    create_project_in("acme", "beta", by=ada)
    assert [one.name for one in listing.projects_without(id_of(ada))] == ["beta"]


# ---- in projects


def test_who_looks_after_it(ada: Actor, acme: Organization) -> None:
    mia = with_people(acme, max="manager")["max"]
    create_project_in("acme", "beta", by=mia)
    assert kind_of("max", "beta") == "maintainer"
    assert kind_of("ada", "beta") == "owner"
    with pytest.raises(RoleRequired):
        create_project_in("acme", "gamma", by=person("sam"))
    with pytest.raises(RoleRequired):
        create_project_in("nowhere", "gamma", by=ada)
    assert [one.name for one in projects_of(acme)] == ["alpha", "beta"]
    assert may_add_to(id_of(mia)) == [acme]
    assert [one.name for one in queries.projects_of_person(id_of(ada))] == ["alpha", "beta"]
    assert not ownership.projects_without_owner().exists()
    assert not ownership.may_have_new_owner(Project.objects.get(name="alpha"), clock.now())


def test_the_only_own_owner_may_go_where_the_organization_stays(ada: Actor, acme: Organization) -> None:
    bob = person("bob")
    project = create_project("beta", [user_of(bob)], by=host())
    assert list(owned_alone(id_of(bob))) == [project]
    with pytest.raises(OwnerLast):
        ending.leave("beta", by=bob)
    Project.objects.filter(pk=project.pk).update(organization=acme)
    assert not owned_alone(id_of(bob)).exists()
    ending.leave("beta", by=bob)
    assert kind_of("bob", "beta") is None
    with pytest.raises(RoleRequired):
        ending.leave("beta", by=bob)


def test_whoever_leaves_takes_back_what_they_offered(ada: Actor, acme: Organization) -> None:
    olga = with_people(acme, olga="owner")["olga"]
    person("bob")
    invitation = collaborators.invite("alpha", "bob", "owner", by=olga)
    membership.remove_member("acme", "olga", by=ada)
    invitation.refresh_from_db()
    assert invitation.outcome == ProjectInvitation.Outcome.REVOKED


def test_owners_by_the_organization_are_told(ada: Actor, acme: Organization) -> None:
    with_people(acme, olga="owner")
    Mail.objects.all().delete()
    set_team_role("alpha", "ci", "owner", by=ada)
    told = sorted(Mail.objects.filter(kind="project-team-role").values_list("address", flat=True))
    assert told == ["eve@example.org", "olga@example.org"]
    Mail.objects.all().delete()
    end_team_role("alpha", "ci", by=ada)
    told = sorted(Mail.objects.filter(kind="project-team-role").values_list("address", flat=True))
    assert told == ["eve@example.org", "olga@example.org"], "also who owned it by the team"


@pytest.mark.parametrize("kind", ["", "manager", "Owner", "x" * 5000])
def test_roles_of_teams(kind: str, ada: Actor, acme: Organization) -> None:
    with pytest.raises(RoleUnknown):
        set_team_role("alpha", "ci", kind, by=ada)
    services.create_organization("other", by=ada)
    teams.create_team("other", "theirs", by=ada)
    for name in ("theirs", "unknown", "\x00", "x" * 5000):
        with pytest.raises(TeamElsewhere):
            set_team_role("alpha", name, "owner", by=ada)
        with pytest.raises(TeamElsewhere):
            end_team_role("alpha", name, by=ada)
    assert TeamRole.objects.count() == 1


# ---- moves


def token_of(user_id: int, description: str, *names: str) -> Token:
    now = clock.now()
    token = Token.objects.create(
        key_id="k", user_id=user_id, description=description, actions=["upload"], minted_at=now,
        minted_proof_at=now, expires_at=now + timedelta(days=30),
    )  # fmt: skip
    token.projects.set(Project.objects.filter(normalized_name__in=names))
    return token


def publisher_of(user_id: int, lookup: str) -> Publisher:
    now = clock.now()
    return Publisher.objects.create(
        issuer_url="https://ci.example.org", provider="github", project=Project.objects.get(name="alpha"),
        lookup=lookup, identity=lookup, claims={"owner": "o", "repository": "r", "workflow": "w.yml"}, added_at=now, configured_by_id=user_id, configured_at=now,
    )  # fmt: skip


def test_what_a_move_carries_and_what_it_drops(ada: Actor, acme: Organization) -> None:
    with_people(acme, olga="owner")
    bob = person("bob")
    alpha = Project.objects.get()
    Role.objects.create(project=alpha, user_id=id_of(bob), kind="maintainer", since_at=clock.now())
    create_project_in("acme", "beta", by=ada)
    services.create_organization("other", by=ada)
    person("zoe")
    invitation = collaborators.invite("alpha", "zoe", "owner", by=ada)
    tokens = {
        "bob": token_of(id_of(bob), "stays", "alpha"),
        "olga": token_of(person_id("olga"), "narrower", "alpha", "beta"),
        "eve": token_of(person_id("eve"), "ends", "alpha"),
    }
    publisher_of(id_of(ada), "stays")
    publisher_of(person_id("olga"), "ends")
    lineage, about = alpha.lineage, alpha.pk
    move_project("alpha", "other", by=ada)
    alpha.refresh_from_db()
    assert (str(alpha.organization), alpha.lineage) == ("other", lineage)
    assert {name: kind_of(name) for name in ("ada", "bob", "eve", "olga")} == {
        "ada": "owner", "bob": "maintainer", "eve": None, "olga": None,
    }  # fmt: skip
    assert not TeamRole.objects.exists()
    invitation.refresh_from_db()
    assert invitation.outcome == ProjectInvitation.Outcome.REVOKED
    reach = {name: [one.name for one in token.projects.all()] for name, token in tokens.items()}
    assert reach == {"bob": ["alpha"], "olga": ["beta"], "eve": []}
    ended = {name: Token.objects.get(pk=one.pk).revoked_at is not None for name, one in tokens.items()}
    assert ended == {"bob": False, "olga": False, "eve": True}
    assert [one.lookup for one in Publisher.objects.filter(project_id=about)] == ["stays"]
    former = FormerRole.objects.filter(how="moved").order_by("pk").values_list("user__username", "kind")
    assert set(former) == {("olga", "owner"), ("eve", "maintainer")}
    told = set(Mail.objects.filter(kind="project-moved").values_list("address", flat=True))
    assert told == {f"{name}@example.org" for name in ("ada", "bob", "eve", "olga")}


def test_who_may_move(ada: Actor, acme: Organization) -> None:
    sam = person("sam")
    services.create_organization("theirs", by=sam)
    people = with_people(acme, tom="member")
    alpha = Project.objects.get()
    Role.objects.create(project=alpha, user_id=id_of(people["tom"]), kind="owner", since_at=clock.now())
    services.create_organization("toms", by=people["tom"])
    before = everything()
    for by, target in (
        (people["tom"], "toms"),  # owns the project, not the organization that it stands in
        (people["tom"], ""),
        (ada, "theirs"),  # is nobody where it would go
        (ada, "nowhere"),
        (sam, "theirs"),
    ):
        with pytest.raises(RoleRequired):
            move_project("alpha", target, by=by)
    assert everything() == before
    with pytest.raises(OrganizationMissing):
        move_project("alpha", "nowhere", by=host())
    assert move_project("alpha", "ACME", by=ada).organization == acme


def test_out_needs_an_owner_of_its_own(ada: Actor, acme: Organization) -> None:
    before = everything()
    with pytest.raises(OwnerLast):
        move_project("alpha", "", by=ada)
    assert everything() == before
    move_out(ada)
    assert (kind_of("ada"), Project.objects.get().organization) == ("owner", None)


def test_nobody_loses_a_critical_project_by_a_move(
    ada: Actor, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_people(acme, olga="owner")
    services.create_organization("mine", by=ada)
    monkeypatch.setattr(standing, "is_critical", lambda name: True)
    before = everything()
    for by in (ada, host()):
        with pytest.raises(ProjectMoveRefused):
            move_project("alpha", "mine", by=by)
    assert everything() == before
    olga = person_id("olga")
    Role.objects.create(project=Project.objects.get(), user_id=olga, kind="owner", since_at=clock.now())
    move_project("alpha", "mine", by=ada)
    assert kind_of("olga") == "owner"


# ---- deleted and brought back


def test_owners_of_the_organization_bring_it_back_into_it(ada: Actor, acme: Organization) -> None:
    removal = delete_project("alpha", by=ada)
    assert list(life_cycle.removals_for(id_of(ada), clock.now())) == [removal]
    assert not life_cycle.removals_for(person_id("eve"), clock.now()).exists()
    with pytest.raises(RoleRequired):
        restore_project(removal.pk, by=person("sam"))
    assert restore_project(removal.pk, by=ada).organization == acme
    assert (kind_of("ada"), kind_of("eve"), Role.objects.count()) == ("owner", "maintainer", 0)


def teams_now() -> tuple[list[Any], list[Any]]:
    """Return every row of what teams may do and read."""
    return list(TeamRole.objects.order_by("pk").values()), list(ReadingTeam.objects.order_by("pk").values())


def test_teams_have_the_roles_and_the_reading_that_they_had(ada: Actor, acme: Organization) -> None:
    gone = Team.objects.create(organization=acme, name="docs", normalized_name="docs", created_at=clock.now())
    for team in (gone, Team.objects.get(name="ci")):
        ReadingTeam.objects.create(project=Project.objects.get(), team=team)
    set_team_role("alpha", "docs", "owner", by=ada)
    TeamRole.objects.filter(team=gone).update(
        ends_at=clock.now() + timedelta(days=3), ends_asked_by_id=id_of(ada), ends_asked_by_name="ada"
    )
    before = teams_now()
    assert [len(rows) for rows in before] == [2, 2]
    removal = delete_project("alpha", by=ada)
    assert teams_now() == ([], [])
    restore_project(removal.pk, by=ada)
    assert teams_now() == before

    # of a team that is gone nothing comes back, also for a new one of its name
    removal = delete_project("alpha", by=ada)
    teams.delete_team("acme", "docs", by=ada)
    teams.create_team("acme", "docs", by=ada)
    restore_project(removal.pk, by=ada)
    roles, reading = before
    assert teams_now() == (
        [row for row in roles if row["team_id"] != gone.pk],
        [row for row in reading if row["team_id"] != gone.pk],
    )


def test_what_was_a_right_by_a_team_is_none_for_whoever_left_it(ada: Actor, acme: Organization) -> None:
    with_people(acme, tim="member")
    teams.add_to_team("acme", "ci", "tim", by=ada)
    removal = delete_project("alpha", by=ada)
    teams.remove_from_team("acme", "ci", "eve", by=ada)
    membership.remove_member("acme", "tim", by=ada)
    restore_project(removal.pk, by=ada)
    assert (kind_of("ada"), kind_of("eve"), kind_of("tim")) == ("owner", None, None)


def test_teams_get_nothing_in_a_project_that_comes_back_without_their_organization(
    ada: Actor, acme: Organization
) -> None:
    project = Project.objects.get()
    ReadingTeam.objects.create(project=project, team=Team.objects.get())
    Role.objects.create(project=project, user_id=id_of(ada), kind="owner", since_at=clock.now())
    removal = delete_project("alpha", by=ada)
    services.delete_organization("acme", by=ada)
    assert restore_project(removal.pk, by=ada).organization is None
    assert (teams_now(), kind_of("ada"), kind_of("eve")) == (([], []), "owner", None)


def test_the_end_of_a_teams_role_comes_back_only_while_its_asker_owns_the_project(
    ada: Actor, acme: Organization
) -> None:
    olga = with_people(acme, olga="owner")["olga"]
    waits = {"ends_as": "", "ends_asked_by_id": id_of(olga), "ends_asked_by_name": "olga"}
    TeamRole.objects.update(ends_at=clock.now() + timedelta(days=3), **waits)
    removal = delete_project("alpha", by=ada)
    restore_project(removal.pk, by=ada)
    assert TeamRole.objects.get().ends_asked_by_id == id_of(olga)
    removal = delete_project("alpha", by=ada)
    membership.remove_member("acme", "olga", by=ada)
    restore_project(removal.pk, by=ada)
    role = TeamRole.objects.get()
    assert (role.kind, role.ends_at, role.ends_asked_by_id, role.ends_asked_by_name) == (
        "maintainer", None, None, "",
    )  # fmt: skip


def test_without_its_organization_nobody_owns_it(ada: Actor, acme: Organization) -> None:
    removal = delete_project("alpha", by=ada)
    services.delete_organization("acme", by=ada)
    with pytest.raises(RoleRequired):
        restore_project(removal.pk, by=ada)
    with pytest.raises(OwnerMissing):
        restore_project(removal.pk, by=host())
    assert not Project.objects.exists()


# ---- what ends with a right, and what is remembered of it


@pytest.mark.parametrize(
    "end",
    [
        lambda by: membership.remove_member("acme", "eve", by=by),
        lambda by: teams.remove_from_team("acme", "ci", "eve", by=by),
        lambda by: teams.delete_team("acme", "ci", by=by),
        lambda by: end_team_role("alpha", "ci", by=by),
        lambda by: set_team_role("alpha", "ci", "maintainer", by=by),
    ],
    ids=["removed from the organization", "from the team", "team deleted", "role taken", "role lowered"],
)
def test_an_owner_by_a_team_leaves_nothing_but_a_memory(
    end: Callable[[Actor], Any], ada: Actor, acme: Organization
) -> None:
    """Whoever is no owner any more offers nobody the ownership, and the hold on a project's deletion stays (A18)."""
    set_team_role("alpha", "ci", "owner", by=ada)
    assert not FormerRole.objects.exists(), "more is nothing lost"
    eve, alpha = Actor(**{**vars_of(ada), "user_id": person_id("eve"), "name": "eve"}), Project.objects.get()
    person("puppet")
    invitation = collaborators.invite("alpha", "puppet", "owner", by=eve)
    asked = {
        "asked_by_id": eve.user_id,
        "asked_by_name": "eve",
        "asked_at": clock.now(),
        "due_at": clock.now(),
    }
    RoleChange.objects.create(project=alpha, user_id=id_of(ada), **asked)
    end(ada)
    invitation.refresh_from_db()
    assert invitation.outcome == ProjectInvitation.Outcome.REVOKED
    assert not RoleChange.objects.exists()
    former = FormerRole.objects.values_list("lineage", "user_id", "kind", "how")
    assert list(former) == [(alpha.lineage, eve.user_id, "owner", "removed")]


def test_owners_of_an_organization_are_remembered_unless_they_own_it_otherwise(
    ada: Actor, acme: Organization
) -> None:
    people = with_people(acme, olga="owner", otto="owner")
    alpha = Project.objects.get()
    Role.objects.create(project=alpha, user_id=id_of(people["otto"]), kind="owner", since_at=clock.now())
    membership.change_kind("acme", "olga", "member", by=ada)
    membership.leave("acme", by=people["otto"])
    former = FormerRole.objects.values_list("lineage", "user_id", "kind")
    assert list(former) == [(alpha.lineage, id_of(people["olga"]), "owner")]


def test_an_owner_who_was_suspended_is_none_to_be_left_alone_with_it(ada: Actor, acme: Organization) -> None:
    bob = person("bob")
    Role.objects.create(project=Project.objects.get(), user_id=id_of(bob), kind="owner", since_at=clock.now())
    User.objects.filter(pk=id_of(bob)).update(state="suspended")
    before = everything()
    with pytest.raises(OwnerLast):
        move_project("alpha", "", by=ada)
    assert everything() == before


def test_whoever_moves_it_out_and_owns_it_no_more_asks_for_nothing(ada: Actor, acme: Organization) -> None:
    bob, alpha = person("bob"), Project.objects.get()
    Role.objects.create(project=alpha, user_id=id_of(bob), kind="owner", since_at=clock.now())
    Role.objects.create(project=alpha, user_id=id_of(ada), kind="maintainer", since_at=clock.now())
    asked = {
        "asked_by_id": ada.user_id,
        "asked_by_name": "ada",
        "asked_at": clock.now(),
        "due_at": clock.now(),
    }
    RoleChange.objects.create(project=alpha, user_id=id_of(bob), **asked)
    move_project("alpha", "", by=ada)
    assert (kind_of("ada"), RoleChange.objects.exists()) == ("maintainer", False)


def test_what_was_asked_for_comes_back_only_while_its_asker_owns_it(ada: Actor, acme: Organization) -> None:
    people, alpha = with_people(acme, olga="owner"), Project.objects.get()
    bob = person("bob")
    Role.objects.create(project=alpha, user_id=id_of(bob), kind="owner", since_at=clock.now())
    asked = {"asked_by_name": "", "asked_at": clock.now(), "due_at": clock.now()}
    RoleChange.objects.create(project=alpha, user_id=id_of(bob), asked_by_id=id_of(people["olga"]), **asked)
    removal = delete_project("alpha", by=ada)
    membership.remove_member("acme", "olga", by=ada)
    restore_project(removal.pk, by=ada)
    assert not RoleChange.objects.exists()
