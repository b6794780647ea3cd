"""Publishing from CI without a stored secret: real clients over TLS, an issuer of our own, the environments that CI makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from tests.distfiles.builders import build_sdist, build_wheel
from tests.journeys.conftest import ROOT, Server, bare_environment, start_server
from tests.journeys.test_clients import listed, succeeded
from tests.journeys.test_surroundings import write_certificate
from tests.oidc_issuer import DISCOVERY, KEYS, ServedIssuer

pytestmark = pytest.mark.by_turns

REF, SHA = "refs/tags/v1.0", "ab" * 20
ASKED = "the-runner-may-ask"
# what the server's own process is told to do, since no page is needed for it here
TRUST = """
import json, sys
from keyhouse.cli.surroundings import load_features
load_features()
from tests.journeys import trusting
trusting.main(json.loads(sys.argv[1]))
"""


class Forge(ServedIssuer):
    """An issuer that also gives identity tokens to its runs, as GitHub's runners ask for them."""

    def answer(self, path: str) -> tuple[int, str, bytes]:
        parts = urlsplit(path)
        if parts.path in {DISCOVERY, KEYS}:
            return super().answer(path)
        [audience] = parse_qs(parts.query)["audience"]
        return 200, "application/json", json.dumps({"value": self.of_github(audience)}).encode()

    def of_github(self, audience: str) -> str:
        return self.token(
            {
                "sub": "repo:acme/anvil:environment:release",
                "repository": "acme/anvil",
                "repository_id": "5005",
                "repository_owner": "acme",
                "repository_owner_id": "77",
                "job_workflow_ref": f"acme/anvil/.github/workflows/release.yml@{REF}",
                "ref": REF,
                "sha": SHA,
                "run_id": "4711",
                "event_name": "push",
                "environment": "release",
            },
            aud=audience,
        )

    def of_gitlab(self, audience: str) -> str:
        place = f"{urlsplit(self.url).hostname}/acme/tools/anvil"
        return self.token(
            {
                "sub": "project_path:acme/tools/anvil:ref_type:tag:ref:v1.0",
                "project_path": "acme/tools/anvil",
                "project_id": "12",
                "namespace_id": "34",
                "ci_config_ref_uri": f"{place}//.gitlab-ci.yml@{REF}",
                "ref_path": REF,
                "sha": SHA,
                "pipeline_id": "4712",
            },
            aud=audience,
        )


