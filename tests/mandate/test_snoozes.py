"""Deadlines that people put off themselves (N7): so often and so far as the mandate allows, and never operators."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.credentials.tokens.test_services import in_parallel
from tests.mandate.building import facts as made_facts
from tests.mandate.building import policy as made_policy
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import (
    DAY,
    NOW,
    document,
    enforced,
    make_operator,
    make_person,
    make_project,
    session_of,
)
from tests.mandate.stored import retire_default, store
from tests.mandate.visiting import Visit, code_of

from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import host
from keyhouse.mandate import gates, people, previews, queries, services
from keyhouse.mandate.documents import DocumentInvalid, Snoozing, read_mandate
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.facts import Snoozed, read_facts
from keyhouse.mandate.models import Notice
from keyhouse.mandate.rules import Policy, decide
from keyhouse.mandate.shadow.errors import SnoozeRefused
from keyhouse.mandate.shadow.models import Snooze
from keyhouse.mandate.shadow.services import snooze

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]

EARLY = NOW + 36 * DAY  # a Tuesday
GENERAL = NOW + 92 * DAY
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def without_default(set_clock: SetClock) -> None:
    del set_clock
    retire_default()


def body(times: int = 1, **changes: Any) -> dict[str, Any]:
    early = {"state": "early", "at": EARLY, "who": {"user": ["ada", "olga"]}, "deny": ["management"]}
    announced = {"state": "announced", "at": NOW, "warn": ["all"]}
    notice = {"floor_days": 30, "unreached_cap_days": 60, "snooze": {"days": 7, "times": times}}
    return document(stages=[announced, early, enforced(GENERAL)], notice=notice, **changes)


def person(name: str, **facts: Any) -> Any:
    """Return an owner without a factor, told at once."""
    user = make_person(name, has_app=False, **facts)
    make_project(f"{name}s", user)
    Notice.objects.create(user=user, mandate="keys", kind="announcement", delivered_at=NOW)
    return user


def manage(user: Any) -> str:
    thing = Thing("project", None, f"{user.username}s")
    return gates.judge(session_of(user, "password"), "project.manage", thing).verdict


def refused_until(user: Any, at: datetime, set_clock: SetClock) -> None:
    """See that an act is warned of until an instant, and refused from then on."""
    set_clock(at - timedelta(microseconds=1))
    assert manage(user) == "warn"
    set_clock(at)
    assert manage(user) == "deny"


def test_n7_a_deadline_of_ones_own_is_put_off_once_and_recorded(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body())
    set_clock(EARLY + timedelta(hours=1))
    assert manage(ada) == "deny"
    row = snooze("keys", by=session_of(ada, "password"))
    assert (row.number, row.until_at) == (1, EARLY + timedelta(hours=1) + WEEK)
    assert manage(ada) == "warn"
    with pytest.raises(SnoozeRefused):
        snooze("keys", by=session_of(ada, "password"))
    assert Snooze.objects.count() == Record.objects.filter(action="mandate.snooze").count() == 1
    refused_until(ada, row.until_at, set_clock)


def test_n7_taken_before_the_deadline_it_counts_from_that(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body())
    set_clock(NOW + 10 * DAY)
    assert snooze("keys", by=session_of(ada, "password")).until_at == EARLY + WEEK
    refused_until(ada, EARLY + WEEK, set_clock)


def test_n7_it_may_be_taken_as_often_as_the_mandate_allows(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body(times=2))
    set_clock(NOW + DAY)
    by = session_of(ada, "password")
    assert [snooze("keys", by=by).until_at for _ in range(2)] == [EARLY + WEEK, EARLY + 2 * WEEK]
    with pytest.raises(SnoozeRefused):
        snooze("keys", by=by)
    refused_until(ada, EARLY + 2 * WEEK, set_clock)


def test_n7_nothing_is_put_off_once_it_is_in_force_for_everybody(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body())
    set_clock(GENERAL)
    with pytest.raises(SnoozeRefused):
        snooze("keys", by=session_of(ada, "password"))
    assert not Snooze.objects.exists()


def test_n7_operators_put_nothing_off_even_with_a_row(set_clock: SetClock) -> None:
    olga = person("olga", is_operator=True)
    store(body())
    set_clock(EARLY)
    with pytest.raises(SnoozeRefused):
        snooze("keys", by=session_of(olga, "password"))
    Snooze.objects.create(
        user=olga, mandate="keys", version=1, announced_at=NOW, number=1, made_at=NOW, until_at=GENERAL
    )
    assert manage(olga) == "deny"


def test_n7_who_complies_is_not_covered_or_has_no_such_mandate_puts_nothing_off() -> None:
    store(body())
    bob = make_person("bob")
    make_project("bobs", bob)
    nobody = make_person("eve", has_app=False)
    for user in (bob, nobody):
        with pytest.raises(SnoozeRefused):
            snooze("keys", by=session_of(user, "password"))
    for name in ("nothing", "operators-floor"):
        with pytest.raises(MandateMissing):
            snooze(name, by=session_of(bob))
    assert not Snooze.objects.exists()
    assert not Record.objects.filter(action="mandate.snooze").exists()


def test_n7_a_mandate_without_snoozes_or_in_its_shadow_allows_none() -> None:
    ada = person("ada")
    store({**body(), "notice": {}})
    with pytest.raises(SnoozeRefused):
        snooze("keys", by=session_of(ada, "password"))
    store(
        {**body(), "stages": [{"state": "shadow", "at": NOW, "deny": ["all"]}], "name": "dark"},
    )
    with pytest.raises(MandateMissing):
        snooze("dark", by=session_of(ada, "password"))


@pytest.mark.django_db(transaction=True)
def test_n7_in_parallel_no_more_are_taken_than_allowed(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body(times=2))
    set_clock(NOW + DAY)
    found = in_parallel(5, lambda _: snooze("keys", by=session_of(ada, "password")))
    assert sum(isinstance(one, Snooze) for one in found) == 2
    assert sum(isinstance(one, SnoozeRefused) for one in found) == 3
    assert sorted(Snooze.objects.values_list("number", flat=True)) == [1, 2]


def test_n7_a_further_announcement_begins_anew(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body())
    snooze("keys", by=session_of(ada, "password"))
    (policy,) = queries.live_policies(clock.now())
    facts = queries.facts_of_person(ada.pk)
    assert facts.snoozes == (Snoozed("keys", NOW, EARLY + WEEK),)
    later = replace(
        policy,
        mandate=replace(
            policy.mandate,
            stages=tuple(replace(one, at=one.at + DAY) for one in policy.mandate.stages),
        ),
    )
    at = GENERAL + 70 * DAY
    asked = replace(facts, action="project.manage")
    assert decide(asked, [later], at).since != decide(asked, [policy], at).since
    del set_clock


def test_n7_the_page_offers_it_and_says_what_was_taken(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body())
    visit = Visit(ada, "password")
    visit.get("/account/mandate/")
    assert "/account/mandate/snooze/keys/" in visit.page
    visit.get("/account/mandate/snooze/keys/")
    assert "7 days more" in visit.text
    assert not Snooze.objects.exists()
    assert visit.post("/account/mandate/snooze/keys/").status_code == 303
    assert "You put this off until" in visit.get("/account/mandate/").content.decode()
    assert "/account/mandate/snooze/keys/" not in visit.page
    again = visit.post("/account/mandate/snooze/keys/")
    assert (again.status_code, code_of(again)) == (409, "snooze-refused")
    assert (
        "nothing for you to put off"
        in Visit(ada, "password").get("/account/mandate/snooze/keys/").content.decode()
    )
    del set_clock


def test_n7_the_page_that_refuses_leads_to_putting_it_off_while_that_may_be_done(set_clock: SetClock) -> None:
    ada, where = person("ada"), "/manage/project/adas/archive/"
    store(body())
    set_clock(EARLY)
    visit = Visit(ada, "password")
    assert code_of(visit.get(where)) == "second-factor-required"
    assert 'href="/account/mandate/snooze/keys/"' in visit.page
    assert "Put it off by 7 days" in visit.text
    visit.get("/account/mandate/snooze/keys/")
    assert visit.post("/account/mandate/snooze/keys/").status_code == 303
    set_clock(EARLY + WEEK)
    visit = Visit(ada, "password")
    assert code_of(visit.get(where)) == "second-factor-required"
    assert "/account/mandate/snooze/" not in visit.page


def test_n7_everybody_sees_how_many_and_nobody_who() -> None:
    ada = person("ada")
    store(body())
    snooze("keys", by=session_of(ada, "password"))
    visit = Visit()
    visit.get("/mandate.json")
    (told,) = visit.data["mandates"]
    assert told["notice"]["snooze"] == {"days": 7, "times": 1}
    assert told["snoozes"] == {"taken": 1, "people": 1}
    assert "ada" not in visit.page


def test_n7_the_page_that_says_no_leads_to_it(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body())
    set_clock(EARLY)
    visit = Visit(ada, "password")
    visit.get("/manage/project/adas/")
    assert visit.answer.status_code == 403
    assert "/account/mandate/" in visit.page


def test_n7_all_facts_and_gathered_facts_agree(set_clock: SetClock) -> None:
    ada = person("ada")
    store(body(times=2))
    for _ in range(2):
        snooze("keys", by=session_of(ada, "password"))
    (found,) = people.all_facts()
    assert found.snoozes == queries.facts_of_person(ada.pk).snoozes
    assert len(found.snoozes) == 2
    assert read_facts(found.as_dict()) == found
    del set_clock


@pytest.mark.parametrize("action", ["project.create", "collaborator.accept"])
def test_n7_what_has_no_grace_is_not_put_off(action: str) -> None:
    policy = made_policy(is_floor_exempt=False)
    mandate = replace(policy.mandate, snoozing=Snoozing(7, 1))
    stage = mandate.stages[-1]
    taken = Snoozed("everyone", mandate.announced_at, stage.at + 60 * DAY)
    asked = replace(made_facts(action=action), snoozes=(taken,))
    assert decide(asked, [Policy(mandate)], stage.at).verdict == "deny"


def test_n7_a_plan_counts_further_snoozes_as_loosening(set_clock: SetClock) -> None:
    make_operator("olga")
    person("ada")
    services.propose_version(read_mandate(body()), by=host())
    more = previews.preview(read_mandate(body(times=2)), clock.now())
    assert more.is_loosening
    assert "could be put off" in more.loosenings[0]
    fewer = {**body(), "notice": {"floor_days": 30, "unreached_cap_days": 60}}
    assert not previews.preview(read_mandate(fewer), clock.now()).is_loosening
    del set_clock


@pytest.mark.parametrize(
    ("snoozing", "path"),
    [
        ({"times": 1}, "notice.snooze.days"),
        ({"days": 0}, "notice.snooze.days"),
        ({"days": 31}, "notice.snooze.days"),
        ({"days": 7, "times": 6}, "notice.snooze.times"),
        ({"days": 7, "often": 6}, "notice.snooze.often"),
        (7, "notice.snooze"),
    ],
)
def test_n7_what_makes_no_sense_is_refused_with_its_place(snoozing: Any, path: str) -> None:
    with pytest.raises(DocumentInvalid) as caught:
        read_mandate({**body(), "notice": {"snooze": snoozing}})
    assert str(caught.value).startswith(f"{path}: ")
