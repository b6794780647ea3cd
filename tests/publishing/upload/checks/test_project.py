from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.publishing.world import Asked, actor_of, make_project, make_user, submission_of

from keyhouse.accounts.errors import TooManyAttempts
from keyhouse.accounts.models import Attempt
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Action, Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired
from keyhouse.core.switches import NewProjectsFrozen
from keyhouse.projects.authority import ProjectAuthority as RolesDecide
from keyhouse.projects.errors import NameRefused
from keyhouse.publishing.upload.checks.project import ProjectAuthority
from keyhouse.publishing.upload.submission import Submission

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    submission = submission_of(build_wheel(tmp_path))
    submission.actor = actor_of(make_user())
    return submission


def named(name: str, submission: Submission) -> Submission:
    sent = submission_of(name=name, version="1.0")
    sent.actor = submission.actor
    return sent


def test_an_existing_project_asks_for_the_right_to_upload(submission: Submission, authority: Asked) -> None:
    project = make_project()
    ProjectAuthority().check(submission)
    assert submission.project == project
    assert not submission.is_new_project
    assert authority.questions == [("release.upload", Thing("project", project.pk, "alpha"))]
    assert not Attempt.objects.exists()


def test_a_new_project_asks_for_the_right_to_make_it(submission: Submission, authority: Asked) -> None:
    ProjectAuthority().check(submission)
    assert submission.is_new_project
    assert authority.questions == [("project.create", Thing("project", None, "alpha"))]


def test_roles_decide_about_a_project(submission: Submission) -> None:
    actions.wire(authority=RolesDecide())
    make_project(owner=make_user("bob"))
    with pytest.raises(RoleRequired):
        ProjectAuthority().check(submission)


@pytest.mark.parametrize("name", ["os", "Simple", "A.L-P_HA", "alph-a", "a1pha"])
def test_a_bad_new_name_is_refused_and_counts_for_nothing(submission: Submission, name: str) -> None:
    make_project("Alpha")
    with pytest.raises(NameRefused):
        ProjectAuthority().check(named(name, submission))
    assert not Attempt.objects.exists()


class Meanwhile(Asked):
    """Lets another upload make a project between the look for it and the rules for new names."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        super().require(actor, action, thing)
        make_project(self.name)


@pytest.mark.parametrize("name", ["alpha", "Alpha"])
def test_a_project_made_meanwhile_is_not_too_similar_to_itself(submission: Submission, name: str) -> None:
    actions.wire(authority=Meanwhile(name))
    ProjectAuthority().check(submission)
    assert submission.is_new_project


def test_a_similar_project_made_meanwhile_is_seen(submission: Submission) -> None:
    actions.wire(authority=Meanwhile("a1pha"))
    with pytest.raises(NameRefused):
        ProjectAuthority().check(submission)
    assert not Attempt.objects.exists()


def test_authority_is_asked_before_the_name_is_judged(submission: Submission, authority: Asked) -> None:
    make_project("Alpha")
    authority.refusals["project.create"] = RoleRequired()
    for name in ("os", "a1pha", "beta"):
        with pytest.raises(RoleRequired):
            ProjectAuthority().check(named(name, submission))


def test_new_projects_can_be_frozen(submission: Submission, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dataclasses.replace(configuration.current(), uploads="existing")
    monkeypatch.setattr(configuration, "_current", changed)
    with pytest.raises(NewProjectsFrozen):
        ProjectAuthority().check(submission)
    make_project()
    ProjectAuthority().check(submission)


def test_one_person_makes_twenty_projects_an_hour(submission: Submission) -> None:
    for number in range(20):
        ProjectAuthority().check(named(f"p{number}x", submission))
    with pytest.raises(TooManyAttempts) as refused:
        ProjectAuthority().check(submission)
    assert 0 < (refused.value.retry_after or 0) <= 3601
    assert Attempt.objects.filter(limit="project-create").count() == 20
    Attempt.objects.update(at=clock.now() - timedelta(hours=1, seconds=1))
    ProjectAuthority().check(submission)


def test_one_network_makes_forty_projects_an_hour(submission: Submission) -> None:
    for number in range(40):
        sent = named(f"p{number}x", submission)
        sent.actor = dataclasses.replace(sent.actor, user_id=1000 + number)
        ProjectAuthority().check(sent)
    with pytest.raises(TooManyAttempts):
        ProjectAuthority().check(submission)
    submission.actor = dataclasses.replace(submission.actor, network="198.51.100.7")
    ProjectAuthority().check(submission)


def test_it_waits_for_name_and_version() -> None:
    assert not ProjectAuthority().applies(submission_of(name="alpha"))
    assert not ProjectAuthority().applies(submission_of(version="1.0"))
    assert ProjectAuthority().applies(submission_of(name="alpha", version="1.0"))
