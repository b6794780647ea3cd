"""Quarantine and switches by one process, seen by the workers of others with their next requests."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from tests.distfiles.builders import build_wheel
from tests.faults.conftest import Index
from tests.safety.faces import ANSWERS, FILE, PAGES, READ_PLANE, Face

pytestmark = [pytest.mark.database, pytest.mark.by_turns]
FACES = [*(face for faces in READ_PLANE.values() for face in faces), *PAGES.values()]
WORDS = {"project": (), "release": ("--release", "2.0"), "file": ("--file", FILE)}
ASKED = 4  # times, so that each worker answers


def ask(index: Index, face: Face, path: str) -> list[requests.Response]:
    address = index.url + face.address.replace("{file}", path)
    headers = {"Accept": face.accept, "Connection": "close"}
    return [requests.get(address, headers=headers, timeout=30) for _ in range(ASKED)]


def tells(answer: requests.Response, told: str) -> bool:
    return answer.status_code == 200 and (told == ANSWERS or told in answer.text)


def path_of(index: Index) -> str:
    page = index.get("/simple/alpha/", "application/vnd.pypi.simple.v1+json").json()
    url = next(str(file["url"]) for file in page["files"] if file["filename"] == FILE)
    return url[url.index("/files/") :]


@pytest.mark.parametrize("target", WORDS)
def test_it_is_gone_from_every_face_of_every_process_and_comes_back(target: str, index: Index) -> None:
    with index.served("--workers", "2"):
        assert index.post("/manage/organizations/new/", name="acme").status_code == 303
        moved = index.post("/manage/project/alpha/organization/", organization="acme")
        assert moved.status_code == 302
        path = path_of(index)
        faces = [face for face in FACES if face.told(target)]
        for face in faces:
            assert all(tells(answer, face.told(target)) for answer in ask(index, face, path)), face

        index.place.keyhouse("quarantine", "alpha", *WORDS[target], "--reason", "steals keys")
        index.wait_until_visible()
        for face in faces:
            told = [answer.url for answer in ask(index, face, path) if tells(answer, face.told(target))]
            assert told == [], face
        refused = index.get(path)
        assert (refused.status_code, refused.text.splitlines()[0]) == (
            403,
            "file-quarantined: This file is in quarantine: steals keys",
        )
        assert refused.reason == refused.text.splitlines()[0]
        status = index.get("/simple/alpha/", "application/vnd.pypi.simple.v1+json").json()["project-status"]
        assert status["status"] == ("quarantined" if target == "project" else "active")

        index.place.keyhouse("quarantine", "lift", "alpha", *WORDS[target])
        index.wait_until_visible()
        for face in faces:
            assert all(tells(answer, face.told(target)) for answer in ask(index, face, path)), face
    index.require_whole()


def test_a_quarantine_killed_before_its_commit_never_was_and_after_it_is_whole(index: Index) -> None:
    words = ("quarantine", "alpha", "--reason", "steals keys")
    killed = index.place.run(*words, KEYHOUSE_ENVIRONMENT="test", KEYHOUSE_FAULT="quarantine.rows-written")
    assert killed.returncode != 0
    assert index.place.json("quarantine", "list", "--json") == []
    index.require_whole()
    index.place.run(*words, KEYHOUSE_ENVIRONMENT="test", KEYHOUSE_FAULT="quarantine.committed")
    assert [row["reason"] for row in index.place.json("quarantine", "list", "--json")] == ["steals keys"]
    index.require_whole()


def test_a_switch_thrown_by_another_process_stops_the_next_upload_of_each_worker(
    index: Index, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, version="3.0")
    with index.served("--workers", "2"):
        index.place.keyhouse("freeze", "uploads", "--reason", "wave of malware", "--for", "2h")
        for _ in range(ASKED):
            refused = index.upload(wheel)
            assert refused.status_code == 403
            assert refused.reason.startswith(
                "uploads-frozen: Uploads are switched off on this index at present. Until "
            )
            assert refused.reason.endswith("Reason: wave of malware")
        index.place.keyhouse("thaw", "uploads")
        assert index.upload(wheel).status_code == 200
    assert len(index.records("release.upload")) == 1
