"""Cost of a publish and of a page with ever more projects in the index."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import wrk
from bench.reads import AS_PIP
from bench.servers import Server, keyhouse, seed
from bench.table import markdown, median, paired, percentile
from bench.uploads import upload_by_form
from bench.wheels import write_wheel

SIZES = (1_000, 10_000, 100_000)
COUNT = 50  # publishes of a round
REST = 3.0  # seconds until the root list has followed


@dataclass
class Index:
    """A server with so many projects, and what was measured: seconds of each publish, medians, pages a second."""

    size: int
    server: Server
    folder: Path
    publishes: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def publish(self, tag: str) -> None:
        """Publish releases of ten projects, one after another, and note how long each took."""
        found = []
        for number in range(COUNT):
            name, version = f"fresh{number % 10}", f"{tag}.{number}"
            path = write_wheel(self.folder, name, version, secrets.token_bytes(300))
            started = time.perf_counter()
            upload_by_form(self.server, path)
            found.append(time.perf_counter() - started)
        self.publishes += found
        self.medians.append(median(found))

    def read(self) -> None:
        """Ask for a page as fast as it goes."""
        self.rates.append(wrk(f"{self.server.url}/simple/fresh0/", AS_PIP).rate)


def main(sizes: tuple[int, ...] = SIZES, rounds: int = 5) -> str:
    """Measure indexes of each size in turn and return the table."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name, ExitStack() as stack:
        indexes = [_start(stack, Path(name) / str(size), size) for size in sizes]
        for index in indexes:
            index.publish("0")  # makes the projects
            index.publishes.clear()
            index.medians.clear()
        for number in range(rounds):
            for index in indexes:
                index.publish(str(number + 1))
            time.sleep(REST)
            for index in indexes:
                index.read()
        rows = [_row(index, indexes[0]) for index in indexes]
    head = [
        "projects",
        "publish p50 ms",
        "publish p99 ms",
        "ratio",
        "pages a second",
        "ratio",
        "root list, MB",
    ]
    return markdown("Cost with the size of the index", head, rows)


def _start(stack: ExitStack, folder: Path, size: int) -> Index:
    folder.mkdir()
    user = {
        "username": "ada",
        "email": "ada@example.org",
        "password": None,
        "verified": True,
        "second_factors": ["totp"],
    }
    projects = [{"name": f"project-{number}", "owners": ["ada"]} for number in range(size)]
    token = {"user": "ada", "projects": "all", "minted_with": "totp"}
    answer = seed(folder / "keyhouse", {"users": [user], "projects": projects, "tokens": [token]})
    server = stack.enter_context(keyhouse(folder / "keyhouse", str(answer["tokens"][0]["token"])))
    return Index(size, server, folder)


def _row(index: Index, smallest: Index) -> list[object]:
    root = wrk(f"{index.server.url}/simple/", AS_PIP, connections=2)
    return [
        f"{index.size:,}",
        median(index.publishes) * 1e3,
        percentile(index.publishes, 0.99) * 1e3,
        paired(index.medians, smallest.medians),
        median(index.rates),
        paired(index.rates, smallest.rates),
        root.bytes_rate / max(root.rate, 0.001) / 2**20,
    ]


if __name__ == "__main__":
    sys.stdout.write(main())
