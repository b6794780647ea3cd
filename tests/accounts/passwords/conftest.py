from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.accounts.conftest import Configure
from tests.accounts.passwords.dumps import bring_in, dump
from tests.accounts.passwords.services import Service, serving

Leak = Callable[..., None]


@pytest.fixture
def data(tmp_path: Path, configure: Configure) -> Path:
    """Return a data folder of this test's own."""
    (tmp_path / "data").mkdir()
    configure(data=tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def leak(data: Path) -> Leak:
    """Import a list of these passwords."""

    def make(*passwords: str) -> None:
        bring_in(data, dump(["something else", *passwords]))

    return make


@pytest.fixture
def service(configure: Configure) -> Iterator[Service]:
    """Ask a service of this test's own."""
    with serving(Service()) as running:
        configure(password_range_url=running.url)
        yield running
