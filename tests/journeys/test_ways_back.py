"""What happens to accounts, in a real browser, with the mails as files: forgotten, changed, frozen, made, lost."""

from __future__ import annotations

import email
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from email import policy
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.distfiles.builders import build_wheel
from tests.journeys.conftest import Moment, Server, start_server
from tests.journeys.test_clients import listed, succeeded, twine
from tests.journeys.test_first_hour import code_of, next_code_of
from tests.journeys.test_security_keys import Desk, desk

pytestmark = pytest.mark.by_turns

__all__ = ["desk"]

PASSWORD = "seven otters counted the slow green trains"
ANOTHER = "eleven herons folded the wide paper harbour"


def person(username: str, *factors: str) -> dict[str, Any]:
    return {
        "username": username,
        "email": f"{username}@example.org",
        "password": PASSWORD,
        "second_factors": list(factors),
    }


def signed_in(username: str) -> dict[str, Any]:
    return {"user": username, "proved": ["password", "totp"]}


class House:
    """A running index, whom it knows, and the mails that left it."""

    def __init__(self, server: Server, told: dict[str, Any]) -> None:
        self.server = server
        self.secrets = {one["username"]: str(one.get("totp_secret", "")) for one in told["users"]}
        self.cookies = {one["user"]: str(one["cookie"]) for one in told.get("sessions", [])}
        self.tokens = {one["user"]: str(one["token"]) for one in told.get("tokens", [])}

    def enter(self, context: BrowserContext, username: str) -> Page:
        """Open a page in a browser where this person has just proven password and app."""
        name, value = self.cookies[username].split("=", 1)
        context.add_cookies([{"name": name, "value": value, "url": self.server.url}])
        return context.new_page()

    def goto(self, page: Page, path: str) -> None:
        page.goto(self.server.url + path)

    def link(self, address: str, purpose: str) -> str:
        """Return the link of the newest mail to that address that holds one of this kind, once it has come."""
        for _ in range(150):
            for text in reversed(self.mails_to(address)):
                found = re.search(rf"^http://\S+/{purpose}/\S+", text, re.MULTILINE)
                if found:
                    return found[0]
            time.sleep(0.1)
        pytest.fail(f"no mail to {address} holds a link /{purpose}/: {self.mails_to(address)}")

    def mails_to(self, address: str) -> list[str]:
        read = [
            email.message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in sorted((self.server.data.parent / "mails").glob("*.eml"))
        ]
        return [
            part.get_content()
            for one in read
            if one["To"] == address and (part := one.get_body(("plain",))) is not None
        ]


