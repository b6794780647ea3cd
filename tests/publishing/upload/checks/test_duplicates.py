from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.world import make_file, make_project, make_release, submission_of

from keyhouse.core import clock, configuration
from keyhouse.projects.errors import (
    ContentExists,
    FileExists,
    FileNameUsed,
    ReleaseClosed,
    SecondSourceDistribution,
)
from keyhouse.projects.models import Project, Release
from keyhouse.publishing.upload.checks.duplicates import Duplicates, TakenName
from keyhouse.publishing.upload.submission import Submission

pytestmark = pytest.mark.django_db


@pytest.fixture
def release() -> Release:
    return make_release(make_project(), created_at=clock.now())


def sent(path: Path, release: Release) -> Submission:
    submission = submission_of(path)
    submission.project = release.project
    return submission


def test_a_new_file_passes(tmp_path: Path, release: Release) -> None:
    submission = sent(build_wheel(tmp_path), release)
    Duplicates().check(submission)
    assert submission.existing is None


def test_the_first_file_of_a_new_project_passes(tmp_path: Path) -> None:
    Duplicates().check(submission_of(build_wheel(tmp_path)))


def test_the_same_file_again_is_noted_whatever_the_age_of_its_release(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    old = make_release(make_project())
    there = make_file(old, path.name, path.read_bytes())
    submission = sent(path, old)
    Duplicates().check(submission)
    assert submission.existing == there


def test_the_same_name_with_other_bytes_is_refused_in_words_that_clients_know(
    tmp_path: Path, release: Release
) -> None:
    path = build_wheel(tmp_path)
    make_file(release, path.name, b"other")
    with pytest.raises(FileExists, match="File already exists"):
        Duplicates().check(sent(path, release))


def test_a_name_that_was_deleted_stays_used(tmp_path: Path, release: Release) -> None:
    path = build_wheel(tmp_path)
    make_file(release, path.name, path.read_bytes()).delete()
    with pytest.raises(FileNameUsed):
        Duplicates().check(sent(path, release))


def test_the_same_bytes_under_another_name_are_refused(tmp_path: Path, release: Release) -> None:
    path = build_wheel(tmp_path)
    make_file(release, "alpha-1.0-py2-none-any.whl", path.read_bytes())
    with pytest.raises(ContentExists):
        Duplicates().check(sent(path, release))


def test_a_file_that_somebody_may_not_read_is_not_named(
    tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = dataclasses.replace(configuration.current(), reads="private")
    monkeypatch.setattr(configuration, "_current", private)
    path = build_wheel(tmp_path)
    secret = make_release(make_project("secret"))
    make_file(secret, "secret-1.0-py3-none-any.whl", path.read_bytes())
    for reads, is_named in (("", True), ("roles", False)):
        Project.objects.filter(pk=secret.project_id).update(reads=reads)
        with pytest.raises(ContentExists) as refused:
            Duplicates().check(sent(path, release))
        assert ("secret" in refused.value.sentence) is is_named, reads


def test_a_release_has_one_sdist(tmp_path: Path, release: Release) -> None:
    make_file(release, "alpha-1.0.post1.tar.gz", b"first")
    with pytest.raises(SecondSourceDistribution):
        Duplicates().check(sent(build_sdist(tmp_path), release))


def test_a_wheel_may_join_an_sdist(tmp_path: Path, release: Release) -> None:
    make_file(release, "alpha-1.0.tar.gz", b"first")
    Duplicates().check(sent(build_wheel(tmp_path), release))


@pytest.mark.parametrize(("days", "is_open"), [(0, True), (13, True), (15, False)])
def test_an_old_release_takes_no_new_file(tmp_path: Path, days: int, is_open: bool) -> None:
    release = make_release(make_project(), created_at=clock.now() - timedelta(days=days))
    submission = sent(build_wheel(tmp_path), release)
    if is_open:
        Duplicates().check(submission)
        return
    with pytest.raises(ReleaseClosed):
        Duplicates().check(submission)


def test_the_age_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dataclasses.replace(configuration.current(), release_open_days=0)
    monkeypatch.setattr(configuration, "_current", changed)
    Duplicates().check(sent(build_wheel(tmp_path), make_release(make_project())))


class TestBeforeTheFileIsSent:
    def waiting(self, path: Path, release: Release, **fields: str) -> Submission:
        submission = submission_of(path, **fields)
        submission.project, submission.content = release.project, None
        submission.is_body_to_come = True
        submission.passed |= {"file name", "gate"}
        return submission

    def test_a_name_taken_by_other_bytes_is_refused(self, tmp_path: Path, release: Release) -> None:
        path = build_wheel(tmp_path)
        make_file(release, path.name, b"other")
        submission = self.waiting(path, release)
        assert TakenName().applies(submission)
        with pytest.raises(FileExists):
            TakenName().check(submission)

    def test_a_used_name_is_refused(self, tmp_path: Path, release: Release) -> None:
        path = build_wheel(tmp_path)
        make_file(release, path.name, b"other").delete()
        with pytest.raises(FileNameUsed):
            TakenName().check(self.waiting(path, release))

    def test_what_may_be_the_same_file_is_received(self, tmp_path: Path, release: Release) -> None:
        path = build_wheel(tmp_path)
        make_file(release, path.name, path.read_bytes())
        TakenName().check(self.waiting(path, release))

    def test_nothing_is_told_before_the_gate(self, tmp_path: Path, release: Release) -> None:
        submission = self.waiting(build_wheel(tmp_path), release)
        submission.passed.discard("gate")
        assert not TakenName().applies(submission)

    def test_without_an_announced_digest_it_waits(self, tmp_path: Path, release: Release) -> None:
        assert not TakenName().applies(self.waiting(build_wheel(tmp_path), release, sha256_digest=""))
