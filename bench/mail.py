"""The outbox: how soon a security mail leaves with a hundred thousand bulk mails waiting.

The mail server runs here; what needs the product's own process runs in children (`python -m bench.mail WHAT COUNT`): one
is the server with its postman, the other queues, as a worker does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mail.smtp_server import SmtpServer, running

from bench.servers import ROOT, keyhouse_environment, seed
from bench.table import markdown, median, percentile

BULK = 100_000
MAILS = 40  # security mails of a row
RATE = "100000"  # as fast as it goes: the worst that an operator can set
REST = 0.3  # seconds between two
SLOW = 0.25  # seconds that the mail server thinks about each mail; less than between two
ALONE = 10.0  # seconds that bulk mails have the line for themselves
GOAL = 5


def main() -> str:
    """Measure an empty outbox, a full one, and a full one with a slow mail server; return the table."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name, running() as server:
        folder = Path(name) / "keyhouse"
        seed(folder, {})
        environment = {
            **keyhouse_environment(folder),
            "KEYHOUSE_MAIL_URL": f"smtp://127.0.0.1:{server.port}",
            "KEYHOUSE_MAIL_BULK_RATE": RATE,
        }
        rows = [_row("nothing else waits", environment, server)]
        started = time.perf_counter()
        _run("queue", str(BULK), "bulk", environment=environment)
        queued = BULK / (time.perf_counter() - started)
        alone = _bulk_alone(environment, server)
        rows.append(_row(f"{BULK:,} bulk mails under way", environment, server))
        server.behaviour.seconds = SLOW
        rows.append(
            _row(f"the same, and the mail server takes {SLOW:g} s for each mail", environment, server)
        )
    head = ["", "left after s, p50", "p99", "goal at most", "bulk mails a second beside"]
    table = markdown("A security mail that another process queues", head, rows)
    return (
        f"{table}\nQueueing {BULK:,} bulk mails in one transaction: {queued:,.0f} a second. Delivering them with nothing beside: "
        f"{alone:,.0f} a second.\n"
    )


def _bulk_alone(environment: dict[str, str], server: SmtpServer) -> float:
    with _postman(environment):
        server.wait_for(1, 30)
        server.received.clear()
        time.sleep(ALONE)
        return len(server.received) / ALONE


def _row(name: str, environment: dict[str, str], server: SmtpServer) -> list[object]:
    with _postman(environment):
        time.sleep(2)
        server.received.clear()
        began = time.monotonic()
        _run("queue-slowly", str(MAILS), "security", environment=environment)
        deadline = time.monotonic() + 60
        while len(_waits(server)) < MAILS and time.monotonic() < deadline:
            time.sleep(0.1)
        seconds = time.monotonic() - began
    found = _waits(server)
    if len(found) < MAILS:
        raise RuntimeError(f"only {len(found)} of {MAILS} security mails came")
    bulk = (len(server.received) - len(found)) / seconds
    return [name, median(found), percentile(found, 0.99), GOAL, bulk]


def _waits(server: SmtpServer) -> list[float]:
    """Return of each security mail how long it took: its address says when it was queued, by the machine's one clock."""
    thinking = server.behaviour.seconds
    return [
        got.at - thinking - int(got.to.partition("@")[0].partition("-")[2]) / 1e6
        for got in tuple(server.received)
        if got.to.startswith("at-")
    ]


@contextmanager
def _postman(environment: dict[str, str]) -> Iterator[None]:
    """Run the part of a server that delivers, in a process of its own."""
    process = subprocess.Popen(_command("deliver"), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _run(*words: str, environment: dict[str, str]) -> None:
    subprocess.run(_command(*words), cwd=ROOT, env=environment, check=True)


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "bench.mail", *words]


# ---- inside the product's process


def inside(what: str, count: int, lane: str) -> None:
    """Do one thing on the data folder that the environment names."""
    from keyhouse.cli.surroundings import open_index  # noqa: PLC0415 - needs the environment

    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    open_index()
    if what == "deliver":
        _deliver()
    elif what == "queue":
        _queue([f"p{number}@example.org" for number in range(count)], lane)
    else:
        for _ in range(count):
            _queue([f"at-{time.monotonic_ns() // 1000}@example.org"], lane)
            time.sleep(REST)


def _deliver() -> None:
    import signal  # noqa: PLC0415 - only here
    import threading  # noqa: PLC0415 - only here

    from keyhouse.mail.delivery import Postman  # noqa: PLC0415 - needs the environment

    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    postman = Postman()
    postman.start()
    over.wait()
    postman.stop()


def _queue(addresses: list[str], lane: str) -> None:
    from django.db import transaction  # noqa: PLC0415 - needs the environment

    from keyhouse.core import clock  # noqa: PLC0415 - beside it
    from keyhouse.mail.letters import Letter, Link, Text  # noqa: PLC0415 - beside it
    from keyhouse.mail.services import Posting, queue_all  # noqa: PLC0415 - beside it

    letter = Letter("digest", "What changed", (Text("x " * 500), Link("See it", "https://keyhouse.test/x/")))
    with transaction.atomic():
        postings = [Posting(letter, address) for address in addresses]
        queue_all(postings, now=clock.now(), lane="bulk" if lane == "bulk" else "security")


if __name__ == "__main__":
    inside(sys.argv[1], int((sys.argv[2:3] or ["0"])[0]), (sys.argv[3:4] or ["security"])[0])
