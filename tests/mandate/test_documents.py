from __future__ import annotations

import copy
import json
import tomllib
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mandate.ledger import DAY, NOW, document

from keyhouse.core.actions import CATALOGUE
from keyhouse.mandate import defaults
from keyhouse.mandate.documents import DocumentInvalid, actions_of, read_mandate, read_selector, shown
from keyhouse.mandate.facts import Person
from keyhouse.mandate.selectors import AllOf, AnyOf, Cohort, HasRole, NotOf, View, criteria_of, leaves

HANDBOOK = Path(__file__).parents[2] / "docs" / "operate" / "mandate.md"


def refused(**changes: Any) -> tuple[str, str]:
    """Read a document that can't be, and return where and why."""
    with pytest.raises(DocumentInvalid) as raised:
        read_mandate(document(**changes))
    return shown(raised.value.path), raised.value.reason


def selecting(body: Any) -> Any:
    return read_selector(body, ("who",))


# ---- what can be


def test_the_example_of_the_handbook_is_one() -> None:
    text = HANDBOOK.read_text().partition("```toml\n")[2].partition("```")[0]
    found = read_mandate(tomllib.loads(text))
    assert [stage.state for stage in found.stages] == ["announced", "early", "enforced"]
    assert (found.floor, found.unreached_cap) == (30 * DAY, 60 * DAY)
    assert (found.credentials.before, found.credentials.grace) == ("warn", "refuse")
    assert found.replaces == ("default",)


def test_the_document_that_is_kept_says_the_same_and_has_one_digest() -> None:
    found = read_mandate(document())
    kept = json.loads(json.dumps(found.as_dict()))
    assert read_mandate(kept) == found
    assert read_mandate(kept).digest == found.digest
    assert found.digest != read_mandate(document(title="Another")).digest
    spelled = document(who={"role": ["project.maintainer", "project.owner"]})
    assert read_mandate(spelled).digest == found.digest


def test_the_default_can_be_read_and_covers_whoever_can_change_something() -> None:
    found = defaults.DEFAULT.mandate
    assert found.digest == read_mandate(found.as_dict()).digest
    assert found.stages[0].deny == actions_of("all")


def test_what_is_not_said_has_its_default() -> None:
    found = read_mandate(document())
    assert (found.floor.days, found.unreached_cap.days, found.deletion_hold.days) == (30, 60, 14)
    assert (found.prefer, found.link, found.satisfies, found.replaces) == ("security-key", "", (), ())
    assert (found.credentials.before, found.credentials.grace) == ("refuse", "refuse")
    longer = read_mandate(document(notice={"floor_days": 90}))
    assert longer.unreached_cap.days == 90


def test_sets_of_actions_stand_for_exact_names() -> None:
    stage = {"state": "enforced", "at": NOW, "deny": ["publishing", "token.mint"], "warn": ["management"]}
    found = read_mandate(document(stages=[stage])).stages[0]
    assert found.deny == actions_of("publishing") | {"token.mint"}
    assert found.warn == {name for name, one in CATALOGUE.items() if one.gated and one.set == "management"}
    assert actions_of("all") == {name for name, one in CATALOGUE.items() if one.gated}


def test_selectors_combine() -> None:
    found = selecting(
        {"all": [{"any": [{"role": ["operator"]}, {"user": ["Ada"]}]}, {"not": {"project": ["Al_pha"]}}]}
    )
    assert isinstance(found, AllOf)
    assert isinstance(found.parts[0], AnyOf)
    assert isinstance(found.parts[1], NotOf)
    assert found.as_dict() == {
        "all": [{"any": [{"role": ["operator"]}, {"user": ["ada"]}]}, {"not": {"project": ["al-pha"]}}]
    }
    assert len(list(leaves(found))) == 3


def test_every_selector_is_written_as_it_was_read() -> None:
    for body in (
        {"everyone": True},
        {"organization": ["acme"]},
        {"joined_from": "2024-01-01T00:00:00Z"},
        {"cohort": {"percent": 12.5, "seed": "x"}},
        {"critical": {"metric": "dependents", "window_days": 30, "at_least": 50, "keep_above": 0.8}},
        {
            "critical": {
                "metric": "unique-clients",
                "window_days": 180,
                "top": 100,
                "keep_above": 1.0,
                "frozen_at": "2024-01-01T00:00:00Z",
            }
        },
    ):
        assert selecting(body).as_dict() == body
        assert selecting(selecting(body).as_dict()) == selecting(body)


