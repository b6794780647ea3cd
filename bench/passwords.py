"""Compromised passwords: the import beside reading the list, look-ups in a file of a hundred million, what a reset's form tells.

The entries are made up and written by the product's own writer; both files are gone after it.
"""

from __future__ import annotations

import array
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.servers import keyhouse, seed
from bench.sign_in import PASSWORD, Client
from bench.table import markdown, median, paired, percentile
from keyhouse.accounts.passwords.compromised_file import (
    BLOCK,
    ENTRY,
    FILE_NAME,
    HEADER_BYTES,
    About,
    CompromisedFile,
)
from keyhouse.accounts.passwords.importing import import_dump
from keyhouse.accounts.passwords.writing import Writer

LINES = 5_000_000
ENTRIES = 100_000_000
AT_ONCE = 500_000
ROUNDS = 3
ASKED = 20_000
COLD = 200
READ = 2**16
FORMS = 150
REST = 12  # bytes of a digest behind the eight that order it


def main() -> str:
    """Measure and return the tables."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        return "\n".join((_import_table(Path(name)), _look_up_table(Path(name)), _form_table(Path(name))))


# ---- made-up digests, in order


def _digests(count: int) -> Iterator[bytes]:
    """Give digests in ascending order, spread as evenly as real ones, half a million at a time."""
    step = 2**64 // count
    chance = random.Random(1)
    for first in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - first)
        jitter = array.array("I", chance.randbytes(4 * size))
        keys = array.array(
            "Q", [(first + number) * step + (step * jitter[number] >> 32) for number in range(size)]
        )
        keys.byteswap()
        yield _interleaved(keys.tobytes(), chance.randbytes(REST * size), size)


def _interleaved(keys: bytes, rest: bytes, size: int) -> bytes:
    digests = bytearray(20 * size)
    for column in range(8):
        digests[column::20] = keys[column::8]
    for column in range(REST):
        digests[8 + column :: 20] = rest[column::REST]
    return bytes(digests)


# ---- the import


def _import_table(folder: Path) -> str:
    source, data = folder / "list.txt", folder / "data"
    data.mkdir()
    _write_list(source)
    rounds = [_import_round(source, data) for _ in range(ROUNDS)]
    size = (data / FILE_NAME).stat().st_size
    source.unlink()
    columns = list(zip(*rounds, strict=True))
    ours = columns[0]
    rows = [
        [
            LINES / median(ours),
            "1,000,000",
            *(1 / paired(ours, theirs) for theirs in columns[1:]),
            size / LINES,
            20,
        ]
    ]
    head = ["lines/s", "goal", "speed to `wc -l`", "to `sha256sum`", "to `sort -c`", "bytes an entry", "goal"]
    return markdown("Compromised passwords: import", head, rows)


def _write_list(path: Path) -> None:
    chance = random.Random(2)
    with path.open("w", newline="") as file:
        for digests in _digests(LINES):
            text = digests.hex().upper()
            file.writelines(
                f"{text[at : at + 40]}:{int(chance.paretovariate(0.6)) % 10**7}\r\n"
                for at in range(0, len(text), 40)
            )


def _import_round(source: Path, data: Path) -> tuple[float, ...]:
    """Return the seconds of the import and of its peers, in turns."""
    started = time.perf_counter()
    with source.open("rb") as file:
        import_dump(file, data)
    ours = time.perf_counter() - started
    peers = (["wc", "-l"], ["sha256sum"], ["sort", "-c"])
    return (ours, *(_seconds([*command, str(source)]) for command in peers))


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
    return time.perf_counter() - started


# ---- look-ups


def _look_up_table(folder: Path) -> str:
    path = folder / "hundred-million.bin"
    known = _write_file(path)
    # before anything maps the file for longer: what is mapped stays in memory
    disk = [_one_read(path) for _ in range(COLD)]
    cold = {"known": _cold(path, known[:COLD]), "unknown": _cold(path, _made_up(COLD))}
    file = CompromisedFile(path)
    unknown = _made_up(len(known))
    if not all(digest in file for digest in known) or any(digest in file for digest in unknown):
        raise RuntimeError("a look-up was wrong")
    rows = []
    for name, digests in (("known", known), ("unknown", unknown)):
        ours = _times(file.__contains__, digests)
        theirs = _times(_Bisected(path).find, digests)
        rows.append(
            [
                name,
                median(ours),
                percentile(ours, 0.99),
                percentile(cold[name], 0.5),
                median(cold[name]) / median(disk),
                1000,
                median(theirs),
                median(theirs) / median(ours),
            ]
        )
    path.unlink()
    head = [
        f"look-up among {ENTRIES:,}",
        "p50 µs",
        "p99 µs",
        "p50 µs, nothing in memory",
        "to one read of the disk",
        "goal below",
        "bisecting by `pread`, p50 µs",
        "times as fast",
    ]
    return markdown("Compromised passwords: look-up", head, rows)


def _made_up(count: int) -> list[bytes]:
    return [random.Random(number).randbytes(20) for number in range(count)]


def _write_file(path: Path) -> list[bytes]:
    """Write the file and return some of the digests in it."""
    known: list[bytes] = []
    with path.open("w+b") as file:
        writer = Writer(file)
        for digests in _digests(ENTRIES):
            writer.add(digests)
            every = 20 * (ENTRIES // ASKED)
            known += [digests[at : at + 20] for at in range(0, len(digests), every)]
        about = About(writer.entries, 1, ENTRIES, datetime.now(UTC), hashlib.sha256().digest())
        writer.finish(about)
    random.Random(3).shuffle(known)
    return known


def _times(find: Callable[[bytes], bool], digests: Sequence[bytes]) -> list[float]:
    times = []
    for digest in digests:
        started = time.perf_counter()
        find(digest)
        times.append((time.perf_counter() - started) * 1e6)
    return times


def _cold(path: Path, digests: Sequence[bytes]) -> list[float]:
    """Look each up after the system has dropped the file from memory."""
    times = []
    for digest in digests:
        _drop(path)
        file = CompromisedFile(path)
        times += _times(file.__contains__, [digest])
        del file
    return times


def _one_read(path: Path) -> float:
    """Return how long the disk takes for one read somewhere in the file that is not in memory, in µs."""
    _drop(path)
    at = random.Random(time.monotonic_ns()).randrange(path.stat().st_size)
    with path.open("rb", buffering=0) as file:
        started = time.perf_counter()
        os.pread(file.fileno(), READ, at)
        return (time.perf_counter() - started) * 1e6


def _drop(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class _Bisected:
    """The same entries, bisected without a memory map, without guesses and without a check of what is read."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._starts = CompromisedFile(path)._starts  # noqa: SLF001 - the peer starts from the same table

    def find(self, digest: bytes) -> bool:
        low, high = self._starts[digest[0]], self._starts[digest[0] + 1]
        while low < high:
            middle = (low + high) // 2
            entry = os.pread(self._file, ENTRY, HEADER_BYTES + middle * ENTRY + middle // BLOCK * 4)
            if entry == digest[1:]:
                return True
            low, high = (middle + 1, high) if entry < digest[1:] else (low, middle)
        return False


# ---- the form for a forgotten password


def _form_table(folder: Path) -> str:
    data = folder / "index"
    seed(data, {"users": [{"username": "ada", "email": "ada@example.org", "password": PASSWORD}]})
    with keyhouse(data) as server:
        known, unknown = Client(server.url), Client(server.url)
        pairs = [(_ask(known, "ada"), _ask(unknown, "nobody")) for _ in range(FORMS)][10:]
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    row = [median(ours) * 1e3, median(theirs) * 1e3, paired(ours, theirs)]
    head = ["“Forgot your password?” for somebody, ms", "for nobody, ms", "ratio"]
    return markdown("Forgotten passwords: what the time tells", head, [row])


def _ask(client: Client, name: str) -> float:
    client.ask("GET", "/account/password/forgotten/")
    started = time.perf_counter()
    status, _ = client.ask("POST", "/account/password/forgotten/", {"username": name})
    if status != 303:
        raise RuntimeError(f"the form was answered by {status}")
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.stdout.write(main())
