from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from keyhouse.core import clock, configuration
from keyhouse.core.actor import Actor
from keyhouse.core.errors import all_refusals
from keyhouse.distfiles.findings import CODES
from keyhouse.web import explanations
from keyhouse.web.templatetags.shown import when, with_code, with_instants
from keyhouse.web.views.help import clients

Configure = Callable[..., None]
pytestmark = pytest.mark.django_db


@pytest.fixture
def configure() -> Iterator[Configure]:
    before = configuration.current()

    def use(**fields: object) -> None:
        configuration.use(dataclasses.replace(configuration.current(), **fields))  # type: ignore[arg-type]  # names of settings

    yield use
    configuration.use(before)


def text_of(client: Client, address: str) -> str:
    response = client.get(address, headers={"Accept": "text/html"})
    assert response.status_code == 200
    return response.content.decode()


def test_the_lines_to_copy_hold_this_servers_address(client: Client, configure: Configure) -> None:
    configure(base_url="https://index.example.org")
    page = text_of(client, "/help/clients/")
    assert "pip install --index-url https://index.example.org/simple/ NAME" in page
    assert "https://index.example.org/legacy/" in page
    assert "${{ secrets.KEYHOUSE_TOKEN }}" in page
    assert "extra-index-url" not in page
    assert "plain http" not in page
    assert "machine " not in page


def test_a_private_index_also_says_how_to_read(configure: Configure) -> None:
    configure(base_url="https://index.example.org:8443", reads="private")
    page = page_for_ada()
    assert "machine index.example.org\n" in page
    assert "UV_INDEX_KEYHOUSE_PASSWORD" in page


def page_for_ada() -> str:
    """Show the page as somebody who is signed in sees it."""
    request = RequestFactory().get("/help/clients/")
    request.actor = Actor(kind="session", name="ada")  # type: ignore[attr-defined]  # as the middleware does
    return clients(request).content.decode()


def test_plain_http_is_warned_about_unless_it_stays_on_this_machine(
    client: Client, configure: Configure
) -> None:
    configure(base_url="http://index.example.org")
    assert "plain http" in text_of(client, "/help/clients/")
    configure(base_url="http://localhost:8400")
    assert "plain http" not in text_of(client, "/help/clients/")


def test_an_upstream_is_named(client: Client, configure: Configure) -> None:
    configure(upstream="https://upstream.example/simple")
    assert "https://upstream.example/simple" in text_of(client, "/help/clients/")


def test_help_leads_to_the_clients(client: Client) -> None:
    assert client.get("/help/")["Location"] == "/help/clients/"


def test_every_refusal_and_finding_has_an_explanation() -> None:
    explanations.all_explanations.cache_clear()  # other tests may have loaded more of the code since
    explained = explanations.all_explanations()
    assert set(all_refusals()) | set(CODES) <= set(explained)
    for one in explained.values():
        assert one.sentence
        assert one.meaning or one.fix, f"{one.code} says neither what it means nor what to do"


def test_every_code_has_a_page_and_stands_in_the_list_and_with_its_topic(client: Client) -> None:
    listed = text_of(client, "/help/codes/")
    topics = {one.title: one.slug for one in explanations.topics()}
    assert len(set(topics.values())) == len(topics)
    told = {title: text_of(client, f"/help/codes/topic/{slug}/") for title, slug in topics.items()}
    for code, one in explanations.all_explanations().items():
        assert f"href={code}/>" in listed
        assert f'href="/help/codes/{code}/"' in told[one.topic]
        page = text_of(client, f"/help/codes/{code}/")
        assert code in page
        assert f'href="/help/codes/topic/{one.topic_slug}/"' in page
    assert all(f'href="topic/{slug}/"' in listed for slug in topics.values())


def test_the_list_of_codes_has_room_for_as_many_again(client: Client) -> None:
    assert len(client.get("/help/codes/").content) < 40_000


def test_an_unknown_code_or_topic_is_not_found(client: Client) -> None:
    assert client.get("/help/codes/nonsense/").status_code == 404
    assert client.get("/help/codes/topic/nonsense/").status_code == 404
    assert "topic" not in explanations.all_explanations()


def test_a_private_index_shows_nothing_but_codes_to_strangers(client: Client, configure: Configure) -> None:
    configure(reads="private")
    addresses = [
        "/",
        "/search/?q=a",
        "/project/a/",
        "/project/a/releases/",
        "/project/a/1/",
        "/help/clients/",
    ]
    addresses += ["/project/a/1/files/", "/project/a/1/description/"]
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 302, address
        assert response["Location"].startswith("/account/sign-in/?next=%2F"), address
    assert client.get("/help/codes/account-frozen/").status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_public_pages_are_only_read(client: Client, method: str) -> None:
    assert getattr(client, method)("/").status_code == 405


def test_a_refusal_has_a_page_with_the_way_out(client: Client) -> None:
    response = client.get("/project/none/", headers={"Accept": "text/html"})
    page = response.content.decode()
    assert response.status_code == 404
    assert '<a class="button quiet" href="/help/codes/not-found/">' in page
    assert "There is no project of that name here." in page


def test_the_page_of_a_defect_needs_nothing() -> None:
    page = render_to_string("500.html")
    assert "Something broke on our side." in page
    assert "{" not in page


def test_commands_in_a_refusal_are_shown_as_code_and_nothing_gets_out_of_it() -> None:
    assert with_code("`a <b>` & `c`") == "<code>a &lt;b&gt;</code> &amp; <code>c</code>"
    assert with_code("one ` alone") == "one ` alone"


@pytest.mark.parametrize("written", ["2026-03-01T12:30:00Z", "2026-03-01T12:30:00.123456Z"])
def test_an_instant_in_a_sentence_is_shown_as_any_other_and_the_rest_escaped(written: str) -> None:
    shown = when(clock.parse_instant(written))
    assert 'datetime="2026-03-01T12:30:00Z"' in shown
    assert with_instants(f"<b> until {written}.") == f"&lt;b&gt; until {shown}."
    for other in ("2026-13-01T12:30:00Z", f"x{written}", "2026-03-01", "0000-01-01T00:00:00Z"):
        assert with_instants(other) == other


def test_the_page_of_a_code_shows_commands_as_code(client: Client) -> None:
    page = client.get("/help/codes/link-expired/").content.decode()
    assert "<code>keyhouse setup-link</code>" in page
    assert "`" not in page
