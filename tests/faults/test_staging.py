"""A staged release is on no face of the index until it is published, then on all of them; and what a kill leaves of it."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.distfiles.builders import build_sdist, build_wheel
from tests.faults.conftest import Index
from tests.faults.test_quarantine import FACES, ask, tells
from tests.publishing.world import form_of
from tests.safety.faces import Face

pytestmark = [pytest.mark.database, pytest.mark.by_turns]
V3 = "alpha-3.0-py3-none-any.whl"
WORD = "quixotic"  # stands in nothing else


def push(index: Index, path: Path) -> requests.Response:
    pairs = [*form_of(path).items(), (":stage", "1"), ("content", (path.name, path.read_bytes()))]
    parts = [(name, value if isinstance(value, tuple) else (None, str(value))) for name, value in pairs]
    return requests.post(f"{index.url}/legacy/", files=parts, auth=("__token__", index.token), timeout=30)


def staged(index: Index) -> list[dict[str, Any]]:
    told = index.place.keyhouse("release", "staged", "--json")
    return [json.loads(line) for line in told.splitlines()]


def of_3(face: Face) -> Face:
    """Return what tells of release 3.0 and its file where the list of faces tells of 2.0."""
    texts = (face.address, face.release, face.file)
    address, release, file = (text.replace("2.0", "3.0") for text in texts)
    return replace(face, address=address, release=release, file=file)


def test_it_is_on_no_face_until_it_is_published_and_on_all_of_them_after(
    index: Index, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, version="3.0", metadata_extra=f"Summary: {WORD}\n")
    sdist = build_sdist(tmp_path, version="3.0")
    faces = [of_3(face) for face in FACES if face.release or face.file]
    with index.served("--workers", "2"):
        stats = index.get("/stats.json").text
        for path in (wheel, sdist):
            answer = push(index, path)
            assert (answer.status_code, "is staged" in answer.text) == (200, True)
        (release,) = staged(index)
        assert {one["filename"] for one in release["files"]} == {wheel.name, sdist.name}
        stored = stored_path(index)
        index.wait_until_visible()
        for face in faces:
            for told in {face.release, face.file} - {""}:
                assert not any(tells(answer, told) for answer in ask(index, face, stored)), face
        for face in map(of_3, FACES):
            assert all(WORD not in answer.text for answer in ask(index, face, stored)), face
        assert index.get("/stats.json").text == stats
        assert index.get("/search.json?q=" + WORD).json()["projects"] == []
        index.require_whole()

        index.place.keyhouse("release", "publish", "alpha", "3.0", "--yes")
        index.wait_until_visible()
        attested = "/integrity/"  # by a token nothing is
        for face in (face for face in faces if not face.address.startswith(attested)):
            for told in {face.release, face.file} - {""}:
                assert all(tells(answer, told) for answer in ask(index, face, stored)), face
        assert sdist.name in index.shown("alpha")
        assert index.get("/search.json?q=" + WORD).json()["projects"] != []
    index.require_whole()


def stored_path(index: Index) -> str:
    """Return where the wheel would be served, by where its bytes are."""
    folder = index.place.data / "files"
    found = next(path for path in folder.rglob(V3))
    return f"/files/{found.relative_to(folder)}"


@pytest.mark.parametrize("fault", ["staging.rows-written", "staging.committed"])
def test_staging_killed_on_the_way_works_when_it_is_tried_again(
    fault: str, index: Index, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, version="3.0")
    started = index.start(fault)
    with pytest.raises(requests.ConnectionError):
        push(index, wheel)
    assert started.process.wait(20) == -signal.SIGKILL
    with index.served():
        assert index.shown("alpha").keys().isdisjoint({V3})
        assert push(index, wheel).status_code == 200
        assert len(index.records("release.stage")) == 1
    assert [one["filename"] for one in staged(index)[0]["files"]] == [V3]
    index.require_whole()


def test_publishing_and_discarding_killed_on_the_way_are_done_whole_or_not_at_all(
    index: Index, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, version="3.0")
    with index.served():
        push(index, wheel)
    publish, discard = (("release", act, "alpha", "3.0", "--yes") for act in ("publish", "discard"))
    for words, fault, waits in (
        (discard, "staging.discard-written", 1),
        (publish, "staging.release-written", 1),
        (publish, "staging.published", 0),
    ):
        killed = index.place.run(*words, KEYHOUSE_ENVIRONMENT="test", KEYHOUSE_FAULT=fault)
        assert killed.returncode == -signal.SIGKILL
        assert len(staged(index)) == waits
    index.require_whole()
    with index.served():
        assert V3 in index.shown("alpha")
