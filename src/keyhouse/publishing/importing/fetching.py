"""Getting one file from its source into a temporary file of the store, judged, and its promises kept."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Final

from keyhouse.distfiles.findings import Finding, UnacceptableError
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing.errors import ImportStopped, SourceDigestDiffers, SourceUnanswered
from keyhouse.publishing.importing.judging import Judged, judge_file
from keyhouse.publishing.importing.offers import Offer, Source
from keyhouse.publishing.importing.rules import Placed, forgive
from keyhouse.publishing.upload.content import Content, IncomingFile
from keyhouse.publishing.upload.errors import FileTooLarge
from keyhouse.storage import blobs

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Bench:
    """What files are judged with: the rules, and the processes that judge (None: the thread that fetched)."""

    rules: Rules
    is_lenient: bool
    judges: Executor | None
    is_stopped: Callable[[], bool] = lambda: False


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
        _check_promises(placed.offer, content)
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
    if offer.size is not None and offer.size > limit:
        raise FileTooLarge(f"The file has {offer.size:,} bytes; the limit is {limit:,}.")
    for attempt in range(1, _TRIES + 1):
        try:
            _copy(source, offer, limit, bench, incoming)
            return incoming, incoming.finish()
        except SourceUnanswered:
            incoming.discard()
            if attempt == _TRIES:
                raise
            incoming = IncomingFile(blobs())
    raise SourceUnanswered


def _copy(source: Source, offer: Offer, limit: int, bench: Bench, incoming: IncomingFile) -> None:
    came = 0
    for piece in source.pieces(offer, limit):
        if bench.is_stopped():
            raise ImportStopped
        came += len(piece)
        if came > limit:
            raise FileTooLarge(f"The file is larger than {limit:,} bytes.")
        incoming.write([piece])


def _check_promises(offer: Offer, content: Content) -> None:
    if offer.size is not None and offer.size != content.size:
        raise SourceDigestDiffers(f"{content.size:,} bytes came, and the source promises {offer.size:,}.")
    for algorithm, promised in offer.hashes.items():
        if not hmac.compare_digest(_digest(content, algorithm), promised):
            raise SourceDigestDiffers(f"The {algorithm} digest is not the one that the source promises.")


def _digest(content: Content, algorithm: str) -> str:
    if algorithm in {"md5", "sha256"}:
        return str(getattr(content, algorithm))
    with content.path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _judged(content: Content, filename: str, bench: Bench) -> Judged:
    if bench.judges is None:
        return judge_file(str(content.path), filename, bench.rules)
    try:
        return bench.judges.submit(judge_file, str(content.path), filename, bench.rules).result()
    except BrokenProcessPool as error:
        sentence = f"A process that judges files died, perhaps over {filename}."
        raise ImportStopped(sentence, fix="Run it again, with more memory or with --workers 1.") from error