@dataclass
class Place:
    """A running index over TLS, the issuers that it believes, and what clients need to believe both."""

    server: Server
    github: Forge
    gitlab: Forge
    other: Forge
    certificate: Path

    @property
    def audience(self) -> str:
        return str(self.ask("/_/oidc/audience")["audience"])

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask as `curl` does; a body is sent as JSON."""
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.server.url + path, data), timeout=20) as answer:  # noqa: S310 - our own server
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a client that believes our certificate."""
        return self.run_in(None, *command, **environment)

    def run_in(
        self, folder: Path | None, *command: str | Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it in a folder."""
        trusting = {"SSL_CERT_FILE": str(self.certificate), "REQUESTS_CA_BUNDLE": str(self.certificate)}
        return subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env={**bare_environment(), **trusting, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def publish(self, clients: Path, *files: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        url = f"{self.server.url}/legacy/"
        words = ("publish", "--trusted-publishing", "always", "--publish-url", url)
        return self.run(clients / "uv", *words, *files, **environment)

    def upload(self, clients: Path, token: str, *files: Path) -> subprocess.CompletedProcess[str]:
        """Upload by twine, which knows nothing of the exchange."""
        words = ("upload", "--non-interactive", "--repository-url", f"{self.server.url}/legacy/")
        told = {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": token, "NO_COLOR": "1"}
        return self.run(clients / "twine", *words, *files, **told)

    def in_github(self) -> dict[str, str]:
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.github.url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ASKED,
        }

    def in_gitlab(self) -> dict[str, str]:
        name = "".join(letter if letter.isalnum() else "_" for letter in self.audience.upper())
        return {
            "CI": "true",
            "GITLAB_CI": "true",
            f"{name}_ID_TOKEN": self.gitlab.of_gitlab(self.audience),
        }

    def minted(self) -> list[dict[str, Any]]:
        """Return what was minted so far, the last one last."""
        found: list[dict[str, Any]] = json.loads(tell(self.server, {"do": "look"}))
        return found


def tell(server: Server, order: Mapping[str, Any]) -> str:
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", TRUST, json.dumps(order)],
        env={**server.environment, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(tmp_path_factory.mktemp("trusted")) as opened:
        yield opened


@contextmanager
def open_place(folder: Path) -> Iterator[Place]:
    """Start an index over TLS that believes three issuers, which run until its end."""
    certificate, key = write_certificate(folder)
    with (
        pytest.MonkeyPatch.context() as patch,
        Forge(certificate, key) as github,
        Forge(certificate, key) as gitlab,
        Forge(certificate, key) as other,
    ):
        patch.setenv("SSL_CERT_FILE", str(certificate))  # our own look trusts it, too
        options = ("--tls-cert", str(certificate), "--tls-key", str(key))
        server = start_server(folder / "data", *options, KEYHOUSE_CA_FILE=str(certificate))
        try:
            tell(server, {"do": "trust", "github": github.url, "gitlab": gitlab.url, "custom": other.url})
            yield Place(server, github, gitlab, other, certificate)
        finally:
            assert server.stop() == 0


def test_uv_publishes_a_new_project_from_github_actions(place: Place, clients: Path, tmp_path: Path) -> None:
    """A pending publisher: the first file makes the project, the second joins it, and the token is burned."""
    files = build_wheel(tmp_path, name="from-github"), build_sdist(tmp_path, name="from-github")
    succeeded(place.publish(clients, *files, **place.in_github()))
    assert set(listed(place.server, "from-github")) == {one.name for one in files}
    last = place.minted()[-1]
    assert (last["is_burned"], last["claims"]["run"], last["claims"]["environment"]) == (
        True,
        "4711",
        "release",
    )


def test_uv_publishes_from_gitlab_ci(place: Place, clients: Path, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, name="from-gitlab")
    succeeded(place.publish(clients, wheel, **place.in_gitlab()))
    assert set(listed(place.server, "from-gitlab")) == {wheel.name}
    last = place.minted()[-1]
    assert (last["is_burned"], last["claims"]["run"]) == (True, "4712")


def test_uv_shows_why_nothing_was_minted(place: Place, clients: Path, tmp_path: Path) -> None:
    environment = {**place.in_gitlab()}
    wheel = build_wheel(tmp_path, name="from-gitlab", version="2.0")
    succeeded(place.publish(clients, wheel, **environment))
    again = place.publish(clients, wheel, **environment)  # the same identity once more
    assert again.returncode != 0
    assert "invalid-reuse-token" in again.stderr


def test_the_steps_of_the_well_known_action_work(place: Place, clients: Path, tmp_path: Path) -> None:
    """Audience, identity from the runner, exchange, twine: as its script does them."""
    wheel = build_wheel(tmp_path, name="by-action")
    audience = place.audience
    asked = Request(  # noqa: S310 - our own server
        f"{place.github.url}/token?api-version=2.0&audience={audience}",
        headers={"Authorization": f"bearer {ASKED}"},
    )
    with urlopen(asked, timeout=20) as answer:  # noqa: S310 - the same
        identity = json.loads(answer.read())["value"]
    minted = place.ask("/_/oidc/mint-token", {"token": identity})
    assert minted["success"] is True
    succeeded(place.upload(clients, minted["token"], wheel))
    assert set(listed(place.server, "by-action")) == {wheel.name}
    found = place.ask("/.well-known/pytp?discover=%2Flegacy%2F")
    assert found["token-mint-endpoint"] == f"{place.server.url}/_/oidc/mint-token"


def test_twine_with_a_token_that_id_asked_for(place: Place, clients: Path, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, name="by-action", version="2.0")
    told = place.run(clients / "python", "-m", "id", place.audience, **place.in_github())
    assert told.returncode == 0, told.stderr
    minted = place.ask("/_/oidc/mint-token", {"token": told.stdout.strip(), "project": "by-action"})
    succeeded(place.upload(clients, minted["token"], wheel))
    assert wheel.name in listed(place.server, "by-action")
