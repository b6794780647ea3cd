"""A CDN in front of a server that is killed before or after telling it: whatever is gone, it is told of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cdn import Cdn
from tests.faults.conftest import Index

pytestmark = [pytest.mark.database, pytest.mark.by_turns]
ACTS = {
    "quarantine": ("quarantine", "alpha", "--reason", "steals keys"),
    "lifting": ("quarantine", "lift", "alpha"),
}


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    with Cdn() as found:
        yield found


def test_every_act_by_page_or_command_is_told_and_waits_for_nobody(index: Index, cdn: Cdn) -> None:
    cdn.seconds = 1.0  # each request
    with index.served("--workers", "2", KEYHOUSE_PURGE_URL=cdn.url):
        for words in ACTS.values():
            _require_told(cdn, lambda words=words: index.place.keyhouse(*words))
        for path, fields in (
            ("/manage/project/alpha/release/1.0/yank/", {"reason": "broken"}),
            ("/manage/project/alpha/release/1.0/unyank/", {}),
        ):
            _require_told(cdn, lambda path=path, fields=fields: _post(index, path, fields))
    index.require_whole()


def _post(index: Index, path: str, fields: dict[str, str]) -> None:
    began = time.monotonic()
    assert index.post(path, **fields).status_code in {302, 303}
    assert time.monotonic() - began < 10


def _require_told(cdn: Cdn, act: Any) -> None:
    cdn.told.clear()
    act()
    cdn.wait_for("project/alpha")


@pytest.mark.parametrize("point", ["purge.noticed", "purge.told"])
def test_killed_before_or_after_the_call_it_is_told_by_the_next_server(
    index: Index, cdn: Cdn, point: str
) -> None:
    with index.served(KEYHOUSE_PURGE_URL=cdn.url):
        pass  # from now on there is something to tell
    killed = index.start(point, KEYHOUSE_PURGE_URL=cdn.url)
    index.place.keyhouse(*ACTS["quarantine"])
    assert killed.process.wait(30) < 0
    assert cdn.told == ([] if point == "purge.noticed" else [["listing", "project/alpha"]])
    cdn.told.clear()
    with index.served(KEYHOUSE_PURGE_URL=cdn.url):
        cdn.wait_for("project/alpha")
    index.require_whole()


def test_a_cdn_that_refuses_is_told_on_and_on_and_the_doctor_says_so(index: Index, cdn: Cdn) -> None:
    cdn.status = 401
    with index.served(KEYHOUSE_PURGE_URL=cdn.url):
        index.place.keyhouse(*ACTS["quarantine"])
        until = time.monotonic() + 60
        while len(cdn.told) < 2 or not _told_by_doctor(index, cdn):
            assert time.monotonic() < until
            time.sleep(0.5)
        assert index.get("/simple/alpha/").status_code == 200  # nobody else is troubled
        cdn.status = 200
        while _told_by_doctor(index, cdn):
            assert time.monotonic() < until + 60
            time.sleep(1)


def _told_by_doctor(index: Index, cdn: Cdn) -> bool:
    done = index.place.run("doctor", "--offline", "--json", KEYHOUSE_PURGE_URL=cdn.url)
    return "it answers 401" in done.stdout
