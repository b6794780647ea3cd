"""All transitions of the model, shared out: which situation is built, and what is done from there, one step after the other.

A situation in which nobody is signed in and nothing is under way is a *root*: its rows are laid in the database. All
others are come to by requests, each from one root alone, so that no transition is driven twice. What a step has done is
rolled back before the next one is tried, with the person's clock, cookies, mails and things in hand.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path

from django.db import transaction
from tests.accounts.conftest import Clock, Configure
from tests.accounts.reachability.person import Person

from keyhouse.accounts.reachability import Situation, Step, Way, everything, is_compliant, next_of
from keyhouse.core import clock

ROOT = Path(__file__).parents[3]
SHARDS = 400
Tree = dict[Situation, list[Way]]  # what grows from each situation that is come to by requests


@lru_cache(maxsize=1)
def forest() -> Tree:
    """Return for each situation which others it is the first to lead to, breadth first from all roots."""
    roots = list(everything())
    seen, queue, grown = set(roots), deque(roots), Tree()
    while queue:
        now = queue.popleft()
        for step, after in _open_steps(now):
            if after not in seen:
                seen.add(after)
                queue.append(after)
                grown.setdefault(now, []).append((step, after))
    return grown


def _open_steps(now: Situation) -> Iterable[Way]:
    """Return what leads on; at the goal nothing has to."""
    return () if is_compliant(now) else next_of(now)


def words_of(now: Situation) -> str:
    return " ".join(f"{one.name}={getattr(now, one.name)}" for one in fields(now))


def shard_of(root: Situation) -> int:
    """Return in which part a root is: by chance, and the same one always."""
    return int.from_bytes(hashlib.sha256(words_of(root).encode()).digest()[:4]) % SHARDS


@lru_cache(maxsize=1)
def shards() -> list[list[Situation]]:
    found: list[list[Situation]] = [[] for _ in range(SHARDS)]
    for root in everything():
        found[shard_of(root)].append(root)
    return found


def transitions() -> int:
    """Return how many there are in all."""
    roots = list(everything())
    others = (after for grown in forest().values() for _, after in grown)
    return sum(len(list(_open_steps(one))) for some in (roots, others) for one in some)


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
    driven: int = 0
    differences: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def walk(self, root: Situation) -> None:
        """Build a situation, and drive what grows from it."""
        start = clock.now()
        with _rolled_back():
            try:
                self.configure(mail_dir=self.folder, mail_url=None)
                person = Person(root, self.time, self.configure, self.folder)
                if self._compare(person, root, root, ()):
                    self._explore(person, root, ())
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is told with its situation
                self._note(root, (), repr(error))
        self.time.set(start)
        for mail in self.folder.glob("*.eml"):
            mail.unlink()

    def _explore(self, person: Person, now: Situation, path: tuple[Step, ...]) -> None:
        grown = {(step.name, after) for step, after in forest().get(now, [])}
        for step, after in _open_steps(now):
            taken = (*path, step)
            try:
                with undone(person):
                    self.driven += 1
                    person.do(step.name)
                    is_so = self._compare(person, person.start, after, taken)
                    if is_so and (step.name, after) in grown:
                        self._explore(person, after, taken)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is told with its way
                self._note(person.start, taken, repr(error))

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
        if expected.proven and not expected.case and person.may_mint() != is_compliant(expected):
            self._note(root, path, f"may mint: {not is_compliant(expected)}, and the model says otherwise")
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
    instant, mails = clock.now(), set(person.folder.iterdir())
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
        person.time.set(instant)
        for mail in set(person.folder.iterdir()) - mails:
            mail.unlink()
