"""Attestations at the door: what comes with them, from whom, and that nothing is left of a refused one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from tests.distfiles.builders import build_wheel
from tests.publishing.attestations.minted import authorization_of, make_publisher
from tests.publishing.attestations.vectors import GITHUB, GITLAB, MODELS, load
from tests.publishing.driver import Answer, upload
from tests.publishing.world import make_project, make_user

from keyhouse.accounts.models import Email, User
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration
from keyhouse.mail.models import Mail
from keyhouse.projects.models import File, IndexPage, Project, Provenance, Release
from keyhouse.publishing.attestations.identities import Expected
from keyhouse.storage import blobs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired", "empty_store")]
SDIST = "gitlab_oidc_project-0.0.3.tar.gz"
ATTESTATION = f"{SDIST}.publish.attestation"
PAGE = f"gitlab-oidc-project/0.0.3/{SDIST}"

Send = Callable[..., Answer]


@pytest.fixture
def folder(vectors: Path) -> Path:
    return vectors / "attestations"


@pytest.fixture
def send(folder: Path) -> Send:
    """Upload the real file of somebody's project as a job that this project trusts."""
    ada = make_user()
    project = make_project("gitlab-oidc-project", owner=ada)

    def send(
        attestations: object, expected: Expected = GITLAB, *, path: Path | None = None, **more: Any
    ) -> Answer:
        publisher = make_publisher(expected, project, ada)
        text = attestations if isinstance(attestations, str) else json.dumps(attestations)
        authorization = authorization_of(publisher)
        publisher_of = {"authorization": authorization}
        answer = upload(path or folder / SDIST, headers=publisher_of, attestations=text, **more)
        publisher.delete()
        return answer

    return send


def nothing_is_stored() -> bool:
    rows = (Release, File, Provenance, Record)
    return not any(model.objects.exists() for model in rows) and not list(blobs().keys())


@pytest.mark.parametrize("content_first", [False, True])
def test_a_file_with_attestations_is_published_with_its_provenance(
    send: Send, folder: Path, *, content_first: bool
) -> None:
    answer = send([load(folder, ATTESTATION)], content_first=content_first)
    assert (answer.status, answer.line) == (200, answer.line)
    file = File.objects.get()
    assert (file.has_provenance, file.uploaded_via) == (True, "publisher")
    (bundle,) = Provenance.objects.get(file=file).body["attestation_bundles"]
    assert bundle["publisher"] == {
        "kind": "GitLab",
        "repository": "facutuesca/gitlab-oidc-project",
        "workflow_filepath": ".gitlab-ci.yml",
        "environment": None,
    }
    assert bundle["attestations"] == [load(folder, ATTESTATION)]
    page = IndexPage.objects.get(kind="integrity", name=PAGE)
    assert json.loads(bytes(page.body)) == Provenance.objects.get().body
    simple = json.loads(bytes(IndexPage.objects.get(kind="simple", form="json").body))
    assert simple["files"][0]["provenance"] == f"\x7f/integrity/{PAGE}/provenance"
    assert file.publication["attestations"][0]["commit"] == "72f7c63b75eb55ea80864962f0e645c93414da34"


def test_the_same_upload_again_changes_nothing(send: Send, folder: Path) -> None:
    for _ in range(2):
        assert send([load(folder, ATTESTATION)]).status == 200
    assert (File.objects.count(), Provenance.objects.count()) == (1, 1)
    assert send("nonsense").code == "attestation-invalid"  # the form is judged nevertheless


def test_an_upload_without_attestations_has_none(send: Send) -> None:
    assert send("").status == 200
    assert not File.objects.get().has_provenance
    assert not IndexPage.objects.filter(kind="integrity").exists()
    assert "attestations" not in File.objects.get().publication


def cut(body: dict[str, Any]) -> dict[str, Any]:
    broken = copy.deepcopy(body)
    broken["envelope"]["signature"] = broken["envelope"]["signature"][:40]
    return broken


