"""Uploads at the same moment, to several workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from tests.distfiles.builders import build_sdist, build_wheel
from tests.faults.conftest import Index

pytestmark = [pytest.mark.database, pytest.mark.by_turns]


def upload_at_once(index: Index, paths: list[Path]) -> list[requests.Response]:
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(index.upload, paths))


def test_of_two_files_of_one_name_one_wins_and_the_other_is_told_so(index: Index, tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    with index.served("--workers", "2"):
        for round_ in range(5):
            version = f"3.{round_}"
            paths = [
                build_wheel(tmp_path / folder, version=version, description=folder)
                for folder in ("one", "other")
            ]
            won, lost = sorted(upload_at_once(index, paths), key=lambda answer: answer.status_code)
            assert (won.status_code, lost.status_code) == (200, 400)
            assert lost.text.startswith("file-exists: File already exists")
            assert "File already exists" in lost.reason
            assert f"alpha-{version}-py3-none-any.whl" in index.shown("alpha")
    assert len(index.records("release.upload")) == 5
    index.require_whole()


def test_the_same_file_twice_at_once_is_fine_and_is_there_once(index: Index, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, version="3.0")
    with index.served("--workers", "2"):
        answers = upload_at_once(index, [wheel] * 6)
        assert [answer.status_code for answer in answers] == [200] * 6
        assert wheel.name in index.shown("alpha")
    assert len(index.records("release.upload")) == 1
    index.require_whole()


def test_files_of_one_release_at_once_are_all_on_the_page(index: Index, tmp_path: Path) -> None:
    tags = ("py3-none-any", "cp311-cp311-win_amd64", "cp312-cp312-win_amd64", "cp313-cp313-win_amd64")
    paths = [build_wheel(tmp_path, version="3.0", tag=tag) for tag in tags]
    paths.append(build_sdist(tmp_path, version="3.0"))
    with index.served("--workers", "2"):
        answers = upload_at_once(index, paths)
        assert [answer.status_code for answer in answers] == [200] * 5, [answer.text for answer in answers]
        assert {path.name for path in paths} <= set(index.shown("alpha"))
    index.require_whole()


def test_a_new_project_by_several_files_at_once_is_made_once(index: Index, tmp_path: Path) -> None:
    paths = [build_wheel(tmp_path, "brandnew", version) for version in ("1.0", "2.0", "3.0")]
    with index.served("--workers", "2"):
        answers = upload_at_once(index, paths)
        assert [answer.status_code for answer in answers] == [200] * 3, [answer.text for answer in answers]
        assert set(index.shown("brandnew")) == {path.name for path in paths}
    made = [one for one in index.records("release.upload") if one["details"]["is_new_project"]]
    assert len(made) == 1
    index.require_whole()
