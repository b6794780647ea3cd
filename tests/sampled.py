"""What is tried over and over with other dice: a few times in an ordinary run, and as often as is named with `--all`."""

from __future__ import annotations

from typing import Any

import pytest


def seeds(few: int, most: int) -> list[Any]:
    """Return the seeds from 0 up to `most`; those from `few` on are `slow`."""
    return [pytest.param(seed, marks=pytest.mark.slow if seed >= few else ()) for seed in range(most)]
