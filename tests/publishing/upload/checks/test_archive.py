from __future__ import annotations

from pathlib import Path

import pytest
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.world import submission_of

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.publishing.upload.checks.archive import Archive, examination_of


def code_of(path: Path) -> str:
    with pytest.raises(UnacceptableError) as refused:
        Archive().check(submission_of(path))
    return refused.value.finding.code


def test_good_archives_pass_and_stay_open_to_the_next_steps(tmp_path: Path) -> None:
    for path in (build_wheel(tmp_path), build_sdist(tmp_path)):
        submission = submission_of(path)
        Archive().check(submission)
        assert examination_of(submission) is submission.examination


def test_data_around_the_archive_is_refused(tmp_path: Path) -> None:
    assert code_of(build_wheel(tmp_path, prefix=b"x")).startswith("archive-")
    assert code_of(build_wheel(tmp_path, suffix=b"x")).startswith("archive-")
    assert code_of(build_sdist(tmp_path, suffix=b"x")).startswith("archive-")


def test_a_member_that_leaves_the_archive_is_refused(tmp_path: Path) -> None:
    assert code_of(build_wheel(tmp_path, extra_members=[("../evil.py", b"")])) == "archive-path"
    assert code_of(build_sdist(tmp_path, extra_members=[("../evil.py", b"")])) == "archive-path"


def test_a_member_twice_is_refused(tmp_path: Path) -> None:
    assert code_of(build_wheel(tmp_path, extra_members=[("alpha.py", b"2")])) == "archive-duplicate"


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    for name in ("alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"):
        path = tmp_path / name
        path.write_bytes(b"hello")
        assert code_of(path).startswith("archive-")


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    for path in (build_wheel(tmp_path), build_sdist(tmp_path)):
        path.write_bytes(path.read_bytes()[:-10])
        assert code_of(path).startswith("archive-")


def test_a_later_step_never_judges_an_archive_that_was_not_read(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        examination_of(submission_of(build_wheel(tmp_path)))
