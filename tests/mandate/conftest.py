"""The real gate and authority, and a clock that stands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import WIRED
from tests.mandate.ledger import NOW
from tests.standing import SetClock, standing_clock

from keyhouse.core import actions, configuration, keys
from keyhouse.web.wiring import wire_all

__all__ = ["SetClock"]


@pytest.fixture
def wired() -> Iterator[None]:
    keys.ensure_ring(configuration.current().key_file)
    before = [getattr(actions._wiring, name) for name in WIRED]
    wire_all()
    yield
    for name, part in zip(WIRED, before, strict=True):
        setattr(actions._wiring, name, part)


@pytest.fixture
def set_clock() -> Iterator[SetClock]:
    """Let time stand, first at `ledger.NOW`, until another instant is set."""
    with standing_clock() as set_to:
        set_to(NOW)
        yield set_to
