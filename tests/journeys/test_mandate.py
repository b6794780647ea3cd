"""Who lacks a second factor meets it in the tool at hand, with what to do, and is led there and back in the browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.distfiles.builders import build_wheel
from tests.journeys.conftest import Server
from tests.journeys.test_clients import listed, run, succeeded, twine
from tests.journeys.test_first_hour import code_of

pytestmark = pytest.mark.by_turns

SENTENCE = "This token was made without a second factor. Sign in with your second factor and make a new one."
PASSWORD = "seven otters counted the slow green trains"


@pytest.fixture
def seeded(server: Server) -> dict[str, Any]:
    """Return ada's project, tokens and a session of hers; she has no second factor."""
    return server.seed(
        {
            "users": [
                {"username": "ada", "email": "ada@example.org", "password": PASSWORD, "verified": True}
            ],
            "projects": [{"name": "alpha", "owners": ["ada"]}],
            "tokens": [
                {"user": "ada", "projects": "all", "minted_with": "password"},
                {"user": "ada", "projects": "all", "minted_with": "totp"},
            ],
            "sessions": [{"user": "ada", "proved": ["password"]}],
        }
    )


def shown(text: str) -> str:
    """Return what a terminal shows, however its lines were broken."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_twine_shows_what_a_weak_token_lacks(
    server: Server, seeded: dict[str, Any], clients: Path, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path)
    weak, strong = (one["token"] for one in seeded["tokens"])
    refused = twine(clients, server, weak, wheel)
    assert refused.returncode != 0
    assert f"credential-weak: {SENTENCE}" in shown(refused.stdout + refused.stderr)
    succeeded(twine(clients, server, strong, wheel))
    assert set(listed(server, "alpha")) == {wheel.name}


def test_uv_shows_what_a_weak_token_lacks(
    server: Server, seeded: dict[str, Any], clients: Path, tmp_path: Path
) -> None:
    words = ("publish", "--publish-url", f"{server.url}/legacy/", build_wheel(tmp_path))
    refused = run(clients / "uv", *words, UV_PUBLISH_TOKEN=seeded["tokens"][0]["token"])
    assert refused.returncode != 0
    assert f"credential-weak: {SENTENCE}" in shown(refused.stdout + refused.stderr)
    assert listed(server, "alpha") == {}


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_browser_is_led_to_the_second_factor_and_its_codes(
    server: Server, seeded: dict[str, Any], browser: Browser, scripts: bool
) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    name, _, value = seeded["sessions"][0]["cookie"].partition("=")
    context.add_cookies([{"name": name, "value": value, "url": server.url}])
    page = context.new_page()
    page.goto(f"{server.url}/manage/project/alpha/archive/")
    expect(page.get_by_role("heading", level=1)).to_have_text("This needs a second factor.")
    page.get_by_role("link", name="Set up a second factor").click()
    secret = re.sub(r"\s", "", page.locator("pre.secret").inner_text())
    page.get_by_label("Code", exact=True).fill(code_of(secret))
    page.get_by_role("button", name="Add it").click()
    expect(page).to_have_url(f"{server.url}/account/recovery-codes/")
    # a thief with the password could be the one who enrols first: authority wakes a day later, and the page says when
    page.goto(f"{server.url}/manage/project/alpha/archive/")
    expect(page.locator("main")).to_contain_text("account-held")
    expect(page.locator("main")).to_contain_text("This account is on hold until")
    page.goto(f"{server.url}/account/mandate/")
    expect(page.locator("main")).to_contain_text("You have what is asked of you.")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_about_mandates_scrolls_sideways_on_a_phone(
    server: Server, seeded: dict[str, Any], browser: Browser, scheme: Any
) -> None:
    operator = server.seed(
        {
            "users": [
                {
                    "username": "ops",
                    "email": "ops@example.org",
                    "verified": True,
                    "operator": True,
                    "password": None,
                }
            ],
            "projects": [{"name": "beta", "owners": ["ops"]}],
            "sessions": [{"user": "ops", "proved": ["password", "totp"]}],
        }
    )
    pages = {
        seeded["sessions"][0]["cookie"]: ("/account/", "/account/mandate/", "/manage/projects/"),
        operator["sessions"][0]["cookie"]: ("/mandate/", "/mandate/proposals/", "/mandate/project/beta/"),
    }
    for cookie, paths in pages.items():
        context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        name, _, value = cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": server.url}])
        page = context.new_page()
        for path in paths:
            page.goto(server.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        context.close()
