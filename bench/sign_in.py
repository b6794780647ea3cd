"""A flood of sign-ins: what one costs beside one hash, what the flood leaves of the index and of other pages, memory.

Runs without the limits on attempts, as if every sign-in came from elsewhere. `NICE` and how many hash at once are what
`accounts/hashing.py` says.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from argon2.low_level import Type, hash_secret

from bench.browser import Client
from bench.load import Result, wrk
from bench.servers import SERVER_CPU, Server, keyhouse, seed
from bench.table import markdown, median, percentile

FLOOD = 200
PASSWORD = "velvet-anchor-93-tundra"  # noqa: S105 - of a made-up person
ALONE = 15
ROUNDS = 3
SECONDS = 4
BOUND_MB = 192  # more than at rest
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


def main() -> str:
    """Measure and return the tables."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "keyhouse"
        user = {
            "username": "ada",
            "email": "ada@example.org",
            "password": PASSWORD,
            "second_factors": ["totp"],
        }
        seed(folder, {"users": [user], "projects": [{"name": "alpha", "owners": ["ada"]}]})
        with keyhouse(folder) as server:
            time.sleep(1)
            rest = _memory(server)
            alone = [_sign_in(Client(server.url)) for _ in range(ALONE + 2)][2:]
            rounds = [_round(server) for _ in range(ROUNDS)]
    return _table(alone, rounds) + "\n" + _flood_table(rest, rounds)


@dataclass
class Round:
    """One round: the index idle and in the flood, another page in both, the flood itself."""

    idle: Result
    busy: Result
    page_idle: list[float]
    page_busy: list[float]
    sign_ins: list[float]
    refused: int
    memory: float


def _sign_in(client: Client) -> float:
    """Fetch the form, send it, and return how long the answer took."""
    client.get("/account/sign-in/")
    started = time.perf_counter()
    answer = client.post("/account/sign-in/", {"username": "ada", "password": PASSWORD})
    if answer.status != 303:
        raise RuntimeError(f"the sign-in was answered by {answer.status}")
    return time.perf_counter() - started


def _round(server: Server) -> Round:
    index = f"{server.url}/simple/alpha/"
    idle, page_idle = wrk(index, JSON, seconds=SECONDS), _pages(server, lambda turn: turn < 40)
    with _flood(server) as flood:
        time.sleep(1)
        busy = wrk(index, JSON, seconds=SECONDS)
        page_busy = _pages(server, lambda turn: turn < 40)
    return Round(idle, busy, page_idle, page_busy, flood.times, flood.refused, flood.memory)


def _pages(server: Server, goes_on: Callable[[int], bool]) -> list[float]:
    times, client = [], Client(server.url)
    while goes_on(len(times)):
        started = time.perf_counter()
        answer = client.get("/account/sign-in/")
        times.append(time.perf_counter() - started)
        if answer.status != 200:
            raise RuntimeError(f"the page was answered by {answer.status}")
    return times


@dataclass
class Flood:
    """What 200 clients that sign in again and again have seen, and the most memory meanwhile."""

    times: list[float] = field(default_factory=list)
    refused: int = 0
    memory: float = 0.0


@contextmanager
def _flood(server: Server) -> Iterator[Flood]:
    flood, over = Flood(), threading.Event()
    clients = [Client(server.url) for _ in range(FLOOD)]

    def go(client: Client) -> None:
        while not over.is_set():
            try:
                flood.times.append(_sign_in(client))
            except RuntimeError:
                flood.refused += 1
                time.sleep(0.5)

    def watch() -> None:
        while not over.is_set():
            flood.memory = max(flood.memory, _memory(server))
            time.sleep(0.05)

    with ThreadPoolExecutor(FLOOD + 1) as pool:
        for client in clients:
            pool.submit(go, client)
        pool.submit(watch)
        yield flood
        over.set()


def _memory(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(resident.split()[1]) / 1024


def _hash() -> float:
    """Return how long one hash takes on the server's processor."""
    started = time.perf_counter()
    hash_secret(
        PASSWORD.encode(), b"0123456789abcdef", time_cost=3, memory_cost=65536, parallelism=4, hash_len=32,
        type=Type.ID,
    )  # fmt: skip
    return time.perf_counter() - started


def _hashes() -> list[float]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(SERVER_CPU)})
    try:
        return [_hash() for _ in range(ALONE)]
    finally:
        os.sched_setaffinity(0, before)


def _table(alone: list[float], rounds: list[Round]) -> str:
    raw = _hashes()
    flood = [seconds for one in rounds for seconds in one.sign_ins]
    row = [
        median(alone) * 1e3,
        median(raw) * 1e3,
        median(alone) / median(raw),
        len(flood),
        median(flood),
        percentile(flood, 0.99),
        sum(one.refused for one in rounds),
    ]
    head = [
        "sign-in alone, ms",
        "one hash, ms",
        "ratio",
        f"sign-ins of {FLOOD} at once",
        "p50 s",
        "p99 s",
        "refused",
    ]
    return markdown("Sign-in", head, [row])


def _flood_table(rest: float, rounds: list[Round]) -> str:
    most = max(one.memory for one in rounds)
    page = [seconds for one in rounds for seconds in one.page_busy]
    rows = [
        [
            "index pages a second, in the flood / idle",
            median(one.busy.rate / one.idle.rate for one in rounds),
            "0.4",
        ],
        ["index pages a second, idle", median(one.idle.rate for one in rounds), ""],
        ["another page, p50 ms, idle", median(s for one in rounds for s in one.page_idle) * 1e3, ""],
        ["another page, p50 ms, in the flood", median(page) * 1e3, ""],
        ["another page, p99 ms, in the flood", percentile(page, 0.99) * 1e3, ""],
        ["memory above rest, MB", most - rest, f"at most {BOUND_MB}"],
    ]
    return markdown(f"A flood of {FLOOD} sign-ins at once", ["what", "found", "goal"], rows)


if __name__ == "__main__":
    sys.stdout.write(main())
