"""Searching among a hundred thousand projects, and the pages that people open: seconds until an answer is there.

The peer is what stood here before: `LIKE '%…%'` over names and summaries, asked of the same database in the same rounds;
it reads no descriptions and has the way over HTTP for free.
"""

from __future__ import annotations

import http.client
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg

from bench.servers import ROOT, Server, keyhouse, keyhouse_environment, seed
from bench.shelves import Texts, word
from bench.table import markdown, median, percentile
from bench.uploads import upload_by_form
from bench.wheels import write_told_wheel

PROJECTS = 100_000
PEOPLE = 200  # ada, the first of them, owns some ninety of the projects, the last some seventeen thousand
TOKENS = 12  # of ada
RELEASES = 120  # of the project whose page is measured
PYTHONS = tuple(
    f"cp3{minor}" for minor in range(9, 15)
)  # the latest has three wheels for each, and one for all
PLATFORMS = ("manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64")
REQUIREMENTS = 40
PARAGRAPHS = 50  # of the description, 17 kB in all
ROUNDS = 200
SETTLING = 20  # seconds until the lists of all projects are rendered anew after what was published last
GOAL_FOUND = 50  # milliseconds until the first results
GOAL_PAGE = (20, 60)  # milliseconds, p50 and p99
POSTGRESQL = "postgresql://postgres@127.0.0.1:5432"
DATABASE = "keyhouse_bench_search"

Ask = Callable[[int], str]
# What is asked in the n-th round; the first words are in nearly all texts, the later ones in few.
QUERIES: Mapping[str, Ask] = {
    "one letter": lambda turn: "bcdfghklmnprstvz"[turn % 16],
    "beginning of a name": lambda turn: word(200 + turn)[:4],
    "common word": lambda turn: word(turn % 20),
    "rare word": lambda turn: word(5000 + turn * 10),
    "two common words": lambda turn: f"{word(turn % 20)} {word(20 + turn % 20)}",
    "found nowhere": lambda turn: f"zzyzx{turn}",
}
FILTERS = {
    "common word, Python": "&python=3.12",
    "common word, classifier": "&classifier=" + quote("Framework :: Django :: 5.2"),
    "common word, released of late": "&age=365",
    "common word, maintainer": f"&maintainer=person-{PEOPLE - 1}",
}
PAGES = {
    "home": "/",
    "search page": "/search/?q=" + word(10),
    "project page": "/project/bench-alpha/",
    "browse": "/browse/?classifier=" + quote("Programming Language"),
    "account page": "/account/",
}


@dataclass
class Case:
    """What is measured, by which address, against which scan, and how long each took."""

    name: str
    address: Ask
    scanned: Ask | None = None
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)


def main() -> str:
    """Measure on SQLite, and on PostgreSQL where one answers; returns the tables."""
    tables = [_measure("SQLite", {})]
    with _postgresql() as url:
        if url:
            tables.append(_measure("PostgreSQL", {"KEYHOUSE_DATABASE_URL": url}))
    return "\n".join(tables)


@contextmanager
def _postgresql() -> Iterator[str]:
    """Make a database of our own on the local server; empty where there is none."""
    try:
        connection = psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        yield ""
        return
    with connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
        try:
            yield f"{POSTGRESQL}/{DATABASE}"
        finally:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def _measure(title: str, environment: Mapping[str, str]) -> str:
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "keyhouse"
        cookie, token = _prepare(folder, environment)
        with keyhouse(folder, token, **environment) as server:
            _publish(server, Path(name))
            time.sleep(SETTLING)
            scan = _scanner(folder, environment)
            found = [Case(name, _search_of(ask), ask) for name, ask in QUERIES.items()]
            found += [
                Case(name, _search_of(QUERIES["common word"], more), QUERIES["common word"])
                for name, more in FILTERS.items()
            ]
            pages = [Case(name, _always(path)) for name, path in PAGES.items()]
            _ask_all(server, cookie, [*found, *pages], scan)
    return _found_table(title, found) + "\n" + _page_table(title, pages)


def _prepare(folder: Path, environment: Mapping[str, str]) -> tuple[str, str]:
    """Fill the index and return the cookie and a token of somebody who is signed in there."""
    names = ["ada", *(f"person-{number}" for number in range(1, PEOPLE))]
    document = {
        "users": [
            {"username": name, "email": f"{name}@example.org", "password": None, "second_factors": ["totp"]}
            for name in names
        ],
        "sessions": [{"user": "ada", "proved": ["password", "totp"]}],
        "projects": [{"name": "bench-alpha", "owners": ["ada"]}],
        "tokens": [{"user": "ada", "projects": "all", "minted_with": "totp"}] * TOKENS,
    }
    answer = seed(folder, document, **environment)
    command = [sys.executable, "-m", "bench.shelves", str(PROJECTS)]
    subprocess.run(command, cwd=ROOT, env={**keyhouse_environment(folder), **environment}, check=True)
    return str(answer["sessions"][0]["cookie"]), str(answer["tokens"][0]["token"])


