"""A campaign as a time line: in the terminal, as data, and on a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.template import engines
from hypothesis import given
from hypothesis import strategies as st
from tests.mandate.ledger import DAY, NOW, mandate

from keyhouse.mandate import defaults
from keyhouse.mandate.campaigns.drawing import WIDTH, draw
from keyhouse.mandate.campaigns.timeline import Timeline, moved_onto_bad_days, of_mandate, timeline_of, told
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.shadowing import shadow_of

BERLIN = ZoneInfo("Europe/Berlin")
NAMED = {"user": ["secret-name"]}


def stages(start: datetime = NOW) -> list[dict[str, Any]]:
    return [
        {"state": "announced", "at": start, "warn": ["all"], "deny": ["second-factor.remove-last"]},
        {"state": "early", "at": start + 49 * DAY, "who": NAMED, "deny": ["management"]},
        {"state": "enforced", "at": start + 91 * DAY, "deny": ["all"]},
    ]


def campaign(**changes: Any) -> Mandate:
    return mandate(**{"stages": stages(), **changes})


def kinds(line: Timeline) -> list[tuple[str, str]]:
    return [(one.kind, f"{one.at:%m-%d}") for one in line.events]


def test_it_has_stages_notices_and_deadlines_in_their_order() -> None:
    line = of_mandate(campaign(), NOW + DAY)
    assert kinds(line) == [
        ("stage", "06-02"),
        ("tell-by", "06-21"),
        ("stage", "07-21"),
        ("deadlines", "07-21"),
        ("tell-by", "08-02"),
        ("stage", "09-01"),
        ("deadlines", "09-01"),
    ]
    assert [one.until for one in line.events if one.until] == [NOW + 109 * DAY, NOW + 151 * DAY]
    assert [one.refuses for one in line.stages] == [True, True, True]
    assert line.next is not None
    assert (line.next.kind, line.next.at) == ("tell-by", NOW + 19 * DAY)


def test_what_waits_for_no_notice_has_no_deadlines_of_people() -> None:
    line = timeline_of(Policy(campaign(), 1, is_floor_exempt=True), NOW)
    assert {one.kind for one in line.events} == {"stage"}


def test_no_notice_is_due_before_the_announcement_or_without_a_floor() -> None:
    short = campaign(notice={"floor_days": 60, "unreached_cap_days": 60})
    assert ("tell-by", "06-21") not in kinds(of_mandate(short, NOW))
    none = campaign(notice={"floor_days": 0, "unreached_cap_days": 0})
    assert {one.kind for one in of_mandate(none, NOW).events} == {"stage", "tell-by"}


def test_tokens_that_expire_are_on_it() -> None:
    ends = campaign(credentials={"before": "expire", "grace": "refuse", "at": NOW + 100 * DAY})
    (event,) = [one for one in of_mandate(ends, NOW).events if one.kind == "tokens"]
    assert (event.at, "older ones" in event.text, "newer" in event.text) == (NOW + 100 * DAY, True, False)


def test_an_end_is_one_and_nothing_comes_after_it() -> None:
    line = of_mandate(campaign(), NOW + 400 * DAY)
    assert line.next is None
    assert line.as_dict()["next"] is None
    assert all(one["is_past"] for one in line.as_dict()["events"])
    assert told(line.as_dict(), UTC).endswith("now; nothing more is to come")


def test_the_default_has_held_since_the_beginning() -> None:
    text = told(timeline_of(defaults.DEFAULT, NOW).as_dict(), UTC)
    assert "* since the beginning  In force: Refuses everything" in text


# ---- in the terminal


def test_n1_the_terminal_tells_utc_and_the_zone_of_the_host_beside_it() -> None:
    text = told(of_mandate(campaign(), NOW + DAY).as_dict(), BERLIN)
    assert "* 2026-06-02 00:00 UTC (02:00 CEST)  Announced: " in text
    assert "> 2026-06-03 00:00 UTC (02:00 CEST)  now" in text
    assert "o 2026-09-01 00:00 UTC (02:00 CEST)  In force: " in text
    west = told(of_mandate(campaign(), NOW).as_dict(), timezone(timedelta(hours=-5), "EST"))
    assert "2026-06-02 00:00 UTC (2026-06-01 19:00 EST)" in west
    assert "(" not in told(of_mandate(campaign(), NOW).as_dict(), UTC).splitlines()[1].partition("  ")[0]


@pytest.mark.parametrize(
    ("at", "here"),
    [
        ("2026-10-25T00:30:00", "02:30 CEST"),
        ("2026-10-25T01:30:00", "02:30 CET"),
        ("2027-03-28T00:59:59", "01:59 CET"),
        ("2027-03-28T01:00:00", "03:00 CEST"),
        ("2028-02-28T23:30:00", "2028-02-29 00:30 CET"),
        ("2027-12-31T23:30:00", "2028-01-01 00:30 CET"),
    ],
)
def test_n1_where_clocks_are_turned_and_days_and_years_end_both_are_right(at: str, here: str) -> None:
    start = datetime.fromisoformat(at).replace(tzinfo=UTC)
    text = told(of_mandate(campaign(stages=stages(start)), NOW).as_dict(), BERLIN)
    assert f"{start:%Y-%m-%d %H:%M} UTC ({here})" in text


def test_names_of_people_stand_nowhere() -> None:
    line = of_mandate(campaign(), NOW)
    assert "secret-name" not in str(line.as_dict())
    assert "people it names" in told(line.as_dict(), UTC)


# ---- the picture


def page(one: Mandate | Policy, now: datetime) -> str:
    template = engines["django"].from_string("{% load timelines %}{% timeline policy now %}")
    policy = one if isinstance(one, Policy) else Policy(one)
    return str(template.render({"policy": policy, "now": now}))


def test_the_page_draws_it_and_says_the_same_as_a_list_without_script_or_style() -> None:
    text = page(campaign(), NOW + DAY)
    assert len(re.findall(r"<rect ", text)) == 3 + 2
    assert len(re.findall(r"<li>", text)) == 7
    assert re.findall(r'class="(stage-\w+)"', text) == ["stage-warns", "stage-some", "stage-denies"]
    assert 'role="img"' in text
    assert "<title id=" in text
    assert not re.search(r"<script|style=|on\w+=", text)
    assert '<time datetime="2026-09-01T00:00:00Z">2026-09-01 00:00 UTC</time>' in text
    assert "secret-name" not in text
    for one in of_mandate(campaign(), NOW).events:
        assert one.title in text.replace("&quot;", '"')
    assert len(text) < 20_000


@given(st.integers(0, 49), st.integers(-20_000, 20_000), st.integers(1, 5_000))
def test_whatever_the_dates_the_picture_stays_within_its_frame(count: int, offset: int, step: int) -> None:
    many = [
        {"state": "reminding", "at": NOW + number * timedelta(hours=step), "warn": ["all"]}
        for number in range(count + 1)
    ]
    found = draw(of_mandate(campaign(stages=many), NOW + timedelta(hours=offset)))
    assert all(0 <= bar.x <= WIDTH and bar.x + bar.width <= WIDTH + 2 and bar.width > 0 for bar in found.bars)
    assert all(0 <= mark.x <= WIDTH for mark in found.marks)
    assert 0 <= found.now <= WIDTH
    assert len(found.marks) == count + 1


def test_fifty_stages_with_deadlines_still_make_a_small_page() -> None:
    many = [{"state": "announced", "at": NOW}] + [
        {"state": "early", "at": NOW + number * DAY, "who": {"user": [f"u{number}"]}, "deny": ["all"]}
        for number in range(1, 50)
    ]
    assert len(page(campaign(stages=many), NOW)) < 90_000


# ---- pauses


@dataclass(frozen=True)
class Paused(Policy):
    """A version as the ledger has it in a pause, and after one."""

    pauses: tuple[tuple[datetime, datetime | None], ...] = ()
    original: Mandate | None = None

    @property
    def as_written(self) -> Mandate:
        return self.original or self.mandate


def test_in_a_pause_what_is_to_come_has_no_instant() -> None:
    begun = campaign(stages=stages()[:1])
    paused = Paused(begun, pauses=((NOW + DAY, None),), original=campaign())
    line = timeline_of(paused, NOW + 3 * DAY)
    assert [(one.title, one.is_known) for one in line.events] == [
        ("Announced", True), ("Paused", True), ("Early for some", False), ("In force", False),
    ]  # fmt: skip
    assert line.next is None
    assert [one["at"] for one in line.as_dict()["events"]][2:] == [None, None]
    assert "o when it goes on  In force: " in told(line.as_dict(), UTC)
    text = page(paused, NOW + 3 * DAY)
    assert "When it goes on" in text
    assert 'class="span-pause"' in text


def test_after_a_pause_both_its_ends_are_on_it_and_what_came_later_is_later() -> None:
    later = [stages()[0], *({**one, "at": one["at"] + 7 * DAY} for one in stages()[1:])]
    resumed = Paused(campaign(stages=later), pauses=((NOW + DAY, NOW + 8 * DAY),), original=campaign())
    line = timeline_of(resumed, NOW + 9 * DAY)
    assert [(one.kind, f"{one.at:%m-%d}") for one in line.events][:3] == [
        ("stage", "06-02"), ("pause", "06-03"), ("resume", "06-10"),
    ]  # fmt: skip
    assert [f"{one.at:%m-%d}" for one in line.stages] == ["06-02", "07-28", "09-08"]


def test_n1_a_reason_for_one_day_is_none_for_the_one_that_a_pause_made_of_it() -> None:
    why = {"override": "The old index closes."}
    written = campaign(
        stages=[stages()[0], {"state": "enforced", "at": NOW + 31 * DAY, "deny": ["all"]}], calendar=why
    )
    saturday = campaign(
        stages=[stages()[0], {"state": "enforced", "at": NOW + 32 * DAY, "deny": ["all"]}], calendar=why
    )
    moved = Paused(saturday, pauses=((NOW + DAY, NOW + 2 * DAY),), original=written)
    (text,) = moved_onto_bad_days(moved, NOW)
    assert "Saturday, 2026-07-04" in text


# ---- shadows

SHADOW = {"state": "shadow", "at": NOW, "deny": ["management"]}


def test_x7_a_shadow_stands_on_it_with_its_end_and_the_announcement_after_it() -> None:
    line = of_mandate(campaign(stages=[SHADOW, *stages(NOW + 20 * DAY)]), NOW + DAY)
    first = line.events[0]
    assert (first.kind, first.at, first.until, first.refuses) == ("shadow", NOW + DAY, NOW + 20 * DAY, False)
    assert "Refuses nobody and is told to nobody; until 2026-06-22 00:00 UTC it is counted" in first.text
    assert "stale" not in {one.kind for one in line.events}
    assert [one.kind for one in line.stages] == ["stage"] * 3
    assert "* 2026-06-03 00:00 UTC  Shadow: Refuses nobody" in told(line.as_dict(), UTC)


def test_x7_a_shadow_with_nothing_after_it_has_its_stale_day_on_it() -> None:
    line = of_mandate(campaign(stages=[SHADOW]), NOW)
    assert [(one.kind, one.at, one.until) for one in line.events] == [
        ("shadow", NOW, NOW + 30 * DAY), ("stale", NOW + 30 * DAY, None),
    ]  # fmt: skip
    late = of_mandate(campaign(stages=[SHADOW, *stages(NOW + 50 * DAY)]), NOW)
    (stale,) = [one for one in late.events if one.kind == "stale"]
    assert (stale.at, stale.until) == (NOW + 30 * DAY, NOW + 50 * DAY)
    assert "somebody decides" in told(late.as_dict(), UTC)


def test_x7_what_the_ledger_knows_of_a_shadow_is_what_is_shown() -> None:
    policy = Policy(campaign(stages=[SHADOW]), 2)
    ended = shadow_of(policy, NOW + 2 * DAY, superseded_at=NOW + 9 * DAY)
    events = timeline_of(policy, NOW + 3 * DAY, ended).events
    assert [(one.kind, one.at, one.until) for one in events] == [("shadow", NOW + 2 * DAY, NOW + 9 * DAY)]


@pytest.mark.django_db
def test_x7_the_picture_has_the_shadow_and_stays_within_its_frame() -> None:
    text = page(campaign(stages=[SHADOW, *stages(NOW + 20 * DAY)]), NOW + DAY)
    assert text.count('class="span-shadow"') == 1
    assert "Nobody" not in text.partition("<figcaption>")[0]
    alone = page(campaign(stages=[SHADOW]), NOW)
    assert 'class="span-shadow"' in alone
    assert "Shadow ends with nothing after it" in alone


# ---- days


def test_n1_what_a_pause_moved_onto_a_bad_day_is_told() -> None:
    friday = NOW + 31 * DAY
    one = campaign(stages=[stages()[0], {"state": "enforced", "at": friday, "deny": ["all"]}])
    (text,) = moved_onto_bad_days(Policy(one), NOW)
    assert text.startswith("Stage 2 would begin to refuse something on Friday, 2026-07-03 (UTC)")
    assert moved_onto_bad_days(Policy(campaign()), NOW) == []
    overridden = mandate(
        stages=[stages()[0], {"state": "enforced", "at": friday, "deny": ["all"]}],
        calendar={"override": "The old index closes."},
    )
    assert moved_onto_bad_days(Policy(overridden), NOW) == []
