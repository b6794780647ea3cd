"""Which switch stops which action: a new action is put into a list of `core.switches`."""

from __future__ import annotations

from keyhouse.core import actions, switches
from keyhouse.core.switches import EVERYTHING, NAMES


def test_every_action_stands_in_exactly_one_list() -> None:
    """A new action is put into one of them, or `everything` stops it and this test fails."""
    lists = [set(switches.STOPPED_BY), switches.STOPPED_BY_EVERYTHING_ALONE, switches.ALWAYS_OPEN]
    stands = [name for one in lists for name in one]
    assert set(stands) == set(actions.CATALOGUE)
    assert len(stands) == len(set(stands))


def test_what_a_switch_stops_is_a_switch_and_each_stops_something() -> None:
    used = {name for names in switches.STOPPED_BY.values() for name in names}
    assert used | {EVERYTHING} == set(NAMES)
