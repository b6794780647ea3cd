"""The walk through what is planned (`plan.py`): which situation is built, and what is done from there, one step after the other.

What a step has done is rolled back before the next one is tried, with the person's clock, cookies, mails, things in hand and
the settings of the index.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy, deepcopy
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import transaction
from django.test import Client
from tests.accounts.conftest import Browser, Clock, Configure
from tests.accounts.reachability.person import Person
from tests.accounts.reachability.plan import allows, outlives_session, plan, words_of

from keyhouse.accounts.reachability import Situation, Step
from keyhouse.accounts.sessions import actor_of, find_session
from keyhouse.core import actions, clock, configuration, standing
from keyhouse.core.errors import Refusal

ROOT = Path(__file__).parents[3]


class HastyBrowser(Browser):
    """A browser that fetches a page only once something of it is looked at, and whose forms need no mark of theirs.

    For the long walk alone: the ordinary run goes by pages and marks as people do.
    """

    def __init__(self) -> None:
        self.left = ""
        self._page: Any = None
        super().__init__()
        self.client = Client()

    @property
    def page(self) -> Any:
        if self.left:
            path, self.left = self.left, ""
            self._page = super().get(path)
        return self._page

    @page.setter
    def page(self, page: Any) -> None:
        self.left, self._page = "", page

    def get(self, path: str, **extra: Any) -> Any:
        assert not extra
        self.left = path
        return _Unread(self)

    def visit(self, path: str) -> None:
        self.get(path)

    def mark(self) -> str:
        return "none"


class _Unread:
    """A page that wasn't fetched yet."""

    def __init__(self, browser: HastyBrowser) -> None:
        self.browser = browser

    def __getattr__(self, name: str) -> Any:
        return getattr(self.browser.page, name)


class _Remembered:
    """Tells what hangs on one account as it was when it was asked first: no step of the model changes a role."""

    def __init__(self, inner: standing.Standings, user_id: int) -> None:
        self.inner, self.user_id = inner, user_id
        self.known: standing.Standing | None = None

    def of(self, user_id: int) -> standing.Standing:
        if user_id != self.user_id:
            return self.inner.of(user_id)
        if self.known is None:
            self.known = self.inner.of(user_id)
        return self.known

    def speaks_for(self, user_id: int) -> frozenset[int]:
        return self.inner.speaks_for(user_id)

    def is_critical(self, normalized_name: str) -> bool:
        return self.inner.is_critical(normalized_name)


@contextmanager
def remembering(person: Person) -> Iterator[None]:
    """Ask once what hangs on a person, for the long walk alone."""
    inner = standing._wired[0]
    standing.wire(_Remembered(inner, person.user.pk))
    try:
        yield
    finally:
        standing.wire(inner)


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return what tells this code from any other: what was walked is walked again once anything changed."""
    digest = hashlib.sha256()
    for folder, ending in (("src/keyhouse", "*.py"), ("src/keyhouse", "*.html"), ("tests/accounts", "*.py")):
        for path in sorted((ROOT / folder).rglob(ending)):
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass
class Walk:
    """The steps that are driven from some roots, and where the index stood otherwise than the model says."""

    time: Clock
    configure: Configure
    folder: Path
    browser: Callable[[], Browser] = Browser
    driven: int = 0
    differences: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def walk(self, root: Situation) -> None:
        """Build a situation, and drive what is planned from it."""
        start = clock.now()
        with _rolled_back():
            try:
                self.configure(mail_dir=self.folder, mail_url=None)
                person = Person(root, self.time, self.configure, self.folder, self.browser)
                with nullcontext() if self.browser is Browser else remembering(person):
                    if self._compare(person, root, root, ()):
                        self._explore(person, root, ())
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is told with its situation
                self._note(root, (), repr(error))
        self.time.set(start)
        for mail in self.folder.glob("*.eml"):
            mail.unlink()

    def _explore(self, person: Person, now: Situation, path: tuple[Step, ...]) -> None:
        for step, after, goes_on in plan().edges.get(now, ()):
            taken = (*path, step)
            try:
                with undone(person):
                    self.driven += 1
                    person.do(step.name)
                    self._require_no_session(person, step)
                    if self._compare(person, person.start, after, taken) and goes_on:
                        self._explore(person, after, taken)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is told with its way
                self._note(person.start, taken, repr(error))

    @staticmethod
    def _require_no_session(person: Person, step: Step) -> None:
        """See to it that what the plan takes for granted is so: no session outlives these steps."""
        if outlives_session(step):
            assert find_session(person.browser.cookie, clock.now()) is None, "a session is left"

    def _compare(self, person: Person, root: Situation, expected: Situation, path: tuple[Step, ...]) -> bool:
        found = person.observe(expected)
        if found != expected:
            names = [
                one.name for one in fields(found) if getattr(found, one.name) != getattr(expected, one.name)
            ]
            told = ", ".join(
                f"{one}: {getattr(found, one)!r}, not {getattr(expected, one)!r}" for one in names
            )
            self._note(root, path, told)
            return False
        if expected.proven and not expected.case and self._may_mint(person, expected) != allows(expected):
            self._note(root, path, f"may mint: {not allows(expected)}, and the model says otherwise")
            return False
        return True

    def _may_mint(self, person: Person, expected: Situation) -> bool:
        """Ask the page where it should open, or nobody is in a hurry; else the gate that stands before it."""
        if self.browser is Browser or allows(expected):
            return person.may_mint()
        session = find_session(person.browser.cookie, clock.now())
        if session is None or not session.is_complete:
            return False
        try:
            actions.require_gate(actor_of(session), "token.mint")
        except Refusal:
            return False
        return True

    def _note(self, root: Situation, path: Iterable[Step], what: str) -> None:
        names = [step.name for step in path] or ["as it was built"]
        self.differences[f"{names[-1]}: {what[:600]}"].append(f"{words_of(root)}\n    {' + '.join(names)}")

    def told(self) -> str:
        """Return each kind of difference with how often it was met, and where first."""
        return "\n".join(f"{len(met)} times {what}\n    {met[0]}" for what, met in self.differences.items())


@contextmanager
def _rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def undone(person: Person) -> Iterator[None]:
    """Take back what happens in it: rows, time, mails, cookies, and what the person has and knows."""
    instant, mails, settings = clock.now(), set(person.folder.iterdir()), configuration.current()
    kept = dict(person.__dict__)
    person.codes, person.key = list(person.codes), copy(person.key)
    cookies = deepcopy(person.browser.client.cookies)
    try:
        with _rolled_back():
            yield
    finally:
        person.__dict__.update(kept)
        person.browser.client.cookies = cookies
        person.browser.page = None
        configuration.use(settings)
        person.time.set(instant)
        for mail in set(person.folder.iterdir()) - mails:
            mail.unlink()
