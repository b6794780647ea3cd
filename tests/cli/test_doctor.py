"""`keyhouse doctor`: what is wrong is found, and what isn't is not."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from tests.cli.started import keyhouse, serving
from tests.oidc_issuer import make_certificate

from keyhouse.cli import doctor_machine, doctor_outside
from keyhouse.cli.doctor_holdings import check_holdings
from keyhouse.cli.doctor_trust import check_trust
from keyhouse.core import clock, configuration, instance, keys, probes
from keyhouse.core.configuration import Configuration
from keyhouse.core.keys import ensure_ring, rotate_ring

Findings = list[dict[str, str]]


def examine(data: Path, *words: str, **settings: str) -> tuple[int, Findings]:
    done = keyhouse("doctor", "--json", *words, cwd=None, KEYHOUSE_DATA=str(data), **settings)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def problems(found: Findings) -> dict[str, str]:
    return {one["about"]: one["sentence"] for one in found if one["grade"] == "problem"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data = tmp_path_factory.mktemp("doctor") / "data"
    with serving(data):
        yield data


def test_a_working_index_has_no_problem_and_is_reached_through_its_address(served: Path) -> None:
    code, found = examine(served)
    assert (code, problems(found)) == (0, {})
    told = {one["sentence"]: one["grade"] for one in found}
    assert told["Database, keys, files and mails are its owner's, and nobody else may change them."] == "ok"
    assert told["Reason phrases arrive, so twine can say why an upload is refused."] == "ok"
    assert told["There is no operator yet."] == "hint"
    assert {one["about"] for one in found} == {
        "data folder", "disk", "settings", "database", "key file", "clock", "mail", "operators", "base URL", "proxy", "service",
    }  # fmt: skip


def test_settings_that_the_running_server_does_not_have_are_named(served: Path) -> None:
    code, found = examine(
        served, KEYHOUSE_TRUSTED_PROXIES="10.0.0.1", KEYHOUSE_READS="private", KEYHOUSE_METRICS_TOKEN="a-secret-of-16-or-more"
    )  # fmt: skip
    told = next(one for one in found if one["about"] == "settings")
    assert (code, told["grade"]) == (0, "hint")
    names = "KEYHOUSE_READS, KEYHOUSE_TRUSTED_PROXIES, KEYHOUSE_METRICS_TOKEN"
    assert f"has other values of {names}." in told["sentence"]
    assert "a-secret" not in (served / "serve.lock").read_text()


def test_settings_are_compared_by_the_key_that_the_server_had_or_the_other_key_is_told(
    served: Path, tmp_path: Path
) -> None:
    rotate_ring(served / "keys.json")
    _, found = examine(served, "--offline")
    assert "The running server has the same." in {one["sentence"] for one in found}
    ensure_ring(tmp_path / "keys.json")
    _, found = examine(served, "--offline", KEYHOUSE_KEY_FILE=str(tmp_path / "keys.json"))
    told = next(one["sentence"] for one in found if one["about"] == "settings")
    assert "has other values of KEYHOUSE_KEY_FILE." in told


def test_beside_an_index_on_another_database_nothing_is_asked_or_made(tmp_path: Path) -> None:
    """Nor is anything but help told there."""
    on_postgresql = {
        "KEYHOUSE_DATA": str(tmp_path),
        "KEYHOUSE_DATABASE_URL": "postgresql://localhost/keyhouse",
    }
    instance.mark_version(configuration.read({"KEYHOUSE_ENVIRONMENT": "test", **on_postgresql}))
    code, found = examine(tmp_path, "--offline")
    assert (code, [one["about"] for one in found if one["grade"] == "problem"]) == (1, ["data folder"])
    assert "is on PostgreSQL" in problems(found)["data folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["instance.json"]
    helped = keyhouse("user", "list", "--help", cwd=None, KEYHOUSE_DATA=str(tmp_path))
    assert (helped.returncode, helped.stdout.partition(" ")[0]) == (0, "Usage:")
    assert keyhouse("user", "list", cwd=None, KEYHOUSE_DATA=str(tmp_path)).returncode == 2


def test_what_is_wrong_on_the_machine_is_found(served: Path) -> None:
    key_file = served / "keys.json"
    try:
        served.chmod(0o755)
        key_file.chmod(0o644)
        code, found = examine(served, "--offline", KEYHOUSE_MAIL_URL="smtp://127.0.0.1:1")
    finally:
        served.chmod(0o700)
        key_file.chmod(0o600)
    assert code == 1
    assert set(problems(found)) == {"data folder", "key file", "mail"}
    assert all(one["fix"] for one in found if one["grade"] != "ok")


def test_what_only_the_settings_say_is_found_offline_too(served: Path) -> None:
    wide = {
        "KEYHOUSE_BASE_URL": "https://10.0.0.1",
        "KEYHOUSE_RP_ID": "",
        "KEYHOUSE_TRUSTED_PROXIES": "0.0.0.0/0,::/0",
    }
    code, found = examine(served, "--offline", **wide)
    assert code == 1
    assert set(problems(found)) == {"base URL", "trusted proxies"}


def test_what_the_data_folder_holds_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(
        configuration.read({"KEYHOUSE_ENVIRONMENT": "test"}, None),
        data=tmp_path,
        key_file=tmp_path / "keys.json",
    )
    wal = tmp_path / "keyhouse.sqlite3-wal"
    blob = tmp_path / "files" / "blobs" / "ab"
    closed = {tmp_path / "keyhouse.sqlite3": 0o600, wal: 0o600, tmp_path / "keys.json": 0o600}
    for folder, mode in ((tmp_path / "mail", 0o700), (blob, 0o755), (tmp_path / "files", 0o755)):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
    for path, mode in closed.items():
        path.touch()
        path.chmod(mode)

    def sentences() -> list[str]:
        return [one.sentence for one in check_holdings(settings) if one.grade == "problem"]

    assert sentences() == []
    for path, mode in ((wal, 0o644), (tmp_path / "mail", 0o750), (tmp_path / "files", 0o775)):
        before = path.stat().st_mode
        path.chmod(mode)
        assert [str(path) in one for one in sentences()] == [True], path
        path.chmod(before)
    for path in (*closed, tmp_path / "mail", blob):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "lstat", _as_of_somebody_else(path))
            assert [str(path) in one and "another user" in one for one in sentences()] == [True], path
    settings = replace(settings, reads="private", storage_url=f"file://{tmp_path}-elsewhere")
    elsewhere = Path(f"{tmp_path}-elsewhere")
    elsewhere.mkdir(mode=0o755)
    assert [str(elsewhere) in one for one in sentences()] == [True]
    elsewhere.chmod(0o700)
    assert sentences() == []


def _as_of_somebody_else(foreign: Path) -> Callable[[Path], os.stat_result]:
    def lstat(path: Path) -> os.stat_result:
        told = list(os.lstat(path))
        told[4] += path == foreign  # the user's number
        return os.stat_result(told)

    return lstat


def test_an_address_that_leads_elsewhere_is_found(served: Path, stranger: str) -> None:
    code, found = examine(served, KEYHOUSE_BASE_URL=stranger)
    assert code == 1
    assert "isn't this index" in problems(found)["base URL"]
    _, found = examine(served, KEYHOUSE_BASE_URL="https://localhost:1")
    assert "Nobody answers" in problems(found)["base URL"]


@pytest.fixture
def stranger() -> Iterator[str]:
    """Return the address of a server that isn't ours and says 403 to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("is_polite", [True, False])
