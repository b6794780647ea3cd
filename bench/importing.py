"""An import of a folder against the checks of an upload alone, on every processor. Goal: at least 60 % of that speed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.servers import ROOT, keyhouse_environment, seed
from bench.table import markdown, median, paired
from bench.wheels import write_wheel
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.importing.judging import judge_file
from keyhouse.publishing.upload.content import IncomingFile
from keyhouse.storage.local import LocalBlobs

GOAL: Final = 0.6
PROJECTS: Final = 200
RELEASES: Final = 45
SIZES: Final = (2_000, 60_000, 400_000)  # bytes of the one module, half of which compresses well


def main(rounds: int = 3) -> str:
    """Measure and return the table."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))  # an import has the whole machine
    try:
        with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
            return _measured(Path(name), rounds)
    finally:
        os.sched_setaffinity(0, before)


def _measured(folder: Path, rounds: int) -> str:
    files = _write(folder / "packages")
    cores = len(os.sched_getaffinity(0))
    alone, imported = [], []
    for number in range(rounds):
        alone.append(len(files) / _check(files, folder / f"checked-{number}"))
        imported.append(len(files) / _import(folder / "packages", folder / f"data-{number}"))
    ratio = paired(imported, [speed * cores for speed in alone])
    rows = [
        ("checks of an upload, one process", median(alone)),
        (f"the same times {cores} processors", median(alone) * cores),
        ("`keyhouse import`, start and commits included", median(imported)),
        (f"ratio (goal {GOAL:.2f})", ratio),
    ]
    return markdown(f"Import of {len(files)} wheels", ("files per second", "median"), rows)


def _write(folder: Path) -> list[Path]:
    folder.mkdir()
    made = []
    for project in range(PROJECTS):
        for release in range(RELEASES):
            size = SIZES[release % len(SIZES)]
            payload = os.urandom(size // 2).hex().encode() + b"x = 1\n" * (size // 12)
            made.append(write_wheel(folder, f"bench{project}", f"1.{release}", payload))
    return made


def _check(files: list[Path], folder: Path) -> float:
    """Return the seconds of doing with each file what an upload does before it stores: copy, digests, rules."""
    store, started = LocalBlobs(folder), time.monotonic()
    for path in files:
        incoming = IncomingFile(store)
        incoming.write([path.read_bytes()])
        found = judge_file(str(incoming.finish().path), path.name, Rules.public())
        incoming.discard()
        if not found.judgement.is_accepted:
            raise RuntimeError(f"{path.name}: {found.judgement.findings}")
    return time.monotonic() - started


def _import(packages: Path, data: Path) -> float:
    """Return the seconds of the command on a fresh index."""
    seed(data, {"users": [{"username": "ada", "email": "ada@example.org"}]})
    command = [str(ROOT / "run"), "keyhouse", "import", str(packages), "--owner", "ada", "--json"]
    started = time.monotonic()
    subprocess.run(command, env=keyhouse_environment(data), stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


if __name__ == "__main__":
    print(main())
    sys.exit(0)
