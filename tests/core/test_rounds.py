from __future__ import annotations

import logging
import threading

import pytest

from keyhouse.core.rounds import Rounds, Work


def test_rounds_go_on_after_a_failure_which_the_log_tells(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    third = threading.Event()

    def do() -> None:
        done.append("do")
        if len(done) == 1:
            raise ZeroDivisionError
        if done.count("do") >= 3:
            third.set()

    work = Work("trial", do, "it can't be done right now", lambda: done.append("after"))
    rounds = Rounds(work, first=0.0, every=0.01)
    with caplog.at_level(logging.WARNING, logger="keyhouse.trial"):
        rounds.start()
        assert third.wait(10)
        rounds.stop()
    assert done[:4] == ["do", "after", "do", "after"]
    assert [record.message for record in caplog.records] == ["it can't be done right now"]
    assert "trial" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(("also_at_end", "rounds_done"), [(True, 1), (False, 0)])
def test_a_last_round_is_done_where_it_was_asked_for(also_at_end: bool, rounds_done: int) -> None:
    done: list[int] = []
    work = Work("trial", lambda: done.append(1), "", lambda: None)
    rounds = Rounds(work, first=60.0, every=60.0, also_at_end=also_at_end)
    rounds.start()
    rounds.stop()
    assert len(done) == rounds_done
