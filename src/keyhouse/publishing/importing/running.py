"""An import as a whole: pages are read ahead, files fetched and judged side by side, and written one after another.

The thread that calls `run` is the only one that writes rows: some files of a project in one transaction, while threads
wait for the disk to have the bytes of those behind them, and others are judged. What it is given comes in the order of
the source, however fast the others are, so that two runs over the same source do the same. At most a fixed number of
files is under way, so that memory and temporary files stay bounded whatever the source holds.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.names import normalise
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing import services, standing
from keyhouse.publishing.importing.errors import ImportStopped, SourceEmpty, SourcePageInvalid
from keyhouse.publishing.importing.fetching import (
    Bench,
    Fetched,
    Fetching,
    fetch,
    fetch_together,
    fetching,
)
from keyhouse.publishing.importing.judging import begin_process
from keyhouse.publishing.importing.names import Wanted, is_project_name
from keyhouse.publishing.importing.offers import Offered, Source
from keyhouse.publishing.importing.owners import Owners
from keyhouse.publishing.importing.planning import ProjectPlan, part, plan_project
from keyhouse.publishing.importing.rows import HERE, IMPORTED, Row, Totals, refused
from keyhouse.publishing.importing.rules import Placed, uploaded_at

_LOG: Final = logging.getLogger(__name__)
_ODD: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_PAGES_AHEAD: Final = 4
_FILES_A_WORKER: Final = 4  # that are asked for at the same time
_FILES_A_JOB: Final = 16  # that lie on this machine and are copied and judged one after another
_BYTES_A_JOB: Final = 2**24
_JOBS_A_WORKER: Final = 6  # so that none waits while others are written
_BYTES_AHEAD: Final = 2**27  # above which each worker has one file, so that copies don't fill the disk
_TOGETHER: Final = 48  # files of a project that are written in one transaction
_AHEAD: Final = (
    3  # batches that wait for being written: each is synced meanwhile, which takes longer than to write one
)


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
    fetching: Fetching
    fetched: Fetched | None = None
    objection: Refusal | bool | None = None  # True: the very same file is here


@dataclass(slots=True)
class _Batch:
    """Some files and rows of one project in their order, and those of the files that are to be written together."""

    items: list[Row | _File]
    taken: list[_File] = field(default_factory=list)
    bytes: int = 0
    stored: services.Stored | None = None


@dataclass(slots=True)
class _End:
    """Behind the last file of a project, with what became of its files so far."""

    plan: ProjectPlan
    imported: int = 0
    here: int = 0
    on_their_way: int = 0  # bytes that were taken and are not written yet
    behind: list[Placed] = field(default_factory=list)  # other source distributions
    broken: set[str] = field(default_factory=set)  # files that can't be taken as they are


_Item = Row | _File | _End


class Import:
    """One run. `tell` is told each row, `stop` may be called from anywhere and at any time."""

    def __init__(self, source: Source, orders: Orders, *, by: Actor, tell: Callable[[Row], object]) -> None:
        self.totals = Totals()
        self.expected = 0  # projects
        self.ownerless: list[str] = []  # projects that were made and have no owner
        self.yanked: list[str] = []  # releases that were here and that the source has yanked since
        self.offered_to: set[str] = set()  # addresses of people who were offered roles
        self._source, self._orders, self._by, self._tell = source, orders, by, tell
        self._stopped = threading.Event()
        self._fetched: deque[_Item] = deque()
        self._bytes_ahead = 0  # of these, as far as the source tells
        self._batch: list[Row | _File] = []  # of one project; their bytes are here
        self._under_way: deque[_Batch | _End] = (
            deque()
        )  # what is being stored, and then written in this order
        self._root = source.root if orders.workers > 1 else None  # whose files the processes that judge read
        self._window = orders.workers * (
            _FILES_A_WORKER if self._root is None else _FILES_A_JOB * _JOBS_A_WORKER
        )
        self._ends: dict[str, _End] = {}

    def stop(self) -> None:
        """Let the file in hand be finished, and begin no other."""
        self._stopped.set()
        self._source.stop()

    def run(self) -> Totals:
        """Import everything that is wanted; raises a refusal where the source can't be read, and ImportStopped."""
        names = self._wanted()
        with ExitStack() as stack:
            self._threads = stack.enter_context(
                ThreadPoolExecutor(_FILES_A_WORKER * self._orders.workers, "import")
            )
            self._bench = Bench(
                self._orders.rules, self._orders.is_lenient, self._judges(stack), self._stopped.is_set
            )
            try:
                for item in self._items(names):
                    self._fetched.append(item)
                    self._bytes_ahead += _size_of(item)
                    self._go_on(self._window, _BYTES_AHEAD)
                self._go_on(0)
                self._settle_all()
            except ImportStopped:
                self._settle_all()  # their bytes are here
                raise
            finally:
                self._abandon()
        return self.totals

    def _wanted(self) -> list[str]:
        """Return the names that are wanted, each project once; raises SourceEmpty where there is none.

        An empty folder is rather a volume that isn't there, an empty page one to sign in at; nobody means to import nothing.
        """
        named = {normalise(name) if is_project_name(name) else name: name for name in self._source.names()}
        wanted = [name for key, name in named.items() if self._orders.wanted.has(key)]
        if not wanted:
            raise SourceEmpty(
                f"None of the {len(named)} projects there is wanted." if named else "No project is there."
            )
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
            waiting.append((name, self._threads.submit(self._offered, name)))
            if len(waiting) > _PAGES_AHEAD:
                yield waiting.popleft()
        yield from waiting

    def _offered(self, name: str) -> Offered:
        """Ask the source for a project; whatever it says that no reader expects costs this project alone."""
        try:
            return self._source.offered(name)
        except _ODD as error:
            _LOG.warning("a page of the source of an import can't be read", exc_info=error)
            raise SourcePageInvalid from error

    def _items_of(self, offered: Offered) -> Iterator[_Item]:
        plan, placed = plan_project(offered, self._orders.owners)
        end = self._ends[plan.name] = _End(plan, behind=[one for one in placed if one.behind])
        yield from self._files_of(plan, [one for one in placed if not one.behind])
        yield end

    def _files_of(self, plan: ProjectPlan, placed: list[Placed]) -> Iterator[_Item]:
        for some in self._jobs(part(plan, placed, self._source)):
            if self._stopped.is_set():
                raise ImportStopped
            yield from self._begin(plan, some)

    def _jobs(self, items: Iterator[Row | Placed]) -> Iterator[list[Row | Placed]]:
        """Give together what is begun together, in the order of the source."""
        if self._root is None:
            yield from ([one] for one in items)
            return
        some, size = list[Row | Placed](), 0
        for one in items:
            some.append(one)
            size += one.offer.size or 0 if isinstance(one, Placed) else 0
            if len(some) >= _FILES_A_JOB or size >= _BYTES_A_JOB:
                yield some
                some, size = [], 0
        if some:
            yield some

    def _begin(self, plan: ProjectPlan, some: list[Row | Placed]) -> Iterator[_Item]:
        wanted = [one for one in some if isinstance(one, Placed)]
        begun = iter(self._fetching(wanted, plan.file_limit) if wanted else [])
        for one in some:
            yield one if isinstance(one, Row) else _File(one, plan, next(begun))

    def _fetching(self, wanted: list[Placed], limit: int) -> list[Fetching]:
        if self._root is not None:
            return fetch_together(self._root, wanted, limit, self._bench)
        submit = self._threads.submit
        return [fetching(submit(fetch, self._source, one, limit, self._bench)) for one in wanted]

    def _settle_all(self) -> None:
        self._close()
        while self._under_way:
            self._settle(self._under_way.popleft())

    def _go_on(self, files: int, size: int = 0) -> None:
        """Bring the oldest files further until no more than `files` are being fetched; fewer, where they are large."""
        few = self._orders.workers  # so that each has one, however large
        while len(self._fetched) > (files if self._bytes_ahead <= size else min(files, few)):
            if self._stopped.is_set():
                raise ImportStopped
            item = self._fetched.popleft()
            self._bytes_ahead -= _size_of(item)
            self._gather(item)

    def _gather(self, item: _Item) -> None:
        """Put what came beside the files of its project that are written together."""
        if isinstance(item, _End) and item.behind:
            self._begin_behind(item)
        elif isinstance(item, _End):
            self._close()
            self._under_way.append(item)
        else:
            if self._batch and _project_of(self._batch[-1]) != _project_of(item):
                self._close()
            self._batch.append(item if isinstance(item, Row) else self._came(item) or item)
            if len(self._batch) >= _TOGETHER:
                self._close()
        while (
            len(self._under_way) > _AHEAD and sum(isinstance(one, _Batch) for one in self._under_way) > _AHEAD
        ):
            self._settle(self._under_way.popleft())

    def _begin_behind(self, end: _End) -> None:
        """Begin some of what stands behind files that turned out to be broken, and put the end after it."""
        few = self._orders.workers * _FILES_A_WORKER
        some, end.behind = end.behind[:few], end.behind[few:]
        wanted = [replace(one, refusal=None) if one.behind in end.broken else one for one in some]
        items = list[_Item]()
        try:
            items.extend(self._files_of(end.plan, wanted))
        finally:  # where it is stopped, those that were begun are let go of from there
            self._fetched.extendleft(reversed([*items, end]))
            self._bytes_ahead += sum(map(_size_of, items))

    def _came(self, item: _File) -> Row | None:
        """Wait for a file; return the row of one that didn't come or can't be taken, whatever is here."""
        try:
            item.fetched = item.fetching.result()
        except ImportStopped:
            raise
        except Refusal as refusal:
            if self._stopped.is_set():
                raise ImportStopped from refusal
            if isinstance(refusal, UnacceptableError):
                self._ends[item.plan.name].broken.add(item.placed.offer.filename)
            return self._row(item, refusal)
        return None

    def _close(self) -> None:
        """Compare what came with what is here now and let its bytes be stored, while those before it are written."""
        items, self._batch = self._batch, []
        if not items:
            return
        files = [item for item in items if isinstance(item, _File)]
        batch = _Batch(items)
        self._under_way.append(batch)
        if files:
            self._compare(files, batch)

    def _compare(self, files: list[_File], batch: _Batch) -> None:
        plan, end = files[0].plan, self._ends[files[0].plan.name]
        fetched = [item.fetched for item in files if item.fetched is not None]
        for item, objection in zip(
            files, services.find_objections(fetched, plan, end.on_their_way), strict=True
        ):
            item.objection = objection
            if objection is None and item.fetched is not None:
                batch.taken.append(item)
                batch.bytes += item.fetched.content.size
            if objection is not None or self._orders.is_dry:
                _discard(item)
        end.on_their_way += batch.bytes
        if batch.taken and not self._orders.is_dry:
            batch.stored = services.Stored(_fetched_of(batch.taken), self._threads)

    def _settle(self, item: _Batch | _End) -> None:
        """Write what is ready: files are published and told, or a project is finished."""
        if isinstance(item, _End):
            self._finish(item)
            return
        if item.stored is not None:
            item.stored.wait()
            self._write(item.taken)
            self._ends[item.taken[0].plan.name].on_their_way -= item.bytes
        for one in item.items:
            self._add(one if isinstance(one, Row) else self._row(one, one.objection))

    def _write(self, files: list[_File]) -> None:
        """Publish the files that are ready together; where one can't be, each by itself."""
        try:
            came = services.publish(_fetched_of(files), files[0].plan, self._source.told, by=self._by)
        except Refusal as refusal:
            if len(files) == 1:
                files[0].objection = refusal
                return
            for item in files:
                self._write([item])
            return
        for item in files:
            item.objection = None if item.placed.offer.filename in came else True

    def _add(self, row: Row) -> None:
        end = self._ends.get(row.project)
        if end is not None:
            end.imported += row.outcome == IMPORTED
            end.here += row.outcome == HERE
        self.totals.add(row)
        self._tell(row)

    def _finish(self, end: _End) -> None:
        del self._ends[end.plan.name]
        if (end.imported or end.here) and not self._orders.is_dry:
            yanked = standing.carry_yanks_over(end.plan.name, end.plan.offered, by=self._by)
            self.yanked += [f"{end.plan.name} {version}" for version in yanked]
            standing.carry_over(end.plan.name, end.plan.offered, by=self._by)
        if not end.imported:
            return
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
        self._bench.close()
        batches = [item for item in self._under_way if isinstance(item, _Batch)]
        for batch in batches:
            if batch.stored is not None:
                batch.stored.close()
        for item in chain(self._fetched, self._batch, *(batch.items for batch in batches)):
            if isinstance(item, _File):
                _discard(item)
        self._fetched.clear()
        self._under_way.clear()


def _size_of(item: _Item) -> int:
    return item.placed.offer.size or 0 if isinstance(item, _File) else 0


def _project_of(item: Row | _File) -> str:
    return item.project if isinstance(item, Row) else item.plan.name


def _fetched_of(files: list[_File]) -> list[Fetched]:
    return [item.fetched for item in files if item.fetched is not None]


def _discard(item: _File) -> None:
    if item.fetched is not None:
        item.fetched.incoming.discard()
    else:
        item.fetching.discard()
