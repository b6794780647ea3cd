"""Searching in a real browser: names as one types, by keyboard alone, and the same without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from tests.journeys.conftest import Server

pytestmark = pytest.mark.by_turns

NAMES = ["lantern", "lantern-metrics", "my-lantern", *(f"lantern-{number}x" for number in range(12))]


@pytest.fixture
def filled(server: Server) -> Server:
    user = {"username": "ada", "email": "ada@example.org", "password": None}
    projects = [{"name": name, "owners": ["ada"]} for name in NAMES]
    server.seed({"users": [user], "projects": projects})
    return server


@pytest.fixture(params=[True, False], ids=["with-scripts", "without-scripts"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(java_script_enabled=request.param, viewport={"width": 360, "height": 700})
    yield opened
    opened.close()


def test_the_box_finds_what_the_page_finds(context: BrowserContext, filled: Server) -> None:
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(filled.url)
    page.get_by_label("Search projects").fill("Lantern_Metrics")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 project for")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Owner, maintainer or organization").fill("bob")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nothing found")
    page.get_by_role("link", name="Without filters").click()
    page.locator("main").get_by_role("link", name="lantern-metrics").click()
    expect(page).to_have_url(re.compile("/project/lantern-metrics/"))
    assert problems == []


@pytest.mark.parametrize("context", [True], ids=["with-scripts"], indirect=True)
def test_names_appear_while_somebody_types_and_are_chosen_by_keyboard(
    context: BrowserContext, filled: Server
) -> None:
    page = context.new_page()
    page.goto(filled.url)
    box = page.get_by_role("combobox", name="Search projects")
    names = page.get_by_role("listbox", name="Projects").get_by_role("option")

    box.press_sequentially("lant")
    expect(names).to_have_count(8)
    expect(names.first).to_contain_text("lantern")
    expect(box).to_have_attribute("aria-expanded", "true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

    box.press("Escape")
    expect(names).to_have_count(0)
    expect(box).to_have_value("lant")
    expect(box).to_have_attribute("aria-expanded", "false")

    box.press_sequentially("ern-m")
    expect(names).to_have_text([re.compile("^lantern-metrics"), re.compile("^my-lantern")])
    box.press("ArrowDown")
    expect(names.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", str(names.first.get_attribute("id")))
    box.press("ArrowUp")  # back to the box
    expect(names.first).to_have_attribute("aria-selected", "false")
    box.press("ArrowDown")
    box.press("Enter")
    expect(page).to_have_url(re.compile("/project/lantern-metrics/"))
