"""The gate: one decision with ten live mandates, gathering its facts, its share of an upload, and of a read.

What needs the product's own process runs in a child (`python -m bench.mandate FOLDER TOKEN`), which prints JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.servers import ROOT, Server, keyhouse_environment, seed
from bench.table import markdown, median, percentile
from bench.uploads import form_of
from bench.wheels import write_wheel

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
DAY = timedelta(days=1)
MAINTAINERS = {"role": ["project.owner", "project.maintainer"]}
ANY_FACTOR = ["security-key", "passkey", "authenticator-app"]
UPLOADS, READS, GATHERED, DECIDED = 150, 3000, 2000, 10_000
ROUNDS = 10
BARE = 1500  # turns of an empty loop that last about as long as a decision


def documents() -> list[dict[str, Any]]:
    """Return ten mandates as an index may have them: general and narrow, in every state, with cohorts and pauses."""
    critical = {"critical": {"metric": "unique-clients", "window_days": 180, "top": 100, "keep_above": 0.8}}
    privileged = {"role": ["operator", "moderator", "auditor"]}
    narrow = {"all": [MAINTAINERS, {"not": {"user": ["mallory"]}}]}
    early = {"cohort": {"percent": 25, "seed": "early"}}
    ahead = NOW + 40 * DAY
    return [
        _mandate("everyone", MAINTAINERS, _stages(NOW - 300 * DAY, NOW - 200 * DAY)),
        _mandate("keys-for-critical", critical, _stages(NOW - 300 * DAY, NOW - 200 * DAY), ["phishing-resistant"]),
        _mandate("operators", privileged, _stages(NOW - 300 * DAY, NOW - 200 * DAY), ["security-key"]),
        _mandate("newcomers", {"joined_from": _at(NOW - 500 * DAY)}, _stages(NOW - 90 * DAY, NOW - 30 * DAY)),
        _mandate("campaign", narrow, _stages(NOW - 20 * DAY, ahead), ["phishing-resistant"]),
        _mandate("cohort", MAINTAINERS, _stages(NOW - 20 * DAY, ahead, early=early), ["phishing-resistant"]),
        _mandate("named", {"project": ["alpha", "beta"]}, _stages(NOW - 60 * DAY, NOW - 10 * DAY)),
        _mandate("brownouts", MAINTAINERS, _stages(NOW - 60 * DAY, ahead, brownout=early), ["passkey"]),
        _mandate("readers", {"everyone": True}, _stages(NOW - 60 * DAY, ahead + DAY)),
        _mandate("later", {"any": [MAINTAINERS, privileged, critical]}, _stages(ahead, ahead + 90 * DAY)),
    ]  # fmt: skip


def _at(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _mandate(
    name: str, who: dict[str, Any], stages: list[dict[str, Any]], accept: list[str] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "title": f"The mandate {name}",
        "reason": "To be measured.",
        "who": who,
        "methods": {"accept": accept or ANY_FACTOR},
        "notice": {"floor_days": 14, "unreached_cap_days": 30},
        "stages": stages,
    }


def _stages(
    announced: datetime,
    enforced: datetime,
    early: dict[str, Any] | None = None,
    brownout: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    stages: list[dict[str, Any]] = [
        {"state": "announced", "at": _at(announced), "warn": ["all"], "deny": ["second-factor.remove-last"]}
    ]
    if brownout:
        between = {"state": "brownout", "at": _at(announced + 5 * DAY), "who": brownout}
        stages += [
            {**between, "deny": ["publishing"]},
            {"state": "reminding", "at": _at(announced + 6 * DAY)},
        ]
    if early:
        stages.append(
            {"state": "early", "at": _at(announced + 9 * DAY), "who": early, "deny": ["management"]}
        )
    return [*stages, {"state": "enforced", "at": _at(enforced), "deny": ["all"]}]


def main() -> str:
    """Measure everything and return the tables."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "keyhouse"
        command = [sys.executable, "-m", "bench.mandate", str(folder), _seed(folder)]
        environment = keyhouse_environment(folder)
        with (Path(name) / "log").open("wb") as log:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, check=True
            )
    found = json.loads(done.stdout.splitlines()[-1])
    return "\n".join((_decisions(found["decide"]), _gathering(found["gather"]), _shares(found)))


