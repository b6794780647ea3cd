from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
from pathlib import Path

import pytest
from django.db import OperationalError
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.driver import (
    BOUNDARY,
    Wire,
    ask,
    build_body,
    build_content,
    build_field,
    cut_into,
    headers_of,
    run_all,
    scope_of,
    send,
    upload,
)
from tests.publishing.world import Asked, make_project, make_release

from keyhouse.accounts.models import Attempt
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration
from keyhouse.core.actor import Actor
from keyhouse.core.errors import CredentialInvalid, CredentialWeak, RoleRequired
from keyhouse.projects.models import File, IndexPage, Project, Release, Role, UsedFileName
from keyhouse.publishing.upload import publish
from keyhouse.publishing.upload.asgi import Upload
from keyhouse.publishing.upload.body import Patience
from keyhouse.storage import blobs

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wired", "empty_store", "ada"),
]
BIG = {"big.bin": os.urandom(3_000_000)}


def nothing_is_stored() -> bool:
    rows = (Project, Release, File, UsedFileName, IndexPage, Record, Role)
    incoming = configuration.current().files_folder / ".incoming"
    left = list(incoming.iterdir()) if incoming.is_dir() else []
    return not any(model.objects.exists() for model in rows) and not list(blobs().keys()) and not left


def test_a_wheel_is_published_under_its_key_with_its_metadata_beside_it(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, metadata_extra="Requires-Python: >=3.9\n")
    answer = upload(path)
    assert (answer.status, answer.is_complete) == (200, True)
    file = File.objects.get()
    assert (file.filename, file.kind, file.python_tag) == (path.name, "bdist_wheel", "py3")
    assert (file.requires_python, file.size) == (">=3.9", path.stat().st_size)
    assert (file.uploaded_via, file.credential, file.client) == ("token", "token-of-ada", "twine/7.0.0")
    assert blobs().open(file.path).read() == path.read_bytes()
    assert b"Requires-Python: >=3.9" in blobs().open(file.path + ".metadata").read()
    assert Role.objects.get().kind == "owner"
    assert IndexPage.objects.filter(kind="simple", name="alpha").count() == 2


def test_an_sdist_joins_its_wheel(tmp_path: Path) -> None:
    assert upload(build_wheel(tmp_path)).status == 200
    assert upload(build_sdist(tmp_path)).status == 200
    assert Release.objects.count() == 1
    assert set(File.objects.values_list("python_tag", flat=True)) == {"py3", "source"}


@pytest.mark.parametrize("size", [7, 1000, 65536, 10**7])
@pytest.mark.parametrize("content_first", [False, True])
def test_a_file_arrives_whole_however_it_is_cut(tmp_path: Path, size: int, content_first: bool) -> None:
    path = build_wheel(tmp_path, files=BIG if size > 1000 else None)
    assert upload(path, size=size, content_first=content_first).status == 200
    assert blobs().open(File.objects.get().path).read() == path.read_bytes()


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    upload(path)
    before = [list(model.objects.values()) for model in (File, IndexPage, Record, Project)]
    assert upload(path).status == 200
    assert [list(model.objects.values()) for model in (File, IndexPage, Record, Project)] == before


def test_other_bytes_under_the_same_name_are_refused_in_words_that_clients_know(tmp_path: Path) -> None:
    upload(build_wheel(tmp_path))
    answer = upload(build_wheel(tmp_path, files={"x.py": b"1"}))
    assert (answer.status, answer.code) == (400, "file-exists")
    assert "already exist" in answer.reason.lower()
    assert answer.reason == answer.line
    assert len(list(blobs().keys())) == 2


