"""The read plane against nginx over the same bytes, devpi-server and pypiserver."""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bench.load import Result, at_rate, wrk
from bench.servers import Server, devpi, fetch, keyhouse, nginx, pypiserver, seed
from bench.table import markdown, median, paired
from bench.uploads import upload_by_form
from bench.wheels import PLATFORMS, write_large_wheel, write_wheel

AS_PIP = {
    "Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "pip/26.2",
}
_TITLES = {"ten": "page of 10 releases", "thousand": "page of 1,000 files"}
Case = tuple[str, str, dict[str, str]]  # what, path, headers
GOALS = {
    "page of 10 releases": 0.30,
    "page of 1,000 files": 0.30,
    "304": 0.27,
    "small file": 0.22,
    "200 MB file": 0.8,
}


def main(rounds: int = 5) -> str:
    """Measure everything and return the tables."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        wheels = _wheels(folder)
        token = _seed(folder / "keyhouse", wheels)
        ours = stack.enter_context(keyhouse(folder / "keyhouse", token))
        theirs = stack.enter_context(nginx(_mirror(ours, folder / "www")))
        peers = _peers(stack, folder, wheels)
        return _compare(ours, theirs, rounds) + "\n" + _compare_peers(ours, peers, rounds)


def _wheels(folder: Path) -> dict[str, list[Path]]:
    made = folder / "wheels"
    made.mkdir()
    return {
        "ten": [write_wheel(made, "ten", f"1.{minor}") for minor in range(10)],
        "thousand": [
            write_wheel(made, "thousand", f"1.{minor}", platform.encode(), platform)
            for minor in range(100)
            for platform in PLATFORMS
        ],
        "large": [write_large_wheel(made, "large", "1.0", 200)],
    }


def _seed(folder: Path, wheels: dict[str, list[Path]]) -> str:
    files = [{"path": str(path), "by": "ada"} for paths in wheels.values() for path in paths]
    user = {
        "username": "ada",
        "email": "ada@example.org",
        "password": None,
        "verified": True,
        "second_factors": ["totp"],
    }
    token = {"user": "ada", "projects": "all", "minted_with": "totp"}
    projects = [{"name": "large", "owners": ["ada"]}]
    answer = seed(folder, {"users": [user], "tokens": [token], "projects": projects, "files": files})
    return str(answer["tokens"][0]["token"])


def _mirror(ours: Server, root: Path) -> Path:
    """Put our own bytes where nginx serves them: pages plain and gzipped, one small and one big file."""
    for project in ("ten", "thousand", "large"):
        plain, _ = fetch(f"{ours.url}/simple/{project}/", {"Accept": AS_PIP["Accept"]})
        page = root / "simple" / project
        page.mkdir(parents=True)
        (page / "index.json").write_bytes(plain)
        (page / "index.json.gz").write_bytes(gzip.compress(plain, 9))
    for project in ("ten", "large"):
        url = _first_file(ours, project)
        target = root / urlsplit(url).path.lstrip("/")
        target.parent.mkdir(parents=True)
        target.write_bytes(fetch(url)[0])
    (root / "index.json").write_text("{}")
    return root


def _first_file(server: Server, project: str) -> str:
    base = f"{server.url}/simple/{project}/"
    body, _ = fetch(base, {"Accept": AS_PIP["Accept"]})
    return urljoin(base, str(json.loads(body)["files"][0]["url"]))


def _peers(stack: ExitStack, folder: Path, wheels: dict[str, list[Path]]) -> dict[str, Server]:
    peers = {
        "devpi-server": stack.enter_context(devpi(folder / "devpi")),
        "pypiserver": stack.enter_context(pypiserver(folder / "pypiserver")),
    }
    for server in peers.values():
        for path in (*wheels["ten"], *wheels["thousand"]):
            upload_by_form(server, path)
    return peers


def _in_turn(servers: dict[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    results: dict[str, list[Result]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, ask in servers.items():
            results[name].append(ask())
    return results


def _cases(ours: Server) -> list[Case]:
    small, large = urlsplit(_first_file(ours, "ten")).path, urlsplit(_first_file(ours, "large")).path
    return [
        ("page of 10 releases", "/simple/ten/", AS_PIP),
        ("page of 1,000 files", "/simple/thousand/", AS_PIP),
        ("304", "/simple/ten/", AS_PIP),
        ("small file", small, {}),
        ("200 MB file", large, {}),
    ]


def _compare(ours: Server, theirs: Server, rounds: int) -> str:
    rows = [_row(case, ours, theirs, rounds) for case in _cases(ours)]
    head = ["what", "Keyhouse /s", "nginx /s", "ratio", "goal", "p50 ms", "p99 ms", "nginx p99 ms",
            "p99 ms at half load", "nginx p99 ms at that load"]  # fmt: skip
    return markdown("Reads against nginx serving the same bytes (one server core)", head, rows)


def _row(case: Case, ours: Server, theirs: Server, rounds: int) -> list[object]:
    name, path, headers = case

    def ask(server: Server) -> Callable[[], Result]:
        sent = dict(headers)
        if name == "304":
            sent["If-None-Match"] = fetch(server.url + path, headers)[1]["etag"]
        connections = 4 if name == "200 MB file" else 32
        return lambda: wrk(server.url + path, sent, connections=connections)

    results = _in_turn({"ours": ask(ours), "nginx": ask(theirs)}, rounds)
    big = name == "200 MB file"
    rates = {who: [r.bytes_rate / 2**20 if big else r.rate for r in found] for who, found in results.items()}
    ours_rate, nginx_rate = median(rates["ours"]), median(rates["nginx"])
    latency = [median(result.p50 * 1e3 for result in results["ours"]), *_p99(results)]
    return [name + (" (MB/s)" if big else ""), ours_rate, nginx_rate, paired(rates["ours"], rates["nginx"]), GOALS[name], *latency,
            *(["", ""] if big or name == "304" else _equal_load(case, ours_rate / 2, (ours, theirs)))]  # fmt: skip


def _p99(results: dict[str, list[Result]]) -> list[float]:
    return [median(result.p99 * 1e3 for result in results[who]) for who in ("ours", "nginx")]


def _equal_load(case: Case, rate: float, servers: tuple[Server, ...]) -> list[float]:
    _, path, headers = case
    return [at_rate(server.url + path, headers, rate=rate).p99 * 1e3 for server in servers]


def _compare_peers(ours: Server, peers: dict[str, Server], rounds: int) -> str:
    paths = {"devpi-server": "/+simple/{}", "pypiserver": "/simple/{}/"}
    rows = []
    for project in ("ten", "thousand"):
        asks = {"Keyhouse": _asker(f"{ours.url}/simple/{project}/")}
        asks |= {name: _asker(server.url + paths[name].format(project)) for name, server in peers.items()}
        found = {name: [r.rate for r in results] for name, results in _in_turn(asks, rounds).items()}
        rates = {name: median(values) for name, values in found.items()}
        best = max(peers, key=lambda name: rates[name])
        rows.append([_TITLES[project], *rates.values(), paired(found["Keyhouse"], found[best]), 50])
    return markdown(
        "Index pages against peers", ["what", "Keyhouse /s", *peers, "ratio to the best", "goal"], rows
    )


def _asker(url: str) -> Callable[[], Result]:
    return lambda: wrk(url, AS_PIP)


if __name__ == "__main__":
    sys.stdout.write(main())
