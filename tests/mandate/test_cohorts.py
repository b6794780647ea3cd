"""Cohorts of one campaign by their dates (S1, S2, S4, S7, A19, A22), through the services and the gate."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import (
    DAY,
    LONG_AGO,
    NOW,
    document,
    enforced,
    make_person,
    make_project,
    session_of,
)
from tests.mandate.stored import retire_default
from tests.mandate.test_criticality import visit

from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import host
from keyhouse.mandate import gates, services
from keyhouse.mandate.criticality import renew_critical_projects
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.models import CriticalProject, Notice
from keyhouse.projects.models import Project, Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]

SEED = "everyone-2026"
NAMED, TENTH, QUARTER, NEW, ALL = (NOW + days * DAY for days in (36, 43, 50, 57, 92))  # Tuesdays
TICK = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def without_default(set_clock: SetClock) -> None:
    del set_clock
    retire_default()


def early(at: datetime, who: dict[str, Any]) -> dict[str, Any]:
    return {"state": "early", "at": at, "who": who, "deny": ["management"]}


def cohort(percent: int) -> dict[str, Any]:
    return {"cohort": {"percent": percent, "seed": SEED}}


def apply(*between: dict[str, Any], **changes: Any) -> None:
    """Apply a campaign as operators do."""
    announced = {"state": "announced", "at": NOW, "warn": ["all"]}
    stages = [announced, *between, enforced(ALL)]
    services.propose_version(read_mandate(document(stages=stages, **changes)), by=host())


def owner(name: str, *, is_told: bool = True, **facts: Any) -> Any:
    """Return an owner of a project of theirs without a factor, told of the campaign when it was announced."""
    user = make_person(name, has_app=False, **facts)
    make_project(f"{name}s", user)
    if is_told:
        Notice.objects.create(user=user, mandate="keys", kind="announcement", delivered_at=NOW)
    return user


def verdict(user: Any, project: str = "") -> str:
    thing = Thing("project", None, project or f"{user.username}s")
    return gates.judge(session_of(user, "password"), "project.manage", thing).verdict


def refused(people: list[Any]) -> set[str]:
    return {user.username for user in people if verdict(user) == "deny"}


def test_s1_s2_named_early_ones_come_first_then_nested_shares_then_everybody(set_clock: SetClock) -> None:
    people = [owner(f"person-{number}") for number in range(40)]
    apply(
        early(NAMED, {"user": ["person-0", "person-1"]}),
        early(TENTH, cohort(10)),
        early(QUARTER, cohort(25)),
    )
    caught = []
    for at in (NAMED, TENTH, QUARTER, ALL):
        set_clock(at - TICK)
        before = refused(people)
        set_clock(at)
        caught.append(refused(people))
        assert before == (caught[-2] if len(caught) > 1 else set()), "nobody before the instant"
    assert caught[0] == {"person-0", "person-1"}
    assert caught[0] <= caught[1] < caught[2] < caught[3] == {user.username for user in people}


def test_a19_new_accounts_are_covered_from_a_day_and_dodge_no_share(set_clock: SetClock) -> None:
    apply(early(TENTH, cohort(1)), early(NEW, {"joined_from": NOW - DAY}))
    set_clock(TENTH - DAY)
    dodging = owner("dodger", is_told=False, joined_at=clock.now())
    Role.objects.filter(user=dodging).update(since_at=clock.now())
    young, old = owner("young", joined_at=NOW - DAY), owner("old", joined_at=NOW - DAY - TICK)
    set_clock(TENTH)
    assert verdict(dodging) == "deny", "in every share, and without grace"
    set_clock(NEW)
    assert (verdict(young), verdict(old)) == ("deny", "warn")


def test_s4_authority_gained_after_the_announcement_needs_compliance_at_once(set_clock: SetClock) -> None:
    ada, bob = owner("ada"), make_person("bob", has_app=False)
    apply(early(NAMED, {"role": ["project.owner"]}))
    set_clock(NOW + 5 * DAY)
    Role.objects.create(
        project=Project.objects.get(name="adas"), user=bob, kind="owner", since_at=clock.now()
    )
    set_clock(NAMED)
    assert verdict(bob, "adas") == "deny"
    Notice.objects.all().delete()
    assert verdict(ada) == "warn", "held it before, and no notice reached them yet"


CRITICAL = {"metric": "unique-clients", "window_days": 30, "at_least": 10, "keep_above": 0.8}


def test_s4_a_critical_project_stays_by_hysteresis_and_its_late_people_have_the_floor(
    set_clock: SetClock,
) -> None:
    ada = owner("ada", is_told=False)
    apply(early(NAMED, {"critical": CRITICAL}), who={"critical": CRITICAL})
    alpha = Project.objects.get(name="adas")
    assert verdict(ada) == "allow"
    late = ALL + 8 * DAY
    visit(alpha, 10, late)
    set_clock(late)
    renew_critical_projects(late)
    assert verdict(ada) == "warn", "covered late, and told by nothing so far"
    Notice.objects.create(user=ada, mandate="keys", kind="announcement", delivered_at=late)
    set_clock(late + 30 * DAY - TICK)
    assert verdict(ada) == "warn"
    visit(alpha, 8, late + 29 * DAY)
    renew_critical_projects(late + 31 * DAY)
    set_clock(late + 31 * DAY)
    assert CriticalProject.objects.filter(normalized_name="adas").exists(), "8 of 10 keep it in"
    assert verdict(ada) == "deny"


def test_s4_a_frozen_list_takes_nobody_in_afterwards(set_clock: SetClock) -> None:
    frozen = {**CRITICAL, "frozen_at": NOW + DAY}
    owner("ada")
    owner("bob")
    visit(Project.objects.get(name="adas"), 10, NOW)
    apply(who={"critical": frozen})
    for days in (1, 2, 40):
        set_clock(NOW + days * DAY)
        if days == 2:
            visit(Project.objects.get(name="bobs"), 10, NOW + 2 * DAY)
        renew_critical_projects(clock.now())
    assert set(CriticalProject.objects.values_list("normalized_name", flat=True)) == {"adas"}


def test_s7_a22_downloads_pushed_up_drag_no_rival_in_and_real_clients_give_the_floor(
    set_clock: SetClock,
) -> None:
    rival = owner("rival", is_told=False)
    Role.objects.filter(user=rival).update(since_at=LONG_AGO)
    project = Project.objects.get(name="rivals")
    apply(who={"critical": CRITICAL})
    for day in range(9):  # the same client, a day after the other, however often on each
        visit(project, 1, NOW + day * DAY)
    set_clock(NOW + 9 * DAY)
    renew_critical_projects(clock.now())
    assert verdict(rival) == "allow"
    visit(project, 500, NOW + 9 * DAY)
    set_clock(ALL)
    visit(project, 500, ALL)
    renew_critical_projects(ALL)
    assert verdict(rival) == "warn", "dragged in at last, by many real clients, it still has its grace"
