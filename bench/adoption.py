"""Adoption of mandates on a big index: the page that operators look at, and counting everybody once.

The page reads daily aggregates only, so it is measured with two years of days beside a million accounts. What needs the
product's own process runs in a child (`python -m bench.adoption FOLDER ACCOUNTS`), which prints JSON.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.servers import ROOT, keyhouse_environment, seed
from bench.table import markdown, median, percentile

ACCOUNTS = int(os.environ.get("BENCH_ACCOUNTS", "1000000"))
DAYS = 730
ASKED = 60
GOAL_MS = 100
PAGES = {
    "list of mandates": "/operator/mandates/",
    "one mandate, 90 days": "/operator/mandates/campaign/",
    "one mandate, two years": "/operator/mandates/campaign/?of=projects-all&days=730",
    "the same as JSON, all days": "/operator/mandates/campaign.json",
}


def main() -> str:
    """Measure and return the tables."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "keyhouse"
        _seed(folder)
        command = [sys.executable, "-m", "bench.adoption", str(folder), str(ACCOUNTS)]
        done = subprocess.run(
            command, cwd=ROOT, env=keyhouse_environment(folder), stdout=subprocess.PIPE, check=True
        )
    found = json.loads(done.stdout.splitlines()[-1])
    pages = [
        [
            name,
            *(figures[one] for one in ("p50", "p95", "kB", "questions")),
            "" if "JSON" in name else GOAL_MS,
        ]
        for name, figures in found["pages"].items()
    ]
    head = ["page", "p50 ms", "p95 ms", "kB", "questions to the database", "goal ms at most"]
    title = f"Adoption with {ACCOUNTS:,} accounts and {DAYS} days"
    count = found["count"]
    row = [count["accounts"], count["projects"], count["seconds"], count["megabytes"], count["again"]]
    return "\n".join(
        (
            markdown(title, head, pages),
            markdown(
                "Counting everybody once a day",
                [
                    "accounts",
                    "projects",
                    "seconds",
                    "peak MB of the process",
                    "seconds of a round with nothing due",
                ],
                [row],
            ),
        )
    )


def _seed(folder: Path) -> None:
    """Fill an index with one person of each kind; the child makes many of them."""
    operator = {"username": "root", "email": "root@example.org", "verified": True, "second_factors": ["totp"]}
    person = {"username": "ada", "email": "ada@example.org", "verified": True, "second_factors": ["totp"]}
    document = {
        "users": [{**operator, "operator": True, "password": None}, {**person, "password": None}],
        "projects": [{"name": "alpha", "owners": ["ada"]}],
    }
    seed(folder, document)


# ---- inside the product's process


def inside(accounts: int) -> None:
    """Measure in this process, on the data folder that the environment names."""
    from keyhouse.cli.surroundings import open_index  # noqa: PLC0415 - needs the environment

    open_index()
    projects = _multiply(accounts)
    _store_mandate()
    found = {"count": _time_counting(accounts, projects)}
    _multiply_days()
    print(json.dumps({**found, "pages": _time_pages()}))


def _copy(model: Any, base: int, count: int, changed: dict[str, str], where: str = "1 = 1") -> None:
    """Copy a row as often as said; `changed` gives columns as expressions of the number `n.i`."""
    from django.db import connection  # noqa: PLC0415 - needs the environment

    columns = [field.column for field in model._meta.concrete_fields if field.column != "id"]  # noqa: SLF001 - how Django names its model interface
    values = ", ".join(changed.get(column, f"base.{column}") for column in columns)
    table = model._meta.db_table  # noqa: SLF001 - as above
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)})"
        f" WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        f" SELECT {values} FROM n JOIN {table} base ON base.id = {base} WHERE {where}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _multiply(accounts: int) -> int:
    """Make accounts, a fifth of them with an app, and half as many projects, most with one owner; returns how many."""
    from keyhouse.accounts.models import Authenticator, Email, User  # noqa: PLC0415 - needs the environment
    from keyhouse.projects.models import Project, Role  # noqa: PLC0415 - beside it

    ada, alpha = User.objects.get(username="ada"), Project.objects.get()
    first, projects = ada.pk, accounts // 2
    _copy(User, ada.pk, accounts, {"username": "'p' || n.i"})
    email = Email.objects.get(user=ada)
    _copy(
        Email, email.pk, accounts,
        {"user_id": f"{first} + n.i", "address": "'p' || n.i || '@example.org'",
         "verified_at": "CASE WHEN n.i % 9 < 4 THEN base.verified_at END"},
    )  # fmt: skip
    app = Authenticator.objects.get(user=ada)
    _copy(Authenticator, app.pk, accounts, {"user_id": f"{first} + n.i"}, where="n.i % 5 = 0")
    _copy(
        Project, alpha.pk, projects,
        {"name": "'q' || n.i", "normalized_name": "'q' || n.i", "folded_name": "'q' || n.i",
         "lineage": "printf('%032x', n.i)"},
    )  # fmt: skip
    role = Role.objects.get()
    owner = {"project_id": f"{alpha.pk} + n.i"}
    _copy(Role, role.pk, projects, {**owner, "user_id": f"{first} + 1 + (n.i * 7) % {accounts}"})
    other = {**owner, "user_id": f"{first} + 1 + (n.i * 7 + 3) % {accounts}"}
    _copy(Role, role.pk, projects, other, where="n.i % 4 = 0")
    return projects