def test_the_first_line_is_the_reason_and_stands_alone(tmp_path: Path) -> None:
    answer = upload(build_wheel(tmp_path), filetype="sdist")
    assert answer.status == 400
    assert answer.line == answer.reason
    assert answer.reason.isascii()
    assert answer.reason.isprintable()
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("status", ["credential", "missing"])
def test_a_bad_credential_is_refused_before_the_body_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise CredentialInvalid

    monkeypatch.setattr("keyhouse.publishing.upload.checks.credential.authenticate", refuse)
    answer = upload(build_wheel(tmp_path), headers={"authorization": ""} if status == "missing" else None)
    assert answer.read == 0
    assert answer.status == (401 if status == "missing" else 403)
    assert ("www-authenticate" in answer.headers) == (status == "missing")
    assert nothing_is_stored()


def test_frozen_uploads_are_refused_before_the_body_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = dataclasses.replace(configuration.current(), uploads="frozen")
    monkeypatch.setattr(configuration, "_current", changed)
    answer = upload(build_wheel(tmp_path))
    assert (answer.status, answer.code, answer.read) == (403, "uploads-frozen", 0)
    assert nothing_is_stored()


def test_a_file_that_is_refused_by_its_fields_is_not_received(tmp_path: Path, authority: Asked) -> None:
    authority.refusals["project.create"] = RoleRequired()
    path = build_wheel(tmp_path, files=BIG)
    answer = upload(path, size=10_000)
    assert (answer.status, answer.code) == (403, "role-required")
    assert answer.read <= 20_000
    assert answer.headers["connection"] == "close"
    assert nothing_is_stored()


def test_authority_comes_before_the_gate_and_both_before_the_file(
    tmp_path: Path, authority: Asked, gate: Asked
) -> None:
    authority.refusals["project.create"] = RoleRequired()
    gate.refusals["project.create"] = CredentialWeak()
    assert upload(build_wheel(tmp_path, without=["RECORD"])).code == "role-required"
    authority.refusals.clear()
    assert upload(build_wheel(tmp_path, without=["RECORD"])).code == "credential-weak"
    assert nothing_is_stored()


def test_nothing_tells_an_outsider_whether_a_project_exists(tmp_path: Path, authority: Asked) -> None:
    refusal = RoleRequired()
    authority.refusals |= {"project.create": refusal, "release.upload": refusal}
    unknown = upload(build_wheel(tmp_path))
    make_project(status="archived")
    known = upload(build_wheel(tmp_path))
    assert (unknown.status, unknown.text, unknown.headers) == (known.status, known.text, known.headers)


def test_a_file_sent_before_its_fields_is_judged_after_it_and_goes(tmp_path: Path, authority: Asked) -> None:
    authority.refusals["project.create"] = RoleRequired()
    answer = upload(build_wheel(tmp_path, files=BIG), content_first=True)
    assert (answer.status, answer.code) == (403, "role-required")
    assert nothing_is_stored()


@pytest.mark.parametrize("content_first", [False, True])
def test_a_field_sent_twice_is_refused_wherever_it_stands(tmp_path: Path, content_first: bool) -> None:
    path = build_wheel(tmp_path, files=BIG)
    late = build_field("name", "beta")
    end = f"--{BOUNDARY}--\r\n".encode()
    body = build_body(path, content_first=content_first).removesuffix(end) + late + end
    answer = send(cut_into(body, 65536), headers_of(body))
    assert (answer.status, answer.code) == (400, "form-invalid")
    assert nothing_is_stored()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({":action": "submit"}, "action-gone"),
        ({":action": "fly"}, "form-invalid"),
        ({"name": ""}, "form-invalid"),
        ({"name": "beta"}, "form-invalid"),
        ({"version": "2.0"}, "form-invalid"),
        ({"filetype": "bdist_egg"}, "form-invalid"),
        ({"protocol_version": "2"}, "form-invalid"),
        ({"metadata_version": "2.0"}, "form-invalid"),
        ({"sha256_digest": "0" * 64}, "digest-differs"),
        ({"md5_digest": "0" * 32}, "digest-differs"),
        ({"attestations": "[]"}, "attestations-refused"),
        ({"requires_python": ">=3.12"}, "metadata-disagrees"),
        ({"requires_dist": ["evil"]}, "metadata-disagrees"),
    ],
)
@pytest.mark.parametrize("size", [500, 10**6])
def test_a_form_with_a_fault_is_refused(
    tmp_path: Path, fault: dict[str, str | list[str]], code: str, size: int
) -> None:
    answer = upload(build_wheel(tmp_path), size=size, **fault)  # type: ignore[arg-type]  # keywords of any name
    assert answer.code == code
    assert answer.status == (410 if code == "action-gone" else 400)
    assert nothing_is_stored()
    assert upload(build_wheel(tmp_path)).status == 200


