"""Reading that ends while it goes on: two processes with everything in memory, and a membership that is taken away."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.cli.places import ADA, Place, place
from tests.distfiles.builders import build_wheel
from tests.faults.conftest import Index

pytestmark = [pytest.mark.database, pytest.mark.by_turns]
WITHIN_SECONDS = (
    1.0  # what is kept in memory of who reads what counts for a tenth of a second; the rest is a busy machine
)
PAUSE = 0.01  # seconds, a tenth of what must be noticed, so that servers have a processor, too
JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Reads:
    """What somebody got who never stopped asking."""

    url: str
    token: str
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[tuple[float, str, int, bool]] = field(default_factory=list)

    def go_on(self, path: str) -> None:
        while not self.stop.is_set():
            began = time.monotonic()
            headers = {"Accept": JSON, "Connection": "close"}
            auth = ("__token__", self.token)
            answer = requests.get(self.url + path, headers=headers, auth=auth, timeout=30)
            self.answers.append((began, path, answer.status_code, "alpha" in answer.text))
            time.sleep(PAUSE)


def seeded(made: Place, folder: Path) -> dict[str, Any]:
    wheels = [build_wheel(folder), build_wheel(folder, "omega")]
    return made.seed(
        {
            "users": [ADA, {**ADA, "username": "eve", "email": "eve@example.org"}],
            "sessions": [{"user": "ada", "proved": ["password", "totp"]}],
            "tokens": [{"user": "eve", "actions": ["read"]}, {"user": "eve", "actions": ["upload"]}],
            "organizations": [{"name": "acme", "owners": ["ada"], "members": ["eve"]}],
            "projects": [{"name": "alpha", "organization": "acme"}],
            "files": [{"path": str(wheel), "by": "ada"} for wheel in wheels],
        }
    )


def test_a_member_who_is_removed_reads_no_more_in_any_process(tmp_path: Path) -> None:
    with place(tmp_path / "data") as made:
        told = seeded(made, tmp_path)
        session, token = told["sessions"][0], told["tokens"][0]["token"]
        name, _, value = session["cookie"].partition("=")
        index = Index(made, token, (name, value), session["csrf"])
        with index.served("--workers", "2", KEYHOUSE_READS="private"):
            said = index.post("/manage/organization/acme/readers/", reads="members", confirmed="1")
            assert said.status_code == 303
            reads = Reads(index.url, token)
            page = requests.get(
                index.url + "/simple/alpha/", headers={"Accept": JSON}, auth=("__token__", token), timeout=30
            )
            url = page.json()["files"][0]["url"]
            paths = ("/simple/", "/simple/alpha/", url[url.index("/files/") :], "/pypi/alpha/json")
            threads = [threading.Thread(target=reads.go_on, args=(path,)) for path in paths]
            for thread in threads:
                thread.start()
            time.sleep(2)
            removed = index.post("/manage/organization/acme/person/eve/remove/")
            assert removed.status_code == 303
            over_at = time.monotonic()
            time.sleep(WITHIN_SECONDS + 2)
            reads.stop.set()
            for thread in threads:
                thread.join()
            # an upload to it is refused as one to any project of others
            index.token = told["tokens"][1]["token"]
            refused = [index.upload(build_wheel(tmp_path, name, "2.0")) for name in ("alpha", "omega")]
            lines = [(one.status_code, one.reason, one.text.replace("omega", "alpha")) for one in refused]
            assert lines[0] == lines[1]
            assert lines[0][0] == 403
        before = [one for one in reads.answers if one[0] < over_at - 1]
        after = [one for one in reads.answers if one[0] > over_at + WITHIN_SECONDS]
        assert {path for _, path, *_ in before} == {path for _, path, *_ in after} == set(paths)
        for _, path, status, tells in reads.answers:
            assert status == 200 or (status, path != "/simple/") == (404, True), (path, status)
            assert tells or path == "/simple/" or "files" in path or status == 404
        assert {status for _, path, status, _ in before} == {200}
        assert {status for _, path, status, _ in after if path != "/simple/"} == {404}
        assert not [one for one in after if one[1] == "/simple/" and one[3]]
        index.require_whole()
