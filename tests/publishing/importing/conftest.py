from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.publishing.importing.site import Site, serving
from tests.publishing.world import make_user

from keyhouse.core.actor import host
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing.offers import Source
from keyhouse.publishing.importing.owners import Line, Owners
from keyhouse.publishing.importing.rows import Row
from keyhouse.publishing.importing.running import Import, Orders
from keyhouse.publishing.importing.sources.choosing import Choice, open_source
from keyhouse.web.wiring import wire_all


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        yield running


@pytest.fixture
def here(db: None, empty_store: None) -> None:
    """Make an index with one person in it."""
    wire_all()
    make_user("ada")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "packages"
    made.mkdir()
    return made


Run = Callable[..., tuple[Import, list[Row]]]


@pytest.fixture
def bring_in() -> Run:
    """Import from a source and return the run with its rows."""

    def run(
        source: Source | Path | str, choice: Choice | None = None, **orders: object
    ) -> tuple[Import, list[Row]]:
        found = open_source(str(source), choice or Choice()) if isinstance(source, Path | str) else source
        rows: list[Row] = []
        given = {"rules": Rules.public(), "owners": Owners([Line("*", "ada")]), **orders}
        work = Import(found, Orders(**given), by=host(), tell=rows.append)  # type: ignore[arg-type]  # as each test names them
        work.run()
        return work, rows

    return run
