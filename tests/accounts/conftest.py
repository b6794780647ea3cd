"""People with an authenticator app, a clock that stands still, and a browser that fills in forms."""

from __future__ import annotations

import html
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.core import signing
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from tests.conftest import WIRED

from keyhouse.accounts import browsers, services
from keyhouse.accounts.belongings import BELONGINGS as OF_ACCOUNTS
from keyhouse.accounts.cookies import BROWSER, cookie_name
from keyhouse.accounts.models import KnownBrowser, Session, User
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import start_session
from keyhouse.accounts.visitor import SALT, Visitor
from keyhouse.core import actions, belongings, clock, configuration, keys, standing
from keyhouse.core.actor import host
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.belongings import BELONGINGS as OF_TOKENS
from keyhouse.mail.contents import unseal
from keyhouse.mail.letters import render_text
from keyhouse.mail.models import Mail
from keyhouse.mandate.belongings import BELONGINGS as OF_MANDATES
from keyhouse.mandate.gates import MandateGate
from keyhouse.mandate.standings import MandateStandings
from keyhouse.projects.authority import ProjectAuthority
from keyhouse.projects.belongings import BELONGINGS as OF_PROJECTS
from keyhouse.projects.models import Project, Role

PASSWORD = "velvet-anchor-93-tundra"
SECRET = b"12345678901234567890"
START = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def wired() -> Iterator[None]:
    keys.ensure_ring(configuration.current().key_file)
    before = [getattr(actions._wiring, name) for name in WIRED]
    actions.wire(gate=MandateGate(), authority=ProjectAuthority())
    standings = standing._wired[:]
    standing.wire(MandateStandings())
    known = belongings._wired[:]
    belongings.wire(OF_MANDATES, OF_TOKENS, OF_PROJECTS, OF_ACCOUNTS)
    yield
    belongings.wire(*known)
    standing._wired[:] = standings
    for name, part in zip(WIRED, before, strict=True):
        setattr(actions._wiring, name, part)


Configure = Callable[..., Configuration]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Change settings for one test."""
    before = configuration.current()

    def change(**settings: Any) -> Configuration:
        return configuration.use(replace(configuration.current(), **settings))

    yield change
    configuration.use(before)


class Clock:
    """The clock file of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(START)

    def set(self, instant: datetime) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_text(clock.format_instant(instant))
        draft.rename(self.path)

    def go(self, **spans: float) -> datetime:
        self.set(clock.now() + timedelta(**spans))
        return clock.now()


@pytest.fixture(autouse=True)
def time(tmp_path: Path, configure: Configure) -> Clock:
    moment = Clock(tmp_path / "clock")
    configure(clock_file=moment.path)
    return moment


def code(shift: int = 0, secret: bytes = SECRET) -> str:
    """Return the code that the app shows now (or some steps from now)."""
    return totp.code_at(secret, totp.step_at(clock.now()) + shift)


class Browser:
    """A browser without scripts: keeps cookies, sends forms with the mark of the page they stand on."""

    def __init__(self, **extra: Any) -> None:
        self.client = Client(enforce_csrf_checks=True, **extra)
        self.page: Any = None

    def get(self, path: str, **extra: Any) -> Any:
        self.page = self.client.get(path, headers={"accept": "text/html"}, **extra)
        return self.page

    def visit(self, path: str) -> None:
        """Fetch a page that must be there."""
        assert self.get(path).status_code == 200, self.text

    def post(self, path: str, fields: dict[str, str] | None = None, **extra: Any) -> Any:
        """Send a form of the page that was fetched last, or of a fresh one."""
        mark = self.mark() or (self.get(path) and self.mark())
        data = {"csrfmiddlewaretoken": mark, **(fields or {})}
        self.page = self.client.post(path, data, headers={"accept": "text/html"}, **extra)
        return self.page

    def mark(self) -> str:
        found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', getattr(self.page, "content", b""))
        return found[1].decode() if found else ""

    @property
    def text(self) -> str:
        return html.unescape(self.page.content.decode())

    @property
    def cookie(self) -> str:
        morsel = self.client.cookies.get(cookie_name())
        return morsel.value if morsel else ""

    def carry(self, cookie: str) -> None:
        self.client.cookies[cookie_name()] = cookie

    def be_known(self, user: User) -> Browser:
        """Be a browser that this person signed in with before."""
        visitor = Visitor()
        browsers.remember(user.pk, visitor, KnownBrowser.How.MAIL, now=clock.now())
        kept = signing.dumps({str(user.pk): visitor.fresh_id}, salt=SALT)
        self.client.cookies[cookie_name(BROWSER)] = kept
        return self

    def sign_in(self, username: str = "ada", password: str = PASSWORD, **more: str) -> Any:
        self.get("/account/sign-in/")
        return self.post("/account/sign-in/", {"username": username, "password": password, **more})

    def enter(self, typed: str) -> Any:
        self.get("/account/second-factor/")
        return self.post("/account/second-factor/", {"code": typed})


