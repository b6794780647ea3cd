"""`keyhouse serve` as a process: start, refusals to start, stop."""

from __future__ import annotations

import datetime as dt
import json
import os
import pty
import re
import resource
import secrets
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests import ready
from tests.cli.started import NEW, SECONDS, Started, environment, keyhouse, serving, start
from tests.conftest import skip_or_fail

from keyhouse.cli import announcement
from keyhouse.cli.serve import WORKER_SECONDS
from keyhouse.core import configuration

pytestmark = [pytest.mark.usefixtures("anew"), pytest.mark.by_turns]


def test_one_command_serves_from_nothing_and_stops_with_zero(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, cwd=tmp_path, **NEW) as server:
        assert server.get("/health/live")[0] == 200
        assert server.get("/health/ready")[0] == 200
        assert server.get("/health/ready?for=writes")[0] == 200
        assert server.get("/", Accept="text/html")[0] == 200
        assert server.get("/static/keyhouse.css")[0] == 200
        assert server.get("/simple/")[0] == 200
        assert server.stop() == 0
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "keyhouse.sqlite3").stat().st_mode) == 0o600
    assert json.loads((data / "instance.json").read_text())["environment"] == "test"
    assert {line["level"] for line in server.lines} <= {"info"}


def test_ctrl_c_stops_it_with_zero_too(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        assert server.stop(signal.SIGINT) == 0


def test_a_relative_data_folder_is_the_callers(tmp_path: Path) -> None:
    ready.lay(tmp_path / "there", {})
    command = [sys.executable, "-m", "keyhouse", "serve", "--port", "0", "--data", "there"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = json.loads(process.stderr.readline())
    process.terminate()
    assert process.wait(SECONDS) == 0
    process.stderr.close()
    assert line["data"] == str(tmp_path / "there")


def test_localhost_answers_on_both_families(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        assert server.url.startswith("http://localhost:")
        with urlopen(f"http://127.0.0.1:{server.port}/health/live", timeout=20) as answer:
            assert answer.status == 200
        if socket.has_ipv6 and has_loopback_6():
            with urlopen(f"http://[::1]:{server.port}/health/live", timeout=20) as answer:
                assert answer.status == 200


def has_loopback_6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_the_set_up_link_is_in_a_file_for_its_owner_and_in_no_log(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as server:
        link = (data / "setup-link").read_text().strip()
        assert link.startswith(f"{server.url}/setup/")
        assert stat.S_IMODE((data / "setup-link").stat().st_mode) == 0o600
        assert server.get(link.removeprefix(server.url), Accept="text/html")[0] == 200
    secret = link.split("/setup/")[1].strip("/")
    assert len(secret) >= 20
    assert secret not in server.log.read_text()
    assert str(data / "setup-link") in server.log.read_text()


def test_on_a_terminal_everything_is_said_for_people(tmp_path: Path) -> None:
    ready.lay(tmp_path / "data", {})
    primary, secondary = pty.openpty()
    command = [sys.executable, "-m", "keyhouse", "serve", "--port", "0", "--data", str(tmp_path / "data")]
    process = subprocess.Popen(
        command, env=environment(), stdout=secondary, stderr=secondary, stdin=secondary
    )
    os.close(secondary)
    said = ""
    while "Stop with Ctrl-C" not in said:
        said += os.read(primary, 4096).decode()
    process.terminate()
    assert process.wait(SECONDS) == 0
    os.close(primary)
    assert re.search(r"Keyhouse is at http://localhost:\d+\r\n", said)
    assert re.search(r"http://localhost:\d+/setup/\S{20,}", said)
    assert str(tmp_path / "data") in said
    assert "{" not in said
    assert not (tmp_path / "data" / "setup-link").exists()


def test_a_second_server_on_the_folder_hears_who_holds_it(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        done = keyhouse("serve", "--port", "0", "--data", tmp_path / "data")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert f"is held by process {server.process.pid} ({server.url})" in done.stderr
        assert server.get("/health/live")[0] == 200


def test_a_port_that_is_taken_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = keyhouse("serve", "--port", str(port), "--data", tmp_path / "data")
    assert done.returncode == 1
    assert (
        done.stderr
        == f"Error: Port {port} of localhost is taken by another program; choose another with --port.\n"
    )


@pytest.mark.parametrize(
    ("words", "settings", "sentence"),
    [
        ((), {"KEYHOUSE_COLOUR": "red"}, "KEYHOUSE_COLOUR is not a setting of Keyhouse"),
        ((), {"KEYHOUSE_READS": "nobody"}, "KEYHOUSE_READS: 'nobody' is not allowed here"),
        (
            (),
            {"KEYHOUSE_ENVIRONMENT": "production", "KEYHOUSE_RATE_LIMITS": "off"},
            "is for KEYHOUSE_ENVIRONMENT=test only",
        ),
        ((), {"KEYHOUSE_KEY_MODELS": "/none.json"}, "/none.json can't be used: there is no such file"),
        ((), {"KEYHOUSE_KEY_MODELS": __file__}, "test_serve.py can't be used: it is not JSON."),
        ((), {"KEYHOUSE_TRUSTED_ROOT": "/none.json"}, "/none.json can't be used: there is no such file"),
        ((), {"KEYHOUSE_TRUSTED_ROOT": __file__}, "test_serve.py can't be used: it is no trusted_root.json"),
        ((), {"KEYHOUSE_CA_FILE": "/none.pem"}, "KEYHOUSE_CA_FILE: /none.pem can't be used"),
        ((), {"KEYHOUSE_CA_FILE": __file__}, "it takes a file of certificates (PEM)."),
        ((), {"KEYHOUSE_BASE_URL": "https://index.example.org/packages"}, "it takes the root of a host"),
        ((), {"KEYHOUSE_KEY_MODELS_ONLY": "on"}, "KEYHOUSE_KEY_MODELS_ONLY=on needs KEYHOUSE_KEY_MODELS"),
        ((), {"KEYHOUSE_METRICS_LISTEN": "nonsense"}, "KEYHOUSE_METRICS_LISTEN takes host:port"),
        (("--tls-cert", "x.pem"), {}, "--tls-cert and --tls-key go together"),
        (
            ("--tls-cert", "x.pem", "--tls-key", "y.pem"),
            {},
            "The certificate x.pem and its key can't be used",
        ),
        (("--workers", "0"), {}, "--workers"),
        (("--port", "70000"), {}, "--port"),
        (("extra",), {}, "extra"),
    ],
)
def test_wrong_use_stops_the_start_with_two(
    tmp_path: Path, words: tuple[str, ...], settings: dict[str, str], sentence: str
) -> None:
    done = keyhouse("serve", "--data", tmp_path / "data", *words, cwd=None, **settings)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_other_environments_folder_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "data"):
        pass
    done = keyhouse("serve", "--data", tmp_path / "data", KEYHOUSE_ENVIRONMENT="production")
    assert done.returncode == 2
    assert "belongs to the environment test, and this is production" in done.stderr


def test_a_newer_versions_folder_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "instance.json").write_text('{"id": "00", "environment": "test", "version": "999.0"}')
    done = keyhouse("serve", "--port", "0", "--data", data)
    assert done.returncode == 2
    assert "which is newer" in done.stderr
    assert not (data / "keyhouse.sqlite3").exists()


def test_a_host_that_is_not_ours_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = keyhouse("serve", "--host", "192.0.2.1", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_plain_http_beyond_this_machine_is_warned_of(tmp_path: Path) -> None:
    with serving(tmp_path / "data", KEYHOUSE_BASE_URL="http://index.example.org") as server:
        pass
    assert any("plain http" in line["message"] and line["level"] == "warning" for line in server.lines)


def test_an_ip_address_as_the_address_people_use_is_warned_of(tmp_path: Path) -> None:
    with serving(tmp_path / "data", KEYHOUSE_BASE_URL="https://192.0.2.7") as server:
        pass
    told = [line["message"] for line in server.lines if line["level"] == "warning"]
    said = "https://192.0.2.7 is an IP address: browsers allow no security keys there. Set KEYHOUSE_BASE_URL to a name."
    assert said in told


@pytest.mark.parametrize(
    ("url", "is_warned"),
    [
        ("https://192.0.2.7", True),
        ("http://192.0.2.7:8400", True),
        ("https://[2001:db8::7]", True),
        ("http://127.0.0.1:8400", True),
        ("https://index.example.org", False),
        ("https://192.0.2.7.example.org", False),
        ("http://localhost:8400", False),
    ],
)
def test_of_an_ip_address_alone(url: str, *, is_warned: bool) -> None:
    found = announcement.warnings(replace(configuration.current(), base_url=url), "localhost")
    assert any(f"{url} is an IP address" in one for one in found) is is_warned


def test_a_running_request_is_finished_before_the_end(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.settimeout(20)
        assert server.get("/health/live")[0] == 200
        raw.sendall(b"POST /nowhere/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.5)
        assert server.process.poll() is None
        raw.sendall(b"defghij")
        assert raw.recv(1000).startswith(b"HTTP/1.1 40")
        assert server.process.wait(20) == 0


def test_a_disk_that_takes_nothing_stops_writers_only(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        assert server.get("/account/sign-in/", Accept="text/html")[0] == 200
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1024, before[1]))
        time.sleep(1.1)  # what was found about the disk is kept for a second
        assert server.get("/health/ready")[0] == 200
        status, body = server.get("/health/ready?for=writes")
        assert (status, b"takes no files" in body) == (503, True)
        assert server.get("/simple/")[0] == 200
        assert server.get("/", Accept="text/html")[0] == 200
        assert sign_in(server)[0] == 503
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
        time.sleep(1.1)
        assert server.get("/health/ready?for=writes")[0] == 200
        assert sign_in(server)[0] in {400, 403}


def sign_in(server: Started) -> tuple[int, str]:
    """Send a sign-in that is wrong, and return the answer."""
    jar = HTTPCookieProcessor()
    opener = build_opener(jar)
    with opener.open(server.url + "/account/sign-in/", timeout=20) as answer:
        mark = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.read().decode())
    assert mark
    fields = {"csrfmiddlewaretoken": mark[1], "username": "ada", "password": "wrong but long enough"}
    request = Request(server.url + "/account/sign-in/", urlencode(fields).encode())  # noqa: S310 - our own server
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_several_workers_share_one_socket_and_are_replaced(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "2") as server:
        wait_until_ready(server.port)
        before = children_of(server.process.pid)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + WORKER_SECONDS + 20  # its supervisor may wait for an answer just then
        while time.monotonic() < until and len(set(children_of(server.process.pid)) - {before[0]}) < 2:
            time.sleep(0.1)
        assert len(set(children_of(server.process.pid)) - {before[0]}) == 2
        wait_until_ready(server.port)
        assert server.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in before)


def test_workers_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    server = start(tmp_path / "data", "--workers", "2")
    wait_until_ready(server.port)
    workers = children_of(server.process.pid)
    server.process.kill()
    server.process.wait(10)
    until = time.monotonic() + 20
    while time.monotonic() < until and any(is_alive(pid) for pid in workers):
        time.sleep(0.1)
    assert not any(is_alive(pid) for pid in workers)
    with serving(tmp_path / "data") as again:
        assert again.get("/health/live")[0] == 200


def children_of(pid: int) -> list[int]:
    """Return the worker processes (the supervisor also has one that tracks what they share)."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until_ready(port: int) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError


def test_it_serves_https_when_asked(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with serving(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key)) as server:
        assert server.url.startswith("https://localhost:")
        trusting = ssl.create_default_context(cafile=certificate)
        with urlopen(f"https://localhost:{server.port}/", context=trusting, timeout=20) as answer:
            assert answer.status == 200
            assert (
                "Strict-Transport-Security" not in answer.headers
            )  # every port of localhost would follow it


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*pem))
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_measurements_have_a_port_of_their_own(tmp_path: Path, workers: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        private = probe.getsockname()[1]
    listen = f"127.0.0.1:{private}"
    with serving(tmp_path / "data", "--workers", workers, KEYHOUSE_METRICS_LISTEN=listen) as server:
        wait_until_ready(server.port)
        for _ in range(6):
            assert server.get("/nowhere/")[0] == 404
        wait_for_text(f"http://{listen}/metrics", 'keyhouse_requests_total{plane="pages",status="404"} 6.0')
        assert server.get("/metrics")[0] == 404


def wait_for_text(url: str, text: str) -> None:
    """Ask until the answer holds the text: a request is counted just after its answer was sent."""
    found = ""
    for _ in range(50):
        with urlopen(url, timeout=20) as answer:  # noqa: S310 - our own server
            found = answer.read().decode()
        if text in found:
            return
        time.sleep(0.1)
    raise AssertionError(found)


def test_two_that_prepare_one_folder_at_once_do_not_race(tmp_path: Path) -> None:
    program = (
        "import os; from keyhouse.core import configuration; from keyhouse.cli.preparation import prepare; "
        "prepare(configuration.read(os.environ))"
    )
    settings = environment(KEYHOUSE_DATA=str(tmp_path / "data"))
    command = [sys.executable, "-c", program]
    both = [subprocess.Popen(command, env=settings, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate(timeout=SECONDS)[1] for process in both] == [b"", b""]
    assert [process.returncode for process in both] == [0, 0]


@pytest.mark.postgres
def test_two_servers_that_start_on_one_postgresql_do_not_race(tmp_path: Path) -> None:
    server = os.environ.get("KEYHOUSE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
    name = f"keyhouse_test_serve_{secrets.token_hex(4)}"
    try:
        control = psycopg.connect(server, autocommit=True, connect_timeout=3)
    except psycopg.Error as error:
        skip_or_fail("postgres", str(error))
    control.execute(f"CREATE DATABASE {name}")
    url = server.rpartition("/")[0] + "/" + name
    try:
        found: list[int] = []

        def run(folder: str) -> None:
            with serving(tmp_path / folder, KEYHOUSE_DATABASE_URL=url) as started:
                found.append(started.get("/health/ready?for=writes")[0])

        threads = [threading.Thread(target=run, args=(folder,)) for folder in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [200, 200]
    finally:
        control.execute(f"DROP DATABASE {name} WITH (FORCE)")
        control.close()
