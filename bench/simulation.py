"""A snapshot simulation of an index shaped like the published figures: seconds, processor seconds, memory.

    ./run bench simulation               1,000,000 accounts and 500,000 projects
    python -m bench.simulation 50000     as many accounts, half as many projects

The rows are written straight into the tables, since making so many people by services would take days.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from bench.mandate import ANY_FACTOR, MAINTAINERS, NOW, _at
from bench.servers import ROOT, keyhouse_environment, seed
from bench.table import markdown

ACCOUNTS = 1_000_000
DAY = timedelta(days=1)
AT_ONCE = 20_000
UNVERIFIED, WITH_FACTOR, OWNERS, TOKEN_ONLY = 0.56, 0.8, 0.35, 0.3  # shares, after the published figures
GOAL_SECONDS, GOAL_MIB = 60, 1024


def document() -> dict[str, Any]:
    """Return a campaign on everybody who maintains something, with an early cohort, announced three weeks ago."""
    announced = NOW - 21 * DAY
    early = {"any": [{"cohort": {"percent": 10, "seed": "early"}}, {"joined_from": _at(announced)}]}
    return {
        "name": "everyone",
        "title": "A second factor for everyone who maintains a project",
        "reason": "To be measured.",
        "who": {"any": [MAINTAINERS, {"role": ["operator", "invited", "publisher.configurer"]}]},
        "methods": {"accept": ANY_FACTOR},
        "notice": {"floor_days": 30, "unreached_cap_days": 60},
        "stages": [
            {"state": "announced", "at": _at(announced), "warn": ["all"], "deny": ["second-factor.remove-last"]},
            {"state": "early", "at": _at(announced + 45 * DAY), "who": early, "deny": ["management"]},
            {"state": "enforced", "at": _at(announced + 90 * DAY), "deny": ["all"]},
        ],
    }  # fmt: skip


def main(accounts: int = ACCOUNTS) -> str:
    """Make the index, simulate in a process of its own, and return the table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # it is about two processors
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "keyhouse"
        seed(folder, {"users": []})
        environment = keyhouse_environment(folder)
        command = [sys.executable, "-m", "bench.simulation", str(accounts), "inside"]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    rows = json.loads(done.stdout.splitlines()[-1])
    head = ["accounts", "projects", "processes", "seconds", "µs an account", "processor s", "MiB", "goal"]
    goal = f"{GOAL_SECONDS} s, {GOAL_MIB} MiB for a million"
    return markdown("Simulating a mandate", head, [[*row, goal] for row in rows])


# ---- inside the product's process


def inside(accounts: int) -> None:
    """Fill the index and measure."""
    from keyhouse.cli.surroundings import open_index  # noqa: PLC0415 - needs the environment

    open_index()
    _fill(accounts)
    rows = [_measure(accounts, processes) for processes in (2, 1)]
    print(json.dumps(rows))


def _measure(accounts: int, processes: int) -> list[object]:
    from keyhouse.mandate.documents import read_mandate  # noqa: PLC0415 - needs the environment
    from keyhouse.mandate.simulation import running  # noqa: PLC0415 - the same

    question = running.question_of(read_mandate(document()), NOW)
    started, busy = time.perf_counter(), _busy()
    with _Memory() as memory:
        found = running.simulate(question, processes=processes)
    seconds = time.perf_counter() - started
    told = {key: found.result[key] for key in ("people", "covered", "projects")}
    told["refused"] = [one["refused"] for one in found.result["stages"]]
    print(found.snapshot, json.dumps(told), file=sys.stderr)
    people = found.result["people"]
    return [
        f"{people:,}",
        f"{accounts // 2:,}",
        processes,
        seconds,
        seconds / people * 1e6,
        _busy() - busy,
        memory.most,
    ]


def _busy() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(one.ru_utime + one.ru_stime for one in map(resource.getrusage, whose))


class _Memory:
    """The most memory that this process and its children had together (proportional set size), in MiB."""

    def __init__(self) -> None:
        self.most = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.25):
            self.most = max(self.most, sum(map(_proportional, _family())))


def _family() -> list[int]:
    own = os.getpid()
    children = Path(f"/proc/{own}/task").glob("*/children")
    return [own, *(int(number) for file in children for number in file.read_text().split())]


def _proportional(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def _fill(accounts: int) -> None:
    """Write people, addresses, factors, projects, roles, tokens and notices."""
    from django.db import connection, transaction  # noqa: PLC0415 - needs the environment

    tables: tuple[Callable[[random.Random, int], Iterator[tuple[str, dict[str, Any]]]], ...] = (
        _people,
        _places,
    )
    for table in tables:
        rows: dict[str, list[dict[str, Any]]] = {}
        with transaction.atomic(), connection.cursor() as cursor:
            for name, row in table(random.Random(1), accounts):
                rows.setdefault(name, []).append(row)
                if len(rows[name]) >= AT_ONCE:
                    _write(cursor, name, rows.pop(name))
            for name, some in rows.items():
                _write(cursor, name, some)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _write(cursor: Any, table: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    places = ", ".join(["%s"] * len(columns))
    cursor.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})",
        [tuple(row[column] for column in columns) for row in rows],
    )