@pytest.fixture
def browser() -> Browser:
    return Browser()


def make_person(username: str = "ada", *, factors: int = 1, **facts: Any) -> User:
    user = services.create_user(username, by=host(), **{"password": PASSWORD, **facts})
    services.add_email(user, f"{username}@example.org", by=host(), verified_by="host")
    for number in range(factors):
        enrol_authenticator(user, bytes([*SECRET[:-1], SECRET[-1] + number]), by=host(), name=f"app {number}")
    return user


@pytest.fixture
def ada(db: None) -> User:
    """Return somebody with a password and an authenticator app."""
    return make_person()


def give_project(user: User, name: str = "alpha") -> Project:
    """Make a project of that person: who has authority is covered by the mandate that an index starts with."""
    project = Project.objects.create(
        name=name, normalized_name=name, folded_name=name, created_at=clock.now()
    )
    Role.objects.create(project=project, user=user, kind="owner", since_at=clock.now())
    return project


def signed_in(user: User, *methods: str, at: datetime | None = None) -> tuple[Session, Browser]:
    """Return a complete session (password and app if not said otherwise) and a browser that holds its cookie."""
    session, cookie = start_session(user, methods or ("password", "totp"), at=at, network="192.0.2.9")
    browser = Browser()
    browser.carry(cookie)
    return session, browser


def send(browser: Browser, path: str, body: Any, page: str = "/account/") -> Any:
    """Send JSON as the script of a page does."""
    mark = browser.mark() or (browser.get(page) and browser.mark())
    headers = {"accept": "application/json", "x-csrftoken": mark}
    text = body if isinstance(body, bytes) else json.dumps(body)
    return browser.client.post(path, text, content_type="application/json", headers=headers)


def mailed(*kinds: str) -> list[str]:
    """Return the plain text of the mails that wait, in the order they were written; of these kinds only, if any are named."""
    waiting = Mail.objects.exclude(content_sealed="").order_by("pk")
    return [
        render_text(unseal(mail.content_sealed, mail.address))
        for mail in waiting
        if not kinds or mail.kind in kinds
    ]


def refused(response: HttpResponseBase) -> str:
    """Return the code of a refusal."""
    return str(response.headers.get("X-Refusal", ""))


T = TypeVar("T")


def at_once(acts: Iterable[Callable[[], T]]) -> list[T | Refusal]:
    """Do things in threads that start together, each on a database connection of its own; refusals are results."""
    waiting = list(acts)
    gate = threading.Barrier(len(waiting))

    def do(act: Callable[[], T]) -> T | Refusal:
        gate.wait()
        try:
            return act()
        except Refusal as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(do, waiting))


def at_home(session: Session) -> None:
    """Let a session run in the browser in which its account was made, which nothing slows that is added in it."""
    now = clock.now()
    row = KnownBrowser.objects.create(
        user=session.user,
        digest=secrets.token_hex(32),
        how=KnownBrowser.How.LINK,
        known_at=now,
        first_seen_at=now,
        last_seen_at=now,
    )
    session.data = {**session.data, "browser": row.pk}
    session.save(update_fields=["data"])