def test_criteria_are_found_wherever_they_stand() -> None:
    critical = {"critical": {"metric": "dependents", "top": 10}}
    found = read_mandate(
        document(
            stages=[
                {"state": "announced", "at": NOW},
                {"state": "early", "at": NOW + DAY, "who": {"not": critical}, "deny": ["all"]},
            ]
        )
    )
    assert [one.top for one in found.criteria] == [10]
    assert criteria_of(found.who) == frozenset()


def test_what_is_not_written_of_calendar_and_launch_changes_no_digest() -> None:
    assert defaults.DEFAULT.mandate.digest == (
        "f40dec4048379eed5a1d73e377dab65481a1bed066c3c7626201c0b42c32e50e"
    ), "what stands in ledgers already must keep its digest"
    plain = read_mandate(document())
    assert {"calendar", "launch"}.isdisjoint(plain.as_dict())
    assert read_mandate(document(calendar={})).digest == plain.digest
    assert read_mandate(document(launch={})).digest != plain.digest


def test_a_campaign_says_what_its_launch_asks_and_what_pauses_it() -> None:
    body = document(
        calendar={"holidays": [date(2027, 1, 1), "2026-12-25"], "override": " The old index closes then. "},
        launch={
            "requires": ["simulation", "operators", "rehearsal"],
            "pause_when": {"gated_uploads_per_hour": 500, "bounced_percent": 2},
            "keep_factors_days": 0,
        },
    )
    found = read_mandate(body)
    assert found.as_dict()["calendar"] == {
        "holidays": ["2026-12-25", "2027-01-01"],
        "override": "The old index closes then.",
    }
    assert found.as_dict()["launch"] == {
        "requires": ["operators", "simulation", "rehearsal"],
        "keep_factors_days": 0,
        "pause_when": {"gated_uploads_per_hour": 500, "bounced_percent": 2.0},
    }
    kept = json.loads(json.dumps(found.as_dict()))
    assert (read_mandate(kept), read_mandate(kept).digest) == (found, found.digest)
    assert hash(found) == hash(read_mandate(kept))


def test_a_launch_asks_for_all_but_a_rehearsal_if_nothing_else_is_said() -> None:
    found = read_mandate(document(launch={})).launch
    assert found is not None
    assert found.requires == ("operators", "break-glass", "methods", "recovery", "notice", "simulation")
    assert (found.keep_factors, found.pause_when.as_dict()) == (30 * DAY, {})
    none = read_mandate(document(launch={"requires": []})).launch
    assert none is not None
    assert none.requires == ()


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**10), st.floats(), st.text(max_size=12), st.dates(), st.datetimes(),
    st.sampled_from(["2024-02-29", "2023-02-29", "operators", "rehearsal", "0000-00-00", "9999-12-31"]),
)  # fmt: skip
_SOME = st.one_of(_VALUES, st.lists(_VALUES, max_size=3))


@given(
    st.fixed_dictionaries({}, optional={"holidays": _SOME, "override": _SOME, "junk": _VALUES}),
    st.fixed_dictionaries(
        {},
        optional={
            "requires": _SOME,
            "keep_factors_days": _SOME,
            "pause_when": st.one_of(
                _SOME,
                st.dictionaries(
                    st.sampled_from(
                        [
                            "gated_uploads_per_hour",
                            "recovery_age_hours",
                            "bounced_percent",
                            "failed_enrolments_percent",
                            "x",
                        ]
                    ),
                    _SOME,
                    max_size=4,
                ),
            ),
        },
    ),
)
def test_nothing_but_a_campaign_or_a_complaint_comes_of_any_calendar_and_launch(
    calendar: dict[str, Any], launch: dict[str, Any]
) -> None:
    try:
        found = read_mandate(document(calendar=calendar, launch=launch))
    except DocumentInvalid as error:
        assert error.path[0] in {"calendar", "launch"}  # noqa: PT017 - either outcome is fine
        assert str(error).isprintable()  # noqa: PT017 - the same
        return
    kept = json.loads(json.dumps(found.as_dict()))
    assert (read_mandate(kept), read_mandate(kept).digest) == (found, found.digest)


def test_instants_are_taken_in_any_zone_and_told_in_utc() -> None:
    east = datetime(2026, 6, 2, 2, tzinfo=timezone(timedelta(hours=2)))
    for at in (east, "2026-06-02T02:00:00+02:00", NOW):
        found = read_mandate(document(stages=[{"state": "announced", "at": at}]))
        assert found.announced_at == NOW
        assert found.as_dict()["stages"][0]["at"] == "2026-06-02T00:00:00Z"


