from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import forked
from tests.cli.peopled import Stakes
from tests.cli.places import ADA, Place, place
from tests.distfiles.builders import build_wheel

from keyhouse.core import standing


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every process anew, as somebody types it: for what is tried about its start."""
    monkeypatch.setattr(forked, "IS_POSSIBLE", False)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Place]:
    """Return an empty index."""
    with place(tmp_path / "data") as made:
        yield made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Place]:
    """Return a data folder that is not made yet and, on PostgreSQL, an empty database."""
    with place(tmp_path / "elsewhere", is_new=True) as made:
        yield made


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return an index with a person, a token, one project and two releases of it; only ever copied."""
    folder = tmp_path_factory.mktemp("template")
    wheels = [build_wheel(folder, version=version) for version in ("1.0", "2.0")]
    with place(folder / "data") as made:
        made.seed(
            {
                "users": [ADA],
                "tokens": [{"user": "ada"}],
                "files": [{"path": str(wheel), "by": "ada"} for wheel in wheels],
            }
        )
        yield made


@pytest.fixture
def filled(template: Place, tmp_path: Path) -> Iterator[Place]:
    """Return a copy of the template."""
    with place(tmp_path / "data", template) as made:
        yield made


@pytest.fixture
def critical() -> Iterator[None]:
    """Let alpha be a project that many depend on."""
    before = list(standing._wired)
    standing.wire(Stakes())
    yield
    standing._wired[:] = before