def test_each_fault_has_its_code_and_leaves_nothing(send: Send, folder: Path) -> None:
    good, other = (
        load(folder, ATTESTATION),
        load(folder, "pypi_attestations-0.0.19.tar.gz.publish.attestation"),
    )
    faults: list[tuple[object, Expected, str]] = [
        ("nonsense", GITLAB, "attestation-invalid"),
        ("[]", GITLAB, "attestation-invalid"),
        (good, GITLAB, "attestation-invalid"),
        (json.dumps([good])[:-50], GITLAB, "attestation-invalid"),
        ([cut(good)], GITLAB, "attestation-invalid"),
        ([good, good], GITLAB, "attestation-repeated"),
        ([good, good, good], GITLAB, "attestation-repeated"),
        ([other], GITHUB, "attestation-file-differs"),
        ([good], MODELS, "attestation-publisher-differs"),
        ([good, other], GITLAB, "attestation-publisher-differs"),
        ([good], Expected("gitlab", claims=GITLAB.claims, environment="x"), "attestation-publisher-differs"),
        (
            [good],
            Expected("gitlab", "https://gitlab.example.org", GITLAB.claims),
            "attestation-issuer-not-covered",
        ),
    ]
    for attestations, expected, code in faults:
        answer = send(attestations, expected)
        assert (answer.status, answer.code) == (400, code), (code, answer.text)
        assert answer.reason == answer.line
        assert nothing_is_stored()
    assert send([good]).status == 200


def test_other_bytes_under_the_attested_name_are_refused(send: Send, folder: Path, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, name="gitlab_oidc_project", version="0.0.3")
    answer = send([load(folder, ATTESTATION)], path=wheel)
    assert (answer.status, answer.code) == (400, "attestation-file-differs")
    assert nothing_is_stored()


@pytest.mark.usefixtures("ada")
def test_a_token_has_no_identity_to_check_against(folder: Path) -> None:
    answer = upload(folder / SDIST, attestations=json.dumps([load(folder, ATTESTATION)]))
    assert (answer.status, answer.code) == (400, "attestations-refused")
    assert not Project.objects.exists()


def test_of_several_publishers_the_one_of_the_project_is_asked(folder: Path) -> None:
    ada = make_user()
    mine = make_publisher(GITLAB, make_project("gitlab-oidc-project", owner=ada), ada)
    other = make_publisher(GITHUB, make_project("other", owner=ada), ada)
    header = {"authorization": authorization_of(other, mine)}
    sent = json.dumps([load(folder, ATTESTATION)])
    assert upload(folder / SDIST, headers=header, attestations=sent).status == 200
    assert File.objects.get().publication["publisher"] == mine.pk


def test_a_pending_publisher_makes_its_project_with_a_provenance(folder: Path) -> None:
    names = {"pending_name": "gitlab-oidc-project", "pending_normalized_name": "gitlab-oidc-project"}
    pending = make_publisher(GITLAB, None, make_user(), **names)  # type: ignore[arg-type]  # its project is to come
    sent = json.dumps([load(folder, ATTESTATION)])
    answer = upload(folder / SDIST, headers={"authorization": authorization_of(pending)}, attestations=sent)
    assert answer.status == 200, answer.text
    assert File.objects.get().has_provenance


def test_it_is_judged_at_the_time_that_the_log_signed(
    send: Send, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert clock.now().year > 2024  # the certificate lived for ten minutes of November 2024
    assert configuration.current().trusted_root is None
    assert send([load(folder, ATTESTATION)]).status == 200


def test_a_file_is_published_though_nobody_can_be_told(
    send: Send, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    Email.objects.create(user=User.objects.get(), address="ada@example.org", added_at=now, verified_at=now)
    assert send([load(folder, ATTESTATION)]).status == 200
    Release.objects.update(created_at=now - timedelta(days=1))
    wheel = build_wheel(tmp_path, name="gitlab_oidc_project", version="0.0.4")

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as broken:
        broken.setattr("keyhouse.publishing.attestations.telling.tell_others", fail)
        assert send("", path=wheel).status == 200
    assert (File.objects.count(), Mail.objects.count()) == (2, 0)
    assert send("", path=wheel).status == 200  # the same again makes up for it
    assert Mail.objects.count() == 1


def test_owners_are_told_once_where_a_release_comes_without(send: Send, folder: Path, tmp_path: Path) -> None:
    now = clock.now()
    Email.objects.create(user=User.objects.get(), address="ada@example.org", added_at=now, verified_at=now)
    assert send([load(folder, ATTESTATION)]).status == 200
    Release.objects.update(created_at=now - timedelta(days=1))
    wheels = [
        build_wheel(tmp_path, name="gitlab_oidc_project", version="0.0.4", tag=tag)
        for tag in ("py3-none-any", "py2-none-any")
    ]
    for wheel in (*wheels, wheels[0]):
        assert send("", path=wheel).status == 200
    assert list(Mail.objects.values_list("kind", "address")) == [("provenance-lost", "ada@example.org")]
    Mail.objects.all().delete()  # as after some months
    File.objects.update(uploaded_at=now - timedelta(days=90))
    assert send("", path=wheels[0]).status == 200
    assert not Mail.objects.exists()
