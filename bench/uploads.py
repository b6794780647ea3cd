"""Uploads against devpi-server and pypiserver, and one of 200 MB against the work it can't do without."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import secrets
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from bench.servers import LOAD_CPU, Server, devpi, keyhouse, pypiserver, seed
from bench.table import markdown, median, paired
from bench.wheels import write_large_wheel, write_wheel

COUNT = 200
CHUNK = 2**20


def main(rounds: int = 5) -> str:
    """Measure everything and return the tables."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        token = _token(folder / "keyhouse")
        _stay_off_the_servers_processor()
        servers = {
            "Keyhouse": stack.enter_context(keyhouse(folder / "keyhouse", token)),
            "devpi-server": stack.enter_context(devpi(folder / "devpi")),
            "pypiserver": stack.enter_context(pypiserver(folder / "pypiserver")),
        }
        return _small(servers, folder, rounds) + "\n" + _large(servers["Keyhouse"], folder, rounds)


def _stay_off_the_servers_processor() -> None:
    """Hold this process, which is the load, where `wrk` is held for reads; the servers are pinned to another."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(LOAD_CPU)})


def _token(folder: Path) -> str:
    user = {
        "username": "ada",
        "email": "ada@example.org",
        "password": None,
        "verified": True,
        "second_factors": ["totp"],
    }
    token = {"user": "ada", "projects": "all", "minted_with": "totp"}
    return str(seed(folder, {"users": [user], "tokens": [token]})["tokens"][0]["token"])


def upload_by_form(server: Server, path: Path, connection: http.client.HTTPConnection | None = None) -> None:
    """Upload as twine does; raises RuntimeError on anything but 200."""
    parts = urlsplit(server.url)
    target = parts.path + server.legacy
    own = connection or http.client.HTTPConnection(parts.hostname or "", parts.port)
    body, headers = form_of(server, path)
    own.request("POST", target, body=body, headers=headers)
    answer = own.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{server.url}: {answer.status} {text[:300]!r}")


def form_of(server: Server, path: Path) -> tuple[Iterator[bytes], dict[str, str]]:
    """Return body and headers of the form by which twine uploads that file."""
    head, tail, boundary = _form(path)
    headers = {
        "Authorization": "Basic " + base64.b64encode(server.login.encode()).decode(),
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + path.stat().st_size + len(tail)),
    }
    return _stream(head, path, tail), headers


def _form(path: Path) -> tuple[bytes, bytes, str]:
    boundary = secrets.token_hex(16)
    name, version, filetype, python = _parts(path)
    fields = {
        ":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "name": name, "version": version,
        "filetype": filetype, "pyversion": python, "sha256_digest": _sha256(path),
    }  # fmt: skip
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{boundary}--\r\n".encode(), boundary


def _parts(path: Path) -> tuple[str, str, str, str]:
    if path.suffix == ".whl":
        name, version, *_, python, _, _ = path.stem.split("-")
        return name, version, "bdist_wheel", python
    name, _, version = path.name.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")
    return name, version, "sdist", "source"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stream(head: bytes, path: Path, tail: bytes) -> Iterator[bytes]:
    if path.stat().st_size < CHUNK:
        yield head + path.read_bytes() + tail
        return
    yield head
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
    yield tail


def _small(servers: dict[str, Server], folder: Path, rounds: int) -> str:
    rows = [
        _row(
            "one after another", servers, lambda tag: _rates(servers, _batch(folder, f"a{tag}"), 1), rounds, 2
        ),
        _row("eight at once", servers, lambda tag: _rates(servers, _batch(folder, f"b{tag}"), 8), rounds, 3),
        _row(
            "to one project of 200 releases and more", servers, _to_one_project(servers, folder), rounds, ""
        ),
    ]
    return markdown("Small wheels a second", ["what", *servers, "ratio to devpi-server", "goal"], rows)


def _row(
    title: str, servers: dict[str, Server], measure: Callable[[str], list[float]], rounds: int, goal: object
) -> list[object]:
    found = dict(
        zip(servers, zip(*(measure(str(number)) for number in range(rounds)), strict=True), strict=True)
    )
    rates = [median(values) for values in found.values()]
    return [title, *rates, paired(found["Keyhouse"], found["devpi-server"]), goal]


def _rates(servers: dict[str, Server], paths: list[Path], at_once: int) -> list[float]:
    return [_rate(server, paths, at_once) for server in servers.values()]


def _to_one_project(servers: dict[str, Server], folder: Path) -> Callable[[str], list[float]]:
    """Fill a project, and return what measures its next twenty releases."""
    made = folder / "batch-many"
    made.mkdir()

    def releases(first: str, count: int) -> list[Path]:
        return [write_wheel(made, "many", f"{first}.{n}", secrets.token_bytes(300)) for n in range(count)]

    _rates(servers, releases("0", 200), 1)
    return lambda tag: _rates(servers, releases(f"1.{tag}", 20), 1)


def _batch(folder: Path, tag: str) -> list[Path]:
    """Return wheels of ten projects; nothing of them was uploaded before."""
    made = folder / f"batch-{tag}"
    made.mkdir(exist_ok=True)
    return [
        write_wheel(made, f"small{number % 10}x{tag}", f"1.{number}", secrets.token_bytes(300))
        for number in range(COUNT)
    ]


def _rate(server: Server, paths: list[Path], at_once: int) -> float:
    parts = urlsplit(server.url)
    local = threading.local()

    def one(path: Path) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        upload_by_form(server, path, local.connection)

    with ThreadPoolExecutor(at_once) as pool:
        started = time.perf_counter()
        list(pool.map(one, paths))
        return len(paths) / (time.perf_counter() - started)


def _large(ours: Server, folder: Path, rounds: int) -> str:
    uploads, floors, before = [], [], _peak_memory(ours)
    for number in range(rounds):
        path = write_large_wheel(folder, f"large{number}", "1.0", 200)
        floors.append(_seconds(lambda path=path: _floor(path, folder)))  # type: ignore[misc]  # called at once
        uploads.append(_seconds(lambda path=path: upload_by_form(ours, path)))  # type: ignore[misc]  # called at once
        path.unlink()
    grown = _peak_memory(ours) - before
    row = [median(uploads), median(floors), paired(uploads, floors), 1.5, grown]
    head = [
        "Keyhouse s",
        "digests + synced write + inflate and SHA-256, s",
        "ratio",
        "goal",
        "peak memory grown, MB",
    ]
    return markdown("One wheel of 200 MB", head, [row])


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _floor(path: Path, folder: Path) -> None:
    """Three digests, a synced write, and one inflate-and-SHA-256 of the members: what every upload must do."""
    digests = (hashlib.md5(usedforsecurity=False), hashlib.sha256(), hashlib.blake2b(digest_size=32))
    copy = folder / "floor"
    with path.open("rb") as source, copy.open("wb") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            for digest in digests:
                digest.update(chunk)
        target.flush()
        os.fsync(target.fileno())
    with zipfile.ZipFile(copy) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # a readable stream
    copy.unlink()


def _peak_memory(server: Server) -> float:
    """Return the peak resident memory of the server's process in MB."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    sys.stdout.write(main())