def test_an_address_that_says_http_where_tls_is_spoken_is_found(
    served: Path, tmp_path: Path, is_polite: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path, "elsewhere.example"))

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            if is_polite and self.request.recv(1, socket.MSG_PEEK) != b"\x16":  # as nginx does
                self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            else:
                with suppress(OSError), context.wrap_socket(self.request, server_side=True) as private:
                    private.recv(1)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"localhost:{server.server_address[1]}"
        _, found = examine(served, KEYHOUSE_BASE_URL=f"http://{place}")
        server.shutdown()
    [told] = [one for one in found if one["about"] == "base URL" and one["grade"] == "problem"]
    assert told["sentence"] == f"What answers at http://{place} speaks TLS, and not plain http."
    assert told["fix"] == f"Set KEYHOUSE_BASE_URL=https://{place}"


def test_nothing_there_and_bad_settings_end_in_a_sentence(tmp_path: Path) -> None:
    code, found = examine(tmp_path / "none", "--offline")
    assert (code, set(problems(found))) == (1, {"data folder"})
    code, found = examine(tmp_path / "none", KEYHOUSE_SIGNUP="open")
    assert (code, set(problems(found))) == (1, {"settings"})
    assert not (tmp_path / "none").exists(), "a doctor makes nothing"


# ---- proxies


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarding", "grade"),
    [
        ("", "10.0.0.5", [], "ok"),
        ("", "10.0.0.5", ["x-forwarded-for"], "problem"),
        ("10.0.0.0/8", "10.0.0.5", ["x-forwarded-for"], "ok"),
        ("10.0.0.0/8", "10.0.0.5", ["x-real-ip"], "problem"),
        ("10.0.0.0/8", "10.0.0.5", [], "problem"),
        ("10.0.0.0/8", "192.0.2.1", ["forwarded"], "problem"),
        ("10.0.0.0/8", "", [], "ok"),
    ],
)
def test_forwarding_headers_are_compared_with_who_is_trusted(
    trusted: str, peer: str, forwarding: list[str], grade: str
) -> None:
    settings = configuration.read({"KEYHOUSE_ENVIRONMENT": "test", "KEYHOUSE_TRUSTED_PROXIES": trusted}, None)
    told = {"peer": peer, "forwarding": forwarding}
    assert [one.grade for one in doctor_outside.judge_proxy(settings, told)] == [grade]


