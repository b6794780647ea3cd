from __future__ import annotations

import pytest
from tests.publishing.world import make_project, make_release, submission_of

from keyhouse.projects.errors import ProjectArchived, ProjectQuarantined, ReleaseQuarantined
from keyhouse.projects.models import Project
from keyhouse.publishing.upload.checks.state import ProjectState

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", ["active", "deprecated"])
def test_a_living_project_takes_files(status: str) -> None:
    submission = submission_of(version="1.0")
    submission.project = make_project(status=status)
    make_release(submission.project)
    assert ProjectState().applies(submission)
    ProjectState().check(submission)


@pytest.mark.parametrize("version", ["1.0", "1.0.0"])
def test_a_quarantined_release_takes_none_before_its_file_is_sent(version: str) -> None:
    submission = submission_of(version=version)
    submission.project = make_project()
    release = make_release(submission.project)
    type(release).objects.update(is_quarantined=True)
    with pytest.raises(ReleaseQuarantined):
        ProjectState().check(submission)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [(Project.Status.ARCHIVED, ProjectArchived), (Project.Status.QUARANTINED, ProjectQuarantined)],
)
def test_an_archived_or_quarantined_project_takes_none(status: str, refusal: type[Exception]) -> None:
    submission = submission_of()
    submission.project = make_project(status=status)
    with pytest.raises(refusal):
        ProjectState().check(submission)


def test_a_new_project_has_no_state() -> None:
    assert not ProjectState().applies(submission_of())
