"""What features keep about people: told to a person who asks for it, and given up when their account goes.

Each feature lists what it keeps in a `belongings.py` of its own; `web` wires the lists at start-up, the feature that lies
highest first. A test walks all tables and fails on one about people that stands in no list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keyhouse.core.errors import GateUnavailable


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows of one table that are about a person.

    `rows` returns them, as a query of Django's, for the id of an account. `fields` are told, under these names;
    `withheld` are not: column → why. `stays` says why the rows outlive the account; where it is empty they go with it.
    """

    name: str
    model: str  # app.Model
    rows: Callable[[int], Any]
    fields: tuple[str, ...]
    withheld: Mapping[str, str] = field(default_factory=dict)
    stays: str = ""


GiveUp = Callable[[int, datetime], None]
Disown = Callable[[int, datetime, datetime], int]
Close = Callable[[int, bool, datetime], int]
Leaving = Callable[[int, frozenset[int], datetime], AbstractContextManager[None]]
Leave = Callable[[int, int, datetime], int]
LetGo = Callable[[int, frozenset[int], datetime], int]


@dataclass(frozen=True, slots=True)
class Belongings:
    """What one feature keeps about people.

    `untold`: tables with rows about people that are told to nobody, and why. `give_up` ends what an account has there
    before its rows go, in the caller's transaction; it may refuse. `disown` ends what can act for a person and was made
    since an instant, as it may be from whoever was in their account; it takes account, that instant and now, and returns
    how many. `close` lets all of it rest when operators close the account: what was remembered in its favour is forgotten, and
    where the person has left for good, what can act for them is ended; it returns how many. `leaving` stands around what takes
    rights by an organization (its number, those of the accounts, now), and writes down what was lost. `leave` ends what hung
    on a right by an organization (its number, that of the account, now) that somebody may have lost. `let_go` ends what acts in a
    project (its number) and was made by anybody but these people, as the project has left an organization.
    """

    feature: str
    kept: tuple[Kept, ...]
    untold: Mapping[str, str] = field(default_factory=dict)
    give_up: GiveUp | None = None
    disown: Disown | None = None
    close: Close | None = None
    leaving: Leaving | None = None
    leave: Leave | None = None
    let_go: LetGo | None = None


_wired: list[Belongings] = []


def wire(*belongings: Belongings) -> None:
    """Install the lists of all features; none takes them out."""
    _wired[:] = belongings


def all_belongings() -> tuple[Belongings, ...]:
    """Return the lists of all features; raises GateUnavailable where nothing is wired, as half a list is a wrong one."""
    if not _wired:
        raise GateUnavailable
    return tuple(_wired)


def disown_since(user_id: int, since: datetime, now: datetime) -> int:
    """End in every feature what can act for a person and was made since an instant; returns how many.

    In the caller's transaction, which recovers the account.
    """
    return sum(one.disown(user_id, since, now) for one in all_belongings() if one.disown is not None)


def close_all(user_id: int, now: datetime, *, is_final: bool) -> int:
    """Let what acts for a person rest in every feature, or end where they left for good; returns how many ended.

    In the caller's transaction, which closes the account.
    """
    return sum(one.close(user_id, is_final, now) for one in all_belongings() if one.close is not None)


@contextmanager
def leaving_all(organization_id: int, user_ids: frozenset[int], now: datetime) -> Iterator[None]:
    """Stand around what takes rights by an organization from these people: what they lose is written down, and what hung on it ends.

    In the caller's transaction.
    """
    with ExitStack() as features:
        for one in all_belongings():
            if one.leaving is not None:
                features.enter_context(one.leaving(organization_id, user_ids, now))
        yield
    for user_id in sorted(user_ids):
        leave_all(organization_id, user_id, now)


def leave_all(organization_id: int, user_id: int, now: datetime) -> int:
    """End in every feature what hung on a right by an organization that somebody has no more; returns how many ended.

    In the caller's transaction, which took the right. Whoever has it otherwise keeps what hangs on that.
    """
    return sum(one.leave(organization_id, user_id, now) for one in all_belongings() if one.leave is not None)


def let_go_all(project_id: int, staying: frozenset[int], now: datetime) -> int:
    """End in every feature what acts in a project by the word of anybody but these; returns how many ended.

    In the caller's transaction, which moved the project to other hands.
    """
    return sum(one.let_go(project_id, staying, now) for one in all_belongings() if one.let_go is not None)
