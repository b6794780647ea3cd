"""What a page does for whoever is made ill by motion, has colours of their own, or prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from playwright.sync_api import Page

_MOVES: Final = """
() => [...document.querySelectorAll("*")].filter((one) => {
  const style = getComputedStyle(one);
  return style.animationName !== "none" || style.scrollBehavior === "smooth"
    || style.transitionDuration.split(",").some((time) => parseFloat(time) > 0);
}).map((one) => one.outerHTML.slice(0, 80))
"""
_PRINTED: Final = """
() => [...document.querySelectorAll("nav, form, button, .button, .skip, .search, .pager, .filters, .tabs, footer")]
  .filter((one) => one.checkVisibility()).map((one) => one.outerHTML.slice(0, 80))
"""
# what is known by its colour otherwise; a frame that has the colour of the ground is none
_UNFRAMED: Final = """
() => [...document.querySelectorAll(".button, .field input, .field select, .field textarea, .badge, .notice, .tile, .card")]
  .filter((one) => one.checkVisibility() && !["checkbox", "radio", "file", "hidden"].includes(one.type)).filter((one) => {
    const style = getComputedStyle(one);
    const ground = getComputedStyle(document.body).backgroundColor;
    return parseFloat(style.borderInlineStartWidth) < 1 || style.borderInlineStartColor === ground;
  }).map((one) => one.outerHTML.slice(0, 80))
"""
_BEYOND: Final = """
() => [...document.querySelectorAll("main table.table")].filter((one) => {
  const room = one.parentElement.getBoundingClientRect();
  return one.getBoundingClientRect().right > room.right + 1;
}).map((one) => one.innerText.slice(0, 80))
"""
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
PAPER: Final = 680  # pixels of a page of A4 between its margins


def moving(page: Page) -> list[str]:
    """Return what moves by itself or glides on the open page."""
    found: list[str] = page.evaluate(_MOVES)
    return found


def on_paper(page: Page) -> Iterator[str]:
    """Tell what of the open page is of no use on paper, or does not fit on it."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER, "height": 960})
    found: list[str] = page.evaluate(_PRINTED)
    yield from (f"is printed: {one}" for one in found)
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > PAPER:
        yield f"is {wide} px wide on paper"


def beyond(page: Page, width: int) -> Iterator[str]:
    """Tell which tables of the open page reach beyond its column at a width, and leave it as it was."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": 800})
    found: list[str] = page.evaluate(_BEYOND)
    yield from (f"reaches beyond its column at {width} px: {one}" for one in found)
    if before:
        page.set_viewport_size(before)


def unframed(page: Page) -> list[str]:
    """Return what of the open page can't be told from its ground where colours are forced."""
    found: list[str] = page.evaluate(_UNFRAMED)
    return found
