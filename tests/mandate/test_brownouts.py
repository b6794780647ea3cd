"""Brownouts (N8): real enforcement for a share, watched by an error budget, over for good when that is used up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.credentials.tokens.test_services import in_parallel
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import (
    DAY,
    NOW,
    document,
    enforced,
    make_operator,
    make_person,
    make_project,
    mandate,
    session_of,
)
from tests.mandate.stored import retire_default, store
from tests.mandate.visiting import token_of

from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail
from keyhouse.mandate import gates, history, previews, queries, services, writing
from keyhouse.mandate.brownouts import Ended, cut, running
from keyhouse.mandate.documents import Budget, DocumentInvalid, read_mandate
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.shadow import watching
from keyhouse.mandate.shadow.models import BrownoutEnd, Minute
from keyhouse.mandate.shadow.queries import spent
from keyhouse.mandate.shadow.rules import Cost, used_up
from keyhouse.mandate.shadow.services import end_brownouts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]

HOUR = timedelta(hours=1)
BEGINS = NOW + 31 * DAY  # a Thursday
BUDGET = {"refusals_per_hour": 2}
AT_ONCE = {"floor_days": 0, "unreached_cap_days": 0}


@pytest.fixture(autouse=True)
def nothing_waiting(set_clock: SetClock) -> Iterator[SetClock]:
    history._waiting.clear()
    history.wire(watching.watch)
    retire_default()
    yield set_clock
    history._waiting.clear()


def brownout(**changes: Any) -> dict[str, Any]:
    return {
        "state": "brownout",
        "at": BEGINS,
        "who": {"everyone": True},
        "deny": ["publishing"],
        "error_budget": BUDGET,
    } | changes


def stages(*between: dict[str, Any]) -> list[dict[str, Any]]:
    announced = {"state": "announced", "at": NOW, "warn": ["all"], "deny": ["second-factor.remove-last"]}
    return [announced, *between, enforced(NOW + 92 * DAY)]


def with_brownout(**changes: Any) -> dict[str, Any]:
    calm = {"state": "reminding", "at": BEGINS + DAY, "warn": ["all"]}
    return document(stages=stages(brownout(**changes), calm), notice=AT_ONCE)


def upload(user: Any) -> str:
    actor = session_of(user, "password")
    return gates.judge(actor, "release.upload", Thing("project", None, "alpha")).verdict


@pytest.fixture
def ada() -> Any:
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    return ada


def test_n8_it_is_real_for_its_share_and_ends_with_the_next_stage(ada: Any, set_clock: SetClock) -> None:
    store(with_brownout())
    assert upload(ada) == "warn"
    set_clock(BEGINS)
    assert upload(ada) == "deny"
    set_clock(BEGINS + DAY)
    assert upload(ada) == "warn"


def test_n8_a_used_up_budget_ends_it_at_once_for_good_and_tells_operators_once(
    ada: Any, set_clock: SetClock
) -> None:
    make_operator("olga")
    store(with_brownout())
    set_clock(BEGINS + HOUR)
    for _ in range(2):
        assert upload(ada) == "deny"
    history.write_waiting()
    assert spent("keys", BEGINS, clock.now()) == Cost(2, 2, 2)
    assert end_brownouts(clock.now()) == 0
    assert upload(ada) == "deny"
    history.write_waiting()
    assert end_brownouts(clock.now()) == 1
    assert end_brownouts(clock.now()) == 0
    set_clock(BEGINS + HOUR + timedelta(seconds=1))
    assert upload(ada) == "warn"
    row = BrownoutEnd.objects.get()
    assert (row.mandate, row.stage_at, row.ended_at) == ("keys", BEGINS, BEGINS + HOUR)
    (record,) = Record.objects.filter(action="mandate.end-brownout")
    assert record.details["why"] == "3 refusals within an hour, and its budget allows 2"
    assert [one.address for one in Mail.objects.filter(kind="mandate-brownout-ended")] == ["olga@example.org"]
    set_clock(NOW + 92 * DAY)
    assert upload(ada) == "deny"


def test_n8_one_person_who_tries_again_and_again_does_not_end_it(ada: Any, set_clock: SetClock) -> None:
    store(with_brownout(error_budget={"refusals_per_hour": 15}), effective_at=NOW)
    set_clock(BEGINS + HOUR)
    for _ in range(40):
        assert upload(ada) == "deny"
    history.write_waiting()
    assert end_brownouts(BEGINS + HOUR) == 0
    ben = make_person("ben", has_app=False)
    make_project("beta", ben)
    for _ in range(6):
        assert upload(ben) == "deny"
    history.write_waiting()
    assert end_brownouts(BEGINS + HOUR) == 1
    assert BrownoutEnd.objects.get().why == "16 refusals within an hour, and its budget allows 15"


def test_n8_a_further_version_does_not_begin_it_again(ada: Any, set_clock: SetClock) -> None:
    store(with_brownout())
    BrownoutEnd.objects.create(
        mandate="keys", version=1, stage_at=BEGINS, ended_at=BEGINS + HOUR, why="It was too much."
    )
    writing.mark_change()
    set_clock(BEGINS + 2 * HOUR)
    again = read_mandate(with_brownout())
    assert services.propose_version(again, by=host()).version == 1
    assert previews.preview(again, clock.now()).differences == ()
    other = {**with_brownout(), "title": "Another title"}
    assert services.propose_version(read_mandate(other), by=host()).version == 2
    assert upload(ada) == "warn"


def test_n8_history_is_replayed_as_it_was_before_and_after_the_end(ada: Any, set_clock: SetClock) -> None:
    store(with_brownout())
    set_clock(BEGINS + HOUR)
    assert upload(ada) == "deny"
    BrownoutEnd.objects.create(
        mandate="keys", version=1, stage_at=BEGINS, ended_at=BEGINS + 2 * HOUR, why="It was too much."
    )
    writing.mark_change()
    set_clock(BEGINS + 3 * HOUR)
    assert upload(ada) == "warn"
    history.write_waiting()
    replayed = [(row.verdict, told.verdict) for row, told in history.replayed(queries.ledger().live_at)]
    assert replayed == [("deny", "deny"), ("warn", "warn")]


@pytest.mark.django_db(transaction=True)
def test_n8_in_parallel_it_ends_once(set_clock: SetClock) -> None:
    make_operator("olga")
    store(with_brownout())
    set_clock(BEGINS + HOUR)
    Minute.objects.create(mandate="keys", minute=int(clock.now().timestamp()) // 60, refused=9)
    found: list[Any] = in_parallel(4, lambda _: end_brownouts(clock.now()))
    assert sum(found) == BrownoutEnd.objects.count() == 1
    assert Record.objects.filter(action="mandate.end-brownout").count() == 1
    assert Mail.objects.filter(kind="mandate-brownout-ended").count() == 1


def test_n8_what_happened_before_the_last_hour_or_before_it_began_does_not_count(
    set_clock: SetClock,
) -> None:
    store(with_brownout())
    set_clock(BEGINS + 3 * HOUR)
    for age in (timedelta(minutes=61), 4 * HOUR):
        Minute.objects.create(mandate="keys", minute=int((clock.now() - age).timestamp()) // 60, refused=100)
    assert end_brownouts(clock.now()) == 0


def test_n8_without_a_budget_nothing_is_counted_and_it_lasts(ada: Any, set_clock: SetClock) -> None:
    body = with_brownout()
    del body["stages"][1]["error_budget"]
    store(body)
    set_clock(BEGINS + HOUR)
    for _ in range(5):
        upload(ada)
    history.write_waiting()
    assert not Minute.objects.exists()
    assert end_brownouts(clock.now()) == 0


@pytest.mark.parametrize(
    ("budget", "cost", "is_over"),
    [
        (Budget(refusals_per_hour=2), Cost(2, 9, 2), False),
        (Budget(refusals_per_hour=2), Cost(3, 9, 3), True),
        (Budget(failed_uploads_percent=20), Cost(9, 9, 9), False),  # so few say nothing
        (Budget(failed_uploads_percent=20), Cost(2, 10, 2), False),
        (Budget(failed_uploads_percent=20), Cost(3, 10, 3), True),
        (Budget(3, 50), Cost(1, 10, 6), True),
    ],
)
def test_n8_a_budget_is_used_up_by_more_than_it_allows(budget: Budget, cost: Cost, is_over: bool) -> None:
    assert bool(used_up(budget, cost)) is is_over


def test_n8_a_general_brownout_gives_back_what_held_before_it() -> None:
    body = stages(brownout(who=None))
    del body[1]["who"]
    early = {"state": "early", "at": NOW + 60 * DAY, "who": {"user": ["ada"]}, "deny": ["management"]}
    found = Policy(mandate(stages=[*body[:2], early, body[2]]))
    ended = cut(found, [Ended(BEGINS, BEGINS + HOUR)])
    assert running(ended, BEGINS + HOUR) is not None
    after = BEGINS + HOUR + timedelta(seconds=1)
    assert running(ended, after) is None
    last = [stage for stage in ended.mandate.stages if stage.at <= after][-1]
    assert (last.state, last.deny, last.warn) == (
        "reminding",
        found.mandate.stages[0].deny,
        found.mandate.stages[0].warn,
    )
    assert ended.mandate.digest == found.mandate.digest
    assert read_mandate(ended.mandate.as_dict()).stages == ended.mandate.stages
    assert cut(found, [Ended(BEGINS, NOW)]) is found
    assert cut(found, [Ended(BEGINS, NOW + 70 * DAY)]) is found


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"error_budget": {}}, "stage 2, error_budget"),
        ({"error_budget": {"refusals_per_hour": 0}}, "stage 2, error_budget.refusals_per_hour"),
        ({"error_budget": {"failed_uploads_percent": 101}}, "stage 2, error_budget.failed_uploads_percent"),
        ({"error_budget": {"refusals": 1}}, "stage 2, error_budget.refusals"),
        ({"error_budget": 7}, "stage 2, error_budget"),
        ({"state": "early"}, "stage 2, error_budget"),
    ],
)
def test_n8_a_budget_that_makes_no_sense_is_refused_with_its_place(changes: Any, path: str) -> None:
    with pytest.raises(DocumentInvalid) as caught:
        read_mandate(document(stages=stages(brownout(**changes))))
    assert str(caught.value).startswith(f"{path}: ")


def test_n8_a_document_says_its_budget_and_reads_back() -> None:
    both = {"refusals_per_hour": 7, "failed_uploads_percent": 2.5}
    found = mandate(stages=stages(brownout(error_budget=both)))
    assert found.as_dict()["stages"][1]["error_budget"] == both
    assert read_mandate(found.as_dict()) == found


def test_n3_a_plan_warns_where_whoever_only_publishes_gets_no_brownout(ada: Any) -> None:
    bare = read_mandate(document(stages=stages()))
    told = "whoever only publishes reads no notice here"
    assert not any(told in one.reason for one in previews.preview(bare, clock.now()).warnings)
    token_of(ada, "password")
    (warning,) = [one for one in previews.preview(bare, clock.now()).warnings if told in one.reason]
    assert warning.reason.startswith("1 person has tokens")
    foreseen = read_mandate(with_brownout())
    assert not any(told in one.reason for one in previews.preview(foreseen, clock.now()).warnings)
