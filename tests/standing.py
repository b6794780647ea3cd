"""A clock that stands: asked tens of thousands of times, so that it is no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from keyhouse.core import clock

SetClock = Callable[[datetime], None]


@dataclass(frozen=True)
class Standing:
    """Stands where a clock's file does; tests may put their own `clock.now` over it."""

    instant: datetime

    def read(self) -> datetime:
        return self.instant


@contextmanager
def standing_clock() -> Iterator[SetClock]:
    """Give what lets the time of this process stand at an instant, until another one is set."""
    with pytest.MonkeyPatch.context() as patch:

        def set_to(instant: datetime) -> None:
            patch.setattr(clock, "_file", Standing(instant.astimezone(UTC)))

        yield set_to
