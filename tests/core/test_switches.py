from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from keyhouse.core import actions, clock, switches
from keyhouse.core.actor import Actor, host, job
from keyhouse.core.errors import GateUnavailable
from keyhouse.core.switches import EVERYTHING, NAMES, Stop, Stopped

ADA = Actor(kind="session", user_id=1, name="ada")


class On:
    """Switches of which some are on."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find(self, names: tuple[str, ...]) -> Stop | None:
        found = [name for name in names if name in self.names]
        return Stop(found[0], "we look at a break-in", clock.now()) if found else None


@pytest.fixture(autouse=True)
def wiring() -> Iterator[None]:
    before = actions._wiring
    actions._wiring = actions._Wiring()
    yield
    actions._wiring = before


def test_an_action_that_nobody_classified_is_stopped_by_everything() -> None:
    assert switches.switches_of("something.new") == (EVERYTHING,)


@pytest.mark.parametrize("switch", NAMES)
def test_a_switch_stops_what_it_names_and_nothing_else(switch: str) -> None:
    actions.wire(switches=On(switch))
    for name in actions.CATALOGUE:
        if switch in switches.switches_of(name):
            with pytest.raises(Stopped, match="we look at a break-in"):
                actions.require_open(ADA, name)
        else:
            actions.require_open(ADA, name)


def test_an_upload_has_one_code_whichever_switch_stops_it() -> None:
    for switch in ("uploads", EVERYTHING):
        actions.wire(switches=On(switch))
        with pytest.raises(Stopped) as refused:
            actions.require_open(ADA, "release.upload")
        assert refused.value.code == "uploads-frozen"


def test_host_and_jobs_are_beyond_switches() -> None:
    actions.wire(switches=On(*NAMES))
    for actor in (host(), job("account-deletion")):
        for name in actions.CATALOGUE:
            actions.require_open(actor, name)


def test_the_end_is_told_with_the_seconds_until_then() -> None:
    end = clock.now() + timedelta(minutes=5)
    refusal = switches.refusal_of(Stop("uploads", "wave", clock.now(), end), "release.upload")
    assert clock.format_second(end) in refusal.sentence
    assert 1 <= (refusal.retry_after or 0) <= 300


def test_with_nothing_wired_whatever_a_switch_could_stop_is_refused() -> None:
    with pytest.raises(GateUnavailable):
        actions.require_open(ADA, "release.yank")
    actions.require_open(ADA, "session.end")