def _store_mandate() -> None:
    from bench.mandate import ANY_FACTOR, DAY, MAINTAINERS, _mandate, _stages  # noqa: PLC0415 - needs the environment
    from keyhouse.core import clock  # noqa: PLC0415 - beside it
    from keyhouse.core.actor import host  # noqa: PLC0415 - beside it
    from keyhouse.mandate.documents import read_mandate  # noqa: PLC0415 - beside it
    from keyhouse.mandate.services import seed_version  # noqa: PLC0415 - beside it

    now = clock.now()
    document = _mandate("campaign", MAINTAINERS, _stages(now - 90 * DAY, now + 90 * DAY), ANY_FACTOR)
    seed_version(read_mandate(document), approved_by=[], by=host())


def _time_counting(accounts: int, projects: int) -> dict[str, Any]:
    from keyhouse.core import clock  # noqa: PLC0415 - needs the environment
    from keyhouse.mandate.metrics.daily import renew_adoption  # noqa: PLC0415 - beside it

    began = time.perf_counter()
    renew_adoption(clock.now())
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    renew_adoption(clock.now())
    return {
        "accounts": accounts,
        "projects": projects,
        "seconds": seconds,
        "again": time.perf_counter() - began,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def _multiply_days() -> None:
    from keyhouse.core import clock  # noqa: PLC0415 - needs the environment
    from keyhouse.mandate.metrics.models import AdoptionDay  # noqa: PLC0415 - beside it

    today = clock.now().date()
    rows = [
        AdoptionDay(
            mandate=row.mandate,
            day_on=today - timedelta(days=days),
            version=row.version,
            counted_at=row.counted_at,
            is_over=True,
            counts=row.counts,
        )
        for row in AdoptionDay.objects.filter(day_on=today)
        for days in range(1, DAYS)
        if days % 50  # a missed day now and then
    ]
    AdoptionDay.objects.bulk_create(rows, batch_size=500)


def _time_pages() -> dict[str, dict[str, float]]:
    from django.db import connection  # noqa: PLC0415 - needs the environment
    from django.test import Client  # noqa: PLC0415 - beside it
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415 - beside it

    from keyhouse.accounts.cookies import cookie_name  # noqa: PLC0415 - beside it
    from keyhouse.accounts.models import User  # noqa: PLC0415 - beside it
    from keyhouse.accounts.sessions import start_session  # noqa: PLC0415 - beside it
    from keyhouse.core import clock  # noqa: PLC0415 - beside it

    client = Client(headers={"host": "localhost"})
    operator = User.objects.get(username="root")
    client.cookies[cookie_name()] = start_session(operator, ("password", "totp"), at=clock.now())[1]
    found = {}
    for name, path in PAGES.items():
        times = []
        for _ in range(ASKED):
            began = time.perf_counter()
            answer = client.get(path)
            times.append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200, (path, answer.status_code)  # noqa: S101 - a page that isn't shown is not measured
        with CaptureQueriesContext(connection) as asked:
            client.get(path)
        found[name] = {
            "p50": median(times),
            "p95": percentile(times, 0.95),
            "kB": len(answer.content) / 1000,
            "questions": len(asked),
        }
    return found


if __name__ == "__main__":
    inside(int(sys.argv[2]))
