"""Every page: what axe-core finds, how much is loaded and from where, and whether it fits a phone, a tablet and a desk.

Each route is looked at once in both schemes, as the first who is named; what others see at it is `slow`. An ordinary run
of everything looks at a third of them, by turns (`tests/sampled.py`).
The walk by the Tab key, paper, and who wants nothing to move: a page of each kind, and all of them where it may take long.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Frame, Page, Request
from tests import sampled
from tests.looks import keyboard, media
from tests.looks.harbour import Harbour
from tests.looks.indexes import Indexes, open_indexes
from tests.looks.looks import LOOKS, OPERATOR, OTHER, PERSON, RIGHTLY_EMPTY, Look, all_looks, strayed

AXE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text()
WIDTH: Final = 360
WIDER: Final = (820, 1280)  # a tablet and a desk: tables are tables there, and not lists of cards
MOST_BYTES: Final = 100_000
MOST_REQUESTS: Final = 9
SERIOUS: Final = ("serious", "critical")
# what axe leaves out unless it is asked: targets of a size to touch (WCAG 2.2, 2.5.8)
QUICK: Final = {"resultTypes": ["violations"], "preload": False, "iframes": False, "elementRef": False}
# rules whose finding would keep nobody out cost a third of the time; an impact is a rule's own, whatever it finds
EVERYTHING: Final = {**QUICK, "runOnly": "serious"}
BESIDE: Final = ("heading-order", "target-size")
RUN: Final = """
([options, impacts, beside]) => {
  const rules = axe._audit.rules.filter((rule) => rule.enabled && impacts.includes(rule.impact));
  const asked = options.runOnly === "serious" ? [...rules.map((rule) => rule.id), ...beside] : options.runOnly;
  return axe.run(document, { ...options, runOnly: asked });
}
"""
# what else axe asks is the same in the dark, which changes colours only (tests/looks/test_schemes.py)
COLOURS: Final = {**QUICK, "runOnly": ["color-contrast", "link-in-text-block"]}
# a page of each kind that is worth a walk: lists, forms, tabs that scroll, folded parts, tables with acts
WALKED: Final = (
    "/",
    "/project/{name}/",
    "/project/{name}/compare/{before}/{after}/",
    "/-/styleguide",
    "/account/sign-in/",
    "/account/",
    "/account/tokens/new/",
    "/manage/project/{name}/people/",
    "/mandate/",
    "/operator/mandates/",
)


class Heard:
    """What one page loaded and complained about."""

    def __init__(self, page: Page, home: str) -> None:
        self.page = page
        self.home = home
        self.asked: list[Request] = []
        self.complaints: list[str] = []
        self._is_leaving = False
        page.on("request", self._begin)
        page.on("framenavigated", self._arrive)
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _begin(self, asked: Request) -> None:
        """Count anew with each page that is asked for: a form is a page, and what comes when it is sent is another."""
        if asked.is_navigation_request() and asked.redirected_from is None:
            self.asked.clear()
            self._is_leaving = True
        self.asked.append(asked)

    def _arrive(self, frame: Frame) -> None:
        """Leave out what the page before still asked for while the next one was on its way."""
        if self._is_leaving and frame == self.page.main_frame:
            self.asked = [one for one in self.asked if one.is_navigation_request()]
            self._is_leaving = False

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def problems(self, status: int) -> Iterator[str]:
        """Tell what is over the budget; that a page came with the status it was to come with is no complaint."""
        answers = [one.response() for one in self.asked if not one.url.startswith("data:")]
        loaded = [answer for answer in answers if answer]
        total = sum(len(answer.body()) for answer in loaded if answer.status < 300 or answer.status >= 400)
        if not loaded:
            yield "nothing was heard of it"
        if total > MOST_BYTES:
            yield f"{total} bytes"
        if len(loaded) > MOST_REQUESTS:
            yield f"{len(loaded)} requests"
        yield from (f"asks {a.url}" for a in loaded if not a.url.startswith(self.home + "/"))
        yield from (
            text for text in self.complaints if f"server responded with a status of {status}" not in text
        )


@pytest.fixture(scope="module")
def indexes(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexes]:
    with open_indexes(browser, tmp_path_factory.mktemp("indexes")) as opened:
        yield opened


@pytest.fixture
def harbour(indexes: Indexes) -> Harbour:
    return indexes.at("")


def findings(page: Page, options: dict[str, Any]) -> Iterator[str]:
    """Yield what axe finds that keeps somebody out, with the places."""
    found = page.evaluate(RUN, [options, SERIOUS, BESIDE])
    for violation in found["violations"]:
        if violation["impact"] in SERIOUS or violation["id"] == "heading-order":
            places = [node["html"][:160] for node in violation["nodes"][:3]]
            yield f"{violation['id']}: {places}"


def open_page(harbour: Harbour, heard: dict[str, Heard], who: str) -> Heard:
    """Return the one page of somebody, as wide as a phone, having heard nothing yet."""
    name = f"{harbour.server.url} {who}"
    if name not in heard:
        page = harbour.enter(who).new_page()
        page.set_viewport_size({"width": WIDTH, "height": 740})
        heard[name] = Heard(page, harbour.server.url)
    heard[name].asked.clear()
    heard[name].complaints.clear()
    heard[name].page.emulate_media(color_scheme="light", reduced_motion="reduce")
    return heard[name]


def look_at(
    harbour: Harbour, heard: Heard, route: str, look: Look, in_the_dark: dict[str, Any]
) -> Iterator[str]:
    """Open a page in the light, and then in the dark; yield what is wrong."""
    page = heard.page
    answer = look.come_to(route, harbour, page)
    if answer.status != look.status:
        yield f"status {answer.status}"
    if strayed(route, page.url):
        yield f"asks for a proof: {page.url}"
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > WIDTH:
        yield f"is {wide} px wide"
    for width in WIDER:
        yield from media.beyond(page, width)
    page.evaluate(AXE)
    yield from findings(page, EVERYTHING)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    yield from (f"in the dark, {one}" for one in findings(page, in_the_dark))
    yield from heard.problems(look.status)


def bare_lists(page: Page) -> Iterator[str]:
    """Yield what stands where a list would be."""
    yield from (f"is empty: {words}" for words in page.locator("main .empty").all_inner_texts())


def look_around(
    indexes: Indexes, looks: Iterable[tuple[str, Look]], in_the_dark: dict[str, Any], *filled: str
) -> dict[str, list[str]]:
    """Return what is wrong with each of the pages that anything is wrong with; those `filled` show no empty list, either."""
    heard: dict[str, Heard] = {}
    wrong = {}
    for route, look in looks:
        harbour = indexes.at(look.index)
        opened = open_page(harbour, heard, look.who)
        with look.amid(harbour):
            problems = list(look_at(harbour, opened, route, look, in_the_dark))
            problems += bare_lists(opened.page) if route in filled and not look.index else ()
        if problems:
            wrong[look.told(route)] = problems
    for one in heard.values():
        one.page.close()
    return wrong


def test_what_keeps_somebody_out_is_found(browser: Browser) -> None:
    """A page that has each of it: no title, no language, a picture without words, pale text, a level left out."""
    page = browser.new_page()
    page.set_content(
        '<h1>One</h1><h3>Three</h3><img src="data:,"><p style="color:#bbb;background:#fff">Pale</p>'
        '<button style="all:unset;font-size:4px">a</button><button style="all:unset;font-size:4px">b</button>'
    )
    page.evaluate(AXE)
    found = {one.partition(":")[0] for one in findings(page, EVERYTHING)}
    wanted = {
        "document-title",
        "html-has-lang",
        "image-alt",
        "color-contrast",
        "heading-order",
        "target-size",
    }
    assert wanted <= found
    assert [one.partition(":")[0] for one in findings(page, COLOURS)] == ["color-contrast"]
    page.close()


def test_nothing_keeps_anybody_out_of_a_page(indexes: Indexes) -> None:
    """Nor does `./run demo` leave a list empty: whoever looks first at a route sees all of its lists filled."""
    first: dict[str, Look] = {}
    for route, look in all_looks():
        if sampled.has_its_turn(route, 3):
            first.setdefault(route, look)
    filled = LOOKS.keys() - RIGHTLY_EMPTY.keys()
    wrong = look_around(indexes, first.items(), COLOURS, *filled)
    assert wrong == {}, json.dumps(wrong, indent=1)


@pytest.mark.slow
def test_nothing_keeps_anybody_out_whoever_looks_by_day_or_night(indexes: Indexes) -> None:
    wrong = look_around(indexes, all_looks(), EVERYTHING)
    assert wrong == {}, json.dumps(wrong, indent=1)


def wander(indexes: Indexes, looks: Iterable[tuple[str, Look]]) -> dict[str, list[str]]:
    """Go through pages by the Tab key, print them and hold them still; returns what is wrong with each."""
    wrong = {}
    pages: dict[str, Page] = {}
    for route, look in looks:
        harbour = indexes.at(look.index)
        page = pages.setdefault(f"{look.index} {look.who}", harbour.enter(look.who).new_page())
        page.set_viewport_size({"width": WIDTH, "height": 740})
        page.emulate_media(media="screen", reduced_motion="reduce")
        with look.amid(harbour):
            look.come_to(route, harbour, page)
            assert not strayed(route, page.url), f"{route} asks for a proof"
            problems = [
                *keyboard.skip(page),
                *keyboard.walk(page),
                *media.moving(page),
                *media.on_paper(page),
            ]
        if problems:
            wrong[look.told(route)] = problems
    for page in pages.values():
        page.close()
    return wrong


def test_pages_can_be_walked_through_printed_and_held_still(indexes: Indexes) -> None:
    first = {route: look for route, look in reversed(list(all_looks())) if route in WALKED}
    assert first.keys() == set(WALKED)
    wrong = wander(indexes, first.items())
    assert wrong == {}, json.dumps(wrong, indent=1)


@pytest.mark.slow
def test_every_page_can_be_walked_through_printed_and_held_still(indexes: Indexes) -> None:
    wrong = wander(indexes, all_looks())
    assert wrong == {}, json.dumps(wrong, indent=1)


def test_what_glides_does_so_for_whom_it_does_not_make_ill(harbour: Harbour) -> None:
    page = harbour.enter("").new_page()
    page.emulate_media(reduced_motion="no-preference")
    page.goto("/-/styleguide")
    assert media.moving(page), "nothing moves, so that nothing moves for some says nothing"
    page.close()


def test_an_empty_list_is_found(harbour: Harbour) -> None:
    page = harbour.enter("").new_page()
    page.goto("/-/styleguide")
    assert [one.partition("\n")[0] for one in bare_lists(page)] == ["is empty: Nothing here yet"]
    page.close()


def test_links_out_of_a_description_say_on_paper_where_they_lead(harbour: Harbour) -> None:
    page = harbour.enter("").new_page()
    page.goto("/project/lantern/")
    page.emulate_media(media="print")
    link = page.locator("aside a[href^=http]").first
    shown = link.evaluate("one => getComputedStyle(one, '::after').content")
    assert link.get_attribute("href") in shown
    page.close()


def test_piled_up_marks_of_a_description_paint_over_nothing_around_it(harbour: Harbour) -> None:
    page = harbour.enter("").new_page()
    page.goto("/project/lantern/")
    page.set_viewport_size({"width": 360, "height": 800})
    above = page.locator("h1")
    before = above.screenshot()
    page.locator(".prose").evaluate("one => { one.prepend('e' + '\\u0301'.repeat(2000)) }")
    assert above.screenshot() == before
    page.close()


def test_one_sees_where_one_is_in_colours_of_ones_own(harbour: Harbour) -> None:
    """What is told by a colour alone is gone then: rings, frames of buttons and fields, and the open tab stay."""
    page = harbour.enter(OPERATOR).new_page()
    for path in ("/-/styleguide", "/operator/mandates/everyone/"):
        page.goto(path)
        for scheme in media.SCHEMES:
            page.emulate_media(forced_colors="active", color_scheme=scheme)
            assert media.unframed(page) == []
            assert [one for one in keyboard.walk(page) if "no ring" in one] == []
    page.close()


def test_a_second_press_sends_a_form_no_second_time(harbour: Harbour) -> None:
    page = harbour.enter(PERSON).new_page()
    page.goto("/account/tokens/new/")
    page.get_by_label("Description").fill("pressed twice")
    page.get_by_label("For which project?").select_option(label="lantern")
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.url) if asked.method == "POST" else None)
    with page.expect_navigation():
        page.get_by_role("button", name="Create the token").dblclick()
    assert len(sent) == 1, sent
    page.goto("/account/tokens/")
    assert page.locator("td strong", has_text="pressed twice").count() == 1
    page.close()


def test_without_scripts_a_second_press_breaks_nothing(harbour: Harbour) -> None:
    state = harbour.enter(OTHER).storage_state()
    context = harbour.browser.new_context(
        base_url=harbour.server.url, storage_state=state, java_script_enabled=False
    )
    page = context.new_page()
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status))
    for path in ("/manage/project/hull-testing/unarchive/", "/manage/project/hull-testing/archive/"):
        page.goto(path)
        with page.expect_event("load"):  # the first press may be cut off by the second
            page.locator("main form button").last.dblclick()
    assert max(statuses) < 500, statuses
    page.goto("/project/hull-testing/")
    assert page.get_by_text("archived").count()
    context.close()
