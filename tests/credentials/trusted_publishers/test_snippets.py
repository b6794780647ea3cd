"""Lines to copy into a CI system: they name this index, and their question stops a job that would be refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from keyhouse.credentials.trusted_publishers import snippets
from keyhouse.credentials.trusted_publishers.snippets import Where, kinds_for, snippet_of, variable_of

WHERE = Where("https://packages.example", "packages.example", "lantern", "publish.yml", "release")
KINDS = ("github", "gitlab", "forgejo", "jenkins", "kubernetes", "google")


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_filled_in_for_this_index_and_asks_before_it_publishes(kind: str) -> None:
    text = snippet_of(kind, WHERE).text
    assert "~" not in text
    asked = text.index("https://packages.example/mandate/check?action=release.upload&project=lantern")
    assert text.index("https://packages.example/_/oidc/mint-token") < asked
    assert asked < text.index("uv publish")
    assert "--publish-url https://packages.example/legacy/" in text
    assert "packages.example" in text.split("mint-token")[0]  # the audience
    assert "\t" not in text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_workflow_and_environment_are_the_publishers() -> None:
    assert snippet_of("github", WHERE).file == ".github/workflows/publish.yml"
    assert "\n    environment: release\n" in snippet_of("github", WHERE).text
    bare = Where("https://packages.example", "packages.example", "lantern")
    assert "environment" not in snippet_of("github", bare).text
    assert snippet_of("gitlab", bare).file == ".gitlab-ci.yml"


@pytest.mark.parametrize(
    ("provider", "issuer", "first"),
    [
        ("github", "https://token.actions.githubusercontent.com", "github"),
        ("gitlab", "https://gitlab.example", "gitlab"),
        ("custom", "https://forge.example/api/actions", "forgejo"),
        ("custom", "https://ci.example/oidc", "jenkins"),
        ("custom", "https://kubernetes.default.svc.cluster.local", "kubernetes"),
        ("google", "https://accounts.google.com", "google"),
    ],
)
def test_what_an_issuer_may_be(provider: str, issuer: str, first: str) -> None:
    assert kinds_for(provider, issuer)[0] == first
    assert kinds_for("activestate", "https://platform.activestate.com/api/v1/oauth/oidc") == ()


@pytest.mark.parametrize(
    ("audience", "variable"),
    [
        ("packages.example", "PACKAGES_EXAMPLE_ID_TOKEN"),
        ("localhost:8400", "LOCALHOST_8400_ID_TOKEN"),
        ("9-lives", "__LIVES_ID_TOKEN"),
        ("keyhouse", "KEYHOUSE_ID_TOKEN"),
    ],
)
def test_the_variable_of_gitlab_follows_from_the_audience(audience: str, variable: str) -> None:
    assert variable_of(audience) == variable


# ---- the question, asked by a shell

ANSWERS: dict[str, Any] = {}


class Index(BaseHTTPRequestHandler):
    """Answers what a test wants, and keeps what it was asked."""

    asked: list[tuple[str, str, str]] = []  # noqa: RUF012 - emptied by each test

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.say("mint", body)

    def do_GET(self) -> None:
        self.say("check", self.headers["Authorization"])

    def say(self, what: str, told: str) -> None:
        self.asked.append((what, self.path, told))
        status, body = ANSWERS[what]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def index() -> Iterator[str]:
    Index.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


MINTED = (200, {"success": True, "token": "keyhouse-minted"})


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
@pytest.mark.parametrize(
    ("mint", "check", "goes_on", "printed"),
    [
        (MINTED, (200, {"verdict": "allow", "code": None}), True, "allow"),
        (MINTED, (200, {"verdict": "warn", "reason": "Soon.", "until": "2027-02-01"}), True, "Soon."),
        (MINTED, (200, {"verdict": "deny", "reason": "No."}), False, "No."),
        (MINTED, (403, {"code": "credential-invalid", "detail": "Bad."}), False, "credential-invalid"),
        ((422, {"message": "Nobody trusts this."}), (200, {}), False, "Nobody trusts this."),
    ],
)
def test_the_question_prints_what_it_is_told_and_stops_a_job_that_would_be_refused(
    index: str, mint: Any, check: Any, printed: str, *, goes_on: bool
) -> None:
    ANSWERS.update(mint=mint, check=check)
    where = Where(index, "packages.example", "lantern")
    question = snippets._filled(snippets._ASK, {"base": where.base_url, "project": where.project})
    done = subprocess.run(
        ["sh", "-euc", f"identity=a.b.c\n{question}\necho goes on"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("goes on" in done.stdout) == goes_on == (done.returncode == 0)
    assert printed in done.stdout + done.stderr
    assert Index.asked[0] == ("mint", "/_/oidc/mint-token", '{"token": "a.b.c"}')
    if mint is MINTED:
        path = "/mandate/check?action=release.upload&project=lantern"
        assert Index.asked[1:] == [("check", path, "Bearer keyhouse-minted")]
    else:
        assert len(Index.asked) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_recipes_hold_the_very_lines(kind: str) -> None:
    page = Path(__file__).parents[3] / "docs" / "publish" / f"{kind}.md"
    where = Where("https://packages.example.org", "packages.example.org", "NAME")
    assert snippet_of(kind, where).text in page.read_text()