@pytest.mark.parametrize("name", ["os", "simple", "keyhouse", "a1pha"])
def test_a_new_name_that_is_taken_or_reserved_is_refused(tmp_path: Path, name: str) -> None:
    make_project("alpha")
    answer = upload(build_wheel(tmp_path, name=name))
    assert (answer.status, answer.code) == (400, "name-refused")
    assert Project.objects.count() == 1


def test_no_new_projects_while_they_are_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dataclasses.replace(configuration.current(), uploads="existing")
    monkeypatch.setattr(configuration, "_current", changed)
    answer = upload(build_wheel(tmp_path))
    assert (answer.status, answer.code) == (403, "new-projects-frozen")
    assert nothing_is_stored()
    make_project("alpha")
    assert upload(build_wheel(tmp_path)).status == 200


def test_no_new_projects_by_people_who_may_make_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dataclasses.replace(configuration.current(), project_creators="operators")
    monkeypatch.setattr(configuration, "_current", changed)
    answer = upload(build_wheel(tmp_path))
    assert (answer.status, answer.code) == (403, "project-creation-restricted")
    assert nothing_is_stored()
    make_project("alpha")
    assert upload(build_wheel(tmp_path)).status == 200


def test_a_release_in_quarantine_takes_no_file(tmp_path: Path) -> None:
    make_release(make_project("alpha"), "1.0.0")
    Release.objects.update(is_quarantined=True, quarantine_reason="steals keys")
    answer = upload(build_wheel(tmp_path))
    assert (answer.status, answer.code) == (403, "release-quarantined")
    assert (File.objects.count(), list(blobs().keys())) == (0, [])
    assert upload(build_wheel(tmp_path, version="2.0")).status == 200


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("content_first", [False, True])
def test_a_file_beyond_the_limit_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, announced: bool, content_first: bool
) -> None:
    changed = dataclasses.replace(configuration.current(), file_limit=500_000)
    monkeypatch.setattr(configuration, "_current", changed)
    path = build_wheel(tmp_path, files=BIG)
    headers = None if announced else {"content-length": ""}
    answer = upload(path, headers=headers, content_first=content_first)
    assert (answer.status, answer.code) == (413, "file-too-large")
    assert answer.read < 700_000
    assert nothing_is_stored()


def test_a_project_may_have_a_higher_limit_even_where_the_file_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = dataclasses.replace(configuration.current(), file_limit=500_000)
    monkeypatch.setattr(configuration, "_current", changed)
    make_project("alpha", file_limit=5_000_000)
    path = build_wheel(tmp_path, files=BIG)
    assert upload(path, content_first=True).status == 200
    other = build_wheel(tmp_path, name="beta", files=BIG)
    assert upload(other, content_first=True).code == "file-too-large"


@pytest.mark.parametrize("end", ["cut", "silent"])
def test_a_connection_that_ends_in_any_phase_leaves_nothing(tmp_path: Path, end: str) -> None:
    path = build_wheel(tmp_path, files=BIG)
    body = build_body(path)
    for stop in (0, 10, 300, 900, 100_000, 1_500_000, len(body) - 10):
        answer = send(cut_into(body[:stop], 65536), headers_of(body), end=end)
        assert answer.status == (408 if end == "silent" else 0)
        assert nothing_is_stored()
    assert upload(path).status == 200


