"""Servers of their own processes on copies of one index, which are killed or starved."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from tests.cli.places import ADA, Place, place
from tests.cli.started import Started, serving, start
from tests.distfiles.builders import build_wheel
from tests.publishing.world import form_of

FORMS = {"json": "application/vnd.pypi.simple.v1+json", "html": "application/vnd.pypi.simple.v1+html"}
SECONDS = 30
VISIBLE_SECONDS = 1  # within which a change is visible on PostgreSQL, where a server is told of it


@dataclass
class Index:
    """An index, who may do what in it, and the server that runs on it now."""

    place: Place
    token: str
    cookie: tuple[str, str]
    csrf: str
    servers: list[Started] = field(default_factory=list)
    started_at: float = 0.0  # the newest server, by the clock that never goes back
    changed_at: float = 0.0  # the last time that a server was asked for something

    @property
    def url(self) -> str:
        return self.servers[-1].url

    @contextmanager
    def served(self, *words: str, **settings: str) -> Iterator[Started]:
        """Run a server that will stop when told to."""
        data, environment = self.place.data, {**self.place.environment, **settings}
        self.started_at = time.monotonic()
        with serving(data, *words, cwd=data.parent, **environment) as started:
            self.servers.append(started)
            yield started

    def start(self, fault: str, **settings: str) -> Started:
        """Start a server that will kill itself."""
        environment = {**self.place.environment, **settings, "KEYHOUSE_FAULT": fault}
        self.started_at = time.monotonic()
        started = start(self.place.data, cwd=self.place.data.parent, **environment)
        self.servers.append(started)
        return started

    def upload(self, path: Path) -> requests.Response:
        pairs = [*form_of(path).items(), ("content", (path.name, path.read_bytes()))]
        parts = [(name, value if isinstance(value, tuple) else (None, str(value))) for name, value in pairs]
        return self._send("/legacy/", files=parts, auth=("__token__", self.token))

    def post(self, path: str, **fields: str) -> requests.Response:
        """Send a form of a page as the signed-in person."""
        form = {"csrfmiddlewaretoken": self.csrf, **fields}
        return self._send(path, data=form, cookies=dict([self.cookie]), allow_redirects=False)

    def _send(self, path: str, **what: Any) -> requests.Response:
        try:
            return requests.post(self.url + path, timeout=SECONDS, **what)
        finally:
            self.changed_at = time.monotonic()

    def wait_until_visible(self) -> None:
        """On PostgreSQL, leave a server that ran before the last change the time to hear of it; a newer one has read it.

        On SQLite servers see for themselves that the file changed.
        """
        changed_at = max(self.changed_at, self.place.ran_at)
        if self.place.database_url and changed_at >= self.started_at:
            time.sleep(max(0.0, changed_at + VISIBLE_SECONDS - time.monotonic()))

    def get(self, path: str, accept: str = "*/*") -> requests.Response:
        return requests.get(self.url + path, headers={"Accept": accept}, timeout=SECONDS)

    def shown(self, project: str) -> dict[str, str | bool]:
        """Return the files of a project and their yanks, after seeing that all its pages say the same."""
        self.wait_until_visible()
        page = self.get(f"/simple/{project}/", FORMS["json"])
        html = self.get(f"/simple/{project}/", FORMS["html"])
        document = self.get(f"/pypi/{project}/json")
        assert page.status_code == html.status_code
        if page.status_code == 404:
            return {}
        files = {file["filename"]: file["yanked"] for file in page.json()["files"]}
        for name, yanked in files.items():
            assert f">{name}</a>" in html.text
            line = next(line for line in html.text.splitlines() if f">{name}</a>" in line)
            assert ("data-yanked" in line) is bool(yanked is not False)
        assert html.text.count("</a>") == len(files)
        released = {file["filename"] for some in document.json()["releases"].values() for file in some}
        assert released == set(files)
        for file in page.json()["files"]:
            path = file["url"][file["url"].index("/files/") :]
            assert self.get(path).status_code == 200
        return files

    def records(self, action: str) -> list[dict[str, Any]]:
        """Return the audit records of an act, without those of the seeding."""
        lines = self.place.keyhouse("audit", "--json", "--action", action).splitlines()
        return [found for line in lines if (found := json.loads(line))["actor"]["kind"] != "host"]

    def require_whole(self) -> None:
        done = self.place.run("storage", "verify")
        assert done.returncode == 0, done.stdout


def vouch(place: Place, filename: str) -> None:
    """Give a file a provenance, as an upload with attestations does."""
    with closing(_connected(place)) as connection, connection:
        cursor, mark = connection.cursor(), "%s" if place.database_url else "?"
        cursor.execute(f"SELECT id FROM projects_file WHERE filename = {mark}", [filename])
        (number,) = cursor.fetchone()
        cursor.execute(f"UPDATE projects_file SET has_provenance = TRUE WHERE id = {mark}", [number])
        body = json.dumps({"version": 1, "attestation_bundles": []})
        into = "INSERT INTO projects_provenance (file_id, body)"
        cursor.execute(f"{into} VALUES ({mark}, {mark})", [number, body])
    place.keyhouse("rebuild-pages")


def _connected(place: Place) -> Any:
    if place.database_url:
        return psycopg.connect(place.database_url)
    return sqlite3.connect(place.data / "keyhouse.sqlite3")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Return an index with one project of two releases, its owner signed in and with a token; only ever copied."""
    folder = tmp_path_factory.mktemp("template")
    wheels = [build_wheel(folder, version=version) for version in ("1.0", "2.0")]
    with place(folder / "data") as made:
        told = made.seed(
            {
                "users": [ADA],
                "sessions": [{"user": "ada", "proved": ["password", "totp"]}],
                "tokens": [{"user": "ada"}],
                "files": [{"path": str(wheel), "by": "ada"} for wheel in wheels],
            }
        )
        vouch(made, "alpha-2.0-py3-none-any.whl")
        yield made, {"token": told["tokens"][0]["token"], **told["sessions"][0]}


@pytest.fixture
def index(template: tuple[Place, dict[str, Any]], tmp_path: Path) -> Iterator[Index]:
    original, told = template
    with place(tmp_path / "data", original) as made:
        name, _, value = told["cookie"].partition("=")
        index = Index(made, told["token"], (name, value), told["csrf"])
        yield index
        for started in index.servers:
            if started.process.poll() is None:
                started.process.kill()
                started.process.wait()
