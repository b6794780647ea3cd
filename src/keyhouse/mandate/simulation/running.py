"""Running a simulation: everybody read from one snapshot, in this process or, where they are many, in several.

What it is about is fixed before: the mandates before and after, the instants to look at, what is critical. Ranges of
accounts are shared out as processes ask for them, and what they give is joined in any order, so that the outcome doesn't
hang on how many there are. Nothing is written, and nothing is sent.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

from django.db import connection

from keyhouse.core import clock, configuration
from keyhouse.mandate import coming, criticality, populations, previews, queries
from keyhouse.mandate.defaults import DEFAULT
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.grounds import Ground
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.queries import Ledger
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.simulation import findings, snapshot, worker
from keyhouse.mandate.simulation.errors import SimulationFailed
from keyhouse.mandate.simulation.findings import canonical
from keyhouse.mandate.simulation.lenses import Lens, Mark, cohorts_of
from keyhouse.mandate.simulation.snapshot import Criticals, Everybody
from keyhouse.mandate.simulation.tallies import Part
from keyhouse.projects import sql

AT_ONCE: Final = 10_000  # account numbers of one range
ALONE_UP_TO: Final = 20_000  # accounts that one process reads by itself
MOST_PROCESSES: Final = 2
Progress = Callable[[int, int], None]  # how many accounts of how many are done
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Question:
    """What is simulated: a mandate as a version, at an instant; `extra` is one more instant to look at."""

    document: dict[str, Any]
    version: int
    is_floor_exempt: bool
    now: datetime
    extra: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a simulation found, and the digest of all that it rests on."""

    mandate: Mandate
    snapshot: str
    result: dict[str, Any]

    @property
    def text(self) -> str:
        """Return the result as canonical JSON: the same data and document give the same bytes (X9)."""
        return canonical(self.result)


def question_of(mandate: Mandate, now: datetime, extra: datetime | None = None) -> Question:
    """Return the question about a mandate: as the newest version of its name where that has this document, or as the next."""
    known = find_known(mandate)
    version = known.version if known else previews.next_version(mandate, queries.ledger(), now)
    return Question(mandate.as_dict(), version, bool(known and known.is_floor_exempt), now, extra)


def find_known(mandate: Mandate) -> Policy | None:
    """Return the newest version of the mandate's name, if it says the very same."""
    row = MandateVersion.objects.filter(name=mandate.name).order_by("-version").first()
    if row is None:
        return DEFAULT if mandate.digest == DEFAULT.mandate.digest else None
    return queries.policy_of(row) if row.digest == mandate.digest and row.withdrawn_at is None else None


class Stage:
    """What everybody is looked at with: made alike in each process, from the same snapshot."""

    def __init__(self, question: Question, critical: Criticals, marks: Sequence[Mark] | None = None) -> None:
        """Read the ledger, and put the mandate beside what is there; `marks` are instants to look at instead of its own."""
        self.question = question
        self.mandate = read_mandate(question.document)
        policy = Policy(self.mandate, question.version, question.is_floor_exempt)
        self.policy = queries.as_it_runs(policy)
        before = queries.ledger()
        self.ground = Ground(
            _without(before, self.policy), beside(before, self.policy, question.now), question.now
        )
        self.marks = list(marks) if marks is not None else _marks(self.policy, question)
        self.lens = Lens(self.ground, self.policy, self.marks, critical)
        self.everybody = Everybody(question.now)

    def take(self, part: Part, first: int, last: int) -> int:
        """Count the accounts of these numbers in, and return how many there are."""
        people, digest = self.everybody.between(first, last)
        part.take(people, self.lens)
        lately = [
            (
                one.id,
                self.lens.told_classes(one),
                sorted(self.lens.exempt_classes(one)),
                self.lens.snoozed_classes(one),
            )
            for one in people
            if one.notices or one.exemptions or one.snoozes
        ]
        part.digests[first] = hashlib.sha256(digest + canonical(lately).encode()).digest()
        return len(people)

    def world(self) -> dict[str, Any]:
        """Return all else that the outcome hangs on; of what is past only how much of it is."""
        now = self.question.now
        turns = populations.turning_points(self.ground.policies)
        return {
            "mandate": [self.mandate.digest, self.question.version, self.question.is_floor_exempt],
            "marks": [["" if at == now else clock.format_instant(at), what] for at, what in self.marks],
            "live": [[_labels(side) for side in self.ground.live(at)] for at, _ in self.marks],
            "begun": sum(at <= now for at in turns),
            "private": configuration.current().is_private,
            "key_name": configuration.current().key_name,
        }


def _labels(policies: Sequence[Policy]) -> list[list[Any]]:
    return [[one.label, one.mandate.digest, one.is_floor_exempt] for one in policies]


def beside(before: Ledger, policy: Policy, now: datetime) -> Ledger:
    """Return the ledger with the mandate in effect; one that is in effect already stays as it is."""
    if any(
        at <= now and (one.name, one.version) == (policy.name, policy.version) for at, one in before.versions
    ):
        return before
    return previews.with_version(before, policy, now)


def _without(before: Ledger, policy: Policy) -> Ledger:
    """Return the ledger without this version: what would hold if it were not there."""
    others = [
        (at, one) for at, one in before.versions if (one.name, one.version) != (policy.name, policy.version)
    ]
    return replace(before, versions=tuple(others))


def _marks(policy: Policy, question: Question) -> list[Mark]:
    """Return now, each coming stage, the last deadline of each, and the instant that was asked about besides."""
    found = set(coming.marks(policy, question.now))
    if question.extra is not None and question.extra > question.now:
        found.add((question.extra, "asked about"))
    return sorted(found)


