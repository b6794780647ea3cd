from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import WIRED
from tests.mandate.stored import document, make_project, make_user, store

from keyhouse.core import actions, clock
from keyhouse.core.actor import host
from keyhouse.index.sketches import Registers, add, encode
from keyhouse.mandate import queries
from keyhouse.mandate.criticality import (
    asked_criteria,
    choose,
    is_due,
    measure,
    renew_critical_projects,
    required_names,
)
from keyhouse.mandate.models import CriterionRun, CriticalProject
from keyhouse.mandate.selectors import Criterion
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.models import ClientSketch, Project, Release, Tombstone
from keyhouse.web.wiring import wire_all

NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def criterion(**changes: Any) -> Criterion:
    return Criterion(**{"metric": "unique-clients", "window_days": 30, "at_least": 10, **changes})


def store_criterion(one: Criterion, name: str = "critical", **facts: Any) -> None:
    store(document(name=name, who={"critical": one.as_dict()}), **facts)


def visit(project: Project, clients: int, day: datetime = NOON) -> None:
    """Let so many different clients fetch a file of it that day."""
    registers: Registers = {}
    for number in range(clients):
        add(registers, ((number << 54) + 1).to_bytes(8))  # each in a register of its own: no luck in it
    ClientSketch.objects.create(project=project, day_on=day.date(), sketch=encode(registers))


def critical(one: Criterion) -> set[str]:
    rows = CriticalProject.objects.filter(criterion=one.key)
    return set(rows.values_list("normalized_name", flat=True))


# ---- the choice


def test_at_least_counts_the_threshold_itself() -> None:
    values = {"above": 11, "at": 10, "below": 9, "none": 0}
    assert choose(criterion(), values, {}) == {"above": 11, "at": 10}


def test_the_first_ones_are_never_more_and_never_those_without_any() -> None:
    values = {"d": 5, "c": 5, "b": 5, "a": 1, "z": 0}
    assert choose(criterion(at_least=None, top=2), values, {}) == {"b": 5, "c": 5}
    assert choose(criterion(at_least=None, top=9), values, {}) == {"a": 1, "b": 5, "c": 5, "d": 5}


def test_what_was_in_stays_until_it_falls_well_below() -> None:
    values = {"kept": 8, "fallen": 7, "new": 9}
    kept = {"kept": 10, "fallen": 10}
    assert set(choose(criterion(keep_above=0.8), values, kept)) == {"kept"}
    first = criterion(at_least=None, top=1, keep_above=0.8)
    assert set(choose(first, {"lead": 10, "kept": 8, "fallen": 7, "new": 9}, kept)) == {"lead", "kept"}


VALUES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 20))


@given(VALUES, VALUES, st.integers(1, 8), st.sampled_from([0.5, 0.8, 1.0]))
def test_only_what_was_in_goes_beyond_the_first(
    values: dict[str, int], kept: dict[str, int], top: int, keep_above: float
) -> None:
    one = criterion(at_least=None, top=top, keep_above=keep_above)
    chosen = choose(one, values, kept)
    assert len(set(chosen) - set(kept)) <= top
    assert set(choose(one, values, {})) <= set(chosen)
    assert choose(one, values, chosen) == choose(one, values, {**kept, **chosen})
    assert all(values[name] == value > 0 for name, value in chosen.items())


def test_a_criterion_is_due_once_a_day_and_stands_still_after_its_freeze() -> None:
    one = criterion(frozen_at=NOON)
    assert is_due(one, None, NOON)
    assert not is_due(one, NOON - timedelta(hours=5), NOON - timedelta(hours=1))
    assert is_due(one, NOON - DAY, NOON - timedelta(hours=1))
    assert is_due(one, NOON - timedelta(hours=5), NOON)
    assert not is_due(one, NOON, NOON + DAY)
    assert not is_due(criterion(), NOON, NOON - DAY)


@pytest.mark.parametrize(
    ("requirement", "names"),
    [
        ("Alpha.Beta", {"alpha-beta"}),
        ("alpha>=1,<2", {"alpha"}),
        ("alpha[x,y] ~= 1.0 ; python_version < '3.9'", {"alpha"}),
        ("alpha @ https://example.org/alpha.whl", {"alpha"}),
        ('alpha; extra == "test"', set()),
        ('alpha ; python_version > "3" and extra == "test"', set()),
        ("", set()),
        (">=1", set()),
    ],
)
def test_what_is_required_outright_counts(requirement: str, names: set[str]) -> None:
    assert required_names([requirement]) == names


# ---- the metrics


@pytest.mark.django_db
def test_clients_of_all_days_of_the_window_add_up() -> None:
    alpha, beta = make_project("alpha"), make_project("beta")
    visit(alpha, 5)
    visit(alpha, 7, NOON - 29 * DAY)
    visit(alpha, 50, NOON - 30 * DAY)
    visit(beta, 50, NOON + DAY)
    assert measure(criterion(), NOON) == {"alpha": 12}


@pytest.mark.django_db
def test_the_same_client_again_and_again_counts_once_a_day() -> None:
    alpha = make_project("alpha")
    registers: Registers = {}
    for _ in range(1000):
        add(registers, b"8 bytes!")
    ClientSketch.objects.create(project=alpha, day_on=NOON.date(), sketch=encode(registers))
    assert measure(criterion(), NOON) == {"alpha": 1}


