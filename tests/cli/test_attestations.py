"""`keyhouse attestations verify`: which files hold, what is said of the others, and that nobody is asked."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pypi_attestations import AttestationType

from keyhouse.cli.attestations import command
from keyhouse.publishing.attestations.naming import read_publisher

SDIST = "pypi_attestations-0.0.19.tar.gz"
PUBLISHER = "github:trailofbits/pypi-attestations/release.yml"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(command, ["verify", *map(str, words)])


@pytest.fixture
def folder(vectors: Path, tmp_path: Path) -> Path:
    for path in (vectors / "attestations").glob(f"{SDIST}*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_a_file_with_its_provenance_beside_it_is_verified(folder: Path) -> None:
    done = run(folder / SDIST, "--publisher", PUBLISHER)
    assert (done.exit_code, done.output.splitlines()[:2]) == (
        0,
        [f"{SDIST}: verified", "  publish attestation"],
    )
    assert "    commit: 08802efe1f8e5fec4ad842d6b8ce97656092ee72" in done.output.splitlines()


def test_attestations_beside_it_are_found_and_named_ones_taken(folder: Path) -> None:
    (folder / f"{SDIST}.provenance").unlink()
    told = json.loads(run(folder / SDIST, "--publisher", PUBLISHER, "--json").output)
    assert [one["predicate"] for one in told["attestations"]] == [
        AttestationType.PYPI_PUBLISH_V1.value,
        "https://slsa.dev/provenance/v1",
    ]
    assert (told["ok"], told["publisher"]["kind"]) == (True, "GitHub")
    named = folder / f"{SDIST}.slsa.attestation"
    done = run(folder / SDIST, "--publisher", PUBLISHER, "--provenance", named)
    assert (done.exit_code, done.output.splitlines()[1]) == (0, "  SLSA provenance attestation")


def test_what_does_not_hold_ends_with_1_and_says_why(folder: Path) -> None:
    good, sdist = ["--publisher", PUBLISHER], folder / SDIST
    assert run(sdist, *good, "--environment", "x").exit_code == 1
    assert run(sdist, "--publisher", "google:a@b.c").exit_code == 1
    assert run(sdist, *good, "--issuer", "https://ghe.example.org").exit_code == 1
    assert run(sdist, *good, "--provenance", folder / "none").exit_code == 1
    sdist.write_bytes(sdist.read_bytes() + b"\0")
    done = run(sdist, *good, "--json")
    assert (done.exit_code, json.loads(done.output)["code"]) == (1, "attestation-file-differs")
    for path in folder.glob(f"{SDIST}.*"):
        path.unlink()
    assert "attestation-invalid: Beside" in run(sdist, *good).output


@pytest.mark.parametrize(
    "text",
    [
        "",
        "github",
        "github:a",
        "github:a/b",
        "github:a/b/c/d",
        "github://",
        "gitlab:a//b",
        "gitlab:a/b",
        "google:",
        "custom:",
        "custom:x",
        "nobody:x",
    ],
)
def test_a_publisher_that_is_misspelt_is_wrong_use(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert run(tmp_path / "a", "--publisher", text).exit_code == 2
    with pytest.raises(ValueError, match=r"written|issuer"):
        read_publisher(text)


def test_publishers_are_read_as_they_are_written() -> None:
    gitlab = read_publisher("gitlab:o/sub/r//ci/publish.yml", environment="e")
    assert (gitlab.repository, gitlab.workflow, gitlab.environment) == ("o/sub/r", "ci/publish.yml", "e")
    custom = read_publisher("custom:system:serviceaccount:ci:p", issuer="https://k8s.example.org/")
    assert (custom.subject, custom.issuer_url) == ("system:serviceaccount:ci:p", "https://k8s.example.org")


@pytest.fixture
def site(folder: Path) -> Iterator[str]:
    """Serve the provenance at one address, and nothing, too much and elsewhere at others."""
    provenance = (folder / f"{SDIST}.provenance").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = {"/good": (200, provenance), "/big": (200, b"[" + b" " * 10**6)}.get(
                self.path, (302 if self.path == "/elsewhere" else 404, b"")
            )
            self.send_response(status)
            self.send_header("Location", "/good")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_provenance_may_be_named_by_its_address(folder: Path, site: str) -> None:
    words = (folder / SDIST, "--publisher", PUBLISHER, "--provenance")
    assert run(*words, f"{site}/good").exit_code == 0
    for path in ("none", "big", "elsewhere"):
        done = run(*words, f"{site}/{path}", "--json")
        assert (done.exit_code, json.loads(done.output)["ok"]) == (1, False)
