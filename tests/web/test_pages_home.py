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
    with django_assert_max_num_queries(8):
        text_of(client, "/")
