from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries
from tests.web.rows import START, make_owner, make_project, make_release, make_whole

from keyhouse.core import configuration
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import Project
from keyhouse.projects.search.filling import fill

pytestmark = pytest.mark.django_db


def text_of(client: Client, address: str) -> str:
    fill()
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def answer_of(client: Client, address: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text_of(client, address))
    return answer


def test_search_puts_the_exact_name_first_then_beginnings_then_the_rest(client: Client) -> None:
    for name in ("my-cache", "cache-tools", "cache"):
        make_whole(name)
    make_whole("memory", metadata={"summary": "A small cache for everything"})
    page = text_of(client, "/search/?q=Cache")
    assert "4 projects" in page
    places = [
        page.index(f'href="/project/{name}/"') for name in ("cache", "cache-tools", "my-cache", "memory")
    ]
    assert places == sorted(places)


def test_search_finds_other_spellings(client: Client) -> None:
    make_whole("Lantern.Metrics")
    assert "1 project for" in text_of(client, "/search/?q=lantern_METRICS")


def test_search_cuts_long_lists_into_pages_and_keeps_the_question(client: Client) -> None:
    for number in range(23):
        make_whole(f"thing-{number:02}")
    address = "/search/?q=thing&python=3.12"
    first, second = text_of(client, address), text_of(client, f"{address}&page=2")
    assert "thing-19" in first
    assert "thing-20" not in first
    assert 'rel="next" href="?q=thing&amp;python=3.12&amp;page=2"' in first
    assert "thing-22" in second
    assert "thing-19" not in second


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999", "²", "", "7"])
def test_any_page_number_gets_an_answer(client: Client, page: str) -> None:
    make_project("alpha")
    assert "1 project" in text_of(client, f"/search/?q=alpha&page={page}")
    assert answer_of(client, f"/search.json?q=alpha&page={page}")["total"] == 1


@pytest.mark.parametrize(
    "query", ["%00", "a%00b", "%FF%FE", "%25", "_", "'", "%22", "\\", "%F0%9F%94%91", "a" * 5000]
)
def test_any_query_gets_an_answer(client: Client, query: str) -> None:
    make_project("alpha")
    text_of(client, f"/search/?q={query}")
    assert client.get(f"/search.json?q={query}").status_code in {200, 400}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["q", "classifier", "python", "maintainer", "age", "publisher", "page"]),
        st.text() | st.sampled_from(["3.12", "30", "1", "on", "ada", "A :: B", "2"]),
    )
)
def test_no_question_is_a_defect(client: Client, asked: dict[str, str]) -> None:
    fields = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in asked.items())
    assert client.get(f"/search/?{fields}").status_code == 200
    assert client.get(f"/search.json?{fields}").status_code in {200, 400}
    assert client.get(f"/browse/?{fields}").status_code in {200, 404}


def test_search_shows_what_was_typed_as_text(client: Client) -> None:
    page = text_of(client, "/search/?q=%22%3E%3Cscript%3E&maintainer=%22%3E%3Cscript%3E")
    assert "<script>" not in page
    assert "Nothing found" in page


