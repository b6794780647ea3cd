"""Processes that die while a mandate's brownout ends, or while somebody puts a deadline off: whole or not there, and once."""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.faults.conftest import Index, _connected

pytestmark = pytest.mark.database

HOUR = timedelta(hours=1)


def tuesday(days: int) -> datetime:
    """Return the first Tuesday after so many days, on which a stage may begin."""
    day = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return day + timedelta(days=(1 - day.weekday()) % 7)


def apply(index: Index, **changes: Any) -> None:
    """Apply a mandate that asks maintainers for a security key, which the person of this index hasn't."""
    body = {
        "name": "keys",
        "title": "A security key",
        "reason": "A stolen password alone must not be able to publish.",
        "who": {"role": ["project.owner"]},
        "methods": {"accept": ["security-key"]},
        **changes,
    }
    for stage in body["stages"]:
        stage["at"] = stage["at"].isoformat().replace("+00:00", "Z")
    file = Path(index.place.data).parent / "keys.json"
    file.write_text(json.dumps(body))
    index.place.keyhouse("mandate", "apply", str(file))


def test_n7_a_snooze_killed_in_the_middle_never_was_and_can_be_taken_again(index: Index) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    stages = [
        {"state": "announced", "at": now - HOUR, "warn": ["all"]},
        {"state": "enforced", "at": tuesday(45), "deny": ["all"]},
    ]
    apply(index, notice={"floor_days": 30, "snooze": {"days": 7, "times": 1}}, stages=stages)
    started = index.start("snooze.written")
    with pytest.raises(requests.ConnectionError):
        index.post("/account/mandate/snooze/keys/")
    assert started.process.wait(20) == -signal.SIGKILL
    assert index.records("mandate.snooze") == []
    with index.served():
        assert index.post("/account/mandate/snooze/keys/").status_code == 303
        assert index.post("/account/mandate/snooze/keys/").status_code == 409
    assert len(index.records("mandate.snooze")) == 1


def test_n8_a_brownout_whose_end_is_killed_ends_once_by_the_next_round(index: Index) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    brownout = {
        "state": "brownout",
        "at": now - HOUR,
        "who": {"everyone": True},
        "deny": ["publishing"],
        "error_budget": {"refusals_per_hour": 5},
    }
    stages = [
        {"state": "announced", "at": now - 2 * HOUR, "warn": ["all"]},
        brownout,
        {"state": "enforced", "at": tuesday(45), "deny": ["all"]},
    ]
    apply(index, notice={"floor_days": 0, "unreached_cap_days": 0}, stages=stages)
    with closing(_connected(index.place)) as connection, connection:
        connection.cursor().execute(
            "INSERT INTO shadow_minute (mandate, minute, refused, uploads, uploads_refused)"
            f" VALUES ('keys', {int(time.time()) // 60}, 6, 6, 6)"
        )
    died = index.place.run("dev", "settle", KEYHOUSE_FAULT="brownout.ended")
    assert died.returncode == -signal.SIGKILL
    assert index.records("mandate.end-brownout") == []
    index.place.keyhouse("dev", "settle")
    index.place.keyhouse("dev", "settle")
    (record,) = index.records("mandate.end-brownout")
    assert record["details"]["why"] == "6 refusals within an hour, and its budget allows 5"
    told = json.loads(index.place.keyhouse("mandate", "explain", "--user", "ada", "--action", "release.upload",
                                           "--with", "token:password", "--json"))  # fmt: skip
    assert told["mandate"] != "keys"
