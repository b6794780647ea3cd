"""What is found, in which order, and what never is: the same on every database."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.projects.conftest import make_person
from tests.projects.search.shelves import found, publish
from tests.projects.test_invitations import with_address

from keyhouse.accounts.models import User
from keyhouse.core import actor, clock, configuration
from keyhouse.core.actor import Actor
from keyhouse.organizations import populating
from keyhouse.organizations import services as services_of_organizations
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects import pages, services
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import Project
from keyhouse.projects.organizing import create_project_in, set_team_role
from keyhouse.projects.search import queries
from keyhouse.projects.search.rules import MOST_FOUND, Wanted
from keyhouse.projects.services import create_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf(ada: Actor) -> Actor:
    """Projects around one word: by name, summary, keyword, description."""
    publish("talks", by=ada, description="A long text about wsgi and more")
    publish("snake", by=ada, summary="A WSGI client for everybody")
    publish("words", by=ada, summary="Nothing of it, 100% sure", keywords=["wsgi", "o'neill"])
    publish("my-wsgi-kit", by=ada)
    publish("wsgi.server", by=ada)
    publish("wsgi", by=ada)
    publish("Uber-Grosse", by=ada, summary="Größe über alles")
    return ada


def test_the_exact_name_comes_first_then_names_then_brief_texts_then_the_rest(shelf: Actor) -> None:
    assert found("wsgi") == ["wsgi", "wsgi.server", "my-wsgi-kit", "words", "snake", "talks"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("my wsgi kit", ["my-wsgi-kit"]),
        ("My_WSGI.kit", ["my-wsgi-kit"]),
        ("mywsgi", ["my-wsgi-kit"]),
        ("kit wsgi", ["my-wsgi-kit"]),
        ("wsgi-serv", ["wsgi.server"]),
        ("everyb", ["snake"]),
        ("client for", ["snake"]),
        ("GROSSE", ["Uber-Grosse"]),
        ("größe über", ["Uber-Grosse"]),
        ("long text", ["talks"]),
        ("long tex", []),  # a description is found by whole words only
        ("o'neill", ["words"]),
        ("100%", ["words"]),
        ("absent", []),
        ("wsgi absent", []),
        ("%", []),
        ("_", []),
        ("*", []),
        ('"', []),
        ("'", []),
        ("\\", []),
        ("\x00", []),
        ("", []),
        ("OR", []),
        ("wsgi OR snake", []),
        ("name:wsgi", []),
        ("-wsgi", ["wsgi", "wsgi.server", "my-wsgi-kit", "words", "snake", "talks"]),
        ("wsgi*", ["wsgi", "wsgi.server", "my-wsgi-kit", "words", "snake", "talks"]),
        ("x" * 5000, []),
        ("a " * 5000, ["Uber-Grosse", "snake", "talks"]),
    ],
)
def test_any_spelling_and_any_sign(text: str, names: list[str], shelf: Actor) -> None:
    assert found(text) == names


_TEXTS = st.text() | st.lists(
    st.sampled_from(
        ["wsgi", "NEAR(", "AND", "OR", "NOT", '"', "'", "*", ":", "^", "name :", "marks:", "(", ")", "&", "|", "!",
         "<->", "%", "_", "\\", "{brief}", "+", "-", "\0", "\ud800", ";", "--", "é", "数"]
    ),
    max_size=12,
).map(" ".join)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=_TEXTS, filters=st.fixed_dictionaries({}, optional={"classifier": _TEXTS, "maintainer": _TEXTS}))
def test_no_text_is_an_operator(shelf: Actor, text: str, filters: dict[str, str]) -> None:
    filters = {
        name: value.replace("\0", "").encode(errors="replace").decode() for name, value in filters.items()
    }
    names = found(text, **filters)
    assert len(names) == len(set(names))
    assert not filters.get("classifier") or names == []


def test_filters(shelf: Actor) -> None:
    bob = make_person("Bob")
    topic = "Topic :: Internet :: WWW/HTTP :: WSGI"
    publish("old-web", by=bob, classifiers=[topic], changes={"requires_python": "<3.9"})
    publish(
        "new-web",
        by=bob,
        classifiers=[topic],
        changes={"requires_python": ">=3.12", "uploaded_via": "publisher"},
    )
    Project.objects.get(name="old-web").releases.update(created_at=clock.now() - timedelta(days=400))
    services.rebuild_pages(by=actor.host())
    year = clock.now() - timedelta(days=365)

    assert found("web", classifier=topic) == ["new-web", "old-web"]
    assert found("web", classifier="Topic :: Internet") == ["new-web", "old-web"]
    assert found("web", classifier="Topic :: Int") == found("wsgi", classifier=topic) == []
    assert found("web", python="3.8") == ["old-web"]
    assert found("web", python="3.13") == ["new-web"]
    assert found("web", is_from_publisher=True) == found(is_from_publisher=True) == ["new-web"]
    assert found("web", released_since=year) == found(released_since=year, maintainer="bob") == ["new-web"]
    assert found("web", maintainer="BOB") == found(maintainer="bob") == ["new-web", "old-web"]
    assert found("wsgi", maintainer="bob") == []
    assert found("old.web", maintainer="bob", python="3.8", classifier=topic) == ["old-web"]
    assert found("old.web", python="3.13") == []
    assert found(classifier=topic) == ["new-web", "old-web"]


def test_what_says_the_very_text_comes_before_what_has_its_words_alone(ada: Actor) -> None:
    publish("beam", by=ada, summary="Bindings of C++ for beams")
    publish("full", by=ada, summary="It is 100% covered")
    publish("hisser", by=ada, summary="Makes snake_case of it")
    publish("quoted", by=ada, summary='Reads "raw" lines')
    publish("hundred", by=ada, summary="Has 100 things, and c headers, in a snake case")
    publish("raw-lines", by=ada, summary="Raw material")
    publish("c-kit", by=ada, summary="A kit")
    publish("cat", by=ada, summary="Cats")

    assert found("100%") == ["full", "hundred"]
    assert found("100") == ["hundred", "full"]
    assert found("C++") == ["beam", "c-kit", "hundred"]  # and nothing that only begins with c
    assert found("snake_case") == ["hisser", "hundred"]
    assert found("snake case") == ["hundred", "hisser"]
    assert found('"raw"') == ["quoted", "raw-lines"]
    assert found("raw") == ["raw-lines", "quoted"]
    assert found("100%", maintainer="ada") == ["full", "hundred"]
    assert found("100%", maintainer="bob") == found("200%") == []


def test_who_works_by_an_organization_is_found_by_its_members_alone(
    ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve, olga, stranger = (with_address(make_person(name)) for name in ("Eve", "olga", "stranger"))
    acme = services_of_organizations.create_organization("Acme.Works", by=olga)
    people = {User.objects.get(username="Eve"): "member"}
    populating.add_members(acme, people, by=actor.host())
    create_project_in("acme-works", "turbine", by=olga)
    create_project_in("acme-works", "rotor", by=olga)
    populating.add_team(acme, "ci", people, by=olga)
    set_team_role("turbine", "ci", "maintainer", by=olga)
    create_project("eves", [User.objects.get(username="Eve")], by=eve)

    for reader in (eve, olga):
        assert sorted(found(maintainer="eve", reader_id=reader.user_id)) == ["eves", "turbine"]
        assert sorted(found(maintainer="OLGA", reader_id=reader.user_id)) == ["rotor", "turbine"]
    for reader_id in (None, stranger.user_id, ada.user_id):
        assert found(maintainer="eve", reader_id=reader_id) == ["eves"]
        assert found(maintainer="olga", reader_id=reader_id) == []
        assert sorted(found(maintainer="Acme_Works", reader_id=reader_id)) == ["rotor", "turbine"]
        assert found("rot", maintainer="acme-works", reader_id=reader_id) == ["rotor"]
    assert found(maintainer="acme") == found("eves", maintainer="acme-works") == []

    private = dataclasses.replace(configuration.current(), reads="private")
    monkeypatch.setattr(configuration, "_current", private)
    Organization.objects.update(reads="members")
    assert found(maintainer="acme-works", reader_id=stranger.user_id) == []
    assert sorted(found(maintainer="acme-works", reader_id=eve.user_id)) == ["rotor", "turbine"]
    Membership.objects.filter(user__username="Eve").delete()
    assert found(maintainer="eve", reader_id=eve.user_id) == ["eves"]


def test_only_the_release_that_installers_take_counts(ada: Actor) -> None:
    publish("alpha", by=ada, version="1.0", summary="first words", classifiers=["A"])
    publish("alpha", by=ada, version="2.0", summary="second words", classifiers=["B"])
    assert (found("first"), found("second"), found(classifier="B")) == ([], ["alpha"], ["alpha"])

    life_cycle.yank_release("alpha", "2.0", by=ada)
    assert (found("first"), found("second"), found(classifier="B")) == (["alpha"], [], [])

    life_cycle.unyank_release("alpha", "2.0", by=ada)
    life_cycle.delete_release("alpha", "2.0", by=ada)
    assert (found("first"), found("second")) == (["alpha"], [])

    life_cycle.archive_project("alpha", by=ada)
    assert found("first") == ["alpha"]
    life_cycle.delete_project("alpha", by=ada)
    assert found("first") == found("alpha") == []


def quarantine(name: str, **changes: object) -> Project:
    """Put a project, or by `files` its files, into quarantine as a change of it does."""
    project = Project.objects.get(normalized_name=name)
    if "files" in changes:
        project.files.filter(release__version=changes["files"]).update(is_quarantined=True)
    else:
        Project.objects.filter(pk=project.pk).update(status=changes["status"])
    project.refresh_from_db()
    pages.refresh_pages(project, versions=None)
    return project


def test_what_is_in_quarantine_is_never_found_and_comes_back_whole(shelf: Actor) -> None:
    quarantine("snake", status="quarantined")
    assert found("snake") == found("wsgi client") == []
    assert "snake" not in found("wsgi")

    quarantine("snake", status="active")
    assert found("wsgi client") == ["snake"]


def test_releases_in_quarantine_are_never_found(ada: Actor) -> None:
    publish("alpha", by=ada, version="1.0", summary="first words")
    publish("alpha", by=ada, version="2.0", summary="second words", classifiers=["B"])

    quarantine("alpha", files="2.0")
    assert (found("second"), found("first"), found(classifier="B")) == ([], ["alpha"], [])
    quarantine("alpha", files="1.0")
    assert (found("second"), found("first"), found("alpha")) == ([], [], ["alpha"])


def test_a_project_that_goes_into_quarantine_while_somebody_reads_is_not_shown(shelf: Actor) -> None:
    hits = queries.find_projects(Wanted("wsgi"))
    Project.objects.filter(name="wsgi").update(status="quarantined")
    assert [project.name for project in hits.projects(0, 3)] == ["wsgi.server", "my-wsgi-kit"]


def test_of_too_many_names_that_begin_so_the_shortest_are_found(
    ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lan-tern-oil", "lantern-wick", "old-lantern", "lan_terns", "lantern", "lanterz"):
        publish(name, by=ada)
    monkeypatch.setattr(queries, "MOST_FOUND", 3)
    assert found("lan tern") == ["lantern", "lan_terns", "lan-tern-oil"]
    assert found("lante") == ["lantern", "lanterz", "lan_terns"]
    assert found("Lantern", maintainer="ada") == ["lantern", "lan_terns", "lan-tern-oil"]
    assert found("lantern", maintainer="bob") == []


def test_no_more_is_found_than_anybody_reads(shelf: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert queries.find_projects(Wanted("wsgi")).is_complete
    monkeypatch.setattr(queries, "MOST_FOUND", 3)
    hits = queries.find_projects(Wanted("wsgi"))
    assert (len(hits.keys), hits.is_complete) == (3, False)
    assert hits.projects(0, 1)[0].name == "wsgi"


def test_what_somebody_with_many_roles_has_is_found_as_that_of_others(
    ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve, olga = (with_address(make_person(name)) for name in ("Eve", "olga"))
    acme = services_of_organizations.create_organization("Acme", by=olga)
    populating.add_members(acme, {User.objects.get(username="Eve"): "owner"}, by=actor.host())
    create_project_in("acme", "rotor-works", by=olga)
    for name in ("rotor-one", "rotor-two", "wheel"):
        create_project(name, [User.objects.get(username="Eve")], by=eve)
    create_project("rotor-of-ada", [User.objects.get(username="ada")], by=ada)
    own = ["rotor-one", "rotor-two"]
    readers = (olga.user_id, [*own, "rotor-works"]), (ada.user_id, own), (None, own)
    for reads in ("public", "private"):
        changed = dataclasses.replace(configuration.current(), reads=reads)
        monkeypatch.setattr(configuration, "_current", changed)
        for least in (MOST_FOUND, 2, 3):
            monkeypatch.setattr(queries, "_MANY", f"{queries._ROLES} LIMIT 1 OFFSET {least}")
            for reader_id, names in readers:
                assert sorted(found("rotor", maintainer="eve", reader_id=reader_id)) == names, least
                assert found("rotor", maintainer="ADA", reader_id=reader_id) == ["rotor-of-ada"]
            assert sorted(found(maintainer="eve")) == [*own, "wheel"]


def test_classifiers_of_a_private_index_are_those_of_what_somebody_may_read(
    ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    olga = with_address(make_person("olga"))
    services_of_organizations.create_organization("Acme", by=olga)
    create_project_in("acme", "rotor", by=olga)
    publish("rotor", by=olga, classifiers=["Topic :: Games", "Topic :: Secret :: Very"])
    publish("first", by=ada, classifiers=["Topic :: Games", "Topic"])
    publish("latest", by=ada, classifiers=["Topic :: Games :: Board", "Topic :: Text"])

    def told(reader_id: int | None) -> list[tuple[str, int | None]]:
        found = (queries.classifiers_below(one, reader_id) for one in ("", "Topic", "Topic :: Secret"))
        return [(one.name, one.projects) for some in found for one in some]

    everything = [("Topic", 3), ("Topic :: Games", 3), ("Topic :: Secret", 1), ("Topic :: Text", 1)]
    everything.append(("Topic :: Secret :: Very", 1))
    assert told(None) == everything
    monkeypatch.setattr(
        configuration, "_current", dataclasses.replace(configuration.current(), reads="private")
    )
    assert told(None) == everything  # nothing is kept from anybody so far
    Organization.objects.update(reads="members")
    few = [("Topic", 2), ("Topic :: Games", 2), ("Topic :: Text", 1)]
    assert told(olga.user_id) == everything
    assert told(ada.user_id) == told(None) == few
    common = queries.common_classifiers(3, ada.user_id)
    assert common == ["Topic :: Games", "Topic :: Games :: Board", "Topic :: Text"]
    assert queries.common_classifiers(9, ada.user_id) == common
    assert "Topic :: Secret" in queries.common_classifiers(9, olga.user_id)
    for most in (0, 1):  # where there are more than are counted, what is stated is the same
        monkeypatch.setattr(queries, "MOST_COUNTED", most)
        assert told(ada.user_id) == [(name, None) for name, _ in few]
        assert told(olga.user_id) == [(name, None) for name, _ in everything]
    Project.objects.filter(name="rotor").update(reads="everybody")
    assert told(ada.user_id) == [(name, None) for name, _ in everything]
