"""Saying who reads projects: who may say so, what is refused, how many lose reading, and what moves and deletions do to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from django.db import connection
from tests.organizations.conftest import everything, id_of, person, user_of, with_people

from keyhouse.audit.models import Record
from keyhouse.cli import doctor_inside
from keyhouse.core import configuration, faults
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal, RoleRequired, SecondFactorRequired
from keyhouse.mail.models import Mail
from keyhouse.organizations import membership, populating, services, teams
from keyhouse.organizations.errors import OrganizationMissing, ReadersPublic, ReadersUnknown, TeamMissing
from keyhouse.organizations.models import Organization, Team
from keyhouse.organizations.readers import set_readers
from keyhouse.projects import reading, sql
from keyhouse.projects.life_cycle.deleting import delete_project
from keyhouse.projects.life_cycle.restoring import restore_project
from keyhouse.projects.models import Project, ReadingTeam, Role
from keyhouse.projects.organizing import create_project_in, move_project, set_team_role
from keyhouse.projects.readers import losing_in_organization, losing_of_project, set_project_readers
from keyhouse.projects.reading_reasons import by_everybody, readers_by_right, why
from keyhouse.projects.services import create_project

pytestmark = pytest.mark.django_db
READS_FEW = reading._reads_few
PEOPLE = ("ada", "eve", "mia", "tim", "out")


@pytest.fixture(autouse=True, params=[True, False], ids=["few", "many"])
def private(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Ask as of whoever may read few projects, and as of whoever may read many."""
    monkeypatch.setattr(reading, "_reads_few", lambda _: request.param)
    monkeypatch.setattr(
        configuration, "_current", dataclasses.replace(configuration.current(), reads="private")
    )


@pytest.fixture
def people(db: None) -> dict[str, Actor]:
    """Return Ada, who owns Acme with its project `alpha`; Eve, Tim (team `ci`) and Mia, who manages it; and somebody else."""
    ada = person("ada")
    made = services.create_organization("acme", by=ada)
    found = {"ada": ada, "out": person("out"), **with_people(made, eve="member", tim="member", mia="manager")}
    populating.add_team(made, "ci", [user_of(found["tim"])], by=host())
    create_project_in("acme", "alpha", by=ada)
    return found


def readers(people: dict[str, Actor], project: str = "alpha") -> set[str]:
    """Return who reads a project, by each of the ways in which it is asked."""
    found = set()
    for name, actor in people.items():
        key = id_of(actor)
        is_hidden = reading.is_hidden(key, project)
        assert (project in reading.hidden_names(key)) is is_hidden
        shown = Project.objects.filter(reading.readable_by(key), normalized_name=project)
        there = Project.objects.filter(normalized_name=project).first()
        condition, values = reading.readable("p.id", key)
        named = f"SELECT 1 FROM projects_project p WHERE p.normalized_name = %s{condition}"
        is_shown = sql.find_value(named, project, *values) is not None
        assert is_shown is shown.exists() is (there is not None and not is_hidden)
        if there is not None:
            assert bool(why(key, there)) is not is_hidden
            by_right = {one.username for one in readers_by_right(there)}
            assert (name in by_right) is not is_hidden or by_everybody(there)
        if not is_hidden:
            found.add(name)
    return found


def project(name: str = "alpha") -> Project:
    return Project.objects.get(normalized_name=name)


def test_each_answer_lets_its_people_in_and_always_whoever_has_a_role(people: dict[str, Actor]) -> None:
    ada = people["ada"]
    assert readers(people) == set(PEOPLE)
    assert not reading.is_any_restricted()
    assert not list(doctor_inside.check_readers(configuration.current()))
    for reads, names, found in (
        ("members", [], {"ada", "eve", "mia", "tim"}),
        ("teams", ["ci"], {"ada", "tim"}),
        ("everybody", [], set(PEOPLE)),
        ("teams", ["CI"], {"ada", "tim"}),
    ):
        set_readers("acme", reads, names, by=ada)
        assert readers(people) == found, reads
        assert reading.is_any_restricted() is (reads != "everybody")
    Role.objects.create(
        project=project(), user=user_of(people["out"]), kind="maintainer", since_at=user_of(ada).joined_at
    )
    assert readers(people) == {"ada", "tim", "out"}
    # what the project says is said instead; and a team that has a role in it reads it
    for reads, names, found in (
        ("roles", [], {"ada", "out"}),
        ("members", [], {"ada", "eve", "mia", "tim", "out"}),
        ("teams", ["ci"], {"ada", "tim", "out"}),
        ("everybody", [], set(PEOPLE)),
        ("", [], {"ada", "tim", "out"}),
    ):
        set_project_readers("alpha", reads, names, by=ada)
        assert readers(people) == found, reads
    set_project_readers("alpha", "roles", by=ada)
    # rows that were left behind give nothing
    left = ReadingTeam.objects.create(project=project(), team=Team.objects.get())
    assert readers(people) == {"ada", "out"}
    left.delete()
    set_team_role("alpha", "ci", "maintainer", by=ada)
    assert readers(people) == {"ada", "out", "tim"}


