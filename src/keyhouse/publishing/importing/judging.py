"""Judging files by the rules of an upload. Knows no Django, so that it runs in processes of its own.

What lies on this machine is copied and digested there as well: then several processors do that, and of a file only what
is known of it goes from one process to the other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from keyhouse.core.errors import Refusal
from keyhouse.distfiles.description import render
from keyhouse.distfiles.findings import Finding
from keyhouse.distfiles.judge import Judgement, judge
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing.copying import copy, require_promised, require_size
from keyhouse.publishing.importing.sources.local_files import pieces_of
from keyhouse.publishing.upload.content import IncomingFile


@dataclass(frozen=True, slots=True)
class Judged:
    """What is wrong with a file and what it says of itself, with its description as safe HTML."""

    judgement: Judgement
    description_html: str


# What goes from one process to the other is tuples of texts and numbers: packing and unpacking paths and dataclasses
# would take a twentieth of all the time of an import.


class Found(NamedTuple):
    """What an import must know of a judged file; `metadata` is `FileMetadata.as_dict()`, None: it couldn't be read."""

    findings: tuple[Finding, ...]
    kind: str | None
    metadata: dict[str, Any] | None
    metadata_bytes: bytes | None
    description_html: str

    @classmethod
    def of(cls, judged: Judged) -> Self:
        """Return what must be known of it."""
        judgement = judged.judgement
        metadata = judgement.metadata.as_dict() if judgement.metadata else None
        return cls(
            judgement.findings, judgement.kind, metadata, judgement.metadata_bytes, judged.description_html
        )


class Errand(NamedTuple):
    """A file on this machine that is to be copied to `temp` and judged, with what its source promises of it."""

    filename: str
    address: str
    size: int | None
    hashes: Mapping[str, str]
    temp: str

    def incoming(self) -> Path:
        """Return where the copy is to lie, as a store does."""
        return Path(self.temp)


class Job(NamedTuple):
    """Several files below `root`, each of at most `limit` bytes."""

    root: str
    limit: int
    rules: Rules
    errands: tuple[Errand, ...]


class Came(NamedTuple):
    """A file that was copied and judged; nobody holds the copy."""

    size: int
    md5: str
    sha256: str
    blake2: str
    found: Found


def judge_file(path: str, filename: str, rules: Rules) -> Judged:
    """Judge the file at `path`, which is to be published as `filename`. Raises OSError."""
    judgement = judge(Path(path), filename, replace(rules, reads_zip_sdists=True))
    metadata = judgement.metadata
    html = render(metadata.description, metadata.description_content_type) if metadata else ""
    return Judged(judgement, html or "")


def find_out(path: str, filename: str, rules: Rules) -> Found:
    """Judge the file and return what an import must know of it. Raises OSError."""
    return Found.of(judge_file(path, filename, rules))


def take_all(job: Job) -> list[Came | Refusal | OSError]:
    """Copy and judge several files, and return for each what came of it; what failed leaves nothing behind."""
    root = Path(job.root)
    return [_taken(errand, root, job) for errand in job.errands]


def _taken(errand: Errand, root: Path, job: Job) -> Came | Refusal | OSError:
    incoming = IncomingFile(errand)
    try:
        require_size(errand, job.limit)
        copy(pieces_of(Path(errand.address), root, job.limit), job.limit, incoming)
        content = incoming.finish()
        require_promised(errand, content)
        found = find_out(errand.temp, errand.filename, job.rules)
    except (Refusal, OSError) as failure:
        incoming.discard()
        return failure
    except BaseException:
        incoming.discard()
        raise
    incoming.leave()
    return Came(content.size, content.md5, content.sha256, content.blake2, found)


def begin_process() -> None:
    """Leave Ctrl-C to the process that gives out the work, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # it was killed, and nobody waits for what is judged here
