"""A server that dies by SIGKILL at a named step: after the next start nothing is half-visible, and nothing is lost."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from tests.distfiles.builders import build_wheel
from tests.faults.conftest import Index

pytestmark = [pytest.mark.database, pytest.mark.by_turns]

V1, V2, V3 = (f"alpha-{version}-py3-none-any.whl" for version in ("1.0", "2.0", "3.0"))
YANK = "/manage/project/alpha/release/1.0/yank/"
DELETE_FILE = f"/manage/project/alpha/release/2.0/file/{V2}/delete/"
DELETE_RELEASE = "/manage/project/alpha/release/2.0/delete/"
DELETE_PROJECT = "/manage/project/alpha/delete/"


def kill(index: Index, fault: str, act: Callable[[], object]) -> None:
    """Do something on a server that dies on the way."""
    started = index.start(fault)
    with pytest.raises(requests.ConnectionError):
        act()
    assert started.process.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize("fault", ["upload.received", "upload.blob-stored", "upload.rows-written"])
def test_an_upload_killed_before_its_commit_never_was(fault: str, index: Index, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, version="3.0")
    kill(index, fault, lambda: index.upload(wheel))
    with index.served():
        assert index.shown("alpha") == {V1: False, V2: False}
        assert index.get("/pypi/alpha/3.0/json").status_code == 404
        assert index.records("release.upload") == []
        index.require_whole()
        assert index.upload(wheel).status_code == 200
        assert index.shown("alpha") == {V1: False, V2: False, V3: False}
        assert len(index.records("release.upload")) == 1
    index.require_whole()


def test_an_upload_killed_after_its_commit_is_there_whole(index: Index, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, version="3.0")
    kill(index, "upload.committed", lambda: index.upload(wheel))
    with index.served():
        assert set(index.shown("alpha")) == {V1, V2, V3}
        index.require_whole()
        assert index.upload(wheel).status_code == 200  # the client never saw an answer and tries again
        assert len(index.records("release.upload")) == 1


def test_a_project_whose_first_upload_was_killed_does_not_exist(index: Index, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, name="brandnew")
    kill(index, "upload.rows-written", lambda: index.upload(wheel))
    with index.served():
        assert index.get("/simple/brandnew/").status_code == 404
        assert index.get("/project/brandnew/").status_code == 404
        assert "brandnew" not in index.get("/simple/").text
        index.require_whole()
        assert index.upload(wheel).status_code == 200
        assert set(index.shown("brandnew")) == {wheel.name}


@pytest.mark.parametrize(("fault", "is_yanked"), [("yank.rows-written", False), ("yank.committed", True)])
def test_a_killed_yank_is_whole_or_not_there(fault: str, is_yanked: bool, index: Index) -> None:
    kill(index, fault, lambda: index.post(YANK, reason="broken"))
    with index.served():
        assert index.shown("alpha") == {V1: "broken" if is_yanked else False, V2: False}
        assert len(index.records("release.yank")) == int(is_yanked)
        index.require_whole()
        assert index.post(YANK, reason="broken").status_code == 302
        assert index.shown("alpha") == {V1: "broken", V2: False}
        assert len(index.records("release.yank")) == 1


@pytest.mark.parametrize(
    ("fault", "is_gone"), [("deletion.rows-written", False), ("deletion.committed", True)]
)
@pytest.mark.parametrize(
    "deletion",
    [
        (DELETE_FILE, V2, "file.delete", {V1}),
        (DELETE_RELEASE, "2.0", "release.delete", {V1}),
        (DELETE_PROJECT, "alpha", "project.delete", set()),
    ],
)
def test_a_killed_deletion_is_whole_or_not_there(
    fault: str, is_gone: bool, deletion: tuple[str, str, str, set[str]], index: Index
) -> None:
    path, name, action, left = deletion
    kill(index, fault, lambda: index.post(path, name=name))
    with index.served():
        assert set(index.shown("alpha")) == (left if is_gone else {V1, V2})
        assert len(index.records(action)) == int(is_gone)
        index.require_whole()
        if not is_gone:
            assert index.post(path, name=name).status_code == 302
            assert set(index.shown("alpha")) == left
    index.require_whole()


@pytest.mark.parametrize(("fault", "is_back"), [("restore.rows-written", False), ("restore.committed", True)])
@pytest.mark.parametrize(
    ("deletion", "name", "restore", "again"),
    [
        (DELETE_FILE, V2, "/manage/project/alpha/deleted/1/restore-file/", 404),
        (DELETE_PROJECT, "alpha", "/manage/deleted/1/restore/", 403),
    ],
)
def test_a_killed_restore_is_whole_or_not_there(  # noqa: PLR0917 - what differs
    deletion: str, name: str, restore: str, again: int, fault: str, is_back: bool, index: Index
) -> None:
    with index.served():
        assert index.post(deletion, name=name).status_code == 302
        left = set(index.shown("alpha"))
    kill(index, fault, lambda: index.post(restore))
    with index.served():
        assert set(index.shown("alpha")) == ({V1, V2} if is_back else left)
        index.require_whole()
        assert index.post(restore).status_code == (again if is_back else 302)
        assert set(index.shown("alpha")) == {V1, V2}
    index.require_whole()
    assert len(index.records("project.restore") + index.records("file.restore")) == 1


@pytest.mark.parametrize("fault", ["sweep.marked", "sweep.blobs-removed"])
def test_a_killed_sweep_goes_on_and_nothing_comes_back_by_half(fault: str, index: Index) -> None:
    done = index.place.run("project", "delete", "alpha", "2.0", "--yes", KEYHOUSE_UNDO_DAYS="0")
    assert done.returncode == 0, done.stderr
    assert index.place.run("dev", "settle", KEYHOUSE_FAULT=fault).returncode == -signal.SIGKILL
    assert index.place.run("project", "restore", "alpha", "2.0").returncode == 1
    assert json.loads(index.place.run("dev", "settle").stdout)["removals_swept"] == 1
    assert [one["details"]["version"] for one in index.records("removal.sweep")] == ["2.0"]
    index.require_whole()
    assert index.place.verify()["left_over"] == 0