def test_it_is_over_with_membership_team_or_index(
    people: dict[str, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = people["ada"]
    set_project_readers("alpha", "teams", ["ci"], by=ada)
    assert readers(people) == {"ada", "tim"}
    teams.delete_team("acme", "ci", by=ada)
    assert readers(people) == {"ada"}  # kept to teams, and there is none left
    set_project_readers("alpha", "members", by=ada)
    membership.remove_member("acme", "eve", by=ada)
    assert readers(people) == {"ada", "mia", "tim"}
    monkeypatch.setattr(
        configuration, "_current", dataclasses.replace(configuration.current(), reads="public")
    )
    key = id_of(people["out"])
    (finding,) = doctor_inside.check_readers(configuration.current())  # the host is told that it is open now
    assert (finding.about, finding.grade) == ("readers", "problem")
    assert not reading.is_hidden(key, "alpha")
    assert Project.objects.filter(reading.readable_by(key)).count() == 1
    assert reading.readable("p.id", key) == ("", [])


REFUSED: tuple[tuple[str, Callable[[Actor], object], type[Refusal]], ...] = (
    ("ada", lambda by: set_readers("acme", "roles", by=by), ReadersUnknown),
    ("ada", lambda by: set_readers("acme", "teams", by=by), ReadersUnknown),
    ("ada", lambda by: set_readers("acme", "members", ["ci"], by=by), ReadersUnknown),
    ("ada", lambda by: set_readers("acme", "teams", ["ci", "none"], by=by), TeamMissing),
    ("ada", lambda by: set_readers("acme", "teams", ["away"], by=by), TeamMissing),
    ("mia", lambda by: set_readers("acme", "members", by=by), RoleRequired),
    ("out", lambda by: set_readers("acme", "members", by=by), RoleRequired),
    ("out", lambda by: set_readers("nowhere", "members", by=by), RoleRequired),
    ("host", lambda by: set_readers("nowhere", "members", by=by), OrganizationMissing),
    ("weak", lambda by: set_readers("acme", "members", by=by), SecondFactorRequired),
    ("ada", lambda by: set_project_readers("alpha", "nonsense", by=by), ReadersUnknown),
    ("ada", lambda by: set_project_readers("alpha", "teams", ["away"], by=by), TeamMissing),
    ("ada", lambda by: set_project_readers("own", "members", by=by), ReadersUnknown),
    ("ada", lambda by: set_project_readers("own", "", by=by), ReadersUnknown),
    ("eve", lambda by: set_project_readers("alpha", "members", by=by), RoleRequired),
    ("out", lambda by: set_project_readers("alpha", "members", by=by), RoleRequired),
    ("out", lambda by: set_project_readers("nowhere", "members", by=by), RoleRequired),
    ("weak", lambda by: set_project_readers("alpha", "members", by=by), SecondFactorRequired),
)


def test_what_is_refused_changes_nothing(people: dict[str, Actor], monkeypatch: pytest.MonkeyPatch) -> None:
    people["weak"] = dataclasses.replace(
        people["ada"], strength=dataclasses.replace(people["ada"].strength, methods=frozenset({"password"}))
    )
    people["host"] = host()
    services.create_organization("zeta", by=people["mia"])
    teams.create_team("zeta", "away", by=people["mia"])
    create_project("own", [user_of(people["ada"])], by=host())
    # owning the project alone opens nothing of an organization
    Role.objects.create(
        project=project(),
        user=user_of(people["eve"]),
        kind="owner",
        since_at=user_of(people["eve"]).joined_at,
    )
    before = everything()
    for who, act, refused in REFUSED:
        with pytest.raises(refused):
            act(people[who])
        assert everything() == before, (who, refused)
    monkeypatch.setattr(
        configuration, "_current", dataclasses.replace(configuration.current(), reads="public")
    )
    with pytest.raises(ReadersPublic):
        set_readers("acme", "members", by=people["ada"])
    with pytest.raises(ReadersPublic):
        set_project_readers("alpha", "members", by=people["ada"])
    assert everything() == before


def test_one_record_a_change_and_the_other_owners_are_told(people: dict[str, Actor]) -> None:
    ada = people["ada"]
    populating.add_members(Organization.objects.get(), {user_of(people["out"]): "owner"}, by=host())
    Mail.objects.all().delete()
    for _ in range(2):  # the same again changes nothing
        set_readers("acme", "teams", ["ci"], by=ada)
        set_project_readers("alpha", "members", by=ada)
    rows = Record.objects.filter(action__endswith="set-readers").order_by("id")
    assert [(row.action, row.details) for row in rows] == [
        ("organization.set-readers", {"before": "everybody", "after": "teams: ci"}),
        ("project.set-readers", {"before": "as its organization", "after": "members"}),
    ]
    assert sorted(Mail.objects.values_list("kind", "address")) == [
        ("organization-readers", "out@example.org"),
        ("project-readers", "out@example.org"),
    ]


def test_how_many_lose_reading(people: dict[str, Actor]) -> None:
    ada, acme = people["ada"], Organization.objects.get()
    team = list(Team.objects.all())
    assert losing_in_organization(acme, "members", []) == 1  # `out`
    assert losing_in_organization(acme, "teams", team) == 3  # and Eve and Mia
    assert losing_of_project(project(), "roles", []) == 4
    assert losing_of_project(project(), "everybody", []) == 0
    Role.objects.create(
        project=project(), user=user_of(people["out"]), kind="maintainer", since_at=user_of(ada).joined_at
    )
    assert losing_in_organization(acme, "members", []) == 0
    create_project_in("acme", "omega", by=ada)
    assert losing_in_organization(acme, "members", []) == 1  # who has a role in one of two
    set_project_readers("omega", "roles", by=ada)
    assert losing_in_organization(acme, "members", []) == 0  # which says otherwise
    assert losing_of_project(project("omega"), "", []) == 0


def test_a_move_never_opens_what_was_kept(people: dict[str, Actor]) -> None:
    ada = people["ada"]
    services.create_organization("zeta", by=ada)
    Role.objects.create(project=project(), user=user_of(ada), kind="owner", since_at=user_of(ada).joined_at)
    set_project_readers("alpha", "teams", ["ci"], by=ada)
    move_project("alpha", "zeta", by=ada)
    assert (project().reads, ReadingTeam.objects.count()) == ("roles", 0)
    assert readers(people) == {"ada"}
    assert Record.objects.filter(action="project.move").latest("id").details["readers"] == "roles"
    move_project("alpha", "", by=ada)
    assert readers(people) == {"ada"}
    set_project_readers("alpha", "everybody", by=ada)
    assert (project().reads, readers(people)) == ("", set(PEOPLE))
    # what everybody read is read as the organization says where it goes, and so narrower than before or as before
    set_readers("acme", "members", by=ada)
    move_project("alpha", "acme", by=ada)
    assert readers(people) == {"ada", "eve", "mia", "tim"}
    move_project("alpha", "", by=ada)
    assert readers(people) == {"ada"}  # it was kept by its organization


def test_what_comes_back_is_kept_as_it_was_or_closer(people: dict[str, Actor]) -> None:
    ada = people["ada"]
    for reads, names, found in (
        ("members", [], {"ada", "eve", "mia", "tim"}),
        ("teams", ["ci"], {"ada", "tim"}),
        ("", [], set(PEOPLE)),
    ):
        set_project_readers("alpha", reads, names, by=ada)
        removal = delete_project("alpha", by=ada)
        assert not reading.is_any_restricted()
        restore_project(removal.pk, by=ada)
        assert readers(people) == found, reads
    set_readers("acme", "members", by=ada)
    Role.objects.create(project=project(), user=user_of(ada), kind="owner", since_at=user_of(ada).joined_at)
    removal = delete_project("alpha", by=ada)
    services.delete_organization("acme", by=ada)
    restore_project(removal.pk, by=ada)
    assert (project().organization_id, project().reads, readers(people)) == (None, "roles", {"ada"})


def test_killed_in_the_middle_nothing_was_said(
    people: dict[str, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(point: str) -> None:
        if point in {"project.readers-written", "organization.rows-written"}:
            raise Killed

    before = everything()
    monkeypatch.setattr(faults, "reach", die)
    for act in (
        lambda: set_readers("acme", "members", by=people["ada"]),
        lambda: set_project_readers("alpha", "members", by=people["ada"]),
    ):
        with pytest.raises(Killed):
            act()
        assert everything() == before


def test_few_and_many_are_told_apart_by_what_somebody_may_read(
    people: dict[str, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, eve = id_of(people["out"]), id_of(people["eve"])
    monkeypatch.setattr(reading, "_MORE_THAN_FEW", reading._MORE_THAN_FEW.replace(str(reading._FEW), "2"))
    for name in ("beta", "gamma"):
        create_project_in("acme", name, by=people["ada"])
    assert not READS_FEW(out), "all three are everybody's"
    set_readers("acme", "members", by=people["ada"])
    assert (READS_FEW(out), READS_FEW(eve), READS_FEW(None)) == (True, False, True)
    set_project_readers("beta", "roles", by=people["ada"])
    assert (READS_FEW(eve), READS_FEW(id_of(people["ada"]))) == (True, False)


def test_what_few_may_read_is_found_from_indexes() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {reading._MORE_THAN_FEW}", [1] * reading._ASKED_IN_WAYS)
        plan = "\n".join(str(row) for row in cursor.fetchall())
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")
    assert "projects_by_reading" in plan
    assert "SCAN p" not in plan
    assert "Seq Scan on projects_project" not in plan
