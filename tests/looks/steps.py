"""What somebody does before a page is as it is looked at: forms that are refused, steps of one-time links, days on which not all goes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from demo.people import PASSWORD
from django.template import Engine
from playwright.sync_api import Page, Response
from tests.journeys.test_first_hour import code_of
from tests.looks.harbour import Harbour

import keyhouse.web

Step = Callable[[Page], Response]
Amid = Callable[[Harbour], AbstractContextManager[None]]
MOST_TRIES: Final = 8
BROKEN: Final = "/broken/"
TEMPLATES: Final = Path(keyhouse.web.__file__).with_name("templates")
TOO_MANY: Final = 429
# what stands in the fields is judged by the server, as where no script and no browser did
_SEND: Final = """
(button, entered) => {
  const form = button.form;
  for (const [name, value] of Object.entries(entered)) form.elements[name].value = value;
  form.noValidate = true;
  form.requestSubmit(button);
}
"""


def send(button: str, **entered: str) -> Step:
    """Fill in the form that has this button, and press it, whatever the browser thinks of what was entered."""

    def step(page: Page) -> Response:
        with page.expect_navigation() as coming:
            page.locator("main").get_by_role("button", name=button, exact=True).evaluate(_SEND, entered)
        return arrived(coming.value)

    return step


def after(first: Step, then: Step) -> Step:
    """Do one step and, on the page that comes, another."""

    def step(page: Page) -> Response:
        first(page)
        return then(page)

    return step


def arrived(answer: Response | None) -> Response:
    """Return what a page came with; one that only scrolled has come with nothing."""
    assert answer is not None
    return answer


def until_too_many(button: str, again: str) -> Step:
    """Press a button until the index has enough of it; it is called otherwise from the second time on."""

    def step(page: Page) -> Response:
        for number in range(MOST_TRIES):
            answer = send(again if number else button)(page)
            if answer.status == TOO_MANY:
                break
        return answer

    return step


def set_up_to(name: str) -> Step:
    """Make the first account up to the step that is named."""
    enter = send("Go on", username="ada", email="ada@harbour.example", password=PASSWORD)

    def step(page: Page) -> Response:
        answer = enter(page)
        if name == "recovery-codes":
            secret = re.sub(r"\s", "", page.locator("pre.secret").first.inner_text())
            answer = send("Go on", code=code_of(secret))(page)
        return answer

    return step


def on_an_ordinary_day(harbour: Harbour) -> AbstractContextManager[None]:
    """Change nothing."""
    del harbour
    return nullcontext()


@contextmanager
def frozen(harbour: Harbour) -> Iterator[None]:
    """Let nothing change the index meanwhile."""
    switch = "/operator/switches/everything"
    harbour.send("iris", f"{switch}/freeze/", reason="We look at a break-in.", lasts="1d")
    try:
        yield
    finally:
        harbour.send("iris", f"{switch}/lift/")


@contextmanager
def without_database(harbour: Harbour) -> Iterator[None]:
    """Let the database know nothing of projects meanwhile, as one that is broken."""
    _rename(harbour, "projects_project", "projects_away")
    try:
        yield
    finally:
        _rename(harbour, "projects_away", "projects_project")


def _rename(harbour: Harbour, table: str, name: str) -> None:
    with closing(sqlite3.connect(harbour.server.data / "keyhouse.sqlite3", timeout=20)) as database:
        database.execute(f"ALTER TABLE {table} RENAME TO {name}")


def show_broken(page: Page) -> Response:
    """Show what comes when there is a defect: a page that stands on nothing, so that it is the same without one."""
    body = Engine(dirs=[str(TEMPLATES)]).render_to_string("500.html")
    page.route(f"**{BROKEN}", lambda asked: asked.fulfill(status=500, content_type="text/html", body=body))
    return arrived(page.goto(BROKEN))
