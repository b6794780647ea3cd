from __future__ import annotations

from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.publishing.world import Asked, make_project, submission_of

from keyhouse.core.actions import Thing
from keyhouse.core.errors import CredentialWeak
from keyhouse.publishing.upload.checks.gate import Gate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]


def test_an_upload_to_a_project_asks_for_the_upload(tmp_path: Path, gate: Asked) -> None:
    submission = submission_of(build_wheel(tmp_path))
    submission.project = make_project()
    Gate().check(submission)
    assert gate.questions == [("release.upload", Thing("project", submission.project.pk, "alpha"))]


def test_a_new_project_asks_for_both(tmp_path: Path, gate: Asked) -> None:
    Gate().check(submission_of(build_wheel(tmp_path)))
    thing = Thing("project", None, "alpha")
    assert gate.questions == [("project.create", thing), ("release.upload", thing)]


@pytest.mark.parametrize("action", ["project.create", "release.upload"])
def test_what_the_gate_refuses_is_refused_with_its_code(tmp_path: Path, gate: Asked, action: str) -> None:
    gate.refusals[action] = CredentialWeak()
    with pytest.raises(CredentialWeak):
        Gate().check(submission_of(build_wheel(tmp_path)))


def test_it_waits_for_the_project() -> None:
    submission = submission_of()
    assert not Gate().applies(submission)
    submission.passed.add("project")
    assert Gate().applies(submission)
