"""`keyhouse doctor`: what is wrong is found, and what isn't is not."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cli.started import keyhouse, serving

from keyhouse.cli import doctor_machine, doctor_outside
from keyhouse.core import clock, configuration, keys, probes
from keyhouse.core.configuration import Configuration

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
    assert told["Reason phrases arrive, so twine can say why an upload is refused."] == "ok"
    assert told["There is no operator yet."] == "hint"
    assert {one["about"] for one in found} == {
        "data folder", "disk", "database", "key file", "clock", "mail", "operators", "base URL", "proxy", "service",
    }  # fmt: skip


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
