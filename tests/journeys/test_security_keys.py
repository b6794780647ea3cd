"""Security keys and passkeys in a real browser with a virtual authenticator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect
from tests.accounts.second_factors.soft_maker import Maker, metadata
from tests.journeys.conftest import Moment, Server, start_server

PASSWORD = "seven otters counted the slow green trains"
# A Chromium without a window has no list of passkeys to show below a field, says so, and would not be asked for one;
# asked all the same, it takes the passkey that is there. What it was asked for outlives the page in its storage.
WITH_A_LIST = """
  PublicKeyCredential.isConditionalMediationAvailable = async () => true;
  const get = navigator.credentials.get.bind(navigator.credentials);
  navigator.credentials.get = (asked) => {
    const { challenge, allowCredentials } = asked.publicKey;
    const told = [asked.mediation, challenge.byteLength, allowCredentials.length];
    sessionStorage.setItem("asked", JSON.stringify(told));
    return get(asked);
  };
"""


@dataclass
class Desk:
    """A browser page with virtual authenticators that its person can take out and put in."""

    page: Page
    protocol: CDPSession

    def plug_in(self, **options: Any) -> str:
        """Plug a key in and return its id; it is touched whenever it is asked."""
        whole = {
            "protocol": "ctap2",
            "transport": "usb",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            **options,
        }
        made = self.protocol.send("WebAuthn.addVirtualAuthenticator", {"options": whole})
        return str(made["authenticatorId"])

    def take_out(self, key: str) -> None:
        self.protocol.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": key})

    def credentials(self, key: str) -> list[dict[str, Any]]:
        found = self.protocol.send("WebAuthn.getCredentials", {"authenticatorId": key})
        return list(found["credentials"])


@pytest.fixture
def desk(browser: Browser) -> Iterator[Desk]:
    context = browser.new_context()
    page = context.new_page()
    protocol = context.new_cdp_session(page)
    protocol.send("WebAuthn.enable")
    yield Desk(page, protocol)
    context.close()


def set_up(desk: Desk, server: Server) -> str:
    """Make the first operator with a security key; returns the key's id."""
    page, key = desk.page, desk.plug_in()
    page.goto((server.data / "setup-link").read_text().split()[-1])
    page.get_by_label("User name").fill("ada")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Use a security key or passkey").click()
    expect(page).to_have_url(re.compile("/recovery-codes/"))
    codes = page.locator("pre.secret").inner_text().split()
    page.get_by_label("One of the codes").fill(codes[3])
    page.get_by_role("button", name="finish").click()
    expect(page).to_have_url(re.compile("/help/clients/"))
    return key


def test_an_account_is_set_up_and_opened_by_a_passkey_alone(desk: Desk, server: Server) -> None:
    page = desk.page
    weak = desk.plug_in(hasResidentKey=False, hasUserVerification=False, isUserVerified=False)
    page.goto((server.data / "setup-link").read_text().split()[-1])
    page.get_by_label("User name").fill("ada")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_role("button", name="Use a passkey instead of a password").click()
    expect(page.get_by_role("heading", name="Your passkey")).to_be_visible()
    expect(page.get_by_label("Code")).to_have_count(0)
    desk.take_out(weak)
    key = desk.plug_in()
    page.get_by_role("button", name="Use a security key or passkey").click()
    expect(page).to_have_url(re.compile("/recovery-codes/"))
    assert desk.credentials(key)[0]["isResidentCredential"]
    page.get_by_label("One of the codes").fill(page.locator("pre.secret").inner_text().split()[3])
    page.get_by_role("button", name="finish").click()
    expect(page).to_have_url(re.compile("/help/clients/"))
    page.goto(f"{server.url}/account/")
    expect(page.get_by_text("you sign in by a passkey")).to_be_visible()
    sign_out(desk, server)
    page.goto(f"{server.url}/account/sign-in/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/account/$"))


def test_a_browser_that_is_asked_who_made_a_key_enrols_one_of_nobody(desk: Desk, data: Path) -> None:
    """The virtual authenticator sends a statement whose certificate leads nowhere and names no model."""
    models = data.parent / "models.json"
    models.write_bytes(metadata(Maker().entry()))
    server = start_server(data, KEYHOUSE_KEY_MODELS=str(models))
    try:
        set_up(desk, server)
        desk.page.goto(f"{server.url}/account/second-factors/")
        expect(
            desk.page.get_by_text("model 01020304-0506-0708-0102-030405060708, as it says")
        ).to_be_visible()
    finally:
        server.stop()


