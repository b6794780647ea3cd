"""`keyhouse check FILE…`: judge files by the server's own rules, without a server."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import click

from keyhouse.cli.progress import follow
from keyhouse.core import configuration
from keyhouse.distfiles.judge import Bounds, Judgement, Rules, judge
from keyhouse.distfiles.names import judge_new_name


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Judge FILES as an upload would; exit 1 if any would be refused.

    \b
    Example:
      keyhouse check dist/*
    """  # noqa: D301 - \b is click's own mark
    judgements = [judge_as_upload(path, path.name) for path in follow(files, "Judging", len(files))]
    click.echo(_as_json(judgements) if as_json else _as_text(judgements))
    sys.exit(0 if all(judgement.is_accepted for judgement in judgements) else 1)


def judge_as_upload(path: Path, filename: str) -> Judgement:
    """Judge a file, and the name of its project as that of a new one on an empty index."""
    judgement = judge(path, filename, _rules_in_use())
    name = judgement.metadata.name if judgement.metadata else judgement.name
    finding = judge_new_name(name) if name else None
    return replace(judgement, findings=(*judgement.findings, finding)) if finding else judgement


def _rules_in_use() -> Rules:
    """Return the rules for files that the configuration names, with its limit on their size."""
    settings = configuration.current()
    bounds = Bounds(file_size=settings.file_limit)
    return Rules.internal(bounds) if settings.upload_rules == "internal" else Rules.public(bounds)


def _as_json(judgements: list[Judgement]) -> str:
    return json.dumps(
        [
            {
                "filename": judgement.filename,
                "ok": judgement.is_accepted,
                "findings": [{"code": f.code, "sentence": f.sentence} for f in judgement.findings],
            }
            for judgement in judgements
        ],
        indent=1,
    )


def _as_text(judgements: list[Judgement]) -> str:
    lines = []
    for judgement in judgements:
        lines.append(f"{judgement.filename}: {'ok' if judgement.is_accepted else 'refused'}")
        lines += [f"  {finding}" for finding in judgement.findings]
    return "\n".join(lines)
