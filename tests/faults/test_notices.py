"""N2: killed by SIGKILL in the middle of a digest of a thousand people, and everybody gets exactly one mail."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from tests.cli.places import Place, place

pytestmark = [pytest.mark.database, pytest.mark.by_turns]

PEOPLE = 1000
_TUESDAY = 1


def campaign() -> dict[str, Any]:
    """Return a mandate that was announced a moment ago and is enforced on a Tuesday in three months."""
    announced = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    enforced = announced + timedelta(days=90)
    enforced += timedelta(days=(_TUESDAY - enforced.weekday()) % 7)
    return {
        "name": "everyone",
        "title": "A second factor for everybody",
        "reason": "A stolen password alone must not be able to publish.",
        "who": {"everyone": True},
        "methods": {"accept": ["security-key"], "prefer": "security-key"},
        "notice": {"floor_days": 30, "unreached_cap_days": 60, "remind_days": [14]},
        "stages": [
            {"state": "announced", "at": announced.isoformat(), "warn": ["all"]},
            {"state": "enforced", "at": enforced.isoformat(), "deny": ["all"]},
        ],
    }


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Place]:
    """Have an index with a thousand owners, to whom a mandate has something to tell."""
    with place(tmp_path / "data") as made:
        made.settings["KEYHOUSE_MAIL_DIR"] = str(tmp_path / "mails")
        for first in range(0, PEOPLE, 250):
            names = [f"person{number}" for number in range(first, first + 250)]
            users = [
                {"username": name, "email": f"{name}@example.org", "password": None, "verified": True}
                for name in names
            ]
            made.seed({"users": users})
        path = tmp_path / "everyone.json"
        path.write_text(json.dumps(campaign()))
        made.keyhouse("mandate", "apply", path)
        yield made


def mailed(place: Place) -> Counter[str]:
    """Return how many mails of mandates lie in whose mailbox."""
    folder = Path(place.settings["KEYHOUSE_MAIL_DIR"])
    files = [path for path in folder.rglob("*") if path.is_file()]
    mails = [message_from_bytes(path.read_bytes()) for path in files]
    return Counter(str(one["To"]) for one in mails if one["X-Keyhouse-Kind"] == "mandate-notice")


def settle(place: Place) -> None:
    """Let everything be done; on a busy machine the time runs out, and what is killed then is begun anew."""
    for _ in range(20):
        with suppress(subprocess.TimeoutExpired):
            place.keyhouse("dev", "settle")
            return
    pytest.fail("it doesn't come to an end")


def test_n2_a_digest_of_a_thousand_that_is_killed_again_and_again_reaches_everybody_once(
    crowd: Place,
) -> None:
    for fault in ("notice.committed", "notice.rows-written", "notice.committed", "mail.handed-over"):
        died = crowd.run("dev", "settle", KEYHOUSE_FAULT=fault)
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    settle(crowd)
    found = mailed(crowd)
    assert len(found) == PEOPLE
    assert set(found.values()) == {1}
    settle(crowd)
    assert mailed(crowd) == found
