from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.publishing.world import make_project, submission_of

from keyhouse.projects.errors import ProjectTooLarge
from keyhouse.publishing.upload.checks.size import AnnouncedSize, ReceivedSize
from keyhouse.publishing.upload.errors import FileTooLarge
from keyhouse.publishing.upload.submission import Caller, Submission
from keyhouse.storage.errors import StorageFull

_AROUND = 8 * 2**20


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    return submission_of(build_wheel(tmp_path))


def resize(submission: Submission, size: int) -> None:
    submission.content = dataclasses.replace(submission.received, size=size)


def announce(submission: Submission, size: int | None) -> None:
    submission.caller = Caller(body_size=size)
    submission.is_body_to_come = True
    submission.passed.add("project")


def test_a_file_of_exactly_the_limit_passes(submission: Submission) -> None:
    submission.default_file_limit = 1000
    resize(submission, 1000)
    ReceivedSize().check(submission)


def test_one_byte_more_is_refused(submission: Submission) -> None:
    submission.default_file_limit = 1000
    resize(submission, 1001)
    with pytest.raises(FileTooLarge, match="1000"):
        ReceivedSize().check(submission)


@pytest.mark.django_db
def test_the_limit_of_the_project_counts_where_it_has_one(submission: Submission) -> None:
    submission.project = make_project(file_limit=2000)
    submission.default_file_limit = 1000
    resize(submission, 2000)
    ReceivedSize().check(submission)
    resize(submission, 2001)
    with pytest.raises(FileTooLarge):
        ReceivedSize().check(submission)


@pytest.mark.django_db
def test_the_files_of_a_project_together_have_a_limit(submission: Submission) -> None:
    submission.project = make_project(size=9000, project_limit=10_000)
    resize(submission, 1000)
    ReceivedSize().check(submission)
    resize(submission, 1001)
    with pytest.raises(ProjectTooLarge):
        ReceivedSize().check(submission)


def test_the_first_file_of_a_project_is_bound_by_its_limit_too(submission: Submission) -> None:
    submission.default_project_limit = 10
    resize(submission, 11)
    with pytest.raises(ProjectTooLarge):
        ReceivedSize().check(submission)


def test_an_announced_body_that_can_only_be_too_large_is_refused(submission: Submission) -> None:
    announce(submission, submission.default_file_limit + _AROUND + 1)
    assert AnnouncedSize().applies(submission)
    with pytest.raises(FileTooLarge):
        AnnouncedSize().check(submission)


def test_an_announced_body_may_hold_a_form_around_its_file(submission: Submission) -> None:
    announce(submission, submission.default_file_limit + _AROUND)
    AnnouncedSize().check(submission)


def test_a_file_that_no_space_is_left_for_is_refused(
    submission: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))
    announce(submission, _AROUND + 11)
    with pytest.raises(StorageFull):
        AnnouncedSize().check(submission)


def test_a_body_of_unknown_size_is_counted_as_it_comes(submission: Submission) -> None:
    announce(submission, None)
    assert not AnnouncedSize().applies(submission)


def test_nothing_is_announced_of_what_is_here_already(submission: Submission) -> None:
    announce(submission, 10**12)
    submission.is_body_to_come = False
    assert not AnnouncedSize().applies(submission)
