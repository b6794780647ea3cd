"""Uploads that wait: asked for by the form, or by the project; what clients are told, and what no address gives away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.driver import upload
from tests.publishing.upload.test_asgi import nothing_is_stored

from keyhouse.accounts.models import Attempt
from keyhouse.core import configuration
from keyhouse.projects.models import File, IndexPage, Project, UsedFileName
from keyhouse.publishing.staging.models import StagedFile, StagedRelease
from keyhouse.storage import blobs

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wired", "empty_store", "ada"),
]
ON: dict[str, Any] = {":stage": "1"}


def push(path: Path, **fields: Any) -> tuple[int, str]:
    answer = upload(path, **fields)
    return answer.status, answer.line


def test_by_the_form_or_by_the_project(tmp_path: Path) -> None:
    assert push(build_wheel(tmp_path))[0] == 200
    pages = list(IndexPage.objects.values_list("kind", "name", "form", "serial", "etag"))
    wheel = build_wheel(tmp_path, version="2.0")
    told = (
        f"{wheel.name} is staged: nobody sees it until a person publishes it at "
        f"{configuration.current().base_url}/manage/project/alpha/staged/"
    )
    assert push(wheel, **ON) == (200, told)
    assert push(wheel, **ON) == (200, told)  # a client that tries again
    Project.objects.update(stages_uploads=True)
    sdist = build_sdist(tmp_path, version="2.0")
    status, line = push(sdist)
    assert (status, "is staged" in line) == (200, True)
    assert StagedRelease.objects.count() == 1
    staged = StagedFile.objects.get(filename=wheel.name)
    assert (staged.uploaded_via, staged.credential) == ("token", "token-of-ada")
    assert staged.description["client"] == "twine/7.0.0"
    assert list(IndexPage.objects.values_list("kind", "name", "form", "serial", "etag")) == pages
    assert File.objects.count() == UsedFileName.objects.count() == 1
    # the bytes are stored, with METADATA beside the wheel
    assert sum("2.0" in key for key in blobs().keys()) == 3  # noqa: SIM118 - not a dict


def test_what_is_published_already_stays_so(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    push(wheel)
    assert push(wheel, **ON) == (200, f"{wheel.name} is published.")
    assert not StagedRelease.objects.exists()


@pytest.mark.parametrize("content_first", [False, True])
def test_a_name_to_come_can_not_be_staged(tmp_path: Path, content_first: bool) -> None:
    answer = upload(build_wheel(tmp_path), content_first=content_first, **ON)
    assert (answer.status, answer.code) == (400, "staging-needs-project")
    assert not Attempt.objects.exists()
    assert not File.objects.exists()
    assert not StagedRelease.objects.exists()
    if not content_first:
        assert nothing_is_stored()


@pytest.mark.parametrize("value", ["0", "yes", "2", ["1", "1"]])
def test_the_field_is_one_or_left_out(tmp_path: Path, value: str | list[str]) -> None:
    fields: dict[str, Any] = {":stage": value}
    answer = upload(build_wheel(tmp_path), **fields)
    assert (answer.status, answer.code) == (400, "form-invalid")
    assert nothing_is_stored()


def test_another_file_of_the_same_name_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    push(build_wheel(tmp_path))
    wheel = build_wheel(tmp_path, version="2.0")
    push(wheel, **ON)
    (tmp_path / "other").mkdir()
    other = build_wheel(tmp_path / "other", version="2.0", metadata_extra="Summary: other\n")
    before = list(blobs().keys())
    answer = upload(other, **ON)
    assert (answer.status, answer.code) == (400, "staged-file-exists")
    assert list(blobs().keys()) == before
