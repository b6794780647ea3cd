"""The same clients where the server stands differently: with TLS, private, with several workers."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.distfiles.builders import build_wheel
from tests.journeys.conftest import Server, start_server
from tests.journeys.test_clients import ADA, listed, run, succeeded, twine

pytestmark = pytest.mark.by_turns

JSON = "application/vnd.pypi.simple.v1+json"


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for localhost; returns certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    unlocked = serialization.NoEncryption()
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unlocked)
    )
    return paths


def mint(server: Server) -> str:
    made = server.seed(
        {"users": [ADA], "tokens": [{"user": "ada", "projects": "all", "minted_with": "totp"}]}
    )
    return str(made["tokens"][0]["token"])


def test_clients_publish_and_install_over_tls(
    data: Path, clients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = write_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # our own look whether it is up trusts it, too
    server = start_server(data, "--tls-cert", str(certificate), "--tls-key", str(key))
    try:
        token = mint(server)
        wheel = build_wheel(tmp_path, files={"alpha/__init__.py": b"value = 42\n"})
        succeeded(
            run(
                clients / "uv",
                "publish",
                "--publish-url",
                f"{server.url}/legacy/",
                wheel,
                UV_PUBLISH_TOKEN=token,
            )
        )
        words = (
            "--no-cache-dir",
            "--cert",
            certificate,
            "--index-url",
            f"{server.url}/simple/",
            "--target",
            tmp_path / "t",
        )
        succeeded(run(clients / "pip", "install", *words, "alpha"))
        assert (tmp_path / "t" / "alpha" / "__init__.py").is_file()
    finally:
        assert server.stop() == 0


@pytest.fixture
def private(data: Path) -> Iterator[Server]:
    running = start_server(data, KEYHOUSE_READS="private")
    yield running
    running.stop()


def test_a_private_index_is_read_with_a_token_only(private: Server, clients: Path, tmp_path: Path) -> None:
    token = mint(private)
    succeeded(twine(clients, private, token, build_wheel(tmp_path)))
    for path in ("/simple/", "/simple/alpha/", "/pypi/alpha/json", "/stats.json", "/rss/updates.xml"):
        assert private.get(path)[0] == 401, path
    target = tmp_path / "target"
    plain = ("install", "--no-cache-dir", "--no-input", "--target", target, "--index-url")
    assert run(clients / "pip", *plain, f"{private.url}/simple/", "alpha").returncode != 0
    assert not target.exists()
    (tmp_path / ".netrc").write_text(f"machine localhost login __token__ password {token}\n")
    (tmp_path / ".netrc").chmod(0o600)
    succeeded(run(clients / "pip", *plain, f"{private.url}/simple/", "alpha", HOME=str(tmp_path)))
    assert list(target.glob("alpha*"))


def test_uv_reads_a_private_index(private: Server, clients: Path, tmp_path: Path) -> None:
    token = mint(private)
    succeeded(twine(clients, private, token, build_wheel(tmp_path)))
    index = private.url.replace("://", f"://__token__:{token}@") + "/simple/"
    words = ("pip", "install", "--no-cache", "--target", tmp_path / "target", "--default-index")
    succeeded(run(clients / "uv", *words, index, "alpha"))


def test_every_worker_shows_a_new_release_at_once(data: Path, clients: Path, tmp_path: Path) -> None:
    server = start_server(data, "--workers", "2")
    try:
        token = mint(server)
        for version in ("1.0", "1.1", "1.2"):
            wheel = build_wheel(tmp_path, version=version)
            succeeded(twine(clients, server, token, wheel))
            time.sleep(0.05)
            seen = [wheel.name in listed(server, "alpha") for _ in range(20)]
            assert all(seen), f"{version} is missing from {seen.count(False)} of 20 answers"
    finally:
        assert server.stop() == 0


def test_what_was_published_lives_on_after_a_restart(data: Path, clients: Path, tmp_path: Path) -> None:
    server = start_server(data)
    token = mint(server)
    wheel = build_wheel(tmp_path)
    succeeded(twine(clients, server, token, wheel))
    before = server.get("/simple/alpha/", Accept=JSON)[1]
    assert server.stop() == 0
    again = start_server(data)
    try:
        assert json.loads(again.get("/simple/alpha/", Accept=JSON)[1]) == json.loads(before)
        succeeded(twine(clients, again, token, build_wheel(tmp_path, version="2.0")))
    finally:
        assert again.stop() == 0
