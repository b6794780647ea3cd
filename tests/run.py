"""Run the tests: on SQLite, then those that use the database on PostgreSQL, then the journeys.

    ./run test                 all of it, without what takes long, and by turns what is tried more than once
    ./run test --turn 2        that, with the second of six parts of what is taken by turns (else the commit says which)
    ./run test --fast          without PostgreSQL and journeys
    ./run test --all           also what takes long
    ./run test tests/index -k negotiate    anything else goes to pytest

By turns: of the tests that use a database, a sixth is tried on PostgreSQL, of those that are about the database itself a
third, and the others on SQLite; and of what takes seconds each, a third. Where there is no PostgreSQL, or tests are named,
all are tried, on what there is.
What tests write into their folders stays in memory where there is enough of it, unless TMPDIR names another place.
PostgreSQL is looked for at KEYHOUSE_TEST_POSTGRES (default postgresql://postgres@127.0.0.1:5432/postgres).
What is missing is said at the end; where KEYHOUSE_REQUIRE names it, its absence is a failure.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TURNS = 6  # of what is tried on one database only
MEMORY = Path("/dev/shm")
ENOUGH = 4 * 2**30  # bytes of it; a whole run takes less than half
POSTGRES = os.environ.pop("KEYHOUSE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
CLOSING = re.compile(r"=+ .* in [\d.]+s.* =+|no tests ran in .*|\d+ (passed|failed).* in [\d.]+s.*")
LEFT_OUT = re.compile(r"SKIPPED .*: left out: (.+)")  # as `conftest.skip_or_fail` says it
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
NO_TESTS = 5
BY_TEST = ("-n", "2", "--dist", "worksteal")  # each begins with a half: what a file shares is made once
BY_FILE = ("-n", "2", "--dist", "loadfile")  # a file's tests share one index
QUICKLY = (
    "synchronous_commit=off",  # what is tried here is no crash of the database
    # nor of how it plans: tables hold a few rows, and to weigh the orders of joins takes longer than any of them
    "join_collapse_limit=1",
    "from_collapse_limit=1",
)
QUICK = {"PGOPTIONS": " ".join(f"-c {setting}" for setting in QUICKLY)}


@dataclass(frozen=True)
class Phase:
    """One run of pytest."""

    name: str
    marks: str
    share: tuple[str, ...]  # how the tests are shared out among processes
    environment: Mapping[str, str]
    where: tuple[str, ...] = ()  # the only folders that hold any of them


def phases(options: set[str]) -> list[Phase]:
    """Return what to run, in order."""
    long = "" if "--all" in options else " and not slow"
    base = f"not journey and not corpus{long}"
    found = [Phase("SQLite", base, BY_TEST, {})]
    if "--fast" in options:
        return found
    if postgres_answers():
        found.append(
            Phase("PostgreSQL", f"database and {base}", BY_TEST, {"KEYHOUSE_DATABASE_URL": POSTGRES, **QUICK})
        )
    return [*found, Phase("journeys", f"journey{long}", BY_FILE, {}, ("tests/journeys",))]


def postgres_answers() -> bool:
    """Whether there is a PostgreSQL to test on."""
    import psycopg  # noqa: PLC0415 - `--fast` needs none

    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error:
        return False
    return True


def run(phase: Phase, arguments: list[str], missing: set[str]) -> tuple[int, str]:
    """Run one phase, show it as it goes, and return exit code and closing line; add what was left out to `missing`."""
    print(f"\n--- {phase.name} ---", flush=True)
    colour = "--color=yes" if sys.stdout.isatty() else "--color=auto"
    where = () if any(Path(argument.partition("::")[0]).exists() for argument in arguments) else phase.where
    command = [sys.executable, "-m", "pytest", colour, *phase.share, "-m", phase.marks, *where, *arguments]
    closing = ""
    environment = {**os.environ, **phase.environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as pytest:
        for line in pytest.stdout or ():
            print(line, end="", flush=True)
            plain = COLOURS.sub("", line).strip()
            closing = plain if CLOSING.fullmatch(plain) else closing
            missing.update(LEFT_OUT.findall(plain))
    return pytest.returncode, closing.strip("= ")


@contextmanager
def surroundings() -> Iterator[None]:
    """Let nothing wait for a disk: what is tried here is no crash of the machine."""
    folder = tempfile.mkdtemp(prefix="keyhouse-tests-", dir=os.environ.get("TMPDIR") or roomy_memory())
    os.environ["TMPDIR"] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def roomy_memory() -> Path | None:
    """Return where files stay in memory, if that has room for all that tests write, and lets programs run."""
    if not os.access(MEMORY, os.W_OK) or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free > ENOUGH else None


def turn_of_commit() -> str:
    """Return which part the commit takes, 1 to 6; 1 where there is none."""
    asked = ["git", "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "1"
    return str(int(commit, 16) % TURNS + 1)


def main(arguments: list[str]) -> int:
    """Run all phases, also after one failed, and say how each ended."""
    parser = argparse.ArgumentParser(prog="./run test", add_help=False, allow_abbrev=False)
    parser.add_argument("--turn", choices=[str(turn + 1) for turn in range(TURNS)])
    known, others = parser.parse_known_args(arguments)
    options = {argument for argument in others if argument in {"--fast", "--all"}}
    rest = [argument for argument in others if argument not in options]
    if not rest and options == set() and postgres_answers():
        turn = known.turn or turn_of_commit()
        os.environ["TESTS_TURN"] = f"{int(turn) - 1}/{TURNS}"
        print(
            f"By turns: part {turn} of {TURNS} of what uses a database is tried on PostgreSQL, the others on SQLite, and"
            " a third of what takes seconds each; --turn names another, --all takes all."
        )
    missing: set[str] = set()
    with surroundings():
        done = [(phase.name, *run(phase, rest, missing)) for phase in phases(options)]
    codes = [code for _, code, _ in done if code != NO_TESTS]
    print("\n--- in all ---")
    for name, _, closing in done:
        print(f"{name}: {closing}")
    for what in sorted(missing):
        print(f"Left out: {what}.")
    return max([*codes, say_what_is_missing(options, {name for name, _, _ in done})], default=0)


def say_what_is_missing(options: set[str], done: set[str]) -> int:
    """Say what was left out; returns 1 where that had to be there."""
    if "--fast" in options:
        print("Left out: PostgreSQL, journeys (--fast).")
        return 0
    if "PostgreSQL" in done:
        return 0
    print("Left out: PostgreSQL, since none answers at KEYHOUSE_TEST_POSTGRES.")
    return int("postgres" in os.environ.get("KEYHOUSE_REQUIRE", "").split(","))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