# ---- what can't be

STAGE = {"state": "enforced", "at": NOW, "deny": ["all"]}


@pytest.mark.parametrize(
    ("changes", "where", "why"),
    [
        ({"name": "Everyone"}, "name", "lower-case"),
        ({"name": "-x"}, "name", "lower-case"),
        ({"name": "x" * 64}, "name", "at most 63"),
        ({"name": 7}, "name", "a text"),
        ({"title": " "}, "title", "a text"),
        ({"title": "x" * 201}, "title", "at most 200"),
        ({"reason": "a\x07b"}, "reason", "printable"),
        ({"link": "javascript:alert(1)"}, "link", "https://"),
        ({"link": "https://a b"}, "link", "https://"),
        ({"surprise": 1}, "surprise", "unknown key"),
        ({"replaces": ["keys"]}, "replaces", "itself"),
        ({"satisfies": "A3.2"}, "satisfies", "a list"),
        ({"who": {}}, "who", "exactly one key"),
        ({"who": {"role": ["operator"], "user": ["ada"]}}, "who", "exactly one key"),
        ({"who": {"everyone": False}}, "who.everyone", "only be true"),
        ({"who": {"everybody": True}}, "who.everybody", "no such selector"),
        ({"who": {"role": []}}, "who.role", "not be empty"),
        ({"who": {"role": ["boss"]}}, "who.role", "no role"),
        ({"who": {"user": ["ada", "ada"]}}, "who.user", "twice"),
        ({"who": {"user": [f"u{number}" for number in range(1001)]}}, "who.user", "1,001 names"),
        ({"who": {"any": [{"role": ["operator"]}] * 1001}}, "who.any", "1,001 selectors"),
        ({"who": {"any": []}}, "who.any", "at least one"),
        ({"who": {"any": [{"everyone": True}, {"role": ["boss"]}]}}, "who.any[1].role", "no role"),
        ({"who": {"not": []}}, "who.not", "exactly one key"),
        ({"who": {"cohort": {"percent": 0, "seed": "x"}}}, "who.cohort.percent", "above 0"),
        ({"who": {"cohort": {"percent": 101, "seed": "x"}}}, "who.cohort.percent", "at most 100"),
        ({"who": {"cohort": {"percent": float("nan"), "seed": "x"}}}, "who.cohort.percent", "above 0"),
        ({"who": {"cohort": {"percent": True, "seed": "x"}}}, "who.cohort.percent", "a number"),
        ({"who": {"cohort": {"percent": 10}}}, "who.cohort.seed", "missing"),
        ({"who": {"joined_from": "2024-01-01"}}, "who.joined_from", "zone"),
        ({"who": {"critical": {"metric": "downloads", "top": 1}}}, "who.critical.metric", "one of"),
        ({"who": {"critical": {"metric": "dependents"}}}, "who.critical", "top or at_least"),
        (
            {"who": {"critical": {"metric": "dependents", "top": 1, "at_least": 1}}},
            "who.critical",
            "top or at_least",
        ),
        ({"who": {"critical": {"metric": "dependents", "top": 0}}}, "who.critical.top", "from 1"),
        ({"methods": {}}, "methods.accept", "missing"),
        ({"methods": {"accept": []}}, "methods.accept", "not be empty"),
        ({"methods": {"accept": ["sms"]}}, "methods.accept", "none of"),
        ({"methods": {"accept": ["recovery-code"]}}, "methods.accept", "none of"),
        ({"methods": {"accept": ["passkey"], "prefer": "security-key"}}, "methods.prefer", "accepted"),
        ({"notice": {"floor_days": -1}}, "notice.floor_days", "whole number"),
        ({"notice": {"floor_days": 366}}, "notice.floor_days", "whole number"),
        ({"notice": {"floor_days": 1.5}}, "notice.floor_days", "whole number"),
        ({"notice": {"floor_days": 30, "unreached_cap_days": 29}}, "notice.unreached_cap_days", "shorter"),
        ({"credentials": {"before": "forget"}}, "credentials.before", "one of"),
        ({"credentials": {"grace": "keep"}}, "credentials.grace", "one of"),
        ({"credentials": {"before": "expire"}}, "credentials.at", "needs it"),
        ({"credentials": {"at": NOW}}, "credentials.at", "needs it"),
        ({"calendar": []}, "calendar", "a table"),
        ({"calendar": {"days": []}}, "calendar.days", "unknown key"),
        ({"calendar": {"holidays": date(2026, 12, 25)}}, "calendar.holidays", "a list of days"),
        ({"calendar": {"holidays": [NOW]}}, "calendar.holidays[0]", "without a time"),
        ({"calendar": {"holidays": ["2026-12-25", 7]}}, "calendar.holidays[1]", "a day"),
        ({"calendar": {"holidays": ["25.12.2026"]}}, "calendar.holidays[0]", "a day"),
        ({"calendar": {"holidays": ["20261225"]}}, "calendar.holidays[0]", "a day"),
        ({"calendar": {"holidays": ["2026-W52-5"]}}, "calendar.holidays[0]", "a day"),
        ({"calendar": {"holidays": ["２０２６-12-25"]}}, "calendar.holidays[0]", "a day"),  # noqa: RUF001 - the point
        ({"calendar": {"holidays": ["2026-12-25\n"]}}, "calendar.holidays[0]", "a day"),
        ({"calendar": {"holidays": ["2026-02-29"]}}, "calendar.holidays[0]", "a day"),
        ({"calendar": {"holidays": ["1969-12-31"]}}, "calendar.holidays[0]", "between the years"),
        ({"calendar": {"holidays": [date(3000, 1, 1)]}}, "calendar.holidays[0]", "between the years"),
        ({"calendar": {"holidays": ["2026-12-25", date(2026, 12, 25)]}}, "calendar.holidays", "twice"),
        ({"calendar": {"holidays": ["2026-12-25"] * 1001}}, "calendar.holidays", "1,001 days"),
        ({"calendar": {"override": True}}, "calendar.override", "a text"),
        ({"calendar": {"override": "x" * 2001}}, "calendar.override", "at most 2000"),
        ({"calendar": {"override": "a\x1b[2J"}}, "calendar.override", "printable"),
        ({"launch": True}, "launch", "a table"),
        ({"launch": {"require": []}}, "launch.require", "unknown key"),
        ({"launch": {"requires": "operators"}}, "launch.requires", "a list"),
        ({"launch": {"requires": ["luck"]}}, "launch.requires", "none of operators"),
        ({"launch": {"requires": ["notice", "notice"]}}, "launch.requires", "twice"),
        ({"launch": {"keep_factors_days": -1}}, "launch.keep_factors_days", "from 0 to 365"),
        ({"launch": {"keep_factors_days": True}}, "launch.keep_factors_days", "whole number"),
        ({"launch": {"pause_when": []}}, "launch.pause_when", "a table"),
        ({"launch": {"pause_when": {"luck": 1}}}, "launch.pause_when.luck", "unknown key"),
        (
            {"launch": {"pause_when": {"gated_uploads_per_hour": 0}}},
            "launch.pause_when.gated_uploads_per_hour",
            "from 1",
        ),
        (
            {"launch": {"pause_when": {"gated_uploads_per_hour": 1.5}}},
            "launch.pause_when.gated_uploads_per_hour",
            "whole",
        ),
        (
            {"launch": {"pause_when": {"recovery_age_hours": 8761}}},
            "launch.pause_when.recovery_age_hours",
            "8760",
        ),
        (
            {"launch": {"pause_when": {"recovery_age_hours": None}}},
            "launch.pause_when.recovery_age_hours",
            "whole",
        ),
        ({"launch": {"pause_when": {"bounced_percent": 0}}}, "launch.pause_when.bounced_percent", "above 0"),
        (
            {"launch": {"pause_when": {"bounced_percent": float("inf")}}},
            "launch.pause_when.bounced_percent",
            "100",
        ),
        (
            {"launch": {"pause_when": {"failed_enrolments_percent": "5"}}},
            "launch.pause_when.failed_enrolments_percent",
            "a number",
        ),
        ({"stages": []}, "stages", "at least one"),
        ({"stages": {}}, "stages", "a list"),
        ({"stages": [STAGE] * 51}, "stages", "at most 50"),
        ({"stages": [{"at": NOW}]}, "stages[0].state", "missing"),
        ({"stages": [STAGE | {"state": "done"}]}, "stages[0].state", "one of"),
        ({"stages": [STAGE | {"state": "paused"}]}, "stages[0].state", "nothing has begun"),
        ({"stages": [STAGE | {"at": datetime(2026, 6, 1)}]}, "stages[0].at", "zone"),  # noqa: DTZ001 - the point
        ({"stages": [STAGE | {"at": date(2026, 6, 1)}]}, "stages[0].at", "zone"),
        ({"stages": [STAGE | {"at": time(1)}]}, "stages[0].at", "zone"),
        ({"stages": [STAGE | {"at": 7}]}, "stages[0].at", "an instant"),
        ({"stages": [STAGE | {"at": "soon"}]}, "stages[0].at", ""),
        ({"stages": [STAGE | {"at": datetime.max.replace(tzinfo=UTC)}]}, "stages[0].at", "between the years"),
        ({"stages": [STAGE | {"at": "0001-01-01T00:00:00+10:00"}]}, "stages[0].at", "between the years"),
        ({"stages": [STAGE, STAGE]}, "stages[1].at", "later"),
        ({"stages": [STAGE, STAGE | {"state": "early", "at": NOW + DAY}]}, "stages[1].state", "can't follow"),
        ({"stages": [STAGE | {"deny": ["release.fly"]}]}, "stages[0].deny", "no action"),
        ({"stages": [STAGE | {"deny": ["session.start"]}]}, "stages[0].deny", "open to everybody"),
        ({"stages": [STAGE | {"deny": ["token.revoke"]}]}, "stages[0].deny", "open to everybody"),
        ({"stages": [STAGE | {"who": {"role": ["boss"]}}]}, "stages[0].who.role", "no role"),
        ({"stages": [STAGE | {"share": 10}]}, "stages[0].share", "unknown key"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(changes: dict[str, Any], where: str, why: str) -> None:
    place, reason = refused(**changes)
    assert place == where
    assert why in reason


@pytest.mark.parametrize("key", ["name", "title", "reason", "who", "methods", "stages"])
def test_what_must_be_there_must(key: str) -> None:
    body = document()
    del body[key]
    with pytest.raises(DocumentInvalid) as raised:
        read_mandate(body)
    assert (raised.value.path, raised.value.reason) == ((key,), "is missing")


@pytest.mark.parametrize("body", [None, [], "keys", 7, [document()]])
def test_what_is_no_table_is_no_mandate(body: Any) -> None:
    with pytest.raises(DocumentInvalid, match="must be a table"):
        read_mandate(body)


def test_selectors_nest_so_deep_and_no_deeper() -> None:
    body: dict[str, Any] = {"everyone": True}
    for _ in range(16):
        body = {"not": body}
    assert selecting(body).as_dict() == body
    with pytest.raises(DocumentInvalid, match="nested deeper"):
        selecting({"not": body})
    for _ in range(5000):
        body = {"not": body}
    with pytest.raises(DocumentInvalid, match="nested deeper"):
        selecting(body)


@pytest.mark.parametrize(
    ("states", "is_fine"),
    [
        (["announced", "reminding", "brownout", "reminding", "brownout", "early", "enforced"], True),
        (["announced", "paused", "enforced", "paused", "completed", "retired"], True),
        (["retired"], True),
        (["announced", "enforced", "reminding"], False),
        (["early", "brownout"], False),
        (["enforced", "paused", "announced"], False),
        (["retired", "enforced"], False),
    ],
)
def test_states_go_forward(states: list[str], is_fine: bool) -> None:
    stages = [{"state": state, "at": NOW + number * DAY} for number, state in enumerate(states)]
    if is_fine:
        assert len(read_mandate(document(stages=stages)).stages) == len(states)
    else:
        assert "can't follow" in refused(stages=stages)[1]


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=5), st.datetimes()),
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.text(max_size=4), parts, max_size=2),
    max_leaves=4,
)


_KEYS = sorted(
    {
        *document(),
        "calendar",
        "launch",
        "link",
        "satisfies",
        "replaces",
        "notice",
        "credentials",
        "publishing",
    }
)


@given(st.sampled_from(_KEYS), JUNK)
def test_nothing_but_a_mandate_or_a_complaint_comes_of_any_value(key: str, junk: Any) -> None:
    body = document() | {key: junk}
    before = copy.deepcopy(body)
    try:
        read_mandate(body)
    except DocumentInvalid as error:
        assert error.path[0] == key  # noqa: PT017 - either outcome is fine, and this one says where
    assert str(body) == str(before)


@given(st.integers(0, 200), st.floats(0.1, 100), st.floats(0.1, 100), st.text(min_size=1, max_size=3))
def test_the_smaller_cohort_lies_within_the_larger_one(
    number: int, one: float, other: float, seed: str
) -> None:
    view = View(Person(f"u{number}"), ())
    if Cohort(min(one, other), seed).matches(view):
        assert Cohort(max(one, other), seed).matches(view)


def test_roles_are_told_in_one_order() -> None:
    assert HasRole(frozenset({"operator", "project.owner"})).as_dict() == {
        "role": ["project.owner", "operator"]
    }
