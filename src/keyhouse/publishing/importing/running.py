"""An import as a whole: pages are read ahead, files fetched and judged side by side, and written one after another.

The thread that calls `run` is the only one that writes rows. What it is given comes in the order of the source, however
fast the others are, so that two runs over the same source do the same. At most a fixed number of files is under way, so
that memory and temporary files stay bounded whatever the source holds.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.distfiles.names import normalise
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing import services
from keyhouse.publishing.importing.errors import ImportStopped
from keyhouse.publishing.importing.fetching import Bench, Fetched, fetch
from keyhouse.publishing.importing.judging import begin_process
from keyhouse.publishing.importing.names import Wanted, is_project_name
from keyhouse.publishing.importing.offers import Offered, Source
from keyhouse.publishing.importing.owners import Owners
from keyhouse.publishing.importing.planning import ProjectPlan, part, plan_project
from keyhouse.publishing.importing.rows import HERE, IMPORTED, Row, Totals, refused
from keyhouse.publishing.importing.rules import Placed, uploaded_at

_PAGES_AHEAD: Final = 4
_FILES_A_WORKER: Final = 4
_TOGETHER: Final = 16  # files of a project that are written in one transaction


@dataclass(frozen=True, slots=True)
class Orders:
    """What somebody wants of an import."""

    rules: Rules
    wanted: Wanted = field(default_factory=Wanted)
    owners: Owners = field(default_factory=Owners)
    is_lenient: bool = False
    is_dry: bool = False
    workers: int = 1


@dataclass(slots=True)
class _File:
    """A file on its way: being fetched, then being stored."""

    placed: Placed
    plan: ProjectPlan
    fetching: Future[Fetched]
    fetched: Fetched | None = None
    storing: Future[None] | None = None


@dataclass(slots=True)
class _End:
    """Behind the last file of a project; `imported` counts those that came."""

    plan: ProjectPlan
    imported: int = 0


_Item = Row | _File | _End


class Import:
    """One run. `tell` is told each row, `stop` may be called from anywhere and at any time."""

    def __init__(self, source: Source, orders: Orders, *, by: Actor, tell: Callable[[Row], object]) -> None:
        self.totals = Totals()
        self.expected = 0  # projects
        self.ownerless: list[str] = []  # projects that were made and have no owner
        self.offered_to: set[str] = set()  # addresses of people who were offered roles
        self._source, self._orders, self._by, self._tell = source, orders, by, tell
        self._stopped = threading.Event()
        self._fetched: deque[_Item] = deque()
        self._stored: deque[_Item] = deque()
        self._window = _FILES_A_WORKER * orders.workers
        self._ready: list[_File] = []  # of one project; their bytes are here or on their way
        self._ends: dict[str, _End] = {}

    def stop(self) -> None:
        """Let the file in hand be finished, and begin no other."""
        self._stopped.set()
        self._source.stop()

    def run(self) -> Totals:
        """Import everything that is wanted; raises a refusal where the source can't be read, and ImportStopped."""
        names = self._wanted()
        with ExitStack() as stack:
            self._threads = stack.enter_context(ThreadPoolExecutor(self._window, "import"))
            self._bench = Bench(
                self._orders.rules, self._orders.is_lenient, self._judges(stack), self._stopped.is_set
            )
            try:
                for item in self._items(names):
                    self._fetched.append(item)
                    self._go_on(self._window)
                self._go_on(0)
                self._write()
            except ImportStopped:
                while self._stored:  # their bytes are here
                    self._settle(self._stored.popleft())
                self._write()
                raise
            finally:
                self._abandon()
        return self.totals

    def _wanted(self) -> list[str]:
        """Return the names that are wanted, each project once."""
        named = {normalise(name) if is_project_name(name) else name: name for name in self._source.names()}
        wanted = [name for key, name in named.items() if self._orders.wanted.has(key)]
        self.expected = len(wanted)
        return wanted

    def _judges(self, stack: ExitStack) -> ProcessPoolExecutor | None:
        """Return processes that judge: what is read there is read by Python, which does one thing at a time."""
        if self._orders.workers == 1:
            return None
        context = multiprocessing.get_context(
            "spawn"
        )  # nothing of this process's threads and connections goes along
        pool = ProcessPoolExecutor(self._orders.workers, mp_context=context, initializer=begin_process)
        return stack.enter_context(pool)

    def _items(self, names: Iterable[str]) -> Iterator[_Item]:
        for name, offered in self._read_ahead(names):
            self.totals.projects += 1
            try:
                yield from self._items_of(offered.result())
            except ImportStopped:
                raise
            except Refusal as refusal:
                if self._stopped.is_set():
                    raise ImportStopped from refusal
                yield refused(name, "", refusal)

    def _read_ahead(self, names: Iterable[str]) -> Iterator[tuple[str, Future[Offered]]]:
        waiting: deque[tuple[str, Future[Offered]]] = deque()
        for name in names:
            waiting.append((name, self._threads.submit(self._source.offered, name)))
            if len(waiting) > _PAGES_AHEAD:
                yield waiting.popleft()
        yield from waiting

    def _items_of(self, offered: Offered) -> Iterator[_Item]:
        plan, placed = plan_project(offered, self._orders.owners)
        end = self._ends[plan.name] = _End(plan)
        for one in part(plan, placed, self._source):
            if self._stopped.is_set():
                raise ImportStopped
            yield one if isinstance(one, Row) else self._begin(plan, one)
        yield end

    def _begin(self, plan: ProjectPlan, placed: Placed) -> _File:
        job = self._threads.submit(fetch, self._source, placed, plan.file_limit, self._bench)
        return _File(placed, plan, job)

    def _go_on(self, window: int) -> None:
        """Bring the oldest files further until no more than `window` wait at each stage."""
        while len(self._fetched) > window:
            self._stored.append(self._checked(self._fetched.popleft()))
        while len(self._stored) > window:
            self._settle(self._stored.popleft())

    def _checked(self, item: _Item) -> _Item:
        """Compare a file that came with what is here now, and let its bytes be stored; or give its row."""
        if not isinstance(item, _File):
            return item
        try:
            item.fetched = item.fetching.result()
            objection = services.find_objection(item.fetched, item.plan)
        except ImportStopped:
            raise
        except Refusal as refusal:
            if self._stopped.is_set():
                raise ImportStopped from refusal
            return self._row(item, refusal)
        if objection is None and not self._orders.is_dry:
            item.storing = self._threads.submit(services.store, item.fetched)
            return item
        item.fetched.incoming.discard()
        return self._row(item, objection)

    def _settle(self, item: _Item) -> None:
        """Write what is ready: rows are told, files published, projects finished."""
        if isinstance(item, _File):
            self._ready.append(item)
            if len(self._ready) >= _TOGETHER:
                self._write()
            return
        self._write()
        if isinstance(item, Row):
            self._add(item)
        else:
            self._finish(item)

    def _write(self) -> None:
        """Publish the files that are ready together; where one can't be, each by itself."""
        batch, self._ready = self._ready, []
        try:
            self._publish(batch)
        except Refusal as refusal:
            if len(batch) == 1:
                self._add(self._row(batch[0], refusal))
                return
            for item in batch:
                self._ready = [item]
                self._write()
            return
        for item in batch:
            self._add(self._row(item, None))

    def _publish(self, batch: list[_File]) -> None:
        fetched = [item.fetched for item in batch if item.fetched is not None]
        for item in batch:
            if item.storing is not None:
                item.storing.result()
        if fetched:
            services.publish(fetched, batch[0].plan, self._source.told, by=self._by)

    def _add(self, row: Row) -> None:
        if row.outcome == IMPORTED:
            self._ends[row.project].imported += 1
        self.totals.add(row)
        self._tell(row)

    def _finish(self, end: _End) -> None:
        del self._ends[end.plan.name]
        if not end.imported:
            return
        if not self._orders.is_dry:
            services.finish_project(end.plan, by=self._by)
        if end.plan.is_new:
            self.totals.made_projects += 1
            self.offered_to.update(one.address for one in end.plan.people.pending)
            if not end.plan.people.has_owner:
                self.ownerless.append(end.plan.name)

    def _row(self, item: _File, objection: Refusal | bool | None) -> Row:  # noqa: FBT001 - True: it is here
        offer, fetched = item.placed.offer, item.fetched
        if isinstance(objection, Refusal):
            return refused(item.plan.name, offer.filename, objection)
        return Row(
            project=item.plan.name,
            filename=offer.filename,
            outcome=HERE if objection else IMPORTED,
            forgiven=fetched.forgiven if fetched else (),
            uploaded_at=uploaded_at(offer.uploaded_at, clock.now()),
            yanked=item.placed.yanked,
            sha256=fetched.content.sha256 if fetched else "",
            size=fetched.content.size if fetched else None,
        )

    def _abandon(self) -> None:
        """Leave no temporary file of what will not be written."""
        self.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for item in (*self._fetched, *self._stored, *self._ready):
            if isinstance(item, _File):
                _discard(item)
        self._fetched.clear()
        self._stored.clear()


def _discard(item: _File) -> None:
    if not item.fetching.cancelled() and item.fetching.exception() is None:
        item.fetching.result().incoming.discard()
