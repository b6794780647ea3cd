"""Every page: what axe-core finds, how much is loaded and from where, and whether it fits a phone.

Each route is looked at once in the light, and one page of each kind in the dark; every look in both schemes is `slow`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from importlib.resources import files
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response
from tests.looks.harbour import Harbour, open_harbour
from tests.looks.looks import Look, all_looks

AXE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text()
WIDTH: Final = 360
MOST_BYTES: Final = 100_000
MOST_REQUESTS: Final = 9
# a deletion waits for two weeks under this mandate, which its page says
REFUSED: Final = ("nowhere", "refused-role", "refused-factor", "/manage/project/{name}/delete/")
SERIOUS: Final = ("serious", "critical")
# what axe leaves out unless it is asked: targets of a size to touch (WCAG 2.2, 2.5.8)
QUICK: Final = {"resultTypes": ["violations"], "preload": False, "iframes": False, "elementRef": False}
EVERYTHING: Final = {**QUICK, "rules": {"target-size": {"enabled": True}}}
COLOURS: Final = {**QUICK, "runOnly": ["color-contrast"]}
# between them these hold every component in every colour that it has
IN_THE_DARK: Final = (
    "/",
    "/-/styleguide",
    "/search/",
    "/project/{name}/",
    "/project/{name}/{version}/description/",
    "/project/{name}/compare/{before}/{after}/",
    "/project/{name}/statistics/",
    "/account/",
    "/account/sign-in/",
    "/account/tokens/new/",
    "/account/recovery-codes/new/",
    "/manage/project/{name}/",
    "/manage/project/{name}/people/",
    "/mandate/",
    "/mandate/proposals/",
    "/operator/",
    "/operator/audit/",
    "/operator/people/{username}/",
    "/operator/proposals/",
    "/operator/switches/",
    "refused-factor",
)


class Heard:
    """What one page loaded and complained about."""

    def __init__(self, page: Page, home: str) -> None:
        self.page = page
        self.home = home
        self.answers: list[Response] = []
        self.complaints: list[str] = []
        page.on("response", lambda answer: self.answers.append(answer))  # noqa: PLW0108 - it hangs something on what it is given
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def problems(self) -> Iterator[str]:
        """Tell what is over the budget; the status of a refusal is no complaint."""
        loaded = [answer for answer in self.answers if not answer.url.startswith("data:")]
        total = sum(len(answer.body()) for answer in loaded if answer.status < 300 or answer.status >= 400)
        if total > MOST_BYTES:
            yield f"{total} bytes"
        if len(loaded) > MOST_REQUESTS:
            yield f"{len(loaded)} requests"
        yield from (f"asks {a.url}" for a in loaded if not a.url.startswith(self.home + "/"))
        yield from (text for text in self.complaints if "server responded with a status of 4" not in text)


@pytest.fixture(scope="module")
def harbour(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    with open_harbour(browser, tmp_path_factory.mktemp("harbour")) as opened:
        yield opened


def findings(page: Page, options: dict[str, Any]) -> Iterator[str]:
    """Yield what axe finds that keeps somebody out, with the places."""
    found = page.evaluate(f"axe.run(document, {json.dumps(options)})")
    for violation in found["violations"]:
        if violation["impact"] in SERIOUS or violation["id"] == "heading-order":
            places = [node["html"][:160] for node in violation["nodes"][:3]]
            yield f"{violation['id']}: {places}"


def open_page(harbour: Harbour, heard: dict[str, Heard], who: str) -> Heard:
    """Return the one page of somebody, as wide as a phone, having heard nothing yet."""
    if who not in heard:
        page = harbour.enter(who).new_page()
        page.set_viewport_size({"width": WIDTH, "height": 740})
        heard[who] = Heard(page, harbour.server.url)
    heard[who].answers.clear()
    heard[who].complaints.clear()
    heard[who].page.emulate_media(color_scheme="light", reduced_motion="reduce")
    return heard[who]


def look_at(harbour: Harbour, heard: Heard, route: str, look: Look, *, in_the_dark: bool) -> Iterator[str]:
    """Open a page in the light, and then in the dark where that is asked; yield what is wrong."""
    page = heard.page
    answer = page.goto(look.address(route, harbour))
    if route not in REFUSED and answer is not None and answer.status >= 400:
        yield f"status {answer.status}"
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > WIDTH:
        yield f"is {wide} px wide"
    page.evaluate(AXE)
    yield from findings(page, EVERYTHING)
    if in_the_dark:
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        yield from (f"in the dark, {one}" for one in findings(page, COLOURS))
    yield from heard.problems()


def look_around(
    harbour: Harbour, looks: Iterable[tuple[str, Look]], dark: Container[str]
) -> dict[str, list[str]]:
    """Return what is wrong with each of the pages that anything is wrong with."""
    heard: dict[str, Heard] = {}
    wrong = {}
    for route, look in looks:
        opened = open_page(harbour, heard, look.who)
        problems = list(look_at(harbour, opened, route, look, in_the_dark=route in dark))
        if problems:
            wrong[f"{route} for {look.who or 'nobody'} {look.at}"] = problems
    for one in heard.values():
        one.page.close()
    return wrong


def test_nothing_keeps_anybody_out_of_a_page(harbour: Harbour) -> None:
    first: dict[str, Look] = {}
    for route, look in all_looks():
        first.setdefault(route, look)
    wrong = look_around(harbour, first.items(), IN_THE_DARK)
    assert wrong == {}, json.dumps(wrong, indent=1)


@pytest.mark.slow
def test_nothing_keeps_anybody_out_whoever_looks_by_day_or_night(harbour: Harbour) -> None:
    looks = list(all_looks())
    wrong = look_around(harbour, looks, {route for route, _ in looks})
    assert wrong == {}, json.dumps(wrong, indent=1)