def _text(at: datetime) -> str:
    return str(at.astimezone(UTC).replace(tzinfo=None))


def _people(chance: random.Random, accounts: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for number in range(1000, 1000 + accounts):
        joined = _text(NOW - chance.randrange(1, 4000 * 86400) * timedelta(seconds=1))
        seen = _text(NOW - chance.randrange(1, 2000) * DAY) if chance.random() < 0.6 else None
        yield "accounts_user", {
            "id": number, "password": "", "username": f"person{number}", "kind": "person", "state": "active",
            "is_operator": False, "is_moderator": False, "is_auditor": False, "joined_at": joined, "last_seen_at": seen,
            "check_phrase": "",
        }  # fmt: skip
        verified = joined if chance.random() > UNVERIFIED else None
        yield "accounts_email", {
            "user_id": number, "address": f"person{number}@example.org", "is_primary": True, "verified_at": verified,
            "verified_by": "", "added_at": joined,
        }  # fmt: skip


def _places(chance: random.Random, accounts: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield projects with owners from a third of the accounts, a few of whom own many; their factors, tokens, notices."""
    owners = chance.sample(range(1000, 1000 + accounts), int(accounts * OWNERS))
    for number in range(1, accounts // 2 + 1):
        at = _text(NOW - chance.randrange(1, 3000 * 86400) * timedelta(seconds=1))
        yield "projects_project", {
            "id": number, "name": f"project{number}", "normalized_name": f"project{number}",
            "folded_name": f"project{number}", "origin": "local", "lineage": f"{number:032x}", "status": "active",
            "status_reason": "", "created_at": at, "last_serial": 0, "size": 0, "latest_version": "1.0", "summary": "",
        }  # fmt: skip
        yield "projects_release", {
            "project_id": number, "version": "1.0", "created_at": at, "yanked_reason": "", "summary": "",
            "metadata": json.dumps({"requires_dist": [f"project{int(1 + chance.paretovariate(0.6))}"]}),
            "description_html": "", "is_quarantined": False, "quarantine_reason": "",
        }  # fmt: skip
        count = 1 if chance.random() < 0.7 else chance.randrange(2, 4)
        few = {
            owners[
                min(int(chance.paretovariate(0.9)) * 7, len(owners) - 1)
                if chance.random() < 0.2
                else chance.randrange(len(owners))
            ]
            for _ in range(count)
        }
        for place, owner in enumerate(sorted(few)):
            kind = "owner" if place == 0 or chance.random() < 0.5 else "maintainer"
            yield "projects_role", {"project_id": number, "user_id": owner, "kind": kind, "since_at": at}
    for owner in owners:
        yield from _credentials_of(chance, owner)


def _credentials_of(chance: random.Random, owner: int) -> Iterator[tuple[str, dict[str, Any]]]:
    at = _text(NOW - chance.randrange(1, 1500 * 86400) * timedelta(seconds=1))
    has_factor = chance.random() < WITH_FACTOR
    if has_factor and chance.random() < 0.8:
        yield "accounts_authenticator", {
            "user_id": owner, "name": "phone", "secret_sealed": "x", "last_step": 0, "failures": 0, "created_at": at,
        }  # fmt: skip
    elif has_factor:
        yield "accounts_securitykey", {
            "user_id": owner, "name": "key", "credential_id": f"{owner}", "public_key": b"x", "algorithm": -7,
            "rp_id": "localhost", "sign_count": 0, "user_verified": True, "backup_eligible": chance.random() < 0.5,
            "backup_state": False, "aaguid": "", "attested_model": "", "transports": "[]", "created_at": at,
        }  # fmt: skip
    if chance.random() < TOKEN_ONLY:
        yield "tokens_token", {
            "id": f"{owner:032x}", "key_id": "k", "user_id": owner, "description": "ci", "is_for_all_projects": True,
            "version": "", "actions": '["upload"]', "reason": "", "minted_at": at,
            "minted_methods": json.dumps(["password", "totp"] if has_factor and chance.random() < 0.5 else ["password"]),
            "minted_proof_at": at, "minted_user_verified": False, "minted_device_bound": False, "minted_session": "",
            "minted_mandate": "", "expires_at": _text(NOW + 900 * DAY), "revoked_reason": "", "told_projects": "[]",
            "last_used_client": "", "last_used_network": "", "last_used_at": _text(NOW - chance.randrange(1, 600) * DAY),
        }  # fmt: skip
    if chance.random() < 0.5:
        told = _text(NOW - chance.randrange(1, 21 * 86400) * timedelta(seconds=1))
        yield (
            "mandate_notice",
            {"user_id": owner, "mandate": "everyone", "kind": "announcement", "delivered_at": told},
        )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ACCOUNTS
    if len(sys.argv) == 3:
        inside(count)
    else:
        sys.stdout.write(main(count))
