from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.shortcuts import render
from django.test import RequestFactory

from keyhouse.cli import dev_routes
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.web.operating import GROUPS, TABS


def page_for(actor: Actor, path: str = "/") -> str:
    request = RequestFactory().get(path)
    request.actor = actor  # type: ignore[attr-defined]  # as the middleware does
    response: HttpResponse = render(request, "base.html")
    return response.content.decode()


def test_nobody_is_offered_to_sign_in() -> None:
    page = page_for(NOBODY)
    assert 'href="/account/sign-in/"' in page
    assert "Sign out" not in page
    assert "/operator/" not in page


def test_a_person_finds_what_is_theirs_and_a_way_out() -> None:
    page = page_for(Actor(kind="session", name="ada"))
    for address in ("/manage/projects/", "/account/"):
        assert f'href="{address}"' in page
    assert '<form action="/account/sign-out/" method="post"><input type="hidden"' in page
    assert "/operator/" not in page
    assert "Sign in<" not in page


pytestmark = pytest.mark.django_db  # announcements are asked for by every page
OPERATOR_PAGES = (
    "/operator/",
    "/operator/people/",
    "/operator/projects/",
    "/operator/proposals/",
    "/operator/recovery/",
    "/operator/accounts/",
    "/operator/mandates/",
    "/mandate/proposals/",
    "/operator/mail/",
    "/operator/audit/",
    "/operator/announcements/",
    "/operator/jobs/",
    "/operator/settings/",
)


def test_operators_find_each_page_beside_those_of_its_group_and_the_first_of_every_other_group() -> None:
    operator = Actor(kind="session", name="ada", is_operator=True)
    assert 'href="/operator/"' in page_for(operator)
    assert {tab.address for tab in TABS} >= set(OPERATOR_PAGES)
    for group in GROUPS:
        for tab in group.tabs:
            page = page_for(operator, tab.address)
            assert all(f'href="{one.tabs[0].address}"' in page for one in GROUPS)
            assert all(f'href="{one.address}"' in page for one in group.tabs)
            assert page.count(f'<a href="{tab.address}" aria-current="page">') == 1
            assert ('<ul aria-label="' in page) == (tab.address != "/operator/")
            assert '<a href="/operator/" aria-current="true">Operate</a>' in page


def test_every_page_of_the_console_is_in_one_group() -> None:
    paths = {line["path"] for line in dev_routes.routes() if line["path"].startswith("/operator/")}
    paths.discard("/operator/mandates.json")  # for programs
    assert [path for path in sorted(paths) if sum(tab.holds(path) for tab in TABS) != 1] == []


def test_an_office_sees_the_groups_that_it_opens_and_their_pages_alone() -> None:
    page = page_for(Actor(kind="session", name="ada", is_moderator=True), "/operator/switches/")
    assert '<ul aria-label="Index">' in page
    assert 'href="/operator/announcements/"' in page
    assert not any(f'href="{one}"' in page for one in ("/operator/jobs/", "/operator/mandates/"))


@pytest.mark.parametrize(
    ("path", "tab"),
    [
        ("/mandate/exemptions/1/approve/", "/mandate/proposals/"),
        ("/operator/starting-points/", "/operator/mandates/"),
        ("/operator/people/ada/", "/operator/people/"),
    ],
)
def test_a_page_shows_which_of_them_it_belongs_to(path: str, tab: str) -> None:
    page = page_for(Actor(kind="session", name="ada", is_operator=True), path).partition(
        'aria-label="Operators"'
    )[2]
    assert page.count("aria-current") == 2, "the group and the page"
    assert f'<a href="{tab}" aria-current="true">' in page


def test_nobody_else_is_led_to_the_pages_of_operators() -> None:
    page = page_for(Actor(kind="session", name="ada"), "/operator/audit/")
    assert "Operate" not in page
    assert page.count("/operator/") == 0


def test_every_page_lets_the_keyboard_skip_to_its_content() -> None:
    page = page_for(NOBODY)
    assert page.index('<a class="skip" href="#content">') < page.index("<header")
    assert '<main id="content"' in page


@pytest.mark.parametrize("is_test", [True, False])
def test_the_test_environment_says_so(is_test: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyhouse.core.configuration.Configuration.is_test", property(lambda _: is_test))
    assert ("Test environment" in page_for(NOBODY)) == is_test
