"""Ctrl-C while something must come to its end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from keyhouse.cli.interrupts import put_off


@pytest.fixture(autouse=True)
def _as_usual() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(done: list[str], times: int) -> None:
    """Work in a block in which Ctrl-C is pressed so many times."""
    with put_off():
        for what in ("written", "printed", "counted"):
            done.append(what)
            if len(done) <= times:
                signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("times", "done"), [(1, ["written", "printed", "counted"]), (2, ["written", "printed"])]
)
def test_the_first_waits_for_the_end_of_the_block_and_the_second_does_not(
    times: int, done: list[str]
) -> None:
    found: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(found, times)
    assert found == done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_one_nothing_changes() -> None:
    with put_off():
        pass
    with pytest.raises(ValueError, match="own"), put_off():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_is_let_be() -> None:
    done = []

    def work() -> None:
        with put_off():
            done.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["done"]
