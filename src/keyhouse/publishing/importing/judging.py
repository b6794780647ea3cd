"""Judging one file by the rules of an upload. Knows no Django, so that it runs in processes of its own."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from pathlib import Path

from keyhouse.distfiles.description import render
from keyhouse.distfiles.judge import Judgement, judge
from keyhouse.distfiles.rules import Rules


@dataclass(frozen=True, slots=True)
class Judged:
    """What is wrong with a file and what it says of itself, with its description as safe HTML."""

    judgement: Judgement
    description_html: str


def judge_file(path: str, filename: str, rules: Rules) -> Judged:
    """Judge the file at `path`, which is to be published as `filename`. Raises OSError."""
    judgement = judge(Path(path), filename, replace(rules, reads_zip_sdists=True))
    metadata = judgement.metadata
    html = render(metadata.description, metadata.description_content_type) if metadata else ""
    return Judged(judgement, html or "")


def begin_process() -> None:
    """Leave Ctrl-C to the process that gives out the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
