from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.world import LONG_AGO, actor_of, make_project, make_release, make_user

from keyhouse.core.actor import host
from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.projects.authority import ProjectAuthority
from keyhouse.projects.errors import FileExists, OwnerMissing
from keyhouse.projects.models import File, IndexPage, Project, Role
from keyhouse.publishing.upload.local import publish_local_file
from keyhouse.storage import blobs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired", "empty_store")]
THEN = datetime(2021, 5, 6, tzinfo=UTC)


def test_a_file_is_published_with_its_history(tmp_path: Path) -> None:
    user = make_user()
    path = build_wheel(tmp_path)
    before = path.read_bytes()
    file = publish_local_file(
        path, by=host(), uploaded_via="seed", uploaded_at=THEN, owner_id=user.pk, uploaded_by="ada"
    )
    stored = File.objects.get()
    assert (stored.uploaded_at, stored.uploaded_by, stored.uploaded_via) == (THEN, "ada", "seed")
    assert Role.objects.get().user == user
    assert path.read_bytes() == before
    assert blobs().open(file.path).read() == before
    assert stored.metadata_sha256
    assert sorted(blobs().keys()) == [file.path, file.path + ".metadata"]


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    user = make_user()
    path = build_sdist(tmp_path)
    first = publish_local_file(path, by=host(), uploaded_via="seed", owner_id=user.pk)
    pages = list(IndexPage.objects.values())
    assert publish_local_file(path, by=host(), uploaded_via="seed") == first
    assert list(IndexPage.objects.values()) == pages


def test_the_host_may_add_to_an_old_release_and_others_may_not(tmp_path: Path) -> None:
    user = make_user()
    make_release(make_project(owner=user), created_at=LONG_AGO)
    path = build_wheel(tmp_path)
    with pytest.raises(Exception, match="older than"):
        publish_local_file(path, by=actor_of(user), uploaded_via="import")
    publish_local_file(path, by=host(), uploaded_via="import")


def test_file_rules_are_asked_and_a_refusal_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnacceptableError):
        publish_local_file(build_wheel(tmp_path, without=["RECORD"]), by=host(), uploaded_via="seed")
    with pytest.raises(UnacceptableError):
        publish_local_file(build_wheel(tmp_path, filename="Alpha-1.0.whl"), by=host(), uploaded_via="seed")
    with pytest.raises(OwnerMissing):
        publish_local_file(build_sdist(tmp_path), by=host(), uploaded_via="seed")
    with pytest.raises(FileNotFoundError):
        publish_local_file(tmp_path / "alpha-2.0.tar.gz", by=host(), uploaded_via="seed")
    assert not Project.objects.exists()


def test_other_bytes_under_a_taken_name_are_refused(tmp_path: Path) -> None:
    user = make_user()
    publish_local_file(build_sdist(tmp_path), by=host(), uploaded_via="seed", owner_id=user.pk)
    with pytest.raises(FileExists):
        publish_local_file(build_sdist(tmp_path, files={"x.py": b""}), by=host(), uploaded_via="seed")


def test_the_authority_of_projects_is_asked(tmp_path: Path) -> None:
    from keyhouse.core import actions  # noqa: PLC0415 - wired for this test only

    actions.wire(authority=ProjectAuthority())
    make_project(owner=make_user())
    with pytest.raises(Exception, match="role"):
        publish_local_file(build_wheel(tmp_path), by=actor_of(make_user("eve")), uploaded_via="import")
    assert not File.objects.exists()