def test_a_body_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    body = build_body(build_wheel(tmp_path))
    patience = Patience(silence=5, grace=0.1, least_rate=1e9)

    async def run() -> int:
        app = Upload(patience=patience)
        wire = Wire(cut_into(body, 1))

        async def drip() -> dict[str, object]:
            await asyncio.sleep(0.02)
            return await wire.receive()

        await app(scope_of(headers_of(body)), drip, wire.send)
        await app.shutdown()
        return wire.answer.status

    assert asyncio.run(run()) == 408
    assert nothing_is_stored()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=other",
        "multipart/mixed; boundary=x",
    ],
)
def test_a_missing_or_wrong_boundary_is_refused(tmp_path: Path, content_type: str) -> None:
    answer = upload(build_wheel(tmp_path), headers={"content-type": content_type})
    assert (answer.status, answer.code) == (400, "body-malformed")
    assert nothing_is_stored()


def test_ten_thousand_fields_are_refused(tmp_path: Path) -> None:
    answer = upload(build_wheel(tmp_path), requires_dist=["beta"] * 10_000)
    assert (answer.status, answer.code) == (413, "form-too-large")
    assert nothing_is_stored()


def test_two_files_in_one_form_are_refused(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    body = build_content(path.name, path.read_bytes()) + build_body(path)
    assert send([body], headers_of(body)).code == "form-invalid"
    assert nothing_is_stored()


def test_two_credentials_are_none(tmp_path: Path) -> None:
    body = build_body(build_wheel(tmp_path))
    seen: list[str] = []

    async def run() -> None:
        app = Upload()
        scope = scope_of(headers_of(body))
        scope["headers"].append((b"authorization", b"Basic other"))
        wire = Wire([body])
        await app(scope, wire.receive, wire.send)
        await app.shutdown()
        seen.append(wire.answer.code)

    asyncio.run(run())
    assert seen == ["credential-invalid"]


def test_other_methods_are_refused() -> None:
    async def run() -> int:
        app = Upload()
        answer = await ask(app, [b""], {}, method="GET")
        await app.shutdown()
        return answer.status

    assert asyncio.run(run()) == 405


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "storage-full"), (errno.EROFS, "storage-read-only"), (errno.EIO, "storage-broken")],
)
@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_a_disk_that_fails_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, call: str
) -> None:
    path = build_wheel(tmp_path, files=BIG)
    body = build_body(path)
    blobs().incoming()

    def fail(*_: object, **__: object) -> int:
        raise OSError(number, "no")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        answer = send(cut_into(body, 65536), headers_of(body))
    assert (answer.status, answer.code) == (503, code)
    assert nothing_is_stored()
    assert upload(path).status == 200


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("database or disk is full", "storage-full"),
        ("attempt to write a readonly database", "storage-read-only"),
        ("connection refused", "database-unavailable"),
    ],
)
def test_a_database_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, code: str
) -> None:
    def fail(*_: object, **__: object) -> File:
        raise OperationalError(message)

    with monkeypatch.context() as patched:
        patched.setattr(publish, "publish_file", fail)
        answer = upload(build_wheel(tmp_path))
    assert (answer.status, answer.code) == (503, code)
    assert not File.objects.exists()
    assert upload(build_wheel(tmp_path)).status == 200


def test_a_defect_of_ours_is_told_without_its_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> File:
        raise KeyError("secret detail")

    monkeypatch.setattr(publish, "publish_file", fail)
    answer = upload(build_wheel(tmp_path))
    assert (answer.status, answer.code) == (500, "upload-failed")
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text


def test_nothing_is_published_that_an_indispensable_step_did_not_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyhouse.publishing.upload import steps  # noqa: PLC0415 - changed by this test only

    kept = tuple(step for step in steps.STEPS if step.name != "gate")
    monkeypatch.setattr(steps, "STEPS", kept)
    answer = upload(build_wheel(tmp_path))
    assert (answer.status, answer.code) == (503, "gate-unavailable")
    assert nothing_is_stored()


