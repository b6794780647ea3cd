"""Getting one file from its source into a temporary file of the store, judged, and its promises kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from keyhouse.core.errors import Refusal
from keyhouse.distfiles.findings import Finding, UnacceptableError
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing.copying import copy, require_promised, require_size
from keyhouse.publishing.importing.errors import ImportStopped, SourceUnanswered
from keyhouse.publishing.importing.judging import Came, Errand, Judged, judge_file, take_all
from keyhouse.publishing.importing.offers import Offer, Source
from keyhouse.publishing.importing.rules import Placed, forgive
from keyhouse.publishing.upload.content import Content, IncomingFile
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
    lying: set[Path] = field(default_factory=set)

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
            path.unlink(missing_ok=True)


@dataclass(slots=True)
class Fetched:
    """A file that came, kept its source's promises, and may be taken; `incoming` holds it until it is stored."""

    placed: Placed
    incoming: IncomingFile
    content: Content
    judged: Judged
    forgiven: tuple[Finding, ...]

    @property
    def served(self) -> bytes | None:
        """The bytes of METADATA, which installers fetch beside a wheel (PEP 658)."""
        judgement = self.judged.judgement
        return judgement.metadata_bytes if judgement.kind == "wheel" else None


def fetch(source: Source, placed: Placed, limit: int, bench: Bench) -> Fetched:
    """Get and judge a file of at most `limit` bytes. Raises a refusal, or OSError; then nothing of it is left."""
    incoming = IncomingFile(blobs())
    try:
        incoming, content = _received(source, placed.offer, limit, bench, incoming)
        require_promised(placed.offer, content)
        judged = _judged(content, placed.offer.filename, bench)
        return Fetched(placed, incoming, content, judged, _forgiven(placed.offer.filename, judged, bench))
    except BaseException:
        incoming.discard()
        raise


def _forgiven(filename: str, judged: Judged, bench: Bench) -> tuple[Finding, ...]:
    """Return what an old file may have; raises UnacceptableError for what none may."""
    metadata = judged.judgement.metadata
    version = metadata.metadata_version if metadata else ""
    verdict = forgive(judged.judgement.findings, filename, version, is_lenient=bench.is_lenient)
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


def _judged(content: Content, filename: str, bench: Bench) -> Judged:
    if bench.judges is None:
        return judge_file(str(content.path), filename, bench.rules)
    try:
        return bench.judges.submit(judge_file, str(content.path), filename, bench.rules).result()
    except BrokenProcessPool as error:
        raise _judge_died(filename) from error


def _judge_died(filename: str) -> ImportStopped:
    sentence = f"A process that judges files died, perhaps over {filename}."
    return ImportStopped(sentence, fix="Run it again, with more memory or with --workers 1.")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file that was given to a process that judges, and what its taker waits for."""

    placed: Placed
    errand: Errand
    fetching: Future[Fetched] = field(default_factory=Future)


def fetch_together(root: Path, placed: Sequence[Placed], limit: int, bench: Bench) -> list[Future[Fetched]]:
    """Let one of the processes that judge copy several files below `root`, too; each ends as `fetch` does."""
    waiting = [_Waiting(one, Errand(one.offer, root, limit, blobs().incoming())) for one in placed]
    errands = [one.errand for one in waiting]
    bench.lying.update(errand.temp for errand in errands)
    try:
        job = bench.processes.submit(take_all, errands, bench.rules)
    except BrokenProcessPool as error:
        raise _judge_died(placed[0].offer.filename) from error
    job.add_done_callback(partial(_hand_out, waiting, bench))
    return [one.fetching for one in waiting]


def _hand_out(waiting: Sequence[_Waiting], bench: Bench, job: Future[list[Came | Refusal | OSError]]) -> None:
    """Tell those who wait for single files what came of the job that has all of them."""
    failure: BaseException | None = ImportStopped() if job.cancelled() else job.exception()
    if isinstance(failure, BrokenProcessPool):
        failure = _judge_died(", ".join(one.placed.offer.filename for one in waiting))
    if failure is not None:
        for one in waiting:
            one.fetching.set_exception(failure)
        return
    for one, came in zip(waiting, job.result(), strict=True):
        try:
            one.fetching.set_result(_taken_over(one.placed, came, bench))
        except (Refusal, OSError) as refusal:
            one.fetching.set_exception(refusal)
        bench.lying.discard(one.errand.temp)


def _taken_over(placed: Placed, came: Came | Refusal | OSError, bench: Bench) -> Fetched:
    if not isinstance(came, Came):
        raise came
    incoming = IncomingFile.taken_over(came.content, blobs())
    try:
        forgiven = _forgiven(placed.offer.filename, came.judged, bench)
    except Refusal:
        incoming.discard()
        raise
    return Fetched(placed, incoming, came.content, came.judged, forgiven)
