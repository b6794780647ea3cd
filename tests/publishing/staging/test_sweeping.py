"""What waits too long ends, people are told before, and bytes go when nothing stands for them any more."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.projects.conftest import make_file
from tests.publishing.staging.conftest import Stage, publish, store

from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration, faults
from keyhouse.core.actor import Actor, host
from keyhouse.mail.models import Mail
from keyhouse.projects import services as projects
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.models import File, Project
from keyhouse.publishing.staging import keeping, queries, services
from keyhouse.publishing.staging.models import StagedFile, StagedRelease
from keyhouse.storage import blobs
from keyhouse.storage.old import OLD_SECONDS
from keyhouse.storage.turns import hold_storage

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def keys() -> list[str]:
    return list(blobs().keys())


def grow_old(substring: str = "") -> None:
    past = time.time() - OLD_SECONDS - 60
    for key in keys():
        if substring in key:
            os.utime(blobs().path_of(key) or Path(), (past, past))


def end() -> datetime:
    return StagedRelease.objects.get().expires_at


def test_it_ends_at_its_end_and_not_before(stage: Stage) -> None:
    stage()
    assert keeping.keep(end() - timedelta(microseconds=1))["staged_expired"] == 0
    assert keeping.keep(end()) == {"staged_expired": 1, "staged_ends_told": 0, "staged_swept": 0}
    told = Record.objects.get(action="release.expire")
    assert (told.actor_kind, told.details) == ("job", {"version": "2.0"})
    assert keeping.keep(end())["staged_expired"] == 0


def test_people_are_told_a_day_before_once(stage: Stage) -> None:
    stage()
    Mail.objects.all().delete()
    until = end()
    for at in (until - DAY - timedelta(seconds=1), until - DAY, until - DAY / 2):
        keeping.keep(at)
    assert [mail.kind for mail in Mail.objects.all()] == ["staged-release-ends-soon"]


def test_bytes_go_with_the_rows_once_they_are_old(stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    services.discard_release("alpha-beta", "2.0", by=ada)
    assert keeping.keep(clock.now())["staged_swept"] == 0  # an upload may be about to name them again
    assert len(keys()) == 2
    assert queries.stored_keys() <= set(keys())
    grow_old()
    with hold_storage(configuration.current()):
        assert keeping.keep(clock.now())["staged_swept"] == 0  # a backup is under way
    assert keeping.keep(clock.now())["staged_swept"] == 1
    assert (keys(), StagedRelease.objects.count(), StagedFile.objects.count()) == ([], 0, 0)
    assert keeping.keep(clock.now())["staged_swept"] == 0


def test_bytes_that_something_else_stands_for_stay(stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    services.discard_release("alpha-beta", "2.0", by=ada)
    stage()
    grow_old()
    assert keeping.keep(clock.now())["staged_swept"] == 1
    assert len(keys()) == 2
    services.discard_release("alpha-beta", "2.0", by=ada)
    new = make_file(version="2.0")
    store(new, new.filename.encode())
    projects.publish_file(new, by=ada)
    grow_old()
    assert keeping.keep(clock.now())["staged_swept"] == 1
    assert len(keys()) == 2
    stage("3.0")
    publish(project, ada, "3.0")
    deleting.delete_release("alpha-beta", "3.0", by=host())  # and can be brought back
    grow_old()
    keeping.keep(clock.now())
    assert len(keys()) == 4
    assert File.objects.filter(filename=new.filename).exists()


def test_a_half_swept_release_is_swept_to_the_end(stage: Stage, ada: Actor) -> None:
    stage()
    stage(kind="sdist")
    services.discard_release("alpha-beta", "2.0", by=ada)
    grow_old("tar.gz")
    assert keeping.keep(clock.now())["staged_swept"] == 0
    grow_old()
    assert keeping.keep(clock.now())["staged_swept"] == 1
    assert keys() == []


def test_killed_when_the_bytes_are_gone_the_next_round_lets_go_of_the_rows(
    stage: Stage, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage()
    services.discard_release("alpha-beta", "2.0", by=ada)
    grow_old()

    def die(point: str) -> None:
        if point == "staging.blobs-removed":
            raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", die)
        with pytest.raises(RuntimeError):
            keeping.keep(clock.now())
    assert (keys(), StagedRelease.objects.count()) == ([], 1)
    assert keeping.keep(clock.now())["staged_swept"] == 1
    assert not StagedRelease.objects.exists()


def test_what_a_deleted_project_left_is_let_go_of(stage: Stage, ada: Actor) -> None:
    stage()
    deleting.delete_project("alpha-beta", by=ada)
    grow_old()
    assert keeping.keep(clock.now()) == {"staged_expired": 0, "staged_ends_told": 0, "staged_swept": 1}
    assert keys() == []