# ---- everybody


def simulate(question: Question, progress: Progress | None = None, processes: int = MOST_PROCESSES) -> Found:
    """Return what the mandate would do to everybody; writes nothing, sends nothing. Raises SimulationFailed, DatabaseError."""
    tell = progress or _tell_nobody
    with _shared_snapshot(question, processes) as several:
        critical = criticals(question)
        stage = Stage(question, critical)
        pieces, total = ranges(), count_people()
        part = (
            several.count(critical, pieces, total, tell)
            if several
            else _count_alone(stage, pieces, total, tell)
        )
        return _found(stage, part)


def _found(stage: Stage, part: Part) -> Found:
    mandate, now = stage.mandate, stage.question.now
    beside = findings.read_beside(part, tuple(mandate.criteria), now)
    rests_on = canonical([part.digest, beside.digest, stage.world()])
    name = hashlib.sha256(rests_on.encode()).hexdigest()
    about = {
        "mandate": {"name": mandate.name, "version": stage.question.version, "digest": mandate.digest},
        "snapshot": name,
    }
    result = findings.result_of(about, part, beside, stage.marks, cohorts_of(mandate))
    return Found(mandate, name, result)


def _tell_nobody(done: int, total: int) -> None:
    del done, total


def criticals(*questions: Question) -> Criticals:
    """Return what is critical, and would be by criteria of these mandates that were never worked out."""
    found = snapshot.criticals()
    for one in questions:
        foreseen = criticality.foresee(read_mandate(one.document).criteria, one.now)
        for name, criteria in foreseen.items():
            found[name].update(criteria)
    return found


def ranges() -> Iterator[Range]:
    """Yield ranges of account numbers, each with as many accounts; which they are hangs on the accounts alone."""
    last = 0
    while (until := sql.find_value(_NEXT, last, AT_ONCE)) is not None:
        yield last + 1, until
        last = until


_NEXT: Final = "SELECT MAX(id) FROM (SELECT id FROM accounts_user WHERE id > %s ORDER BY id LIMIT %s) piece"
_COUNT: Final = "SELECT COUNT(*) FROM accounts_user WHERE state <> 'deleted'"


def count_people() -> int:
    """Return how many accounts there are to simulate."""
    return int(sql.find_value(_COUNT))


def _count_alone(stage: Stage, ranges: Iterator[Range], total: int, tell: Progress) -> Part:
    part, done = Part(), 0
    for first, last in ranges:
        done += stage.take(part, first, last)
        tell(done, total)
    return part


# ---- several processes


class _Several:
    """Processes that read the same snapshot and count ranges as they come."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def count(self, critical: Criticals, ranges: Iterator[Range], total: int, tell: Progress) -> Part:
        part, done = Part(), 0
        working: list[Any] = list(self._pipes)
        for pipe in self._pipes:
            _send(pipe, dict(critical))
        while working:
            ready = wait(working)
            for pipe in [one for one in working if one in ready]:
                answer = _receive(pipe)
                if isinstance(answer, Part):
                    part.join(answer)
                    working.remove(pipe)
                    continue
                done += answer
                tell(done, total)
                _send(pipe, next(ranges, None))
        return part


def _send(pipe: Any, told: object) -> None:
    """Tell a process something; one that has died is told as such, whether that shows now or by its silence."""
    try:
        pipe.send(told)
    except OSError as error:
        raise SimulationFailed from error


def _receive(pipe: Any) -> Any:
    try:
        answer = pipe.recv()
    except (EOFError, OSError) as error:
        raise SimulationFailed from error
    if isinstance(answer, str):
        raise SimulationFailed(f"A part of the simulation failed: {answer}.")
    return answer


@contextmanager
def _shared_snapshot(question: Question, processes: int) -> Iterator[_Several | None]:
    """Begin to read, with others where that is worth it: they and this process see the same."""
    if processes < 2 or connection.in_atomic_block or count_people() <= ALONE_UP_TO:  # noqa: PLR2004 - one is alone
        with snapshot.reading():
            yield None
        return
    children = [_start(question) for _ in range(min(processes, MOST_PROCESSES))]
    try:
        with _together([pipe for _, pipe in children]):
            yield _Several([pipe for _, pipe in children])
    finally:
        for process, pipe in children:
            pipe.close()
            process.terminate()
            process.join()


@contextmanager
def _together(pipes: Sequence[Connection]) -> Iterator[None]:
    """Let all begin to read while nobody writes; on PostgreSQL they take the snapshot of this process."""
    for pipe in pipes:
        _receive(pipe)  # it is up
    with ExitStack() as stack:
        with snapshot.nobody_writing():
            stack.enter_context(snapshot.reading())
            shared = snapshot.share()
            for pipe in pipes:
                _send(pipe, shared)
            for pipe in pipes:
                _receive(pipe)  # it reads
        yield


def _start(question: Question) -> tuple[BaseProcess, Connection]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=worker.work, args=(configuration.current(), theirs), daemon=True)
    process.start()
    theirs.close()
    _send(ours, question)
    return process, ours


def count_for(question: Question, pipe: Connection) -> None:
    """Count the ranges that the process at the other end names, from the snapshot that it tells; for `worker`."""
    pipe.send(0)
    with snapshot.reading(pipe.recv()):
        pipe.send(0)
        stage, part = Stage(question, pipe.recv()), Part()
        pipe.send(0)
        while (asked := pipe.recv()) is not None:
            pipe.send(stage.take(part, *asked))
        pipe.send(part)
