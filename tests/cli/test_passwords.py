from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests import forked
from tests.accounts.passwords.dumps import dump, opened, sha1, words
from tests.accounts.passwords.services import Service, serving
from tests.cli.places import Place
from tests.cli.started import environment, keyhouse
from tests.cli.started import serving as served

from keyhouse.accounts.passwords.compromised_file import FILE_NAME, HEADER_BYTES

pytestmark = pytest.mark.by_turns

WORD = "velvet-anchor-93-tundra"
SECONDS = 60


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    (tmp_path / "list.txt").write_bytes(dump([*words(3000), WORD]))
    return tmp_path / "list.txt"


def run(
    data: Path, *words: str | Path, typed: bytes = b"", **settings: Any
) -> subprocess.CompletedProcess[str]:
    told = ["-m", "keyhouse", "passwords", *map(str, words)]
    around = environment(KEYHOUSE_DATA=str(data), **settings)
    return forked.run(
        told, environment=around, seconds=SECONDS, typed=typed.decode("latin-1"), encoding="latin-1"
    )


def test_a_list_is_imported_beside_a_folder_that_is_no_index_yet(tmp_path: Path, listed: Path) -> None:
    data = tmp_path / "data"
    done = run(data, "import", listed)
    assert done.returncode == 0, done.stderr
    assert "3,001 passwords of 3,001 lines" in done.stdout
    assert data.stat().st_mode & 0o777 == 0o700
    assert sha1(WORD) in opened(data)
    status = json.loads(run(data, "status", "--verify", "--json").stdout)
    assert status["file"]["passwords"] == 3001
    assert status["file"]["state"] == "ok"
    assert status["range_service"] == {"state": "off"}


def test_a_list_comes_by_a_pipe_too_and_seldom_ones_stay_out(tmp_path: Path, listed: Path) -> None:
    text = listed.read_bytes() + b"F" * 40 + b":9\r\n"
    done = run(tmp_path / "data", "import", "--minimum-count", "4", "-", typed=text)
    assert "1 passwords of 3,002 lines" in done.stdout
    assert bytes.fromhex("ff" * 20) in opened(tmp_path / "data")
    assert sha1(WORD) not in opened(tmp_path / "data")


def test_a_wrong_list_is_refused_by_its_line(tmp_path: Path, listed: Path) -> None:
    data = tmp_path / "data"
    run(data, "import", listed)
    done = run(data, "import", "-", typed=listed.read_bytes()[:-20])
    assert done.returncode == 1
    assert "password-dump-refused: Line 3,001" in done.stderr
    assert sha1(WORD) in opened(data)
    assert run(data, "import", tmp_path / "nothing.txt").returncode == 1
    assert run(data, "import", "--minimum-count", "0", listed).returncode == 2


@pytest.mark.parametrize(
    ("typed", "code"), [(WORD, 1), (f"{WORD}\r\n", 1), ("another one of them", 0), ("password123", 1)]
)
def test_a_password_is_asked_for_on_standard_input(
    tmp_path: Path, listed: Path, typed: str, code: int
) -> None:
    run(tmp_path, "import", listed)
    done = run(tmp_path, "check", typed=typed.encode())
    assert done.returncode == code
    assert ("Compromised" in done.stdout) == bool(code)
    assert WORD not in done.stdout + done.stderr


def test_a_password_is_asked_for_by_its_digest(tmp_path: Path, listed: Path) -> None:
    run(tmp_path, "import", listed)
    digest = sha1(WORD).hex()
    assert json.loads(run(tmp_path, "check", "--json", "--hash", digest.upper()).stdout) == {
        "known_by": ["file"],
        "unanswered": {},
    }
    assert run(tmp_path, "check", "--hash", digest[:-1] + "0f"[digest[-1] == "0"]).returncode == 0
    assert run(tmp_path, "check", "--hash", sha1("password123").hex()).returncode == 1
    for wrong in ("", "zz", digest[:-1], digest + "0", digest[:-1] + "g", " " * 40):
        assert run(tmp_path, "check", "--hash", wrong).returncode == 2


def test_a_password_typed_on_a_terminal_is_not_shown(tmp_path: Path, listed: Path) -> None:
    run(tmp_path, "import", listed)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "keyhouse", "passwords", "check"]
    settings = environment(KEYHOUSE_DATA=str(tmp_path))
    process = subprocess.Popen(command, env=settings, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"Password" not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, WORD.encode() + b"\n")
    while b"Compromised" not in shown:
        shown += os.read(ours, 1000)
    assert process.wait(SECONDS) == 1
    os.close(ours)
    assert WORD.encode() not in shown


