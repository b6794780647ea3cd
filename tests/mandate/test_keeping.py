from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from tests import ready
from tests.cli.started import keyhouse, serving

from keyhouse.core import clock, configuration
from keyhouse.index.database import UnavailableError, open_database
from keyhouse.mandate import keeping
from keyhouse.mandate.models import CriterionRun

pytestmark = pytest.mark.by_turns

Works = dict[str, object]


@pytest.fixture
def busy() -> Iterator[None]:
    """Let another process be at it."""
    database = open_database(configuration.current())
    with database.alone(keeping.LOCK) as is_mine:
        assert is_mine
        yield
    database.close()


@pytest.mark.django_db(transaction=True)
def test_a_round_does_every_work_and_the_next_one_finds_nothing() -> None:
    now = clock.now()
    nothing = dict.fromkeys(keeping.WORKS, 0)
    assert keeping.keep(now) == nothing | {"protection": 1, "adoption": 2, "weights": 1}
    assert set(keeping.keep(now).values()) == {0}
    assert CriterionRun.objects.count() == 2  # one of them: when weights were worked out


def test_one_process_at_a_time(busy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "TURN_SECONDS", 0.2)
    assert keeping.keep_unless_busy(clock.now()) is None
    with pytest.raises(UnavailableError):
        keeping.keep(clock.now())


def test_a_work_that_fails_keeps_no_other_from_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fail(now: datetime) -> int:
        raise ZeroDivisionError

    def work(now: datetime) -> int:
        done.append("work")
        return 1

    monkeypatch.setattr(keeping, "WORKS", {"first": fail, "second": work})
    with pytest.raises(ZeroDivisionError):
        keeping.keep(clock.now())
    assert done == ["work"]


def test_a_server_looks_again_and_again_and_outlives_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[datetime] = []

    def look(now: datetime) -> int:
        rounds.append(now)
        if len(rounds) == 1:
            raise ZeroDivisionError
        return 0

    monkeypatch.setattr(keeping, "WORKS", {"look": look})
    monkeypatch.setattr(keeping, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(keeping, "POLL_SECONDS", 0.01)
    keeper = keeping.Keeper()
    keeper.start()
    deadline = time.monotonic() + 10
    while len(rounds) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    keeper.stop()
    assert len(rounds) >= 3
    assert "mandate-keeper" not in {thread.name for thread in threading.enumerate()}


def test_a_server_keeps_what_the_gate_answered_until_its_last_moment(tmp_path: Path) -> None:
    data = tmp_path / "index"
    document = {
        "users": [{"username": "ada", "email": "ada@example.org", "password": None, "verified": True}],
        "projects": [{"name": "alpha", "owners": ["ada"]}],
        "sessions": [{"user": "ada", "proved": ["password"]}],
    }
    (tmp_path / "seed.json").write_text(json.dumps(document))
    ready.lay(data, {})
    seeded = keyhouse("dev", "seed", tmp_path / "seed.json", KEYHOUSE_DATA=str(data))
    assert seeded.returncode == 0, seeded.stderr
    cookie = json.loads(seeded.stdout)["sessions"][0]["cookie"]
    with serving(data, KEYHOUSE_DATA=str(data)) as server:
        assert server.get("/manage/project/alpha/", Cookie=cookie)[0] == 403
    rows = sqlite3.connect(data / "keyhouse.sqlite3").execute(
        "SELECT verdict, code, mandate FROM mandate_gatedattempt"
    )
    assert ("deny", "second-factor-required", "default@1") in rows.fetchall()


def test_dev_settle_does_it_until_nothing_is_left(tmp_path: Path) -> None:
    data = tmp_path / "index"
    ready.lay(data, {})
    first, second = (json.loads(keyhouse("dev", "settle", KEYHOUSE_DATA=str(data)).stdout) for _ in range(2))
    assert first["protection"] == 1
    assert set(second.values()) == {0}