def test_search_asks_a_fixed_number_of_questions(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        make_project(f"thing-{number}")
    fill()
    with django_assert_max_num_queries(9):
        assert client.get("/search/?q=thing").status_code == 200


def test_filters_are_shown_and_can_be_taken_off(client: Client) -> None:
    release = make_whole("alpha", metadata={"classifiers": ["Topic :: Games"]})
    release.files.update(uploaded_via="publisher", requires_python=">=3.12")
    make_whole("alphabet")
    page = text_of(
        client,
        "/search/?q=alpha&classifier=Topic+::+Games&python=3.13&publisher=1&maintainer=owner-of-alpha",
    )
    assert "1 project for" in page
    assert "<details open>" in page
    assert 'href="/search/?q=alpha">Without filters' in page
    assert '<option value="Topic :: Games">' in page
    assert "<details>" in text_of(client, "/search/?q=alpha")
    assert "Nothing found" in text_of(client, "/search/?q=alpha&age=30")  # both are older


@pytest.mark.parametrize("wrong", ["python=2.7", "age=7", "classifier=" + "x" * 201, "q=" + "x" * 201])
def test_what_can_not_be_asked_is_told_and_finds_nothing(wrong: str, client: Client) -> None:
    make_project("alpha")
    page = text_of(client, f"/search/?maintainer=ada&{wrong}")
    assert "This needs another look" in page
    assert "/project/alpha/" not in page
    refused = client.get(f"/search.json?{wrong}")
    assert (refused.status_code, refused["X-Refusal"]) == (400, "search-refused")
    assert refused.json()["detail"].startswith(wrong.partition("=")[0])


def test_programs_get_the_same_as_json(client: Client) -> None:
    make_whole("Alpha.Beta", metadata={"summary": "What it does"})
    answer = answer_of(client, "/search.json?q=alpha_b&publisher=&python=3.12")
    assert answer == {
        "asked": {"q": "alpha_b", "python": "3.12"},
        "total": 1,
        "complete": True,
        "page": 1,
        "pages": 1,
        "organizations": [],
        "projects": [
            {
                "name": "Alpha.Beta",
                "normalized_name": "alpha-beta",
                "version": "1.0",
                "summary": "What Alpha.Beta does",
                "status": "active",
                "released_at": "2026-03-01T12:30:00Z",
                "url": "/project/alpha-beta/",
            }
        ],
    }
    assert answer_of(client, "/search.json")["projects"] == []
    assert answer_of(client, "/search.json?q=alpha&page=2")["projects"] == []


def test_a_project_without_a_release_is_found(client: Client) -> None:
    make_project("alpha", summary="")
    [found] = answer_of(client, "/search.json?q=alpha")["projects"]
    assert (found["version"], found["released_at"]) == (None, None)


@pytest.mark.parametrize("address", ["/search/?q=alpha", "/search.json?q=alpha", "/browse/"])
def test_a_private_index_is_searched_by_nobody_outside(
    address: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_whole("alpha", metadata={"classifiers": ["Topic :: Games"]})
    fill()
    monkeypatch.setattr(configuration, "_current", replace(configuration.current(), reads="private"))
    refused = client.get(address)
    assert refused.status_code in {302, 401}
    assert b"Games" not in refused.content
    assert b"/project/alpha" not in refused.content


@pytest.mark.parametrize("address", ["/search/?q=evil", "/search.json?q=evil", "/browse/?classifier=Evil"])
def test_what_is_in_quarantine_is_nowhere(address: str, client: Client) -> None:
    release = make_whole("evil", metadata={"classifiers": ["Evil"]})
    fill()
    Project.objects.filter(pk=release.project_id).update(status="quarantined")
    page = client.get(address).content
    assert b'"/project/evil/"' not in page


def test_browsing_goes_down_the_tree_to_projects(client: Client) -> None:
    make_whole("alpha", metadata={"classifiers": ["Topic :: Games", "Topic :: Text & More :: <b>"]})
    make_whole("beta", metadata={"classifiers": ["Topic :: Games", "Topics"]})

    top = text_of(client, "/browse/")
    assert top.index('href="/browse/?classifier=Topic">') < top.index('href="/browse/?classifier=Topics">')
    assert "2 projects" in top

    topic = text_of(client, "/browse/?classifier=Topic")
    assert 'href="/browse/?classifier=Topic%20%3A%3A%20Games">Games</a>' in topic
    assert "Topics" not in topic
    assert "Text &amp; More" in topic
    assert "&lt;b&gt;" not in topic  # it stands two below

    games = text_of(client, "/browse/?classifier=Topic :: Games")
    assert 'href="/browse/?classifier=Topic">Topic</a>' in games
    assert "/project/alpha/" in games
    assert "/project/beta/" in games


def test_an_index_without_classifiers_says_so(client: Client) -> None:
    assert "No project here states a classifier yet" in text_of(client, "/browse/")


@pytest.mark.parametrize("classifier", ["Absent", "topic", "%00", "Topic ::", "x" * 5000, "%FF"])
def test_a_classifier_that_nobody_states_is_missing(classifier: str, client: Client) -> None:
    make_whole("alpha", metadata={"classifiers": ["Topic :: Games"]})
    fill()
    assert client.get(f"/browse/?classifier={classifier}").status_code == 404


def test_pages_stay_small(client: Client) -> None:
    classifiers = [f"Topic :: {'x' * 180} {number}" for number in range(150)]
    for number in range(25):
        project = make_project(f"{'thing' * 30}-{number}", summary="s" * 512, created_at=START)
        make_owner(project, f"owner-{number}")
        make_release(project, "1.0", metadata={"classifiers": classifiers})
    for address in ("/search/?classifier=Topic", "/browse/?classifier=Topic"):
        assert len(text_of(client, address)) < 100_000


def make_organization(name: str, **told: str) -> None:
    Organization.objects.create(name=name, normalized_name=name.lower(), created_at=START, **told)


def test_search_shows_organizations_above_projects_the_one_of_that_name_first(client: Client) -> None:
    make_whole("lantern")
    for name in ("The-Lantern", "Lantern-Makers", "Lantern", "Candles"):
        make_organization(name)
    make_organization("Works", title="Makers of every lantern")
    names = [one["name"] for one in answer_of(client, "/search.json?q=lantern")["organizations"]]
    assert names == ["Lantern", "Lantern-Makers", "The-Lantern", "Works"]
    page = text_of(client, "/search/?q=lantern")
    assert page.index("/organization/lantern/") < page.index("/project/lantern/")
    assert "/organization/candles/" not in page


def test_an_organization_is_found_in_other_spellings_and_without_any_project(client: Client) -> None:
    make_organization("Lantern-Makers")
    page = text_of(client, "/search/?q=LANTERN_makers")
    assert "/organization/lantern-makers/" in page
    assert "No project for" in page


def test_each_search_shows_its_own_text_and_filters(client: Client) -> None:
    shown = {
        "/search/?q=one&python=3.12&maintainer=ada": ("one", "3.12", "ada"),
        "/search/?q=two": ("two", None, None),
        "/search/?q=three&python=3.12&maintainer=%3Cb%3E": ("three", "3.12", "&lt;b&gt;"),
        "/search/?q=one&python=3.11&maintainer=ada": ("one", "3.11", "ada"),
    }
    for address, expected in [*shown.items(), *shown.items()]:
        page = client.get(address).content.decode()
        text = re.search(r'type="hidden" name="q" value="([^"]*)"', page)
        chosen = re.search(r'<option value="(3[^"]*)" selected>', page)
        person = re.search(r'name="maintainer" value="([^"]*)"', page)
        assert tuple(one and one[1] for one in (text, chosen, person)) == expected


def test_filters_further_pages_and_signs_alone_find_no_organization(client: Client) -> None:
    make_organization("Lantern")
    make_whole("lantern")
    for query in ("q=lantern&python=3.12", "q=lantern&page=2", "q=%25", "q=_", "q=", "maintainer=ada"):
        assert answer_of(client, f"/search.json?{query}")["organizations"] == []


def test_signs_of_the_question_are_only_signs(client: Client) -> None:
    make_organization("Lantern", title="100% wax")
    assert answer_of(client, "/search.json?q=l%25n")["organizations"] == []
    assert [one["name"] for one in answer_of(client, "/search.json?q=wax")["organizations"]] == ["Lantern"]
