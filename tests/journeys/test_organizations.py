"""An organization in a browser: founded, somebody without a second factor comes in, and their token dies as they go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.distfiles.builders import build_wheel
from tests.journeys.conftest import start_server
from tests.journeys.test_clients import listed, succeeded, twine
from tests.journeys.test_roles import Town, box, confirm_it_was_them, enrol, follow, mint, press
from tests.journeys.test_ways_back import person, refused

pytestmark = pytest.mark.by_turns


@pytest.fixture
def town(browser: Browser, tmp_path: Path) -> Iterator[Town]:
    (tmp_path / "mails").mkdir()
    server = start_server(tmp_path / "data", KEYHOUSE_MAIL_DIR=str(tmp_path / "mails"))
    otto = {**person("otto", "webauthn"), "password": None, "operator": True}
    told = server.seed(
        {
            "users": [person("nina"), {**person("olga", "totp"), "password": None}, otto],
            "sessions": [
                {"user": "nina", "proved": ["password"]},
                {"user": "olga", "proved": ["password", "totp"]},
                {"user": "otto", "proved": ["password", "webauthn"]},
            ],
            "projects": [{"name": "beta", "owners": ["olga"]}],
        }
    )
    yield Town(server, told, browser)
    server.stop()


def test_somebody_is_invited_enrols_accepts_and_their_token_dies_with_their_membership(
    town: Town, clients: Path, tmp_path: Path
) -> None:
    first, second = (build_wheel(tmp_path, name="beta", version=version) for version in ("1.0", "2.0"))
    with town.visited("olga") as owner, town.visited("nina") as page:
        owner.goto("/manage/organizations/")
        follow(owner, "Create an organization")
        box(owner, "Name").fill("Harbour")
        press(owner, "Create it")
        box(owner, "User name or e-mail address").fill("nina@example.org")
        press(owner, "Invite")
        expect(owner.get_by_role("row", name=re.compile("nina@example.org.*member.*olga"))).to_be_visible()
        owner.goto("/manage/project/beta/")
        follow(owner, "Move it")
        box(owner, "Organization").select_option(label="Harbour")
        press(owner, "Move the project")
        expect(owner.get_by_role("main")).to_contain_text("It stands in Harbour")

        page.goto("/account/invitations/")
        follow(page, "Accept")
        enrol(town, page)
        page.goto("/account/invitations/")
        follow(page, "Accept")
        confirm_it_was_them(town, "nina")
        page.goto("/account/invitations/")
        follow(page, "Accept")
        press(page, "Accept")
        expect(page).to_have_url(re.compile("/manage/organization/harbour/$"))

        owner.goto("/manage/organization/harbour/teams/")
        box(owner, "Name of the team").fill("keel")
        press(owner, "Make the team")
        box(owner, "User name").fill("nina")
        press(owner, "Put into the team")
        owner.goto("/manage/project/beta/teams/")
        press(owner, "Give it")
        token = mint(page, "beta")
        succeeded(twine(clients, town.server, token, first))

        owner.goto("/manage/organization/harbour/")
        owner.get_by_role("link", name="Remove nina").click()
        press(owner, "Remove")
        expect(owner.get_by_role("row", name=re.compile("nina"))).to_have_count(0)
        assert page.goto("/manage/project/beta/").status == 403  # type: ignore[union-attr]  # it goes somewhere
        refused(twine(clients, town.server, token, second))
    assert set(listed(town.server, "beta")) == {first.name}
