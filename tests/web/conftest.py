"""The clock that mandates are tested with."""

from __future__ import annotations

from tests.mandate.conftest import set_clock

__all__ = ["set_clock"]