def test_two_different_files_under_one_name_at_once_one_wins(tmp_path: Path) -> None:
    requests = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        body = build_body(build_wheel(folder, files={"x.py": str(number).encode()}))
        requests.append(([body], headers_of(body), "whole"))
    answers = run_all(requests)
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]
    assert {answer.code for answer in answers if answer.status == 400} == {"file-exists"}
    file = File.objects.get()
    assert blobs().size(file.path) == file.size


def test_the_same_file_many_times_at_once_is_published_once(tmp_path: Path) -> None:
    body = build_body(build_wheel(tmp_path))
    answers = run_all([([body], headers_of(body), "whole")] * 6)
    assert [answer.status for answer in answers] == [200] * 6
    assert File.objects.count() == 1
    assert Record.objects.filter(action="release.upload").count() == 1


def test_different_files_of_one_new_release_at_once_are_all_on_the_page(tmp_path: Path) -> None:
    paths = [build_sdist(tmp_path)]
    paths += [build_wheel(tmp_path, tag=f"cp3{n}-cp3{n}-win_amd64") for n in (9, 10, 11, 12, 13)]
    bodies = [build_body(path) for path in paths]
    answers = run_all([([body], headers_of(body), "whole") for body in bodies])
    assert [answer.status for answer in answers] == [200] * 6
    page = bytes(IndexPage.objects.get(kind="simple", name="alpha", form="json").body).decode()
    assert all(path.name in page for path in paths)


def test_only_a_project_that_was_made_counts_against_the_limit(tmp_path: Path) -> None:
    assert upload(build_wheel(tmp_path, without=["RECORD"])).status == 400
    assert upload(build_wheel(tmp_path, files=BIG), filetype="sdist", size=10_000).status == 400
    body = build_body(build_wheel(tmp_path, files=BIG))
    send(cut_into(body[:1_500_000], 65536), headers_of(body), end="cut")
    assert not Attempt.objects.exists()
    assert upload(build_wheel(tmp_path)).status == 200
    assert Attempt.objects.filter(limit="project-create").count() == 1
    assert upload(build_sdist(tmp_path)).status == 200
    assert Attempt.objects.filter(limit="project-create").count() == 1


def test_who_makes_too_many_projects_is_told_when_to_come_back(tmp_path: Path, ada: Actor) -> None:
    now = clock.now()
    Attempt.objects.bulk_create(
        Attempt(limit="project-create", subject=f"user:{ada.user_id}", at=now) for _ in range(20)
    )
    answer = upload(build_wheel(tmp_path, files=BIG), size=10_000)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 3000
    assert answer.read <= 20_000
    assert nothing_is_stored()


def test_more_uploads_than_there_are_places_are_told_to_come_back(tmp_path: Path) -> None:
    body = build_body(build_wheel(tmp_path))

    async def run() -> str:
        app = Upload(patience=Patience(linger_seconds=0.1))
        app._places = asyncio.Semaphore(0)
        answer = await ask(app, [body], headers_of(body))
        await app.shutdown()
        return answer.code + answer.headers["retry-after"]

    assert asyncio.run(run()) == "uploads-busy30"


def test_a_cancelled_upload_leaves_nothing(tmp_path: Path) -> None:
    body = build_body(build_wheel(tmp_path, files=BIG))

    async def run() -> None:
        app = Upload(patience=Patience())
        wire = Wire(cut_into(body[:2_000_000], 65536), "silent")
        task = asyncio.create_task(app(scope_of(headers_of(body)), wire.receive, wire.send))
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait([task])
        await app.shutdown()

    asyncio.run(run())
    assert nothing_is_stored()


def test_what_an_interrupted_process_left_is_swept_at_the_start() -> None:
    left = blobs().incoming()
    left.write_bytes(b"half")
    os.utime(left, (1, 1))

    async def run() -> None:
        app = Upload()
        await app.startup()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not left.exists():
                break
        await app.shutdown()

    asyncio.run(run())
    assert not left.exists()
