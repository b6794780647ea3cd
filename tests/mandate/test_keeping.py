from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from keyhouse.core import clock, configuration
from keyhouse.index.database import UnavailableError, open_database
from keyhouse.mandate import keeping
from keyhouse.mandate.models import CriterionRun

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
    assert keeping.keep(now) == {"criteria": 0, "tokens": 0, "protection": 1, "history": 0}
    assert set(keeping.keep(now).values()) == {0}
    assert CriterionRun.objects.count() == 1


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
