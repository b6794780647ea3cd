"""The steps of the model of accounts, driven over HTTP: after each the index must stand as the model says (mandate X10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest
from tests.accounts.conftest import PASSWORD, Clock, Configure
from tests.accounts.reachability.person import ADDRESS, SECRETS, Person

from keyhouse.accounts.reachability import STEPS, Account, App, Situation, Way, way_from
from keyhouse.cli.dev_dead_ends import all_ways

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]
Names = tuple[str, ...]
# These are never on a shortest way, since another step leads on as soon.
DETOURS: list[tuple[Situation, Names]] = [
    (
        Situation(
            "verified", "good", "none", "in-hand", True, "open", False, False, "off", "unknown"
        ),  # app first, then the code
        ("enter-password", "enter-app", "confirm-by-code"),
    ),
    (
        Situation(
            "verified", "good", "none", "in-hand", True, "open", False, False, "off", "unknown"
        ),  # the code first, then the app
        ("enter-password", "enter-code", "confirm-by-app"),
    ),
]


def names_of(way: Iterable[Way]) -> Names:
    return tuple(step.name for step, _ in way)


@lru_cache(maxsize=1)
def by_path() -> dict[Names, list[Situation]]:
    """Return all situations by the way that leads on from them."""
    starts, ways = all_ways()
    found: dict[Names, list[Situation]] = {}
    for start in starts:
        way = way_from(start, ways)
        if way is not None:
            found.setdefault(names_of(way), []).append(start)
    return found


@lru_cache(maxsize=1)
def covering() -> list[Names]:
    """Return few ways that have each step, and each two that follow each other; the most telling first."""
    return list(_covering())


def _covering() -> Iterator[Names]:
    left = {path: set(pairwise(("", *path))) for path in by_path()}
    while left:
        path = max(left, key=lambda one: (len(left[one]), -len(one), one))
        pairs = left.pop(path)
        if not pairs:
            return
        yield path
        left = {one: others - pairs for one, others in left.items()}


def some_of(path: Names, count: int) -> list[Situation]:
    """Return situations that share a way, the first one and others far from it."""
    found = by_path()[path]
    return found[:: max(1, -(-len(found) // count))]


def walk(person: Person, start: Situation, way: Iterable[Way]) -> None:
    now = person.observe(start)
    assert now == start, "the account was not built as the model says"
    for step, after in way:
        person.do(step.name)
        assert person.observe(after) == after, f"after {step.name}"


def detour(start: Situation, names: Names) -> list[Way]:
    """Return a way that begins with these steps."""
    steps = {step.name: step for step in STEPS}
    begun: list[Way] = []
    now = start
    for name in names:
        assert steps[name].may(now)
        now = steps[name].do(now)
        begun.append((steps[name], now))
    return [*begun, *(way_from(now, all_ways()[1]) or [])]


# how many ways cover all; that many tests are found without searching the model for them, in every process anew
COVERING = 33
OF_EACH_WAY = 6


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Search for all the different ways only where what takes long is asked for."""
    if "any_path" in metafunc.fixturenames:
        is_left_out = "not slow" in metafunc.config.getoption("markexpr")
        metafunc.parametrize("any_path", [] if is_left_out else sorted(by_path()), ids="+".join)


@pytest.fixture(autouse=True)
def _no_limits(configure: Configure) -> None:
    configure(rate_limits="off")


def drive(start: Situation, time: Clock, configure: Configure, folder: Path) -> None:
    person = Person(start, time, configure, folder)
    assert not person.may_mint()
    walk(person, start, way_from(start, all_ways()[1]) or [])
    assert person.may_mint()


@pytest.mark.parametrize("number", range(COVERING))
def test_x10_the_index_goes_the_way_of_the_model(
    number: int, time: Clock, configure: Configure, tmp_path: Path
) -> None:
    path = covering()[number]
    drive(by_path()[path][0], time, configure, tmp_path / "mail")


@pytest.mark.parametrize(("start", "names"), DETOURS)
def test_x10_ways_that_are_no_shorter_lead_on_as_well(
    start: Situation, names: Names, time: Clock, configure: Configure, tmp_path: Path
) -> None:
    person = Person(start, time, configure, tmp_path / "mail")
    walk(person, start, detour(start, names))
    assert person.may_mint()


def test_every_step_is_driven() -> None:
    assert len(covering()) == COVERING, "say above how many there are"
    driven = {name for path in covering() for name in path} | {name for _, names in DETOURS for name in names}
    assert driven == {step.name for step in STEPS}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(OF_EACH_WAY))
