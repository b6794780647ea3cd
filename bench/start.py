"""Time from the command to the first answer, and memory of a worker at rest."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench.servers import keyhouse
from bench.table import markdown, median


def main(rounds: int = 5) -> str:
    """Start on a folder that exists already, several times, and return the table."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "keyhouse"
        with keyhouse(folder):
            pass  # the first start migrates
        found = [_one(folder) for _ in range(rounds)]
    rows = [[median(seconds for seconds, _ in found), 3, median(memory for _, memory in found), 100]]
    return markdown(
        "Start and rest", ["warm start, s", "goal below", "worker at rest, MB", "goal below"], rows
    )


def _one(folder: Path) -> tuple[float, float]:
    started = time.perf_counter()
    with keyhouse(folder) as server:
        seconds = time.perf_counter() - started
        time.sleep(2)
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return seconds, int(resident.split()[1]) / 1024


if __name__ == "__main__":
    sys.stdout.write(main())