def test_a_service_is_asked_and_shown(tmp_path: Path) -> None:
    with serving(Service([WORD])) as service:
        setting: dict[str, Any] = {"KEYHOUSE_PASSWORD_RANGE_URL": service.url}
        assert "range service" in run(tmp_path, "check", typed=WORD.encode(), **setting).stdout
        assert (
            json.loads(run(tmp_path, "status", "--json", **setting).stdout)["range_service"]["state"] == "ok"
        )
        service.status = 500
        done = run(tmp_path, "status", "--json", **setting)
        assert (done.returncode, json.loads(done.stdout)["range_service"]["state"]) == (1, "failing")
        checked = run(tmp_path, "check", typed=WORD.encode(), **setting)
        assert (checked.returncode, "could not be asked" in checked.stderr) == (0, True)


def test_a_damaged_file_is_told(tmp_path: Path, listed: Path) -> None:
    run(tmp_path, "import", listed)
    body = bytearray((tmp_path / FILE_NAME).read_bytes())
    body[HEADER_BYTES + 1] ^= 1
    (tmp_path / FILE_NAME).write_bytes(body)
    assert run(tmp_path, "status").returncode == 0
    done = run(tmp_path, "status", "--verify")
    assert done.returncode == 1
    assert "damaged" in done.stdout
    (tmp_path / FILE_NAME).write_bytes(body[:-1])
    assert run(tmp_path, "status").returncode == 1


@pytest.mark.parametrize("point", ["passwords.noted", "passwords.written"])
def test_an_import_that_is_killed_leaves_what_was_and_goes_on(tmp_path: Path, point: str) -> None:
    run(tmp_path, "import", "-", typed=dump([WORD]))
    lines = [b"%040X:7\r\n" % (number << 136) for number in range(1, 400_000)]
    (tmp_path / "list.txt").write_bytes(b"".join(lines))
    script = (
        "import sys; from keyhouse.accounts.passwords import importing; importing.NOTE_SECONDS = 0.0;"
        "from keyhouse.cli.main import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, "passwords", "import", str(tmp_path / "list.txt")]
    killed = subprocess.run(
        command,
        env=environment(KEYHOUSE_DATA=str(tmp_path), KEYHOUSE_FAULT=point),
        check=False,
        timeout=SECONDS,
    )
    assert killed.returncode == -signal.SIGKILL
    assert sha1(WORD) in opened(tmp_path)
    done = run(tmp_path, "import", tmp_path / "list.txt")
    assert "Went on behind line" in done.stdout
    opened(tmp_path).verify()
    assert len(opened(tmp_path)) == 399_999
    assert sorted(path.name for path in tmp_path.glob("compromised*")) == [
        FILE_NAME,
        "compromised-passwords.lock",
    ]


def test_who_interrupts_it_is_told_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "keyhouse", "passwords", "import", "-"]
    settings = environment(KEYHOUSE_DATA=str(tmp_path))
    # where the tests themselves run in the background, interrupts are ignored, and children inherit that
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, env=settings, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, before)
    until = time.monotonic() + SECONDS
    while not (tmp_path / "compromised-passwords.lock").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "same command" in process.stderr.read()
    assert process.wait(SECONDS) == 1
    assert process.stdin is not None
    process.stdin.close()
    process.stderr.close()


@pytest.mark.django_db
def test_an_import_stands_in_the_audit_log_and_a_running_server_takes_it(index: Place, listed: Path) -> None:
    settings: dict[str, Any] = {
        name: value for name, value in index.environment.items() if name != "KEYHOUSE_DATA"
    }
    with served(index.data, **settings) as server:
        done = index.run("passwords", "import", listed)
        assert done.returncode == 0, done.stderr
        assert json.loads(server.get("/health/ready")[1])["impaired"] == []
        (index.data / FILE_NAME).write_bytes(b"something else")
        time.sleep(1.1)
        status, body = server.get("/health/ready?for=writes")
        assert status == 200
        assert "passwords" in json.loads(body)["impaired"][0]
    text = index.keyhouse("audit", "--json")
    assert '"passwords import"' in text
    assert "3001" in text


def test_dev_verify_knows_what_the_file_knows(tmp_path: Path, listed: Path) -> None:
    run(tmp_path, "import", listed)
    lines = [json.dumps({"kind": "password", "password": word}) for word in (WORD, WORD + "-2")]
    done = keyhouse("dev", "verify", typed="\n".join(lines), KEYHOUSE_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("code") for answer in answers] == ["password-compromised", None]


def test_help_needs_nothing(tmp_path: Path) -> None:
    assert keyhouse("passwords", "import", "--help", KEYHOUSE_DATA=str(tmp_path / "none")).returncode == 0
    assert not (tmp_path / "none").exists()