@pytest.mark.parametrize(
    ("trusted", "grades"),
    [
        ("", []),
        ("127.0.0.1,::1", ["ok"]),
        ("192.0.2.7,10.0.0.0/28", ["ok"]),
        ("10.0.0.0/8", ["hint"]),
        ("fd00::/8,172.16.0.0/12", ["hint"]),
        ("198.51.96.0/20", ["hint"]),  # as those who deliver pages all over the world name theirs
        ("0.0.0.0/0", ["problem"]),
        ("::/0", ["problem"]),
        ("2000::/3,10.0.0.0/8", ["problem", "hint"]),
        ("0.0.0.0/1,128.0.0.0/1", ["problem"]),
        ("8.0.0.0/6", ["problem"]),  # holds a private range, and more
    ],
)
def test_whom_the_settings_believe_is_a_line_of_its_own(trusted: str, grades: list[str]) -> None:
    settings = configuration.read({"KEYHOUSE_ENVIRONMENT": "test", "KEYHOUSE_TRUSTED_PROXIES": trusted}, None)
    assert [one.grade for one in check_trust(settings)] == grades


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"null", b'"up"', b"OK", b"\xff", b"[" * 100_000, b'{"status": "UP"}',
     b'{"readers_lack": 1, "writers_lack": [], "impaired": []}', b'{"readers_lack": [{}], "writers_lack": [], "impaired": []}'],
    ids=range(10),
)  # fmt: skip
def test_what_a_proxy_answers_in_place_of_the_index_is_told(body: bytes) -> None:
    (told,) = doctor_outside.judge_ready(doctor_outside.Answered(200, "OK", body))
    assert (told.grade, "/health/ready isn't this index" in told.sentence) == ("problem", True)


def test_what_the_index_lacks_is_passed_on() -> None:
    body = b'{"readers_lack": ["a"], "writers_lack": ["a", "b"], "impaired": ["c"]}'
    told = list(doctor_outside.judge_ready(doctor_outside.Answered(503, "", body)))
    assert [(one.grade, one.sentence) for one in told] == [("problem", "a"), ("problem", "b"), ("hint", "c")]


# ---- the kernel's clock


@pytest.mark.parametrize(("status", "grades"), [(0x2001, []), (0x41, ["hint"]), (0x40, ["hint"]), (None, [])])
def test_an_unsynchronised_clock_is_a_note(
    monkeypatch: pytest.MonkeyPatch, status: int | None, grades: list[str]
) -> None:
    settings = configuration.read({"KEYHOUSE_ENVIRONMENT": "test"}, None)
    monkeypatch.setattr(doctor_machine, "read_clock_status", lambda: status)
    assert [one.grade for one in doctor_machine.check_kernel_clock(settings)] == grades
    by_file = replace(settings, clock_file=Path("/nowhere"))
    assert list(doctor_machine.check_kernel_clock(by_file)) == []


def test_the_kernel_is_asked_and_may_have_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    status = doctor_machine.read_clock_status()
    assert status is None or 0 <= status < 2**16
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert doctor_machine.read_clock_status() is None


def test_what_arrives_is_told_to_the_doctor_alone(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = keys.read_ring(served / "keys.json")
    monkeypatch.setattr(keys, "ring", lambda: ring)
    now = clock.now()
    signed = probes.sign(now)
    assert probes.is_signed(signed, now)
    stamp, _, digest = signed.partition(".")
    long_ago = probes.sign(now.replace(year=now.year - 1))
    for value in (
        "",
        ".",
        signed[:-1],
        f"{int(stamp) + 1}.{digest}",
        f"٣.{digest}",
        "9" * 5000 + ".",
        long_ago,
    ):
        assert not probes.is_signed(value, now), value


# ---- drives


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/a/db", "nfs4"),
        ("/srv", "ext4"),
        ("/srv/ab", "ext4"),
        ("/srv/with space/db", "cifs"),
        ("/", "ext4"),
    ],
)
def test_the_kind_of_a_drive_is_that_of_the_nearest_mount(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\nhost:/x /srv/a nfs4 rw 0 0\n//h/x /srv/with\\040space cifs rw 0 0\nodd\n"
    )
    assert doctor_machine.find_kind(Path(path), mounts) == kind
    assert not doctor_machine.find_kind(Path(path), tmp_path / "missing")


def test_sqlite_on_a_network_drive_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configuration.read({"KEYHOUSE_ENVIRONMENT": "test"}, None)
    monkeypatch.setattr(doctor_machine, "find_kind", lambda *_: "nfs4")
    assert [one.grade for one in doctor_machine.check_drive(settings)] == ["problem"]


def test_a_full_disk_and_somebody_elses_folder_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**20, "total": 2**40}))
    assert [one.grade for one in doctor_machine.check_room(tmp_path)] == ["problem"]
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    settings: Configuration = replace(
        configuration.read({"KEYHOUSE_ENVIRONMENT": "test"}, None), data=tmp_path
    )
    first = next(iter(doctor_machine.check_folder(settings)))
    assert (first.grade, "another user" in first.sentence) == ("problem", True)
