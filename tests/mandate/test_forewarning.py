from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mandate import strategies
from tests.mandate.ledger import (
    DAY,
    LONG_AGO,
    NOW,
    enforced,
    make_operator,
    make_person,
    make_project,
    mandate,
)

from keyhouse.core.actor import host
from keyhouse.mandate import people, planning, previews
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.facts import Asking, Facts
from keyhouse.mandate.grounds import Ground
from keyhouse.mandate.objections import refusals
from keyhouse.mandate.planning import NoticeLook
from keyhouse.mandate.plans import NOTICE_PATH, Remark
from keyhouse.mandate.populations import group_people
from keyhouse.mandate.queries import Ledger
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.services import note_shown, seed_exemption, seed_version

EARLIER = strategies.START - timedelta(days=400)


def looked_at(
    before: Ledger, proposed: Policy, everybody: list[Facts], tokens: dict[str, set[Asking]], now: datetime
) -> list[Remark]:
    look = NoticeLook(before, lambda one: before.with_version(one, now), proposed, now)
    exempt = [one for one in everybody if any(each.mandate == proposed.name for each in one.exemptions)]
    return look.remarks(everybody if look.is_at_everybody else exempt, tokens, len(everybody))


def planned(
    before: Ledger, proposed: Policy, everybody: list[Facts], tokens: dict[str, set[Asking]], now: datetime
) -> list[Remark]:
    """Return what a plan says of it, where everybody is looked at."""
    ground = Ground(before, before.with_version(proposed, now), now)
    former = next((one for one in before.live_at(now) if one.name == proposed.name), None)
    parts = [policy for _, policy in planning._parts(former, proposed) if policy]
    groups = group_people(everybody, (*ground.policies, *parts), tokens)
    return [one for one in refusals(before, ground, proposed, groups) if one.path == NOTICE_PATH]


@settings(max_examples=100, deadline=None)
@given(
    strategies.several_policies(),
    strategies.policies(),
    st.lists(strategies.telling_facts() | strategies.any_facts(), min_size=1, max_size=6),
    strategies.instants(),
    st.booleans(),
)
def test_what_is_looked_at_alone_says_what_the_plan_says(
    live: list[Policy], proposed: Policy, some: list[Facts], now: datetime, is_said_again: bool
) -> None:
    everybody = [
        replace(one, person=replace(one.person, id=f"u{number}"), asking=Asking("session"), object=None)
        for number, one in enumerate(some)
    ]
    tokens = {
        f"u{number}": {one.asking}
        for number, one in enumerate(some)
        if one.asking.kind in {"token", "publisher"}
    }
    before = Ledger(1, tuple((EARLIER, one) for one in live))
    named = [one for one in live if one.name == proposed.name]
    if is_said_again and named:
        proposed = replace(named[0], version=named[0].version + 1)
    version = replace(proposed, version=3, is_floor_exempt=False)
    asked = (before, version, everybody, tokens, now)
    assert looked_at(*asked) == planned(*asked)


def is_looked_at(before: Ledger, proposed: Mandate) -> bool:
    look = NoticeLook(before, lambda one: before.with_version(one, NOW), Policy(proposed, 2), NOW)
    return look.is_at_everybody


def test_nobody_is_looked_at_where_nothing_new_is_refused_before_the_floor_is_over() -> None:
    nothing = Ledger(0, ())
    live = mandate(stages=[enforced(NOW - 90 * DAY)])
    holding = Ledger(1, ((LONG_AGO, Policy(live, 1)),))
    assert not is_looked_at(nothing, mandate())
    assert not is_looked_at(holding, live)
    assert not is_looked_at(holding, replace(live, title="Said otherwise"))
    assert is_looked_at(nothing, live)
    assert is_looked_at(holding, mandate(stages=[enforced(NOW - 90 * DAY)], methods={"accept": ["passkey"]}))
    harmless = enforced(NOW, "second-factor.remove-last", "project.create")
    assert not is_looked_at(nothing, mandate(stages=[harmless]))
    expiring = {"before": "expire", "grace": "refuse", "at": NOW + DAY}
    assert is_looked_at(nothing, mandate(stages=[harmless, enforced(NOW + 90 * DAY)], credentials=expiring))


@pytest.mark.django_db
@pytest.mark.usefixtures("wired", "set_clock")
@pytest.mark.parametrize("is_exempt", [False, True])
def test_the_guard_reads_of_the_index_what_the_plan_reads(is_exempt: bool) -> None:
    live = mandate(stages=[enforced(NOW - 300 * DAY)])
    seed_version(live, approved_by=[], by=host())
    make_operator("ops")
    for number in range(12):
        user = make_person(f"p{number}", has_app=number % 3 == 0, is_verified=number % 4 != 0)
        make_project(f"q{number}", user)
        note_shown(user.pk, ["keys"], "page", now=NOW - DAY)
        if is_exempt and number % 2:
            seed_exemption(user, "keys", until=NOW + 9 * DAY, reason="x", approved_by="ops", by=host())
    told: list[bool] = []
    past = [{"state": "announced", "at": NOW - 200 * DAY}, enforced(NOW - 100 * DAY)]
    for proposed in (
        live,
        mandate(),
        mandate("new", stages=past, methods={"accept": ["passkey"]}),
    ):
        plan = previews.preview(proposed, NOW)
        found = [one for one in plan.refusals if one.path == NOTICE_PATH]
        told.append(bool(found))
        assert previews.notice_remarks(proposed, NOW) == found
        with previews.once():
            assert previews.notice_remarks(proposed, NOW) == found
    assert told == [is_exempt, False, True]  # said again, it has no exemptions any more
    assert people.count_all() == 13