@pytest.mark.django_db
def test_dependents_are_projects_whose_newest_release_requires_it() -> None:
    for name, latest in (("alpha", ""), ("one", "2"), ("two", "1"), ("three", "1")):
        make_project(name)
        Project.objects.filter(name=name).update(latest_version=latest)
    wants = {
        ("one", "1"): ["beta"],
        ("one", "2"): ["Alpha>1", "alpha; python_version<'4'", "elsewhere", "one[x]"],
        ("two", "1"): ["alpha; extra=='x'"],
        ("three", "1"): ["alpha", "two"],
    }
    for (name, version), required in wants.items():
        Release.objects.create(
            project=Project.objects.get(name=name),
            version=version,
            created_at=NOON,
            metadata={"requires_dist": required} if required else {},
        )
    assert measure(criterion(metric="dependents"), NOON) == {"alpha": 2, "two": 1}


# ---- the job


@pytest.mark.django_db
def test_the_job_runs_once_a_day_for_each_criterion_and_covers_their_people() -> None:
    ada = make_user("ada")
    alpha = make_project("alpha", ada)
    one = criterion()
    store_criterion(one)
    visit(alpha, 12)
    assert renew_critical_projects(NOON) == 1
    row = CriticalProject.objects.get()
    assert (row.normalized_name, row.lineage, row.since_at, row.value) == ("alpha", alpha.lineage, NOON, 12)
    facts = queries.facts_of_person(ada.pk)
    assert facts.authority[0].critical == {one.key}
    assert facts.authority[0].covered_since == NOON
    visit(make_project("beta"), 12)
    assert renew_critical_projects(NOON + timedelta(hours=11)) == 0
    assert critical(one) == {"alpha"}
    assert renew_critical_projects(NOON + timedelta(hours=12)) == 1
    assert critical(one) == {"alpha", "beta"}
    assert CriticalProject.objects.get(normalized_name="alpha").since_at == NOON


@pytest.mark.django_db
def test_what_falls_below_is_out_and_covered_anew_when_it_comes_back() -> None:
    alpha, one = make_project("alpha"), criterion(window_days=1, keep_above=0.5)
    store_criterion(one)
    for days, clients in enumerate([10, 5, 4, 10]):
        visit(alpha, clients, NOON + days * DAY)
    seen = []
    for days in range(4):
        renew_critical_projects(NOON + days * DAY)
        seen.append(list(CriticalProject.objects.values_list("since_at", "value")))
    assert seen == [[(NOON, 10)], [(NOON, 5)], [], [(NOON + 3 * DAY, 10)]]


@pytest.mark.django_db
def test_a_frozen_set_is_settled_once_as_it_stood_then() -> None:
    alpha, beta = make_project("alpha"), make_project("beta")
    one = criterion(frozen_at=NOON)
    store_criterion(one)
    renew_critical_projects(NOON - timedelta(hours=1))
    visit(alpha, 12)
    visit(beta, 50, NOON + DAY)
    assert renew_critical_projects(NOON + 3 * DAY) == 1
    assert renew_critical_projects(NOON + 4 * DAY) == 0
    assert critical(one) == {"alpha"}
    assert CriticalProject.objects.get().since_at == NOON


@pytest.mark.django_db
def test_mandates_to_come_are_prepared_and_those_that_are_over_are_let_be() -> None:
    old, live, coming, waiting, withdrawn = (criterion(at_least=number) for number in range(1, 6))
    store_criterion(old)
    store_criterion(live, version=2)
    store_criterion(coming, version=3, effective_at=NOON + DAY)
    store_criterion(waiting, "other", effective_at=None)
    store_criterion(withdrawn, "third", withdrawn_at=NOON)
    assert asked_criteria(NOON) == [live, coming, waiting]


# ---- deleting sheds nothing (A18)


@pytest.fixture
def wired_host() -> Iterator[None]:
    before = [getattr(actions._wiring, name) for name in WIRED]
    wire_all()
    yield
    for name, part in zip(WIRED, before, strict=True):
        setattr(actions._wiring, name, part)


def delete(name: str) -> None:
    deleting.delete_project(name, by=host())


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)


@pytest.mark.django_db
def test_a_project_made_anew_is_critical_at_once_and_stays_so(at_noon: None, wired_host: None) -> None:
    alpha, one = make_project("alpha"), criterion()
    store_criterion(one)
    visit(alpha, 12)
    renew_critical_projects(NOON)
    delete("alpha")
    renew_critical_projects(NOON + DAY)
    assert critical(one) == {"alpha"}
    eve = make_user("eve")
    anew = make_project("alpha", eve, since=NOON + DAY)
    assert queries.facts_of_person(eve.pk).authority[0].critical == {one.key}
    renew_critical_projects(NOON + 2 * DAY)
    assert CriticalProject.objects.get().value == 12
    assert CriticalProject.objects.get().lineage == anew.lineage
    # after the window it counts by what it is
    renew_critical_projects(NOON + 31 * DAY)
    assert critical(one) == set()


@pytest.mark.django_db
def test_a_deleted_name_keeps_its_row_for_as_long_as_nobody_has_it(at_noon: None, wired_host: None) -> None:
    one = criterion()
    store_criterion(one)
    visit(make_project("alpha"), 12)
    renew_critical_projects(NOON)
    delete("alpha")
    renew_critical_projects(NOON + 400 * DAY)
    assert critical(one) == {"alpha"}
    assert Tombstone.objects.exists()


# ---- at once


@pytest.mark.django_db(transaction=True)
def test_two_processes_work_one_out_once() -> None:
    store_criterion(criterion())
    visit(make_project("alpha"), 12)
    barrier, done = threading.Barrier(3), []

    def run() -> None:
        barrier.wait()
        try:
            done.append(renew_critical_projects(NOON))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 0, 1]
    assert (CriticalProject.objects.count(), CriterionRun.objects.count()) == (1, 1)
