"""However much a source holds, only so much of it is under way."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel

from keyhouse.core import configuration
from keyhouse.core.actor import host
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing import running
from keyhouse.publishing.importing.offers import Offer, Offered
from keyhouse.publishing.importing.owners import Line, Owners
from keyhouse.publishing.importing.rows import Row
from keyhouse.publishing.importing.running import Import, Orders

pytestmark = pytest.mark.usefixtures("here")
EACH = 20  # files of a project


class Many:
    """A source that makes its files up when they are asked for."""

    kind = "simple"
    told = "made up"
    root = None

    def __init__(self, count: int, folder: Path) -> None:
        self.count, self.folder, self.given = count, folder, 0

    def names(self) -> Iterator[str]:
        return (f"made-{number}-up" for number in range(self.count // EACH))

    def offered(self, name: str) -> Offered:
        stem = name.replace("-", "_")
        return Offered(name, tuple(Offer(f"{stem}-1.{number}-py3-none-any.whl") for number in range(EACH)))

    def find_sha256(self, offer: Offer) -> None:
        return None

    def stop(self) -> None:
        pass

    def pieces(self, offer: Offer, most: int) -> Iterator[bytes]:
        self.given += 1
        name, version, *_ = offer.filename.split("-")
        own = self.folder / str(threading.get_ident())
        own.mkdir(exist_ok=True)
        path = build_wheel(own, name, version)
        yield path.read_bytes()
        path.unlink()


def run(source: Many, orders: Orders, tell: object) -> Import:
    work = Import(source, orders, by=host(), tell=tell)  # type: ignore[arg-type]  # what each test does with a row
    work.run()
    return work


def orders(*, workers: int = 1, is_dry: bool = True) -> Orders:
    return Orders(Rules.public(), owners=Owners([Line("*", "ada")]), is_dry=is_dry, workers=workers)


@pytest.mark.parametrize("is_dry", [True, False])
def test_no_more_than_a_fixed_number_is_fetched_ahead(tmp_path: Path, is_dry: bool) -> None:
    source, ahead, lying = Many(400, tmp_path), list[int](), list[int]()
    incoming = configuration.current().files_folder / ".incoming"
    told: list[Row] = []

    def tell(row: Row) -> None:
        told.append(row)
        ahead.append(source.given - len(told))
        lying.append(len(list(incoming.iterdir())))

    work = run(source, orders(is_dry=is_dry), tell)
    assert (work.totals.files["imported"], len(told)) == (400, 400)
    most = work._window + (running._AHEAD + 2) * running._TOGETHER
    assert max(ahead) <= most
    assert max(lying) <= 2 * most  # a file that is stored has its metadata beside it for a moment
    assert (work._ends, list(incoming.iterdir())) == ({}, [])


@pytest.mark.slow
def test_memory_is_the_same_after_thousands_of_files(tmp_path: Path) -> None:
    seen: list[int] = []
    count = 0

    def tell(row: Row) -> None:
        nonlocal count
        count += 1
        if count % 1000 == 0:
            gc.collect()  # rings that nothing holds any more are looked for seldom, and are no growth
            seen.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        run(Many(10_000, tmp_path), orders(), tell)
    finally:
        tracemalloc.stop()
    assert count == 10_000
    grown = [after - before for before, after in pairwise(seen[2:])]
    # a table of the interpreter's own may double once; 6,000 rows alone would be more
    assert sum(grown) - max(grown) < 3 * 2**19
