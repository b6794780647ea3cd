"""Getting one file from its source into a temporary file of the store, judged, and its promises kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from keyhouse.core.errors import Refusal
from keyhouse.distfiles.findings import Finding, UnacceptableError
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing.copying import copy, require_promised, require_size
from keyhouse.publishing.importing.errors import ImportStopped, SourceUnanswered
from keyhouse.publishing.importing.judging import Came, Errand, Found, Job, find_out, take_all
from keyhouse.publishing.importing.offers import Offer, Source
from keyhouse.publishing.importing.rules import Placed, forgive
from keyhouse.publishing.upload.content import Content, IncomingFile, Places
from keyhouse.storage import blobs

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Bench:
    """What files are judged with: the rules, and the processes that judge (None: the thread that fetched).

    `lying`: temporary files that these processes may have made and nobody has taken over.
    """

    rules: Rules
    is_lenient: bool
    judges: Executor | None
    is_stopped: Callable[[], bool] = lambda: False
    lying: set[str] = field(default_factory=set)

    @property
    def processes(self) -> Executor:
        """The processes that judge; raises RuntimeError where there are none."""
        if self.judges is None:
            message = "no process judges here"
            raise RuntimeError(message)
        return self.judges

    def close(self) -> None:
        """Wait for what is being judged, begin nothing else, and leave no temporary file."""
        if self.judges is not None:
            self.judges.shutdown(wait=True, cancel_futures=True)
        for path in self.lying:
            Path(path).unlink(missing_ok=True)


@dataclass(slots=True)
class Fetched:
    """A file that came, kept its source's promises, and may be taken; `incoming` holds it until it is stored."""

    placed: Placed
    incoming: IncomingFile
    content: Content
    found: Found
    forgiven: tuple[Finding, ...]

    @property
    def served(self) -> bytes | None:
        """The bytes of METADATA, which installers fetch beside a wheel (PEP 658)."""
        return self.found.metadata_bytes if self.found.kind == "wheel" else None


def fetch(source: Source, placed: Placed, limit: int, bench: Bench) -> Fetched:
    """Get and judge a file of at most `limit` bytes. Raises a refusal, or OSError; then nothing of it is left."""
    incoming = IncomingFile(blobs())
    try:
        incoming, content = _received(source, placed.offer, limit, bench, incoming)
        require_promised(placed.offer, content)
        found = _found(content, placed.offer.filename, bench)
        return Fetched(placed, incoming, content, found, _forgiven(placed.offer.filename, found, bench))
    except BaseException:
        incoming.discard()
        raise


def _forgiven(filename: str, found: Found, bench: Bench) -> tuple[Finding, ...]:
    """Return what an old file may have; raises UnacceptableError for what none may."""
    if not found.findings:
        return ()
    version = found.metadata["metadata_version"] if found.metadata else ""
    verdict = forgive(found.findings, filename, version, is_lenient=bench.is_lenient)
    if verdict.refused is not None:
        raise UnacceptableError(verdict.refused.code, verdict.refused.sentence)
    return verdict.forgiven


def _received(
    source: Source, offer: Offer, limit: int, bench: Bench, incoming: IncomingFile
) -> tuple[IncomingFile, Content]:
    """Copy the bytes; what breaks off is begun anew, a few times."""
    require_size(offer, limit)
    for attempt in range(1, _TRIES + 1):
        try:
            copy(source.pieces(offer, limit), limit, incoming, bench.is_stopped)
            return incoming, incoming.finish()
        except SourceUnanswered:
            incoming.discard()
            if attempt == _TRIES:
                raise
            incoming = IncomingFile(blobs())
    raise SourceUnanswered


def _found(content: Content, filename: str, bench: Bench) -> Found:
    if bench.judges is None:
        return find_out(str(content.path), filename, bench.rules)
    try:
        return bench.judges.submit(find_out, str(content.path), filename, bench.rules).result()
    except BrokenProcessPool as error:
        raise _judge_died(filename) from error


def _judge_died(filename: str) -> ImportStopped:
    sentence = f"A process that judges files died, perhaps over {filename}."
    return ImportStopped(sentence, fix="Run it again, with more memory or with --workers 1.")


class Fetching(Protocol):
    """A file on its way."""

    def result(self) -> Fetched:
        """Wait for it. Raises a refusal, or OSError; then nothing of it is left."""

    def discard(self) -> None:
        """Leave no temporary file of what came and nobody will ask for; to be called when nothing is under way."""


@dataclass(frozen=True, slots=True)
class _Alone:
    """A file that is fetched by a thread."""

    future: Future[Fetched]

    def result(self) -> Fetched:
        """Wait for it."""
        return self.future.result()

    def discard(self) -> None:
        """Leave no temporary file."""
        if not self.future.cancelled() and self.future.exception() is None:
            self.future.result().incoming.discard()


def fetching(future: Future[Fetched]) -> Fetching:
    """Return the file that a call of `fetch` gets."""
    return _Alone(future)


@dataclass(frozen=True, slots=True)
class _Together:
    """One of the files that a process judges in one job; the thread that waits for it takes it over.

    The thread that hears of all the jobs mustn't: each file it opened would make it wait for its turn among the threads,
    and the processes would wait for it.
    """

    placed: Placed
    number: int
    errands: Sequence[Errand]
    job: Future[list[Came | Refusal | OSError]]
    bench: Bench
    places: Places

    def result(self) -> Fetched:
        """Wait for the job, once."""
        try:
            came = self.job.result()[self.number]
        except BrokenProcessPool as error:
            raise _judge_died(", ".join(errand.filename for errand in self.errands)) from error
        except CancelledError as error:
            raise ImportStopped from error
        temp = self.errands[self.number].temp
        fetched = _taken_over(self.placed, came, temp, self.bench, self.places)
        self.bench.lying.discard(temp)
        return fetched

    def discard(self) -> None:
        """Do nothing: `Bench.close` removes what was not taken over."""


def fetch_together(root: Path, placed: Sequence[Placed], limit: int, bench: Bench) -> list[Fetching]:
    """Let one of the processes that judge copy several files below `root`, too; each ends as `fetch` does."""
    places = blobs()
    temp = places.incoming()
    errands = tuple(
        Errand(one.offer.filename, one.offer.address, one.offer.size, one.offer.hashes, f"{temp}-{number}")
        for number, one in enumerate(placed)
    )
    bench.lying.update([errand.temp for errand in errands])
    try:
        job = bench.processes.submit(take_all, Job(str(root), limit, bench.rules, errands))
    except BrokenProcessPool as error:
        raise _judge_died(errands[0].filename) from error
    return [_Together(one, number, errands, job, bench, places) for number, one in enumerate(placed)]


def _taken_over(
    placed: Placed, came: Came | Refusal | OSError, temp: str, bench: Bench, places: Places
) -> Fetched:
    if not isinstance(came, Came):
        raise came
    content = Content(Path(temp), came.size, came.md5, came.sha256, came.blake2)
    incoming = IncomingFile.taken_over(content, places)
    try:
        forgiven = _forgiven(placed.offer.filename, came.found, bench)
    except Refusal:
        incoming.discard()
        raise
    return Fetched(placed, incoming, content, came.found, forgiven)