def _seed(folder: Path) -> str:
    """Fill an index with somebody who has many projects, one of them with others, and return a token of theirs."""
    people = ["ada", *(f"other{number}" for number in range(5))]
    users = [
        {"username": name, "email": f"{name}@example.org", "password": None, "verified": True}
        for name in people
    ]
    users[0]["second_factors"] = ["totp"]
    mine = [{"name": f"mine{number}", "owners": ["ada"]} for number in range(10)]
    token = {"user": "ada", "projects": "all", "minted_with": "passkey"}
    projects = [{"name": "alpha", "owners": people}, *mine]
    document = {"users": users, "projects": projects, "tokens": [token]}
    return str(seed(folder, document)["tokens"][0]["token"])


def _decisions(found: dict[str, list[float]]) -> str:
    rows = [
        [name, median(times), percentile(times, 0.99), _quietest(times), 50] for name, times in found.items()
    ]
    head = ["asker", "p50 µs", "p99 µs", "p99 µs in the quietest round", "goal at most"]
    return markdown("One decision with ten live mandates", head, rows)


def _quietest(times: list[float]) -> float:
    """Return the 99th percentile of the round that was disturbed least by whatever else the machine did."""
    size = len(times) // ROUNDS
    return min(percentile(times[start : start + size], 0.99) for start in range(0, size * ROUNDS, size))


def _gathering(found: dict[str, Any]) -> str:
    times = found["times"]
    row = [found["queries"], 3, median(times), percentile(times, 0.99), found["deletion"]]
    head = [
        "queries",
        "goal at most",
        "p50 µs",
        "p99 µs",
        "queries of a deletion while a mandate is on its way",
    ]
    return markdown("Gathering the facts", head, [row])


def _shares(found: dict[str, Any]) -> str:
    upload, read = found["upload"], found["read"]
    rows: list[list[object]] = [
        ["gate asked", upload["asked"], read["asked"]],
        ["p50 ms", upload["ms"], read["ms"]],
        ["share of the gate, of the time", f"{upload['share']:.1%} (goal: at most 5%)", "nothing"],
        ["share of the gate, of the processor", f"{upload['busy']:.1%} (goal: at most 5%)", "nothing"],
        ["writing the history, beside", f"{upload['history']:.1%}", "nothing"],
        ["ratio to the same with no gate wired", "", read["ratio"]],
    ]
    head = ["", "upload of a small wheel", "page of the read plane"]
    return markdown("Share of the gate", head, rows)


# ---- inside the product's process


def inside(token: str) -> None:
    """Measure in this process, on the data folder that the environment names."""
    from keyhouse.cli.surroundings import open_index  # noqa: PLC0415 - needs the environment

    open_index()
    found: dict[str, Any] = {"decide": _time_decisions()}
    _store_mandates()
    found["gather"] = _time_gathering()
    found["upload"] = asyncio.run(_time_uploads(token))
    found["read"] = asyncio.run(_time_reads())
    print(json.dumps(found))


