"""From an empty folder to an installed package, as somebody new would do it: in a browser, by the printed link."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.distfiles.builders import build_wheel
from tests.journeys.conftest import Server
from tests.journeys.test_clients import install, listed, succeeded, twine

PASSWORD = "seven otters counted the slow green trains"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on(
        "request",
        lambda request: (
            problems.append(request.url)
            if "//localhost" not in request.url and not request.url.startswith("data:")
            else None
        ),
    )
    yield opened
    context.close()
    assert not problems, "nothing may be blocked by the policy or asked of others"


def code_of(secret: str) -> str:
    """Return a code that has some seconds to live."""
    totp = pyotp.TOTP(secret)
    left = 30 - time.time() % 30
    if left < 3:
        time.sleep(left)
    return totp.now()


def next_code_of(secret: str) -> str:
    """Return a code of a later time step than the one just used; the next one is accepted already."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30)


def set_up(page: Page, server: Server) -> tuple[str, list[str]]:
    """Make the first operator by the set-up link; returns the authenticator's secret and the recovery codes."""
    page.goto((server.data / "setup-link").read_text().split()[-1])
    page.get_by_label("User name").fill("ada")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    secret = re.sub(r"\s", "", page.locator("pre.secret").inner_text())
    page.get_by_label("Code", exact=True).fill(code_of(secret))
    page.get_by_role("button", name="Go on").click()
    codes = page.locator("pre.secret").inner_text().split()
    page.get_by_label("One of the codes").fill(codes[3])
    page.get_by_role("button", name="finish").click()
    expect(page).to_have_url(re.compile("/help/clients/"))
    return secret, codes


def mint(page: Page, server: Server) -> str:
    """Mint a token for all projects in the page."""
    page.goto(f"{server.url}/account/tokens/new/")
    page.get_by_label("Description").fill("first release")
    page.get_by_label("For which project?").select_option("all")
    page.get_by_label("Why for all projects?").select_option(index=1)
    page.get_by_label("Upload files").check()
    page.get_by_role("button", name="Create the token").click()
    return page.locator("pre.secret").first.inner_text().strip()


def test_the_first_hour(server: Server, page: Page, clients: Path, tmp_path: Path) -> None:
    secret, codes = set_up(page, server)
    assert len(set(codes)) == 10
    expect(page.locator("main")).to_contain_text(f"{server.url}/legacy/")
    token = mint(page, server)
    wheel = build_wheel(tmp_path, files={"alpha/__init__.py": b"value = 42\n"})
    succeeded(twine(clients, server, token, wheel))
    assert set(listed(server, "alpha")) == {wheel.name}
    install(clients / "pip", server, tmp_path / "target")
    page.goto(f"{server.url}/project/alpha/")
    expect(page.locator("main")).to_contain_text("ada")
    expect(page.locator("main")).to_contain_text(f"{server.url}/simple/")
    assert_nothing_secret_is_logged(server, secret, token, *codes)


def assert_nothing_secret_is_logged(server: Server, *secrets: str) -> None:
    log = server.log.read_text()
    for secret in (*secrets, PASSWORD):
        assert secret not in log


def test_the_set_up_link_dies_with_its_use(server: Server, page: Page) -> None:
    link = (server.data / "setup-link").read_text().split()[-1]
    set_up(page, server)
    page.context.clear_cookies()
    answer = page.request.get(link)
    assert answer.status in {404, 410}
    assert "ada" not in answer.text()


def test_signing_in_needs_password_and_a_fresh_code(server: Server, page: Page) -> None:
    secret, _ = set_up(page, server)
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{server.url}/account/tokens/")
    page.get_by_label("User name or e-mail address").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.goto(f"{server.url}/account/tokens/")
    expect(
        page.get_by_role("heading", name="API tokens"), "a password alone opens nothing"
    ).not_to_be_visible()
    page.goto(f"{server.url}/account/second-factor/?next=/account/tokens/")
    page.get_by_label("Code", exact=True).fill(next_code_of(secret))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="API tokens")).to_be_visible()


def test_pages_work_without_scripts(server: Server, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    set_up(context.new_page(), server)
    context.close()


def test_a_release_is_yanked_in_the_page(server: Server, page: Page, clients: Path, tmp_path: Path) -> None:
    set_up(page, server)
    token = mint(page, server)
    succeeded(twine(clients, server, token, build_wheel(tmp_path)))
    page.goto(f"{server.url}/manage/project/alpha/release/1.0/")
    page.get_by_role("link", name="Yank").click()
    page.get_by_label("Reason").fill("forgot a file")
    page.get_by_role("button", name="Yank").click()
    html = server.get("/simple/alpha/", Accept="text/html")[1].decode()
    assert 'data-yanked="forgot a file"' in html
    assert b'"yanked":"forgot a file"' in server.get(
        "/simple/alpha/", Accept="application/vnd.pypi.simple.v1+json"
    )[1].replace(b'": "', b'":"')


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways_on_a_phone(server: Server, browser: Browser, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)  # type: ignore[arg-type]  # one of its own words
    page = context.new_page()
    set_up(page, server)
    for path in (
        "/",
        "/search/?q=a",
        "/account/",
        "/account/tokens/",
        "/account/tokens/new/",
        "/help/clients/",
        "/account/history/",
        "/account/second-factors/",
        "/account/emails/",
        "/account/sessions/",
        "/account/vouch/",
        "/account/recover/",
        "/manage/projects/",
        "/operator/audit/",
        "/operator/recovery/",
        "/operator/accounts/",
        "/operator/mail/",
        "/help/codes/",
    ):
        page.goto(server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    context.close()
