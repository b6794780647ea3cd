"""A second browser: it waits for the mailed link, and its session is seen and ended from the first one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.journeys.conftest import Server, start_server
from tests.journeys.test_first_hour import PASSWORD, next_code_of, set_up

pytestmark = pytest.mark.by_turns

CONFIRM = re.compile(r"^(http://\S+/confirm-sign-in/\S+/)\s*$", re.MULTILINE)


@pytest.fixture
def mailing(data: Path, tmp_path: Path) -> Iterator[Server]:
    """Run a server whose mails become files in a folder that somebody reads."""
    running = start_server(data, KEYHOUSE_MAIL_DIR=str(tmp_path / "mail"))
    yield running
    if running.process.poll() is None:
        running.stop()


def mailed(folder: Path) -> tuple[str, str]:
    """Return text and link of the confirmation, once it has come."""
    for _ in range(200):
        for file in sorted(folder.glob("*.eml")):
            part = message_from_bytes(file.read_bytes(), policy=policy.default).get_body(("plain",))
            text = str(part.get_content()) if part else ""
            found = CONFIRM.search(text)
            if found:
                return text, found[1]
        time.sleep(0.1)
    pytest.fail("no confirmation was mailed")


def arrive(page: Page, server: Server, secret: str) -> None:
    page.goto(f"{server.url}/account/sign-in/?next=/account/tokens/")
    page.get_by_label("User name or e-mail address").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Code", exact=True).fill(next_code_of(secret))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/account/new-browser/"))


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_second_browser_waits_for_the_mail_and_is_ended_from_the_first(
    browser: Browser, mailing: Server, tmp_path: Path
) -> None:
    home, away = browser.new_context(), browser.new_context(viewport={"width": 360, "height": 740})
    first, second = home.new_page(), away.new_page()
    secret, _ = set_up(first, mailing)
    arrive(second, mailing, secret)
    text, link = mailed(tmp_path / "mail")
    assert second.locator("#compare").inner_text().strip() in text
    assert fits(second)

    first.goto(link)
    expect(first.get_by_text("nothing was done here")).to_be_visible()
    second.goto(f"{mailing.url}/account/")
    expect(second).to_have_url(re.compile("/account/sign-in/"))

    second.goto(link)
    assert fits(second)
    second.get_by_role("button", name="it is the same").click()
    expect(second).to_have_url(f"{mailing.url}/account/")

    first.goto(f"{mailing.url}/account/sessions/")
    sessions = first.get_by_role("table").first
    expect(sessions.get_by_role("row")).to_have_count(3)
    expect(first.get_by_text("You confirmed it by mail.")).to_be_visible()
    second.goto(f"{mailing.url}/account/sessions/")
    assert fits(second)
    first.get_by_role("button", name=re.compile("^End it")).click()
    expect(sessions.get_by_role("row")).to_have_count(2)
    second.goto(f"{mailing.url}/account/")
    expect(second).to_have_url(re.compile("/account/sign-in/"))
    home.close()
    away.close()
