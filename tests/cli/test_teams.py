"""`keyhouse organization teams` and `keyhouse project teams`: the acts of the pages, by the host, and all that holds for them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tests.accounts.conftest import Clock, configure, mailed, make_person, time, wired
from tests.cli.peopled import Commands, acts, mails

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.new_owners import SILENCE
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.audit.models import Record
from keyhouse.cli import organization_people, organization_teams, project_teams
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail
from keyhouse.organizations import populating, services
from keyhouse.organizations.models import Organization, Team, TeamMember
from keyhouse.projects.collaborators.keeping import WORKS
from keyhouse.projects.models import TeamRole
from keyhouse.projects.organizing import create_project_in

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
teams = Commands(organization_teams.command)
roles = Commands(project_teams.command)
members = Commands(organization_people.command)


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture(autouse=True)
def acme(ada: User) -> Organization:
    """Return the organization that ada owns, with the project alpha and a team `core`; eve is in it, mia is a manager."""
    made = services.create_organization("Acme", owners=[ada], by=host())
    eve, mia = make_person("eve"), make_person("mia")
    populating.add_members(made, {eve: "member", mia: "manager"}, by=host())
    create_project_in("acme", "alpha", by=host())
    populating.add_team(made, "Core", [eve], by=host())
    Mail.objects.all().delete()
    return made


@pytest.fixture
def owning(critical: None) -> None:
    """Let the team own alpha, on which many depend."""
    roles.printed("give", "alpha", "core", "owner")
    Mail.objects.all().delete()


def people() -> list[str]:
    return sorted(TeamMember.objects.values_list("member__user__username", flat=True))


def ended() -> int:
    works = ("memberships_ended", "team_members_ended", "team_roles_ended")
    return sum(WORKS[name](clock.now()) for name in works)


def until() -> str:
    return clock.format_instant(clock.now() + timedelta(days=configuration.current().owner_removal_days))


def done() -> list[tuple[str, str]]:
    """Return what was done since the fixture made its team."""
    return acts("team.", "team-role.")[1:]


def test_teams_are_made_shown_named_anew_and_deleted() -> None:
    assert teams.told("create", "ACME", "ops") == {"organization": "acme", "team": "ops"}
    assert teams.refused("create", "acme", "OPS") == "team-name-taken"
    assert teams.lines("acme") == [
        {"team": "Core", "people": 1, "projects": 0},
        {"team": "ops", "people": 0, "projects": 0},
    ]
    assert teams.printed("acme") == teams.printed("list", "acme")
    assert teams.printed("acme").splitlines()[1] == "ops  people: 0  projects: 0"
    for _ in range(2):
        assert teams.told("rename", "acme", "ops", "Ops")["team"] == "Ops"
    assert teams.refused("rename", "acme", "ops", "core") == "team-name-taken"
    for name in ("no name!", "new", "x" * 51):
        assert teams.refused("create", "acme", name) == "organization-name-refused"
        assert teams.refused("rename", "acme", "ops", name) == "organization-name-refused"
    assert teams.printed("delete", "acme", "ops", "--yes") == "Deleted: the team Ops of acme.\n"
    assert teams.refused("delete", "acme", "ops", "--yes") == "team-missing"
    assert done() == [("team.create", "host"), ("team.rename", "host"), ("team.delete", "host")]


def test_a_team_is_shown_with_its_people_and_what_they_may_do_where() -> None:
    roles.printed("give", "Alpha", "CORE", "maintainer")
    told = teams.told("show", "acme", "core")
    assert (told["organization"], told["team"], told["reads"]) == ("acme", "Core", False)
    assert [(one["username"], one["state"], one["leaves_at"]) for one in told["people"]] == [
        ("eve", "active", None)
    ]
    assert roles.lines("alpha") == told["projects"]
    (role,) = told["projects"]
    assert (role["project"], role["team"], role["role"], role["becomes"]) == (
        "alpha",
        "Core",
        "maintainer",
        None,
    )
    lines = teams.printed("show", "acme", "core").splitlines()
    assert [line.split("  ")[1:3] for line in lines[1:]] == [
        ["eve", told["people"][0]["since"]],
        ["in alpha", "maintainer"],
    ]
    assert roles.printed("list", "alpha") == f"Core  maintainer  {role['since']}\n"


def test_deleting_asks_first_and_tells_what_goes() -> None:
    asked = teams.run("delete", "acme", "core")
    assert asked.exit_code == 1
    assert "  eve  " in asked.stderr
    assert Team.objects.exists()
    assert teams.told("delete", "acme", "core", "--yes")["people"][0]["username"] == "eve"
    assert mails() == [("organization-team-deleted", f"{name}@example.org") for name in ("ada", "eve")]


def test_somebody_is_put_into_a_team_and_taken_out_and_all_are_told() -> None:
    row = teams.told("add", "acme", "core", "MIA")
    assert (row["team"], row["username"], row["leaves_at"]) == ("Core", "mia", None)
    assert teams.printed("add", "acme", "core", "mia") == "mia is in the team Core of acme.\n"
    assert people() == ["eve", "mia"], "the host puts managers into teams, as an owner does"
    assert mails() == [("organization-team-member", f"{name}@example.org") for name in ("ada", "mia")]
    assert teams.printed("remove", "acme", "core", "mia") == "mia is not in the team core of acme.\n"
    assert teams.refused("remove", "acme", "core", "mia") == "member-missing"
    assert people() == ["eve"]
    assert done() == [("team.add-member", "host"), ("team.remove-member", "host")]


def test_a_role_is_given_raised_lowered_and_taken_away() -> None:
    for role in ("maintainer", "owner", "owner", "maintainer"):
        told = roles.told("give", "alpha", "core", role)
        assert told == {"project": "alpha", "team": "Core", "role": role, "waits_until": None}
    assert roles.printed("end", "alpha", "core") == "The team core has no role in alpha.\n"
    assert roles.refused("end", "alpha", "core") == "team-elsewhere"
    assert not TeamRole.objects.exists()
    assert done() == [("team-role.set", "host")] * 3 + [("team-role.end", "host")]
    assert {kind for kind, _ in mails()} == {"project-team-role"}


@pytest.mark.parametrize("name", ["nowhere", "no name!", "\x00", "x" * 5000])
@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("show", "core"),
        ("create", "ops"),
        ("rename", "core", "ops"),
        ("delete", "core", "--yes"),
        ("add", "core", "eve"),
        ("remove", "core", "eve"),
        ("keep", "core", "eve"),
    ],
)
def test_what_isnt_there_is_named_so(words: tuple[str, ...], name: str) -> None:
    act, *rest = words
    assert teams.refused(act, name, *rest) == "organization-missing"
    if words[1:2] == ("core",):
        assert teams.refused(act, "acme", name, *rest[1:]) == "team-missing"
    if words[2:] == ("eve",):
        assert teams.refused(act, "acme", "core", name) == "member-missing"


@pytest.mark.parametrize("words", [("give", "maintainer"), ("end",), ("keep",)])
def test_a_role_where_nothing_is_is_refused(words: tuple[str, ...]) -> None:
    act, *rest = words
    services.create_organization("other", owners=[make_person("bob")], by=host())
    teams.printed("create", "other", "theirs")
    assert roles.refused(act, "nowhere", "core", *rest) == "project-not-found"
    for team in ("theirs", "nowhere", "no name!"):
        assert roles.refused(act, "alpha", team, *rest) == "team-elsewhere"
    assert roles.refused("list", "nowhere") == "not-found"


def test_wrong_use_is_told_apart() -> None:
    for words in (("give", "alpha", "core", "none"), ("give", "alpha", "core"), ("keep", "alpha")):
        assert roles.is_wrong(*words)
    for words in (("add", "acme", "core"), ("rename", "acme", "core"), ("show", "acme")):
        assert teams.is_wrong(*words)


def test_who_owns_a_critical_project_by_a_team_is_taken_out_after_a_wait(owning: None, time: Clock) -> None:
    at = until()
    for _ in range(2):
        assert teams.told("remove", "acme", "core", "eve")["waits_until"] == at
    assert people() == ["eve"]
    assert mails() == [("organization-team-member-ends", f"{name}@example.org") for name in ("ada", "eve")]
    assert teams.told("show", "acme", "core")["people"][0]["leaves_at"] == at
    assert f"leaves at {at}" in teams.printed("show", "acme", "core")
    assert teams.printed("keep", "acme", "core", "eve") == "eve stays in the team core of acme.\n"
    assert teams.told("keep", "acme", "core", "eve")["is_kept"] is False
    assert f" from {at} on" in teams.printed("remove", "acme", "core", "eve")
    assert ended() == 0
    time.go(days=configuration.current().owner_removal_days)
    assert [ended(), ended()] == [1, 0]
    assert people() == []
    by_host = Record.objects.filter(action="team.remove-member", actor_kind="host").count()
    assert by_host == 2, "asked for twice, once after it was taken back"


@pytest.mark.parametrize("words", [("end", "alpha", "core"), ("give", "alpha", "core", "maintainer")])
def test_a_team_that_owns_a_critical_project_does_so_until_a_wait_is_over(
    words: tuple[str, ...], owning: None, time: Clock
) -> None:
    at, after = until(), words[3] if words[3:] else "none"
    for _ in range(2):
        assert roles.told(*words)["waits_until"] == at
    again = {"project": "alpha", "team": "Core", "role": "owner", "becomes": after, "waits_until": at}
    assert roles.told("give", "alpha", "core", "owner") == again, "which takes nothing back"
    what = f"{after} of alpha" if words[3:] else "without a role in alpha"
    assert roles.printed("give", "alpha", "core", "owner") == (
        f"The team Core is owner of alpha already, and what waits goes on: it is {what} from {at} on."
        " `keyhouse project teams keep alpha core` takes that back.\n"
    )
    (row,) = roles.lines("alpha")
    assert (row["role"], row["changes_at"], row["becomes"]) == ("owner", at, after)
    assert f"{after} from {at}" in roles.printed("alpha")
    assert roles.printed("keep", "alpha", "core") == "The team core stays what it is in alpha.\n"
    assert roles.told("keep", "alpha", "core")["is_kept"] is False
    roles.printed(*words)
    assert teams.refused("delete", "acme", "core", "--yes") == "team-owns-critical"
    assert ended() == 0
    time.go(days=configuration.current().owner_removal_days)
    assert [ended(), ended()] == [1, 0]
    assert [one["role"] for one in roles.lines("alpha")] == list(words[3:])


def test_the_host_alone_gives_nobody_rights_where_no_owner_is_there_to_object(ada: User) -> None:
    roles.printed("give", "alpha", "core", "maintainer")
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    Mail.objects.all().delete()
    assert teams.refused("add", "acme", "core", "mia") == "organization-left"
    assert roles.refused("give", "alpha", "core", "owner") == "organization-left"
    teams.printed("create", "acme", "ops")
    assert roles.refused("give", "alpha", "ops", "maintainer") == "organization-left"
    # what is so already, and what takes rights away, stays possible
    assert teams.told("add", "acme", "core", "eve")["username"] == "eve"
    assert roles.told("give", "alpha", "core", "maintainer")["waits_until"] is None
    teams.printed("remove", "acme", "core", "eve")
    roles.printed("end", "alpha", "core")


def test_nor_where_all_owners_have_been_silent_for_long(time: Clock) -> None:
    User.objects.update(last_seen_at=clock.now())
    teams.printed("add", "acme", "core", "mia")
    roles.printed("give", "alpha", "core", "owner")
    time.go(days=SILENCE.days + 1)
    assert teams.refused("add", "acme", "core", "ada") == "organization-left"
    # eve and mia, who own it by the team, could come back, and object to whoever operators would have own it
    takes_away: list[tuple[Commands, tuple[str, ...]]] = [
        (roles, ("give", "alpha", "core", "maintainer")),
        (roles, ("end", "alpha", "core")),
        (teams, ("remove", "acme", "core", "mia")),
        (teams, ("delete", "acme", "core", "--yes")),
        (members, ("remove", "acme", "mia")),
    ]
    for group, words in takes_away:
        assert group.refused(*words) == "organization-left", words
    for gone in User.objects.filter(username__in=("eve", "mia")):
        suspend_user(gone, "left the company", by=host(), now=clock.now())
    teams.printed("remove", "acme", "core", "mia")
    assert roles.told("give", "alpha", "core", "maintainer")["waits_until"] is None, "nobody owns it by that"
    assert roles.refused("give", "alpha", "core", "owner") == "organization-left"


def test_mails_name_the_host_in_words(owning: None) -> None:
    teams.printed("add", "acme", "core", "mia")
    teams.printed("remove", "acme", "core", "mia")
    teams.printed("keep", "acme", "core", "mia")
    roles.printed("end", "alpha", "core")
    roles.printed("keep", "alpha", "core")
    teams.printed("create", "acme", "ops")
    teams.printed("delete", "acme", "ops", "--yes")
    roles.printed("give", "alpha", "core", "owner")
    texts = mailed(*{kind for kind, _ in mails()})
    assert len(texts) == len(mails()) > 9
    assert all("hoever runs this index" in text for text in texts)
    assert not [text for text in texts if re.search(r"\bhost\b", text)]
