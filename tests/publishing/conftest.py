from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.publishing.world import Asked

from keyhouse.core import actions


@pytest.fixture
def gate() -> Asked:
    return Asked()


@pytest.fixture
def authority() -> Asked:
    return Asked()


@pytest.fixture
def wired(gate: Asked, authority: Asked) -> Iterator[None]:
    """Wire a gate and an authority that say yes unless a test tells them otherwise."""
    before = actions._wiring
    actions._wiring = actions._Wiring()
    actions.wire(gate=gate, authority=authority)
    yield
    actions._wiring = before