def test_x10_every_different_way_is_driven(
    any_path: Names, number: int, time: Clock, configure: Configure, tmp_path: Path
) -> None:
    """Some situations for each different way: those that share one differ in what the way never touches."""
    found = some_of(any_path, OF_EACH_WAY)
    if number < len(found):
        drive(found[number], time, configure, tmp_path / "mail")


# ---- what leads nobody on


def at(start: Situation, time: Clock, configure: Configure, tmp_path: Path, *names: str) -> Person:
    """Return somebody who has taken these steps."""
    person = Person(start, time, configure, tmp_path / "mail")
    for name in names:
        person.do(name)
    return person


WHOLE = Situation("verified", "good", "none", "in-hand", True, "open", False, False, "works", "known")


def test_x10_a_frozen_accounts_reset_mails_nothing_and_signs_nobody_in(
    time: Clock, configure: Configure, tmp_path: Path
) -> None:
    start = replace(WHOLE, account="frozen", browser="unknown", password="forgotten")
    person = at(start, time, configure, tmp_path)
    with pytest.raises(AssertionError, match="no mail with a link of password-reset came"):
        person.do("reset-password")
    person = replace_password(person)
    person.do("enter-password")
    assert person.observe(start) == start
    assert not person.may_mint()


def replace_password(person: Person) -> Person:
    person.password = PASSWORD
    return person


def test_x10_a_domain_that_is_gone_gets_no_link_of_any_kind(
    time: Clock, configure: Configure, tmp_path: Path
) -> None:
    start = replace(WHOLE, mail="domain-gone", password="forgotten")
    person = at(start, time, configure, tmp_path)
    person.reads = ADDRESS  # by now somebody else has registered it
    for name in ("reset-password", "begin-case"):
        with pytest.raises(AssertionError, match="no mail with a link"):
            person.do(name)


def test_x10_a_password_that_a_mail_has_set_is_no_second_proof_beside_it(
    time: Clock, configure: Configure, tmp_path: Path
) -> None:
    start = replace(WHOLE, password="mailed", app="lost", codes=False)
    assert start not in all_ways()[1]
    person = at(start, time, configure, tmp_path, "begin-case-with-password")
    assert person.observe(start) == replace(start, case="begun")
    person.time.go(days=10)
    assert person.observe(start).case == "begun"


def test_x10_a_lost_mailbox_and_an_unknown_browser_wait_for_three_days(
    time: Clock, configure: Configure, tmp_path: Path
) -> None:
    start = replace(WHOLE, mail="lost", browser="unknown")
    person = at(start, time, configure, tmp_path, "enter-password", "enter-app")
    for name in ("confirm-by-code", "confirm-by-app"):
        person.do(name)
        assert person.observe(start) == replace(start, proven="app?")
    person.do("begin-wait")
    time.go(hours=71)
    assert person.observe(start).browser == "waiting"
    person.do("enter-password")
    person.do("enter-app")
    assert person.observe(start).proven == "app?"
    assert not person.may_mint()


@pytest.mark.parametrize("app", ["lost", "disabled"])
def test_x10_an_app_that_is_lost_or_switched_off_lets_nobody_in(
    app: App, time: Clock, configure: Configure, tmp_path: Path
) -> None:
    start = replace(WHOLE, app=app)
    person = at(start, time, configure, tmp_path, "enter-password")
    person.secret = SECRETS["in-hand"]
    person.do("enter-app")
    assert person.observe(start) == replace(start, proven="factor?")


@pytest.mark.parametrize("account", ["held", "dormant"])
def test_x10_on_hold_no_address_changes_and_nothing_is_minted(
    account: Account, time: Clock, configure: Configure, tmp_path: Path
) -> None:
    start = replace(WHOLE, mail="lost", account=account)
    person = at(start, time, configure, tmp_path, "enter-password", "enter-app")
    before = person.observe(start)
    assert before == replace(start, proven="app")
    with pytest.raises(AssertionError, match="no mail with a link of verify-address came"):
        person.do("replace-address")
    person.reads = ""
    assert person.observe(start) == before
    assert not person.may_mint()


def test_x10_beside_an_app_a_key_that_works_is_what_counts(
    time: Clock, configure: Configure, tmp_path: Path
) -> None:
    start = replace(WHOLE, key="lost")
    person = at(start, time, configure, tmp_path, "enter-password", "enter-app")
    assert person.observe(start).proven == "app"
    assert not person.may_mint()
    person.do("enrol-key")
    assert person.may_mint()
