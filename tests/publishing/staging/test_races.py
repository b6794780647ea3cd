"""Several at once, with real threads and real commits: one outcome, told to everybody rightly."""

from __future__ import annotations

import pytest
from tests.projects.conftest import give_role
from tests.projects.test_races import at_once, kinds
from tests.publishing.staging.conftest import Stage, seen

from keyhouse.audit.models import Record
from keyhouse.core.actor import Actor
from keyhouse.projects import verification
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.models import File, Project
from keyhouse.publishing.staging import services
from keyhouse.publishing.staging.models import StagedFile, StagedRelease

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_publish_at_once(stage: Stage, project: Project, ada: Actor, bob: Actor) -> None:
    give_role("alpha-beta", bob, "owner")
    stage()
    stage(kind="sdist")
    what = seen(project)
    outcomes = at_once(
        lambda: services.publish_release("alpha-beta", "2.0", seen=what, by=ada),
        lambda: services.publish_release("alpha-beta", "2.0", seen=what, by=bob),
    )
    assert kinds(outcomes) == ["StagedMissing", "list"]
    assert File.objects.filter(release__version="2.0").count() == 2
    assert Record.objects.filter(action="release.publish").count() == 1
    assert not list(verification.verify_pages())


def test_publish_and_discard_at_once(stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    what = seen(project)
    published, discarded = at_once(
        lambda: services.publish_release("alpha-beta", "2.0", seen=what, by=ada),
        lambda: services.discard_release("alpha-beta", "2.0", by=ada),
    )
    is_published = isinstance(published, list)
    assert isinstance(discarded, StagedRelease) is not is_published
    assert File.objects.filter(release__version="2.0").exists() is is_published
    assert StagedRelease.objects.exists() is not is_published


def test_a_file_that_comes_while_its_release_is_published_is_seen_or_waits(
    stage: Stage, project: Project, ada: Actor
) -> None:
    stage()
    what = seen(project)
    published, staged = at_once(
        lambda: services.publish_release("alpha-beta", "2.0", seen=what, by=ada),
        lambda: stage(kind="sdist"),
    )
    assert isinstance(staged, StagedFile)
    names = set(File.objects.filter(release__version="2.0").values_list("filename", flat=True))
    waiting = set(StagedFile.objects.values_list("filename", flat=True))
    both = {"alpha_beta-2.0-py3-none-any.whl", "alpha_beta-2.0.tar.gz"}
    assert names | waiting == both
    assert not names & waiting
    # nothing that nobody looked at was published
    assert names == ({"alpha_beta-2.0-py3-none-any.whl"} if isinstance(published, list) else set())


def test_of_two_contents_for_one_name_one_waits(stage: Stage, project: Project) -> None:
    outcomes = at_once(stage, lambda: stage(content="other bytes"), lambda: stage(kind="sdist"))
    assert kinds(outcomes) == ["StagedFile", "StagedFile", "StagedFileExists"]
    assert StagedRelease.objects.count() == 1


def test_the_same_file_twice_at_once_waits_once(stage: Stage, project: Project) -> None:
    assert kinds(at_once(stage, stage)) == ["StagedFile", "StagedFile"]
    assert Record.objects.filter(action="release.stage").count() == StagedFile.objects.count() == 1


def test_publishing_a_project_that_is_deleted_at_once(stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    what = seen(project)
    at_once(
        lambda: services.publish_release("alpha-beta", "2.0", seen=what, by=ada),
        lambda: deleting.delete_project("alpha-beta", by=ada),
    )
    assert not Project.objects.exists()
    assert not File.objects.exists()
    assert not list(verification.verify_pages())