def _publish(server: Server, folder: Path) -> None:
    """Publish the releases of a project that people know."""
    metadata, latest = _metadata(), f"1.{RELEASES - 1}"
    for number in range(RELEASES):
        upload_by_form(server, write_told_wheel(folder, "bench_alpha", f"1.{number}", metadata))
    for python in PYTHONS:
        for platform in PLATFORMS:
            tag = f"{python}-{python}-{platform}"
            upload_by_form(server, write_told_wheel(folder, "bench_alpha", latest, metadata, tag))


def _metadata() -> str:
    """Return what such a project says of itself."""
    texts = Texts()
    lines = [
        f"Summary: {texts.words(8)}",
        "Requires-Python: >=3.9",
        "Description-Content-Type: text/markdown",
    ]
    lines += [f"Requires-Dist: {word(number)} (>=1.{number})" for number in range(100, 100 + REQUIREMENTS)]
    lines += [f"Project-URL: {word(number)}, https://example.org/{number}" for number in range(6)]
    parts = []
    for number in range(PARAGRAPHS):
        said = f"{texts.words(30)} [{texts.words(2)}](https://example.org/{number}) `{texts.words(1)}`"
        parts += [f"## {texts.words(3)}", said, f"* {texts.words(6)}\n* **{texts.words(6)}**"]
        if not number % 5:
            parts.append(f"```python\nimport {texts.words(1)}\n\nprint({number})\n```")
    return "\n".join(lines) + "\n\n" + "\n\n".join(parts) + "\n"


def _always(path: str) -> Ask:
    return lambda _: path


def _search_of(ask: Ask, more: str = "") -> Ask:
    return lambda turn: f"/search.json?q={quote(ask(turn))}{more}"


def _scanner(folder: Path, environment: Mapping[str, str]) -> Callable[[str], object]:
    """Return what looks for a text in every name and summary."""
    asked = (
        "SELECT id FROM projects_project WHERE status <> 'quarantined' AND (normalized_name LIKE {0} OR"
        " summary LIKE {0}) ORDER BY normalized_name LIMIT 20"
    )
    if environment:
        server = psycopg.connect(environment["KEYHOUSE_DATABASE_URL"])
        return lambda text: server.execute(asked.format("%(text)s"), {"text": f"%{text}%"}).fetchall()
    database = sqlite3.connect(folder / "keyhouse.sqlite3")
    return lambda text: database.execute(asked.format("?1"), [f"%{text}%"]).fetchall()


def _ask_all(server: Server, cookie: str, cases: list[Case], scan: Callable[[str], object]) -> None:
    """Ask each case in turn, round by round; the first rounds warm up and count for nothing."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    headers = {"Host": f"localhost:{parts.port}", "Cookie": cookie}
    warm = 10
    for turn in range(-warm, ROUNDS):
        for case in cases:
            seconds = _timed(_get, connection, case.address(abs(turn)), headers)
            if turn >= 0:
                case.ours.append(seconds)
            if case.scanned and 0 <= turn < ROUNDS // 10:
                case.theirs.append(_timed(scan, case.scanned(turn)))


def _timed(act: Callable[..., object], *what: object) -> float:
    started = time.perf_counter()
    act(*what)
    return time.perf_counter() - started


def _get(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> None:
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} was answered by {answer.status}")


def _found_table(title: str, cases: list[Case]) -> str:
    head = ["what is searched", "p50 ms", "p99 ms", "goal", "a scan, p50 ms", "times as fast"]
    rows = [
        [
            case.name,
            median(case.ours) * 1e3,
            percentile(case.ours, 0.99) * 1e3,
            GOAL_FOUND,
            median(case.theirs) * 1e3,
            median(case.theirs) / median(case.ours),
        ]
        for case in cases
    ]
    return markdown(f"Searching {PROJECTS:,} projects on {title}", head, rows)


def _page_table(title: str, cases: list[Case]) -> str:
    head = ["page", "p50 ms", "goal", "p99 ms", "goal"]
    rows = [
        [case.name, median(case.ours) * 1e3, GOAL_PAGE[0], percentile(case.ours, 0.99) * 1e3, GOAL_PAGE[1]]
        for case in cases
    ]
    return markdown(f"Pages beside {PROJECTS:,} projects on {title}", head, rows)


if __name__ == "__main__":
    sys.stdout.write(main())