def start(folder: Path, document: dict[str, Any], **settings: str) -> House:
    (folder / "mails").mkdir()
    server = start_server(folder / "data", KEYHOUSE_MAIL_DIR=str(folder / "mails"), **settings)
    return House(server, server.seed(document))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One index for all who don't move its clock: each journey has people of its own."""
    document = {
        "users": [person("ada", "totp"), person("cleo"), person("dora", "totp"), person("fay", "totp")],
        "sessions": [signed_in("dora"), signed_in("fay")],
        "projects": [{"name": "delta", "owners": ["dora"]}],
    }
    begun = start(tmp_path_factory.mktemp("house"), document, KEYHOUSE_SIGN_UP="open")
    yield begun
    begun.server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def elsewhere(browser: Browser) -> Iterator[Page]:
    """Open a page in another browser."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def sign_in(house: House, page: Page, username: str, password: str) -> None:
    house.goto(page, "/account/sign-in/")
    page.get_by_label("User name or e-mail address").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Go on").click()


def forget_password(house: House, page: Page, username: str) -> None:
    house.goto(page, "/account/sign-in/")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("User name or e-mail address").fill(username)
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    page.goto(house.link(f"{username}@example.org", "password-reset"))
    page.get_by_label("New password").fill(ANOTHER)
    page.get_by_role("button", name="Set it").click()


def test_a_forgotten_password_is_set_by_mail_and_the_factor_stays(house: House, page: Page) -> None:
    forget_password(house, page, "ada")
    sign_in(house, page, "ada", ANOTHER)
    page.get_by_label("Code", exact=True).fill(code_of(house.secrets["ada"]))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{house.server.url}/account/")
    expect(page.get_by_text("is on hold")).to_have_count(0)


def test_without_a_factor_the_account_is_on_hold_until_there_is_one(house: House, page: Page) -> None:
    forget_password(house, page, "cleo")
    sign_in(house, page, "cleo", ANOTHER)
    expect(page.get_by_text("on hold until a second factor is proven or set up")).to_be_visible()
    page.get_by_role("link", name="Add an authenticator app").click()
    page.get_by_label("Code", exact=True).fill(code_of(shown_secret(page)))
    page.get_by_role("button", name="Add it").click()
    expect(page).to_have_url(re.compile("/account/recovery-codes/"))
    house.goto(page, "/account/")
    expect(page.get_by_role("heading", name="cleo")).to_be_visible()
    expect(page.get_by_text("is on hold")).to_have_count(0)


def shown_secret(page: Page) -> str:
    return re.sub(r"\s", "", page.locator("pre.secret").inner_text())


def test_a_changed_address_is_put_back_from_the_old_one(
    house: House, browser: Browser, elsewhere: Page
) -> None:
    context = browser.new_context()
    page = house.enter(context, "dora")
    house.goto(page, "/account/emails/add/")
    page.get_by_label("E-mail address").fill("dora@new.example")
    page.get_by_role("button", name="Send the mail").click()
    page.goto(house.link("dora@new.example", "verify-address"))
    page.get_by_role("button", name="Verify it").click()
    page.get_by_role("link", name="Make primary").click()
    page.get_by_role("button", name="Make it primary").click()
    expect(page.get_by_text("Your account is on hold until")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("dora@new.example.*primary"))).to_be_visible()

    elsewhere.goto(house.link("dora@example.org", "revert-addresses"))
    elsewhere.get_by_role("button", name="Put them back").click()
    expect(elsewhere.get_by_role("heading", name="The former addresses are back")).to_be_visible()
    house.goto(page, "/account/emails/")
    expect(page).to_have_url(re.compile("/account/sign-in/"))
    context.close()


def test_this_was_not_me_freezes_and_its_owner_opens_it_again(
    house: House, browser: Browser, elsewhere: Page
) -> None:
    context = browser.new_context()
    thief = house.enter(context, "fay")
    house.goto(thief, "/account/emails/add/")
    thief.get_by_label("E-mail address").fill("fay@thief.example")
    thief.get_by_role("button", name="Send the mail").click()
    elsewhere.goto(house.link("fay@example.org", "not-me"))
    elsewhere.get_by_role("button", name="Freeze the account").click()
    expect(elsewhere.get_by_role("heading", name="The account is frozen")).to_be_visible()
    house.goto(thief, "/account/")
    expect(thief).to_have_url(re.compile("/account/sign-in/"))
    context.close()

    elsewhere.get_by_role("link", name="get your account back").click()
    elsewhere.get_by_label("User name or e-mail address").fill("fay")
    elsewhere.get_by_role("button", name="Mail me a link").click()
    elsewhere.goto(house.link("fay@example.org", "recovery"))
    elsewhere.get_by_label("New password").fill(ANOTHER)
    elsewhere.get_by_role("button", name="Go on").click()
    elsewhere.get_by_label("Code", exact=True).fill(code_of(house.secrets["fay"]))
    elsewhere.get_by_role("button", name="Open the account").click()
    sign_in(house, elsewhere, "fay", ANOTHER)
    elsewhere.get_by_label("Code", exact=True).fill(next_code_of(house.secrets["fay"]))
    elsewhere.get_by_role("button", name="Sign in").click()
    confirm_the_browser(house, elsewhere, "fay")
    expect(elsewhere).to_have_url(f"{house.server.url}/account/")


def confirm_the_browser(house: House, page: Page, username: str) -> None:
    """Follow the mailed link in the browser that nobody knows yet; the mail shows the code of the page."""
    code = page.locator("#compare").inner_text()
    link = house.link(f"{username}@example.org", "confirm-sign-in")
    assert code in house.mails_to(f"{username}@example.org")[-1]
    page.goto(link)
    page.get_by_role("main").get_by_role("button").first.click()


def test_somebody_makes_an_account_with_a_passkey(house: House, desk: Desk) -> None:
    page = desk.page
    desk.plug_in()
    house.goto(page, "/account/sign-in/")
    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("E-mail address").fill("ines@example.org")
    page.get_by_role("button", name="Mail me the link").click()
    page.goto(house.link("ines@example.org", "sign-up"))
    page.get_by_label("User name").fill("ines")
    page.get_by_role("button", name="Use a passkey instead of a password").click()
    page.get_by_role("button", name="Use a security key or passkey").click()
    finish_with_codes(page)
    house.goto(page, "/account/")
    page.get_by_role("button", name="Sign out").first.click()
    house.goto(page, "/account/sign-in/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{house.server.url}/account/")
    expect(page.get_by_role("heading", name="ines")).to_be_visible()


def finish_with_codes(page: Page) -> None:
    expect(page).to_have_url(re.compile("/recovery-codes/"))
    page.get_by_label("One of the codes").fill(page.locator("pre.secret").inner_text().split()[3])
    page.get_by_role("button", name="finish").click()
    expect(page).to_have_url(re.compile("/help/clients/"))


# ---- everything lost but the mailbox


def test_a_lost_factor_comes_back_by_mail_and_the_word_of_a_co_owner(
    browser: Browser, page: Page, clients: Path, tmp_path: Path
) -> None:
    moment = Moment(tmp_path / "clock")
    document = {
        "users": [person("gus", "totp"), person("hana", "totp")],
        "sessions": [signed_in("hana")],
        "projects": [{"name": "alpha", "owners": ["gus", "hana"]}],
        "tokens": [
            {
                "user": "gus",
                "projects": "all",
                "actions": ["upload"],
                "minted_at": "2031-02-10T00:00:00Z",
                "expires_in_days": 90,
            }
        ],  # made long before, so that the recovery lets it live
    }
    house = start(tmp_path, document, KEYHOUSE_CLOCK_FILE=str(moment.path))
    ask_to_come_back(house, page)
    vouch(house, browser)
    anew = house.link("gus@example.org", "enrolment")
    page.goto(anew)
    expect(page.get_by_role("heading", name="gus"), "the link waits").to_have_count(0)
    wheel = build_wheel(tmp_path)
    moment.go(timedelta(hours=25))
    set_up_anew(page, anew, moment)
    assert "account-held" in refused(twine(clients, house.server, house.tokens["gus"], wheel))
    moment.go(timedelta(hours=25))
    succeeded(twine(clients, house.server, house.tokens["gus"], wheel))
    assert set(listed(house.server, "alpha")) == {wheel.name}
    house.server.stop()


def refused(done: Any) -> str:
    assert done.returncode != 0
    return str(done.stdout + done.stderr)


def ask_to_come_back(house: House, page: Page) -> None:
    house.goto(page, "/account/sign-in/")
    page.get_by_role("link", name="Lost your second factor").click()
    page.get_by_label("User name or e-mail address").fill("gus")
    page.get_by_role("button", name="Mail me a link").click()
    page.goto(house.link("gus@example.org", "recovery"))
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("One more proof is needed")).to_be_visible()


def vouch(house: House, browser: Browser) -> None:
    context = browser.new_context()
    page = house.enter(context, "hana")
    house.goto(page, "/account/vouch/")
    page.get_by_role("link", name="Look at the request of gus").click()
    page.get_by_label(re.compile("How do you know|reason|Why", re.IGNORECASE)).fill(
        "We spoke on the phone, I know the voice."
    )
    page.get_by_role("button", name="Yes, it is them").click()
    expect(page.get_by_text("you vouched")).to_be_visible()
    context.close()


def set_up_anew(page: Page, link: str, moment: Moment) -> None:
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(ANOTHER)
    page.get_by_role("button", name="Go on").click()
    secret = shown_secret(page)
    page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).at(moment.now))
    page.get_by_role("button", name="Go on").click()
    finish_with_codes(page)
