"""Every page, in both schemes: what axe-core finds, how much is loaded and from where, and whether it fits a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
SERIOUS: Final = ("serious", "critical")
# what axe leaves out unless it is asked: targets of a size to touch (WCAG 2.2, 2.5.8)
EVERYTHING: Final = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
COLOURS: Final = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}


class Heard:
    """What one page loaded and complained about."""

    def __init__(self, page: Page, home: str) -> None:
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


def look_at(harbour: Harbour, route: str, look: Look) -> Iterator[str]:
    """Open a page on a phone, in the light and then in the dark; yield what is wrong."""
    address = look.address(route, harbour)
    page = harbour.enter(look.who).new_page()
    page.set_viewport_size({"width": WIDTH, "height": 740})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    heard = Heard(page, harbour.server.url)
    page.goto(address)
    if route not in {"nowhere", "refused-role", "refused-factor"} and heard.answers[-1].status >= 400:
        yield f"status {heard.answers[-1].status}"
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > WIDTH:
        yield f"is {wide} px wide"
    page.evaluate(AXE)
    yield from findings(page, EVERYTHING)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    yield from (f"in the dark, {one}" for one in findings(page, COLOURS))
    yield from heard.problems()
    page.close()


def test_nothing_keeps_anybody_out_of_a_page(harbour: Harbour) -> None:
    wrong = {
        f"{route} for {look.who or 'nobody'} {look.at}": problems
        for route, look in all_looks()
        if (problems := list(look_at(harbour, route, look)))
    }
    assert wrong == {}, json.dumps(wrong, indent=1)
