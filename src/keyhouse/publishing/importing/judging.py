"""Judging files by the rules of an upload. Knows no Django, so that it runs in processes of its own.

What lies on this machine is copied and digested there as well: then several processors do that, and of a file only what
is known of it goes from one process to the other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from keyhouse.core.errors import Refusal
from keyhouse.distfiles.description import render
from keyhouse.distfiles.judge import Judgement, judge
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing.copying import copy, require_promised, require_size
from keyhouse.publishing.importing.offers import Offer
from keyhouse.publishing.importing.sources.local_files import pieces_of
from keyhouse.publishing.upload.content import Content, IncomingFile


@dataclass(frozen=True, slots=True)
class Judged:
    """What is wrong with a file and what it says of itself, with its description as safe HTML."""

    judgement: Judgement
    description_html: str


@dataclass(frozen=True, slots=True)
class Errand:
    """A file below `root` on this machine that is to be copied to `temp` and judged; it has at most `limit` bytes."""

    offer: Offer
    root: Path
    limit: int
    temp: Path

    def incoming(self) -> Path:
        """Return where the copy is to lie, as a store does."""
        return self.temp


@dataclass(frozen=True, slots=True)
class Came:
    """A file that was copied and judged; nobody holds the copy."""

    content: Content
    judged: Judged


def judge_file(path: str, filename: str, rules: Rules) -> Judged:
    """Judge the file at `path`, which is to be published as `filename`. Raises OSError."""
    judgement = judge(Path(path), filename, replace(rules, reads_zip_sdists=True))
    metadata = judgement.metadata
    html = render(metadata.description, metadata.description_content_type) if metadata else ""
    return Judged(judgement, html or "")


def take_all(errands: Sequence[Errand], rules: Rules) -> list[Came | Refusal | OSError]:
    """Copy and judge several files, and return for each what came of it; what failed leaves nothing behind."""
    return [_taken(errand, rules) for errand in errands]


def _taken(errand: Errand, rules: Rules) -> Came | Refusal | OSError:
    incoming, offer = IncomingFile(errand), errand.offer
    try:
        require_size(offer, errand.limit)
        copy(pieces_of(Path(offer.address), errand.root, errand.limit), errand.limit, incoming)
        content = incoming.finish()
        require_promised(offer, content)
        came = Came(content, judge_file(str(content.path), offer.filename, rules))
    except (Refusal, OSError) as failure:
        incoming.discard()
        return failure
    except BaseException:
        incoming.discard()
        raise
    incoming.leave()
    return came


def begin_process() -> None:
    """Leave Ctrl-C to the process that gives out the work, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # it was killed, and nobody waits for what is judged here
