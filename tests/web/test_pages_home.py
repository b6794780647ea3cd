from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from tests.web.rows import START, make_project, make_release, make_whole

from keyhouse.projects.models import IndexPage, Project

pytestmark = pytest.mark.django_db


def text_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_an_empty_index_says_what_to_do(client: Client) -> None:
    page = text_of(client, "/")
    assert "Nothing has been published yet" in page
    assert '<a class="button" href="/help/clients/">' in page
    assert 'action="/search/"' in page


def test_home_shows_newest_releases_and_projects_first(client: Client) -> None:
    old = make_whole("elder").project
    make_project("younger", created_at=START + timedelta(days=9))
    make_release(old, "2.0", days=5)
    page = text_of(client, "/")
    assert page.index("elder 2.0") < page.index("elder 1.0")
    projects = page[page.index("Newest projects") :]
    assert projects.index("younger") < projects.index("elder")


def test_home_links_an_older_release_to_its_own_page(client: Client) -> None:
    project = make_whole("alpha").project
    make_release(project, "2.0", days=5)
    page = text_of(client, "/")
    assert 'href="/project/alpha/1.0/"' in page
    assert 'href="/project/alpha/2.0/"' not in page


def test_home_does_not_name_quarantined_projects(client: Client) -> None:
    release = make_whole("evil")
    Project.objects.filter(pk=release.project_id).update(status="quarantined")
    assert "evil" not in text_of(client, "/")


def test_home_counts_and_prefers_the_kept_statistics(client: Client) -> None:
    make_whole("alpha")
    assert "<dt>project</dt><dd>1</dd>" in text_of(client, "/")
    body = b'{"projects": 7, "releases": 80, "files": 900}'
    IndexPage.objects.create(kind="stats", form="json", serial=1, body=body)
    page = text_of(client, "/")
    assert "<dt>projects</dt><dd>7</dd>" in page
    assert "<dd>900</dd>" in page


def test_unreadable_statistics_do_not_break_home(client: Client) -> None:
    IndexPage.objects.create(kind="stats", form="json", serial=1, body=b"[1")
    assert "<dt>projects</dt><dd>0</dd>" in text_of(client, "/")


def test_home_asks_a_fixed_number_of_questions(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        make_whole(f"project-{number}")
    with django_assert_max_num_queries(6):
        text_of(client, "/")


def test_search_puts_the_exact_name_first_then_beginnings_then_the_rest(client: Client) -> None:
    for name in ("my-cache", "cache-tools", "cache"):
        make_whole(name)
    make_project("memory", summary="A small cache for everything")
    page = text_of(client, "/search/?q=Cache")
    assert "4 projects" in page
    places = [
        page.index(f'href="/project/{name}/"') for name in ("cache", "cache-tools", "my-cache", "memory")
    ]
    assert places == sorted(places)


def test_search_finds_other_spellings(client: Client) -> None:
    make_whole("Lantern.Metrics")
    assert "1 project for" in text_of(client, "/search/?q=lantern_METRICS")


def test_search_cuts_long_lists_into_pages(client: Client) -> None:
    for number in range(23):
        make_project(f"thing-{number:02}")
    first, second = text_of(client, "/search/?q=thing"), text_of(client, "/search/?q=thing&page=2")
    assert "thing-19" in first
    assert "thing-20" not in first
    assert 'rel="next" href="?q=thing&amp;page=2"' in first
    assert "thing-22" in second
    assert "thing-19" not in second


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999", "²", "", "7"])
def test_any_page_number_gets_an_answer(client: Client, page: str) -> None:
    make_project("alpha")
    assert "1 project" in text_of(client, f"/search/?q=alpha&page={page}")


@pytest.mark.parametrize(
    "query", ["%00", "a%00b", "%FF%FE", "%25", "_", "'", "\\", "%F0%9F%94%91", "a" * 5000]
)
def test_any_query_gets_an_answer(client: Client, query: str) -> None:
    make_project("alpha")
    text_of(client, f"/search/?q={query}")


def test_search_shows_what_was_typed_as_text(client: Client) -> None:
    page = text_of(client, "/search/?q=%22%3E%3Cscript%3E")
    assert "<script>" not in page
    assert "Nothing found" in page


def test_search_asks_a_fixed_number_of_questions(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        make_project(f"thing-{number}")
    with django_assert_max_num_queries(3):
        text_of(client, "/search/?q=thing")
