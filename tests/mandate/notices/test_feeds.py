"""What is to come, as JSON Feed and as a calendar: well-formed whatever operators write, and bad headers are no error."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from tests.mandate.notices import icalendar
from tests.mandate.notices.telling import ANNOUNCED, DAY, ENFORCED, announce, campaign, store

from keyhouse.core import clock
from keyhouse.mandate.notices.calendars import FOLDED_AT, Event, calendar_text, escaped, folded

WHERE = "/mandate/feed.ics"
NASTY = "A “factor”; for all, by June\\now ✓ " + "very long " * 15


@pytest.fixture(autouse=True)
def standing(wired: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: ANNOUNCED + DAY)


def get(path: str, **headers: str) -> Any:
    return Client().get(path, headers=headers)


def events(body: bytes) -> dict[str, icalendar.Component]:
    return {one.value("UID"): one for one in icalendar.read(body).parts}


@pytest.mark.django_db
def test_n3_the_calendar_holds_every_stage_in_utc_and_is_well_formed() -> None:
    announce(campaign(title=NASTY.strip(), reason="Line one.\nBEGIN:VALARM, too; yes"))
    answer = get(WHERE)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    found = events(answer.content)
    assert set(found) == {"campaign.announced.1@localhost", "campaign.enforced.1@localhost"}
    enforced = found["campaign.enforced.1@localhost"]
    assert enforced.value("DTSTART") == f"{ENFORCED:%Y%m%dT%H%M%SZ}"
    assert NASTY.strip() in icalendar.unescape(enforced.value("SUMMARY"))
    assert "BEGIN:VALARM, too; yes" in icalendar.unescape(enforced.value("DESCRIPTION"))


@pytest.mark.django_db
def test_n3_an_event_keeps_its_uid_and_counts_up_when_its_mandate_changes() -> None:
    announce()
    before = events(get(WHERE).content)["campaign.enforced.1@localhost"]
    stages = [
        {"state": "announced", "at": ANNOUNCED},
        {"state": "enforced", "at": ENFORCED + 20 * DAY, "deny": ["all"]},
    ]
    store(campaign(stages=stages), version=2, effective_at=ANNOUNCED)
    after = events(get(WHERE).content)["campaign.enforced.1@localhost"]
    assert (before.value("SEQUENCE"), after.value("SEQUENCE")) == ("0", "1")
    assert after.value("DTSTART") == f"{ENFORCED + 20 * DAY:%Y%m%dT%H%M%SZ}"


@pytest.mark.django_db
def test_n3_the_feed_is_json_feed_of_the_same_stages() -> None:
    announce()
    answer = get("/mandate/feed.json")
    assert answer["Content-Type"] == "application/feed+json; charset=utf-8"
    told = json.loads(answer.content)
    assert told["version"] == "https://jsonfeed.org/version/1.1"
    assert told["feed_url"].endswith("/mandate/feed.json")
    assert len({one["id"] for one in told["items"]}) == 2
    for one in told["items"]:
        assert one["content_text"]
        assert datetime.fromisoformat(one["date_published"]).tzinfo is not None
    assert [one["_keyhouse"]["state"] for one in told["items"]] == ["announced", "enforced"]


@pytest.mark.django_db
def test_what_always_held_has_no_date_and_named_people_stand_in_no_feed() -> None:
    assert events(get(WHERE).content) == {}
    announce(campaign(who={"user": ["ada"]}))
    for path in (WHERE, "/mandate/feed.json", "/mandate/notices.json"):
        assert b"ada" not in get(path).content


@pytest.mark.django_db
@pytest.mark.parametrize("path", [WHERE, "/mandate/feed.json", "/mandate/notices.json"])
def test_readers_may_ask_whether_anything_changed(path: str) -> None:
    announce()
    first = get(path)
    again = get(path, if_none_match=first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert get(path, if_none_match=f'"x", W/{first["ETag"]}').status_code == 304
    assert get(path, if_none_match='"another"').status_code == 200
    assert Client().head(path).status_code == 200
    store(campaign(reason="Said better."), version=2, effective_at=ANNOUNCED)
    assert get(path, if_none_match=first["ETag"]).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value", ["", '"', "W/", "\x7f", "é", '"a' * 3000, "Sat, 99 Foo 2024 99:99:99 GMT", "*", ",,,"]
)
@pytest.mark.parametrize(
    "header", ["if_none_match", "if_modified_since", "if_match", "range", "accept", "if_range"]
)
def test_bad_headers_are_no_error(header: str, value: str) -> None:
    announce()
    assert get(WHERE, **{header: value}).status_code in {200, 304, 412}
    assert get("/mandate/feed.json", **{header: value}).status_code in {200, 304, 412}


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_stands_in_a_text_the_calendar_is_well_formed(summary: str, description: str) -> None:
    event = Event("a@b", 0, ANNOUNCED, ANNOUNCED, summary, description, "http://localhost/")
    told = icalendar.read(calendar_text("x", [event]).encode(errors="replace"))
    [found] = told.parts
    lines = summary.encode(errors="replace").decode().splitlines() or [""]
    assert icalendar.unescape(found.value("SUMMARY")).startswith(escaped(lines[0])[:0])


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=400))
def test_folding_loses_nothing(text: str) -> None:
    pieces = folded(text).split("\r\n")
    assert all(len(piece.encode()) <= FOLDED_AT for piece in pieces)
    assert all(piece.startswith(" ") for piece in pieces[1:])
    assert "".join([pieces[0], *(piece[1:] for piece in pieces[1:])]) == text
