"""Selectors as sets of people: each leaf, the algebra, cohorts, and critical projects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mandate.building import LONG_AGO, at, document
from tests.mandate.strategies import CRITERION, authorities, instants, people, selectors

from keyhouse.mandate.documents import read_mandate, read_selector
from keyhouse.mandate.facts import Authority, Person
from keyhouse.mandate.selectors import (
    ROLES,
    AllOf,
    AnyOf,
    Cohort,
    Criterion,
    NotOf,
    OfCriticalProjects,
    Selector,
    View,
    criteria_of,
    leaves,
    share_of,
)

ANNOUNCED = at("2023-06-01")


def read(body: dict[str, Any]) -> Selector:
    return read_selector(body, ("who",))


def matches(body: dict[str, Any], *authority: Authority, **person: Any) -> bool:
    told = {"id": "u1", "joined_at": LONG_AGO, **person}
    return read(body).matches(View(Person(**told), authority, ANNOUNCED))


OWNER = Authority("project", "alpha", "owner")
MAINTAINER = Authority("project", "beta", "maintainer")
TEAM = Authority("project", "alpha", "maintainer", via="team:ci")
CONFIGURER = Authority("publisher", "alpha", "configurer")
MEMBER = Authority("organization", "acme", "member")
CRITICAL = Authority("project", "alpha", "owner", critical=frozenset({CRITERION.key}))
CRITICAL_BY_ANY = Authority("project", "alpha", "owner", critical=frozenset({"*"}))


@pytest.mark.parametrize(
    ("body", "authority", "expected"),
    [
        ({"everyone": True}, [], True),
        ({"role": ["project.owner"]}, [OWNER], True),
        ({"role": ["project.owner"]}, [MAINTAINER], False),
        ({"role": ["project.owner", "project.maintainer"]}, [MAINTAINER], True),
        ({"role": ["project.maintainer"]}, [TEAM], True),
        ({"role": ["publisher.configurer"]}, [CONFIGURER], True),
        ({"role": ["organization.member"]}, [MEMBER], True),
        ({"role": ["organization.owner"]}, [MEMBER], False),
        ({"project": ["alpha"]}, [OWNER], True),
        ({"project": ["Alpha"]}, [OWNER], True),
        ({"project": ["alpha"]}, [MAINTAINER], False),
        ({"project": ["alpha"]}, [CONFIGURER], True),
        ({"organization": ["acme"]}, [MEMBER], True),
        ({"organization": ["acme"]}, [Authority("project", "acme", "owner")], False),
        ({"critical": CRITERION.as_dict()}, [CRITICAL], True),
        ({"critical": CRITERION.as_dict()}, [CRITICAL_BY_ANY], True),
        ({"critical": CRITERION.as_dict() | {"top": 99}}, [CRITICAL], False),
        ({"critical": CRITERION.as_dict() | {"top": 99}}, [CRITICAL_BY_ANY], True),
        ({"critical": CRITERION.as_dict()}, [OWNER], False),
    ],
)
def test_authority_selects(body: dict[str, Any], authority: list[Authority], expected: bool) -> None:
    assert matches(body, *authority) is expected


@pytest.mark.parametrize("role", [role for role in ROLES if "." not in role])
def test_roles_of_the_site_select_by_their_name(role: str) -> None:
    assert matches({"role": [role]}, roles=(role,))
    assert not matches({"role": [role]}, OWNER)


def test_people_are_named_by_their_user_name_in_any_case_or_by_id_where_there_is_none() -> None:
    assert matches({"user": ["Ada"]}, name="ada")
    assert matches({"user": ["ada"]}, name="ADA")
    assert not matches({"user": ["ada"]}, name="adam")
    assert matches({"user": ["u1"]})
    assert not matches({"user": ["u1"]}, name="ada")


def test_the_instant_of_joining_is_included() -> None:
    body = {"joined_from": "2023-08-08T00:00:00Z"}
    assert matches(body, joined_at=at("2023-08-08"))
    assert not matches(body, joined_at=at("2023-08-07T23:59:59.999999Z"))
    assert not matches(body, joined_at=None)


def test_the_algebra_joins_intersects_and_complements_sets_of_people() -> None:
    owner, in_beta = {"role": ["project.owner"]}, {"project": ["beta"]}
    both = [OWNER, MAINTAINER]  # owns alpha, maintains beta: owns something, and has a role in beta
    assert matches({"all": [owner, in_beta]}, *both)
    assert not matches({"all": [owner, in_beta]}, OWNER)
    assert matches({"any": [owner, in_beta]}, OWNER)
    assert not matches({"any": [owner, in_beta]})
    assert matches({"not": owner}, MAINTAINER)
    assert not matches({"not": owner}, OWNER)
    assert matches({"all": [{"everyone": True}, {"not": {"user": ["ada"]}}]}, name="bob")


@settings(max_examples=200, deadline=None)
@given(st.lists(selectors(), min_size=1, max_size=3), people(), authorities(), st.none() | instants())
def test_the_algebra_obeys_its_laws(parts: list[Any], person: Person, authority: Any, announced: Any) -> None:
    view, read_parts = View(person, authority, announced), tuple(read(part) for part in parts)
    told = [part.matches(view) for part in read_parts]
    assert AnyOf(read_parts).matches(view) is any(told)
    assert AllOf(read_parts).matches(view) is all(told)
    assert NotOf(AnyOf(read_parts)).matches(view) is AllOf(tuple(map(NotOf, read_parts))).matches(view)
    assert NotOf(NotOf(read_parts[0])).matches(view) is told[0]


@settings(max_examples=200, deadline=None)
@given(selectors())
def test_what_is_written_is_read_as_the_same(body: dict[str, Any]) -> None:
    once = read(body)
    assert read(once.as_dict()).as_dict() == once.as_dict()
    assert read(once.as_dict()) == once


@settings(max_examples=200, deadline=None)
@given(people(), authorities(), selectors(), instants(), instants())
def test_a_view_answers_alike_for_whichever_mandate_asks_first(
    person: Person, authority: Any, body: dict[str, Any], one: Any, other: Any
) -> None:
    selector, shared = read(body), View(person, authority)
    for announced in (one, other, one):
        assert selector.matches(shared.at(announced)) is selector.matches(View(person, authority, announced))


# ---- cohorts: S2


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20), st.floats(0.1, 100), st.floats(0.1, 100), st.booleans())
def test_the_smaller_share_lies_within_the_larger(name: str, one: float, other: float, is_old: bool) -> None:
    view = View(Person(name, LONG_AGO if is_old else at("2023-07-01")), (), ANNOUNCED)
    small, large = sorted((one, other))
    assert Cohort(small, "seed").matches(view) <= Cohort(large, "seed").matches(view)


def test_a_share_has_about_its_size_and_seeds_draw_differently() -> None:
    ids = [f"u{number}" for number in range(10_000)]
    for percent in (1, 10, 25, 50):
        picked = sum(Cohort(percent, "s").matches(View(Person(name), ())) for name in ids)
        assert abs(picked - percent * 100) < 200
    first, second = (
        {name for name in ids if Cohort(10, seed).matches(View(Person(name), ()))} for seed in ("s", "t")
    )
    assert len(first & second) < 200
    assert all(Cohort(100, "s").matches(View(Person(name), ())) for name in ids)


def test_a_person_stays_where_they_are_for_ever() -> None:
    # a change here would move everybody between cohorts of campaigns that run
    assert f"{share_of('everyone-2023', 'u1'):.9f}" == "0.646543870"


def test_who_joins_after_the_announcement_is_in_every_cohort() -> None:
    """A19: making a new account until the hash is a lucky one gains nothing."""
    outside = next(f"u{n}" for n in range(100) if share_of("s", f"u{n}") > 0.5)
    for joined, expected in ((ANNOUNCED, True), (at("2023-05-31T23:59:59Z"), False), (None, False)):
        assert matches({"cohort": {"percent": 1, "seed": "s"}}, id=outside, joined_at=joined) is expected


# ---- what a selector is made of


def test_criteria_are_found_wherever_they_stand() -> None:
    critical = {"critical": CRITERION.as_dict()}
    other = {"critical": {"metric": "dependents", "at_least": 5, "window_days": 30}}
    body = {"any": [{"all": [critical, {"everyone": True}]}, {"not": other}]}
    assert {one.metric for one in criteria_of(read(body))} == {"unique-clients", "dependents"}
    assert len(list(leaves(read(body)))) == 3
    mandate = read_mandate(document(who={"everyone": True}))
    assert mandate.criteria == frozenset()
    stages = [*document()["stages"], {"state": "completed", "at": "2025-01-01T00:00:00Z", "who": critical}]
    assert {one.key for one in read_mandate(document(stages=stages)).criteria} == {CRITERION.key}


def test_different_criteria_have_different_keys() -> None:
    written: list[dict[str, Any]] = [
        CRITERION.as_dict(),
        {**CRITERION.as_dict(), "top": 101},
        {**CRITERION.as_dict(), "metric": "dependents"},
        {**CRITERION.as_dict(), "window_days": 90},
        {**CRITERION.as_dict(), "keep_above": 0.8},
        {**CRITERION.as_dict(), "frozen_at": "2024-01-01T00:00:00Z"},
        {"metric": "unique-clients", "at_least": 100},
    ]
    read_ones = [read({"critical": body}) for body in written]
    keys = {one.criterion.key for one in read_ones if isinstance(one, OfCriticalProjects)}
    assert len(keys) == len(written)
    assert all(len(key) <= 120 for key in keys), "the ledger has room for that many signs"


def test_criteria_that_differ_at_all_have_keys_that_differ() -> None:
    frozen = datetime(2024, 1, 1, tzinfo=UTC)
    some = [
        Criterion("dependents", 30, top=9, keep_above=share)
        for share in (0.8, 0.80000001, 0.8000000000000002)
    ]
    some += [
        Criterion("dependents", 30, top=9, frozen_at=frozen + number * timedelta(microseconds=1))
        for number in range(3)
    ]
    assert len({one.key for one in some}) == len(some)
    assert some[0].key == "dependents-30-top-9-0.8"
    assert some[3].key == "dependents-30-top-9-1-20240101T000000"
    assert max(len(one.key) for one in some) <= 120
