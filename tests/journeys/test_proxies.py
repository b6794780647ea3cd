"""The configurations of `deploy/` in front of a server, with real clients and the doctor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from tests.conftest import skip_or_fail
from tests.distfiles.builders import build_wheel
from tests.journeys.conftest import ROOT, Server, free_port, start_server
from tests.journeys.test_clients import ADA, run, succeeded, twine
from tests.journeys.test_surroundings import mint, write_certificate

from keyhouse.core import keys, probes
from keyhouse.safety.switches.rules import LONGEST_REASON

pytestmark = pytest.mark.by_turns

DEPLOY = ROOT / "deploy"
MADE_UP = "203.0.113.9"  # an address for documentation


def fill(text: str, **values: str) -> str:
    """Put values in the place of what the configuration holds for somebody else; each must be there."""
    for old, new in values.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def write_nginx(folder: Path, port: int, upstream: int, certificate: Path, key: Path) -> list[str]:
    block = fill(
        (DEPLOY / "nginx.conf").read_text(),
        **{
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "server 127.0.0.1:8400": f"server 127.0.0.1:{upstream}",
            "packages.example.org;": "localhost;",
            "/etc/keyhouse/cert.pem": str(certificate),
            "/etc/keyhouse/key.pem": str(key),
        },
    )
    places = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = (
        f"daemon off; user root; pid {folder}/pid; events {{}} http {{ access_log off; {places}\n{block}\n}}"
    )
    (folder / "nginx.conf").write_text(whole)
    return ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]


def write_caddy(folder: Path, port: int, upstream: int, certificate: Path, key: Path) -> list[str]:
    block = fill(
        (DEPLOY / "Caddyfile").read_text(),
        **{
            "packages.example.org {": f"https://localhost:{port} {{\n\ttls {certificate} {key}",
            "127.0.0.1:8400": f"127.0.0.1:{upstream}",
        },
    )
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https off\n}}\n{block}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


PROXIES: dict[str, Callable[[Path, int, int, Path, Path], list[str]]] = {
    "nginx": write_nginx,
    "caddy": write_caddy,
}


@pytest.fixture(params=sorted(PROXIES))
def proxied(
    request: pytest.FixtureRequest, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """Start a server and a proxy before it; the address is the proxy's."""
    name = str(request.param)
    if shutil.which(name) is None:
        skip_or_fail("proxies", f"{name} is not installed")
    certificate, key = write_certificate(tmp_path)
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):  # whatever this machine trusts otherwise
        monkeypatch.setenv(variable, str(certificate))
    port = free_port()
    settings = {
        "KEYHOUSE_BASE_URL": f"https://localhost:{port}",
        "KEYHOUSE_TRUSTED_PROXIES": "127.0.0.1",
        "KEYHOUSE_CA_FILE": str(certificate),
    }
    server = start_server(data, **settings)
    upstream = int(server.url.rpartition(":")[2])
    folder = tmp_path / name
    folder.mkdir()
    command = PROXIES[name](folder, port, upstream, certificate, key)
    with (folder / "log").open("wb") as log:
        proxy = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        )
    server.url = settings["KEYHOUSE_BASE_URL"]
    try:
        wait(server, proxy, folder / "log")
        yield server
    finally:
        proxy.terminate()
        proxy.wait(20)
        assert server.stop() == 0


def wait(server: Server, proxy: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        assert proxy.poll() is None, log.read_text()
        try:
            if server.get("/health/live")[0] == 200:
                return
        except (URLError, OSError):
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def seen(server: Server, **headers: str) -> dict[str, Any]:
    """Ask through the proxy what arrives, as the doctor does."""
    from keyhouse.core import clock  # noqa: PLC0415 - beside its only use

    value = probes.sign(clock.now())
    request = Request(server.url + probes.PATH, headers={probes.HEADER: value, **headers})  # noqa: S310 - our own server
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=20)  # noqa: S310 - the same
    told: dict[str, Any] = json.loads(refused.value.read())
    return told


def unbroken(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a client said, without the lines that it was broken into."""
    return " ".join((done.stdout + done.stderr).split())


def test_clients_and_doctor_through_a_proxy(
    proxied: Server,
    clients: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_phrases = "nginx" in request.node.name
    certificate = tmp_path / "cert.pem"

    found = json.loads(proxied.keyhouse("doctor", "--json"))
    assert [one for one in found if one["grade"] == "problem"] == []
    told = {one["sentence"]: one["grade"] for one in found if one["about"] == "proxy"}
    assert told["The proxy at 127.0.0.1 is trusted and tells whom it speaks for."] == "ok"
    assert told["Uploads of the largest size are let through, and judged before their bodies."] == "ok"
    assert any("phrase" in sentence for sentence in told)
    assert any("lost" in sentence for sentence in told) is not has_phrases

    token = mint(proxied)
    password = str(ADA["password"])
    wheel = build_wheel(tmp_path, files={"alpha/__init__.py": b"value = 42\n"})
    refused = run(
        clients / "twine", "upload", "--non-interactive", "--cert", certificate, "--repository-url", f"{proxied.url}/legacy/",
        wheel, TWINE_USERNAME="ada", TWINE_PASSWORD=password, NO_COLOR="1",
    )  # fmt: skip
    shown = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "403" in shown
    assert ("password-not-accepted" in shown) is has_phrases
    publish = (clients / "uv", "publish", "--publish-url", f"{proxied.url}/legacy/", wheel)
    refused = run(*publish, UV_PUBLISH_USERNAME="ada", UV_PUBLISH_PASSWORD=password)
    assert "password-not-accepted" in refused.stdout + refused.stderr  # uv shows the body, too

    reason = "we look into a wave of projects that were made up, a größer one than any before it this year"
    proxied.keyhouse("freeze", "uploads", "--reason", reason[:LONGEST_REASON], "--for", "1h")
    stopped = twine(clients, proxied, token, "--cert", certificate, wheel)
    assert stopped.returncode != 0
    assert (reason[:LONGEST_REASON].replace("ö", "?").replace("ß", "?") in unbroken(stopped)) is has_phrases
    stopped = run(*publish, UV_PUBLISH_TOKEN=token)
    assert reason[:LONGEST_REASON] in unbroken(stopped)  # in the body
    proxied.keyhouse("thaw", "uploads")

    succeeded(twine(clients, proxied, token, "--cert", certificate, wheel))
    words = (
        "--no-cache-dir",
        "--cert",
        certificate,
        "--index-url",
        f"{proxied.url}/simple/",
        "--target",
        tmp_path / "t",
    )
    succeeded(run(clients / "pip", "install", *words, "alpha"))
    assert (tmp_path / "t" / "alpha" / "__init__.py").is_file()

    ring = keys.read_ring(proxied.data / "keys.json")
    monkeypatch.setattr(keys, "ring", lambda: ring)
    told = seen(proxied, **{"X-Forwarded-For": MADE_UP, "X-Real-IP": MADE_UP, "Forwarded": f"for={MADE_UP}"})
    assert told["client"] == "127.0.0.1", "what a client says of itself is not believed"