def _time_decisions() -> dict[str, list[float]]:
    from keyhouse.mandate.documents import read_mandate  # noqa: PLC0415 - needs the environment
    from keyhouse.mandate.rules import Policy, decide  # noqa: PLC0415 - beside it

    policies = tuple(Policy(read_mandate(one)) for one in documents())
    askers = {f"{name}: {decide(facts, policies, NOW).verdict}": facts for name, facts in _askers()}
    _settle_garbage()
    found: dict[str, list[float]] = {name: [] for name in askers}
    bare: list[float] = []
    for _ in range(ROUNDS):
        for name, facts in askers.items():
            for _ in range(DECIDED // ROUNDS):
                fresh = replace(facts)  # nothing that an earlier decision worked out
                started = time.thread_time_ns()  # of the processor: others on the machine take turns with us
                decide(fresh, policies, NOW)
                found[name].append((time.thread_time_ns() - started) / 1e3)
    for _ in range(DECIDED):
        started = time.thread_time_ns()
        for _ in range(BARE):
            pass
        bare.append((time.thread_time_ns() - started) / 1e3)
    size = DECIDED // ROUNDS
    rounds = range(0, DECIDED, size)
    together = [one for start in rounds for times in found.values() for one in times[start : start + size]]
    return {**found, "all together": together, "a bare loop, to see what else the machine does": bare}


def _settle_garbage() -> None:
    """Search for garbage as seldom as a server does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _askers() -> Iterator[tuple[str, Any]]:
    from keyhouse.mandate import facts as of  # noqa: PLC0415 - needs the environment

    def build(action: str, kind: str, proved: set[str], projects: int, **person: Any) -> Any:
        names = ["alpha", *(f"mine{number}" for number in range(projects - 1))][:projects]
        roles = tuple(of.Authority("project", name, "owner", NOW - 900 * DAY) for name in names)
        who = of.Person("u1", NOW - 1000 * DAY, verified_email=True, name="ada", **person)
        notices = tuple(of.Notice(one["name"], "announcement", NOW - 15 * DAY) for one in documents())
        asking = of.Asking(kind, frozenset(proved), at=NOW - DAY if kind == "token" else NOW)
        return of.Facts(who, asking, action, roles, of.Object("project", "alpha"), notices)

    strong, weak = {"password", "webauthn", "passkey"}, {"password"}
    app = {"password", "totp"}
    yield "strong token, 1 project", build("release.upload", "token", strong, 1)
    yield "strong session, 50 projects", build("project.manage", "session", strong, 50)
    yield "app session, 1 project", build("project.archive", "session", app, 1)
    yield "app token, 50 projects", build("release.upload", "token", app, 50)
    yield "weak token, 1 project", build("release.upload", "token", weak, 1)
    yield "weak session, 50 projects", build("project.manage", "session", weak, 50)
    yield "weak operator", build("mandate.approve", "session", weak, 0, roles=("operator",))
    yield "deleting, 50 projects", build("project.delete", "session", strong, 50)


def _store_mandates() -> None:
    from keyhouse.core.actor import host  # noqa: PLC0415 - needs the environment
    from keyhouse.mandate.documents import read_mandate  # noqa: PLC0415 - beside it
    from keyhouse.mandate.services import seed_version  # noqa: PLC0415 - beside it

    for document in documents():
        seed_version(read_mandate(document), approved_by=[], by=host())


def _time_gathering() -> dict[str, Any]:
    from django.db import connection  # noqa: PLC0415 - needs the environment

    from keyhouse.accounts.models import User  # noqa: PLC0415 - beside it
    from keyhouse.core.actions import Thing  # noqa: PLC0415 - beside it
    from keyhouse.core.actor import Actor, Strength  # noqa: PLC0415 - beside it
    from keyhouse.mandate import queries  # noqa: PLC0415 - beside it

    user = User.objects.get(username="ada")
    actor = Actor("token", user.pk, user.username, strength=Strength(frozenset({"password", "totp"}), NOW))
    asked: list[str] = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    thing = Thing("project", None, "alpha")
    queries.gather(actor, "release.upload", thing, NOW)  # the ledger is read once for each change
    counts = []
    for action in ("release.upload", "project.delete"):
        asked.clear()
        with connection.execute_wrapper(count):
            queries.gather(actor, action, thing, NOW)
        counts.append(len(asked))
    times = [
        _microseconds(lambda: queries.gather(actor, "release.upload", thing, NOW)) for _ in range(GATHERED)
    ]
    return {"queries": counts[0], "deletion": counts[1], "times": times}


def _microseconds(act: Callable[[], object]) -> float:
    started = time.perf_counter_ns()
    act()
    return (time.perf_counter_ns() - started) / 1e3


class _Watched:
    """The wired gate, with a stop-watch on it."""

    def __init__(self, gate: Any) -> None:
        self.gate = gate
        self.reset()

    def reset(self) -> None:
        self.asked, self.seconds, self.busy = 0, 0.0, 0.0

    def require(self, *question: Any) -> Any:
        started, busy = time.perf_counter(), time.thread_time()
        try:
            return self.gate.require(*question)
        finally:
            self.busy += time.thread_time() - busy
            self.seconds += time.perf_counter() - started
            self.asked += 1


@contextmanager
def _watched() -> Iterator[_Watched]:
    from keyhouse.core import actions  # noqa: PLC0415 - needs the environment

    watched = _Watched(actions.find_gate())
    actions.wire(gate=watched)
    yield watched
    actions.wire(gate=watched.gate)


async def _time_uploads(token: str) -> dict[str, float]:
    from keyhouse.mandate import history  # noqa: PLC0415 - needs the environment
    from keyhouse.publishing.upload.asgi import Upload  # noqa: PLC0415 - beside it

    app, writing, busy = Upload(), 0.0, 0.0
    times: list[float] = []
    with tempfile.TemporaryDirectory() as name, _watched() as gate:
        for number in range(UPLOADS + 10):
            if number == 10:  # what is done once is done by now
                gate.reset()
                writing = busy = 0.0
                times.clear()
            request = _request(write_wheel(Path(name), "alpha", f"1.{number}"), token)
            started, began = time.perf_counter(), time.process_time()
            status = await _ask(app, "POST", "/legacy/", *request)
            busy += time.process_time() - began
            times.append(time.perf_counter() - started)
            if status != 200:
                raise RuntimeError(f"the upload was answered by {status}")
            if number % 20 == 9:  # about what a server writes in a second
                started = time.perf_counter()
                await asyncio.to_thread(history.write_waiting)
                writing += time.perf_counter() - started
    whole = sum(times)
    asked = gate.asked / len(times)
    return {
        "asked": asked,
        "ms": median(times) * 1e3,
        "share": gate.seconds / whole,
        "busy": gate.busy / busy,
        "history": writing / whole,
    }


def _request(path: Path, token: str) -> tuple[bytes, dict[str, str]]:
    server: Any = Server("", None, path.parent, f"__token__:{token}", "/legacy/")  # type: ignore[arg-type]  # none runs
    body, headers = form_of(server, path)
    return b"".join(body), headers


async def _time_reads() -> dict[str, float]:
    """Read a page with the gate wired and watched, and with nothing wired at all, in turns."""
    from keyhouse.core import actions, configuration  # noqa: PLC0415 - needs the environment
    from keyhouse.index.asgi import ReadPlane  # noqa: PLC0415 - beside it

    app = ReadPlane(configuration.current())
    await app.startup()
    ratios: list[float] = []
    times: list[float] = []
    with _watched() as gate:
        for _ in range(ROUNDS):
            actions.wire(gate=gate)
            wired = await _read(app)
            actions.unwire()
            bare = await _read(app)
            ratios.append(sum(wired) / sum(bare))
            times += wired
    await app.shutdown()
    return {"asked": float(gate.asked), "ms": median(times) * 1e3, "ratio": median(ratios)}


async def _read(app: Any) -> list[float]:
    times = []
    for _ in range(READS):
        started = time.perf_counter()
        status = await _ask(
            app, "GET", "/simple/alpha/", b"", {"Accept": "application/vnd.pypi.simple.v1+json"}
        )
        times.append(time.perf_counter() - started)
        if status != 200:
            raise RuntimeError(f"the page was answered by {status}")
    return times


async def _ask(app: Any, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8400),
        "scheme": "http",
        "http_version": "1.1",
    }
    status = 0
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


if __name__ == "__main__":
    if len(sys.argv) == 3:
        inside(sys.argv[2])
    else:
        sys.stdout.write(main())
