"""The real gate and authority, and a clock that stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from tests.conftest import WIRED
from tests.mandate.ledger import NOW

from keyhouse.core import actions, clock, configuration, keys
from keyhouse.web.wiring import wire_all

SetClock = Callable[[datetime], None]


@pytest.fixture
def wired() -> Iterator[None]:
    keys.ensure_ring(configuration.current().key_file)
    before = [getattr(actions._wiring, name) for name in WIRED]
    wire_all()
    yield
    for name, part in zip(WIRED, before, strict=True):
        setattr(actions._wiring, name, part)


@pytest.fixture
def set_clock(tmp_path: Path) -> Iterator[SetClock]:
    """Let time stand, first at `ledger.NOW`, until another instant is set."""
    file = tmp_path / "clock"

    def set_to(instant: datetime) -> None:
        file.write_text(clock.format_instant(instant))
        clock.follow_file(file)

    set_to(NOW)
    yield set_to
    clock.follow_file(None)
