"""A walk through a page by the Tab key: what is reached, in which order, and whether one sees where one is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from playwright.sync_api import Page

MOST_PARTS: Final = 8  # of an instant
# What can be reached, in the order of the page; of the radio buttons of one question, one. Everything is in `walk`,
# which a page has no name of its own for.
_READY: Final = """
() => {
  const every = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]";
  const isReachable = (one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true });
  const chosen = new Map();
  const question = (radio) => `${[...document.forms].indexOf(radio.form)} ${radio.name}`;
  for (const radio of document.querySelectorAll("input[type=radio]")) {
    if (!chosen.has(question(radio)) || radio.checked) chosen.set(question(radio), radio);
  }
  const isChosen = (one) => one.type !== "radio" || chosen.get(question(one)) === one;
  const stops = [...document.querySelectorAll(every)].filter((one) => isReachable(one) && isChosen(one));
  const told = (one) => one.outerHTML.replace(/\\s+/g, " ").slice(0, 120);
  const isUncovered = (one) => {
    const box = one.getClientRects()[0];
    const [x, y] = [box.x + Math.min(box.width / 2, 40), box.y + Math.min(box.height / 2, 20)];
    const hit = document.elementFromPoint(x, y);
    return hit !== null && (one.contains(hit) || [...(one.labels ?? [])].some((label) => label.contains(hit)));
  };
  window.walk = {
    odd: stops.filter((one) => one.tabIndex > 0).map(told),
    count: stops.length,
    here: () => {
      const one = document.activeElement;
      if (one === document.body || one === null) return null;
      const style = getComputedStyle(one);
      const hasRing = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      const hasParts = ["date", "datetime-local", "time"].includes(one.type);
      return { place: stops.indexOf(one), hasParts, told: told(one), hasRing, isSeen: isUncovered(one) };
    },
  };
  // the next Tab begins at the top, also where a field took the focus when the page came
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  return { count: walk.count, odd: walk.odd };
}
"""


def walk(page: Page) -> Iterator[str]:
    """Press Tab from the top of an open page to its end; yield where somebody without a mouse would be lost."""
    ready = page.evaluate(_READY)
    yield from (f"its place is not that in the page: {one}" for one in ready["odd"])
    count = ready["count"]
    for expected in range(count):
        here = _step_on(page, expected - 1)
        if here is None or here["place"] != expected:
            yield f"stop {expected} of {count} is not reached, but {here and here['told']}"
            return
        if not here["hasRing"]:
            yield f"no ring around {here['told']}"
        if not here["isSeen"]:
            yield f"hidden or covered: {here['told']}"
    beyond = _step_on(page, count - 1)
    if beyond is not None and beyond["place"] != 0:
        yield f"there is no way on from the end: {beyond['told']}"


def _step_on(page: Page, last: int) -> dict[str, Any] | None:
    """Take one step, over what is left of a date: day, month, year and what opens a calendar are stops of one field."""
    here = _step(page)
    for _ in range(MOST_PARTS):
        if here is None or here["place"] != last or not here["hasParts"]:
            break
        here = _step(page)
    return here


def _step(page: Page) -> dict[str, Any] | None:
    page.keyboard.press("Tab")
    here: dict[str, Any] | None = page.evaluate("walk.here()")
    return here


def skip(page: Page) -> Iterator[str]:
    """Take the skip link of an open page: the next stop is the first one of what the page is about."""
    page.evaluate(_READY)
    first = _step(page)
    if first is None or "skip" not in first["told"]:
        yield f"the first stop is not the skip link, but {first and first['told']}"
        return
    page.keyboard.press("Enter")
    if page.evaluate("document.activeElement.id") != "content":
        yield "the skip link does not lead to the content"
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.closest('main, footer')") is None:
        yield "after the skip link, Tab leads back to the head of the page"