def sign_out(desk: Desk, server: Server) -> None:
    desk.page.goto(f"{server.url}/account/")
    desk.page.get_by_role("button", name="Sign out").first.click()


def add_key(page: Page, server: Server, name: str) -> None:
    page.goto(f"{server.url}/account/security-keys/add/")
    page.get_by_label("Name of the key").fill(name)
    page.get_by_role("button", name="Use a security key or passkey").click()
    expect(page.get_by_role("cell", name=name, exact=True)).to_be_visible()


def test_a_life_with_keys(desk: Desk, server: Server) -> None:
    """Set-up, passkey sign-in, second factor, two keys, the last one stays, also when its removal is sent."""
    page, first = desk.page, set_up(desk, server)
    sign_out(desk, server)

    page.goto(f"{server.url}/account/sign-in/?next=/account/tokens/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{server.url}/account/tokens/")
    sign_out(desk, server)

    page.goto(f"{server.url}/account/sign-in/")
    page.get_by_label("User name or e-mail address").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Use your security key").click()
    expect(page).to_have_url(f"{server.url}/account/")

    desk.take_out(first)
    desk.plug_in(transport="ble")
    add_key(page, server, "drawer")
    removal = page.get_by_role("link", name="Remove drawer").get_attribute("href")
    page.get_by_role("link", name=re.compile("Remove Security key|Remove Passkey")).click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("cell", name="drawer", exact=True)).to_be_visible()
    expect(page.get_by_text("your last one: it stays until there is another")).to_be_visible()

    page.goto(f"{server.url}{removal}")
    with page.expect_response(lambda answer: answer.request.method == "POST") as refused:
        page.get_by_role("button", name="Remove it").click()
    assert refused.value.status == 409
    expect(page.get_by_text("This is the last second factor of an account that needs one.")).to_be_visible()
    page.goto(f"{server.url}/account/second-factors/")
    expect(page.get_by_role("cell", name="drawer", exact=True)).to_be_visible()


def test_an_old_proof_is_made_new_by_the_key(desk: Desk, data: Path) -> None:
    page, moment = desk.page, Moment(data.parent / "clock")
    server = start_server(data, KEYHOUSE_CLOCK_FILE=str(moment.path))
    try:
        set_up(desk, server)
        wanted = f"{server.url}/account/emails/add/"
        moment.go(timedelta(minutes=16))
        page.goto(wanted)
        expect(page).to_have_url(re.compile("/account/step-up/"))
        page.get_by_role("button", name="Use your security key").click()
        expect(page).to_have_url(wanted)
        expect(page.get_by_label("E-mail address")).to_be_visible()
    finally:
        server.stop()


def test_the_field_for_the_user_name_offers_passkeys(desk: Desk, server: Server) -> None:
    page = desk.page
    set_up(desk, server)
    sign_out(desk, server)
    page.goto(f"{server.url}/account/sign-in/")
    field = page.get_by_label("User name or e-mail address")
    expect(field).to_have_attribute("autocomplete", "username webauthn")
    page.add_init_script(WITH_A_LIST)
    page.goto(f"{server.url}/account/sign-in/?next=/account/tokens/", wait_until="commit")
    expect(page).to_have_url(f"{server.url}/account/tokens/")
    mediation, challenge, named = page.evaluate("JSON.parse(sessionStorage.getItem('asked'))")
    assert (mediation, named) == ("conditional", 0)
    assert challenge >= 16


def test_a_copied_key_is_found_out(desk: Desk, server: Server) -> None:
    page, key = desk.page, set_up(desk, server)
    copy = desk.credentials(key)[0]
    sign_out(desk, server)
    page.goto(f"{server.url}/account/sign-in/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{server.url}/account/")
    sign_out(desk, server)

    desk.take_out(key)
    other = desk.plug_in()
    stale = {**copy, "signCount": max(int(copy["signCount"]) - 1, 0)}
    desk.protocol.send("WebAuthn.addCredential", {"authenticatorId": other, "credential": stale})
    page.goto(f"{server.url}/account/sign-in/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").filter(has_text="copied")).to_be_visible()
    expect(page).to_have_url(re.compile("/account/sign-in/"))


def test_a_key_without_pin_does_not_sign_in_alone(desk: Desk, server: Server) -> None:
    page, key = desk.page, set_up(desk, server)
    sign_out(desk, server)
    desk.protocol.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    page.goto(f"{server.url}/account/sign-in/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page).to_have_url(re.compile("/account/sign-in/"))
