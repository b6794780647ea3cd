"""Uploads with minted tokens: what a file keeps of it, what is judged at use, and how a pending publisher gets its project."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from tests.credentials.tokens.conftest import make_project, make_user, session_of
from tests.credentials.trusted_publishers.runs import SHA, identity, know_issuer, publisher_of
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.conftest import empty_store as empty_store  # noqa: PLC0414 - a fixture
from tests.publishing.driver import Answer, upload

from keyhouse.accounts.models import Attempt, User
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actor import host
from keyhouse.credentials.trusted_publishers import minting
from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mail.models import Mail
from keyhouse.projects import services as projects
from keyhouse.projects.models import File, Project, Role
from keyhouse.publishing.staging.models import StagedFile
from keyhouse.publishing.upload import publish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_store")]
Change = Callable[[Publisher], object]


@pytest.fixture(autouse=True)
def ring() -> None:
    keys.ensure_ring(configuration.current().key_file)


@pytest.fixture
def ada(db: None) -> User:
    know_issuer()
    return make_user("ada")


@pytest.fixture
def alpha(ada: User) -> Project:
    return make_project("alpha", ada)


def mint(**changes: Any) -> str:
    return minting.mint(identity(**changes)).text


def push(path: Path, token: str) -> Answer:
    return upload(path, headers={"authorization": f"Bearer {token}"})


def test_a_file_keeps_who_published_it_and_in_which_run(ada: User, alpha: Project, tmp_path: Path) -> None:
    publisher = publisher_of(alpha, ada)
    assert push(build_wheel(tmp_path, name="alpha"), mint()).status == 200
    file = File.objects.get()
    assert (file.uploaded_via, file.uploaded_by) == ("publisher", str(publisher))
    assert (file.publication["publisher"], file.publication["claims"]["sha"]) == (publisher.pk, SHA)
    record = Record.objects.get(action="release.upload")
    assert (record.actor_kind, record.actor_id, record.credential) == ("publisher", ada.pk, file.credential)
    assert {"run=4711", f"sha={SHA}", "ref=refs/tags/v1.0"} <= set(record.details["claims"])
    assert record.details["publisher"] == str(publisher.pk)


def test_a_token_reaches_no_other_project_and_makes_none(ada: User, alpha: Project, tmp_path: Path) -> None:
    make_project("beta", ada)
    publisher_of(alpha, ada)
    token = mint()
    for name in ("beta", "gamma"):
        answer = push(build_wheel(tmp_path, name=name), token)
        assert (answer.status, answer.code) == (403, "role-required")
    assert (File.objects.count(), Project.objects.count(), Mail.objects.count()) == (0, 2, 0)


def suspend(publisher: Publisher) -> None:
    User.objects.filter(pk=publisher.configured_by_id).update(state=User.State.SUSPENDED)


def lose_role(publisher: Publisher) -> None:
    Role.objects.filter(user_id=publisher.configured_by_id).delete()


def confirm_by_bob(publisher: Publisher) -> None:
    bob = make_user("bob")
    Role.objects.create(
        project=Project.objects.get(publishers=publisher), user=bob, kind="owner", since_at=clock.now()
    )
    lose_role(publisher)
    Publisher.objects.filter(pk=publisher.pk).update(configured_by=bob)


def archive(publisher: Publisher) -> None:
    Project.objects.filter(publishers=publisher).update(status="archived")


def quarantine(publisher: Publisher) -> None:
    Project.objects.filter(publishers=publisher).update(status="quarantined", status_reason="look")


def weaken(publisher: Publisher) -> None:
    Publisher.objects.filter(pk=publisher.pk).update(configured_methods=["password"])


AT_USE: dict[str, tuple[Change, int, str]] = {
    "nothing changed": (lambda _: None, 200, ""),
    "removed": (lambda publisher: publisher.delete(), 403, "credential-invalid"),
    "its person is suspended": (suspend, 403, "account-suspended"),
    "its person lost the role": (lose_role, 403, "role-required"),
    "another owner confirmed it": (confirm_by_bob, 200, ""),
    "set up by a weak session": (weaken, 403, "credential-weak"),
    "archived": (archive, 403, "project-archived"),
    "quarantined": (quarantine, 403, "project-quarantined"),
}


@pytest.mark.parametrize("what", AT_USE)
def test_what_changed_since_the_exchange_counts(ada: User, alpha: Project, tmp_path: Path, what: str) -> None:
    change, status, code = AT_USE[what]
    publisher = publisher_of(alpha, ada)
    token = mint()
    change(publisher)
    answer = push(build_wheel(tmp_path, name="alpha"), token)
    assert (answer.status, answer.code if code else "") == (status, code), answer.text
    assert File.objects.count() == (status == 200)
    assert Record.objects.filter(action="release.upload").count() == (status == 200)


def test_a_publisher_that_goes_while_the_file_is_sent_publishes_nothing(
    ada: User, alpha: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = publisher_of(alpha, ada)
    token = mint()
    stored = publish.store
    monkeypatch.setattr(publish, "store", lambda submission: (stored(submission), publisher.delete()))
    answer = push(build_wheel(tmp_path, name="alpha"), token)
    assert (answer.status, answer.code, File.objects.count()) == (403, "role-required", 0)


# ---- pending publishers


def test_the_first_use_makes_the_project_and_the_next_file_joins_it(ada: User, tmp_path: Path) -> None:
    publisher = publisher_of("New.One", ada, pending_normalized_name="new-one")
    token = mint()
    assert push(build_wheel(tmp_path, name="New.One"), token).status == 200
    project = Project.objects.get()
    publisher.refresh_from_db()
    assert (publisher.project, publisher.pending_name, publisher.expires_at) == (project, "", None)
    assert list(Role.objects.values_list("user_id", "kind")) == [(ada.pk, "owner")]
    assert push(build_sdist(tmp_path, name="New.One"), token).status == 200
    assert File.objects.count() == 2
    settled = Record.objects.get(action="publisher.settle")
    assert (settled.account_id, settled.details) == (ada.pk, {"project": "new-one"})
    assert Attempt.objects.filter(limit="project-create", subject=f"user:{ada.pk}").count() == 1
    assert [mail.kind for mail in Mail.objects.all()] == ["publisher-made-project"]


def test_a_pending_publisher_makes_no_project_of_another_name(ada: User, tmp_path: Path) -> None:
    publisher_of("new-one", ada)
    answer = push(build_wheel(tmp_path, name="new-two"), mint())
    assert (answer.status, answer.code, Project.objects.count()) == (403, "role-required", 0)


def test_one_that_is_over_makes_nothing(ada: User, tmp_path: Path) -> None:
    publisher = publisher_of("new-one", ada)
    token = mint()
    Publisher.objects.filter(pk=publisher.pk).update(expires_at=clock.now() - timedelta(seconds=1))
    answer = push(build_wheel(tmp_path, name="new-one"), token)
    assert (answer.status, answer.code, Project.objects.count()) == (403, "credential-invalid", 0)
    with pytest.raises(IdentityRefused):
        mint()


@pytest.mark.parametrize("name", ["new-one", "New_0ne", "newone"])
def test_whoever_takes_the_name_first_has_it_and_the_others_are_told(
    ada: User, tmp_path: Path, name: str
) -> None:
    """Also a name that people confuse with it."""
    bob = make_user("bob")
    publisher_of("new-one", ada)
    other = publisher_of("unlike", ada)
    token = mint()
    projects.create_project(name, [bob], by=host())
    assert list(Publisher.objects.all()) == [other]
    assert [(mail.kind, mail.account_id) for mail in Mail.objects.all()] == [
        ("publisher-pending-overtaken", ada.pk)
    ]
    assert Record.objects.get(action="publisher.remove-pending").account_id == ada.pk
    answer = push(build_wheel(tmp_path, name="new-one"), token)
    assert (answer.status, answer.code) == (403, "role-required")
    assert File.objects.count() == 0


def test_of_two_pending_publishers_for_a_name_the_faster_one_gets_it(ada: User, tmp_path: Path) -> None:
    bob = make_user("bob")
    mine, theirs = publisher_of("new-one", ada), publisher_of("New-One", bob, repository="other")
    slow = mint(
        repository="acme/other", job_workflow_ref="acme/other/.github/workflows/release.yml@refs/tags/v1.0"
    )
    assert push(build_wheel(tmp_path, name="new-one"), mint()).status == 200
    assert list(Publisher.objects.all()) == [mine]
    assert push(build_sdist(tmp_path, name="new-one"), slow).code == "credential-invalid"
    assert not Role.objects.filter(user=theirs.configured_by).exists()
    assert sorted(Mail.objects.values_list("kind", flat=True)) == [
        "publisher-made-project", "publisher-pending-overtaken",
    ]  # fmt: skip


def test_wheel_and_sdist_at_once_are_one_project(
    ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were judged while there was no project; the second joins what the first has made."""
    publisher_of("new-one", ada)
    token = mint()
    wheel, sdist = build_wheel(tmp_path, name="new-one"), build_sdist(tmp_path, name="new-one")
    stored, between = publish.store, [sdist]

    def store(submission: Any) -> None:
        stored(submission)
        if between:
            between.pop()
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(in_a_thread, sdist, token).result().status == 200

    monkeypatch.setattr(publish, "store", store)
    assert push(wheel, token).status == 200
    assert (Project.objects.count(), File.objects.count()) == (1, 2)
    assert Record.objects.filter(action="publisher.settle").count() == 1


def in_a_thread(path: Path, token: str) -> Answer:
    try:
        return push(path, token)
    finally:
        connection.close()


def test_somebody_else_takes_the_name_while_the_file_is_sent(
    ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = make_user("bob")
    publisher_of("new-one", ada)
    token = mint()
    stored = publish.store

    def store(submission: Any) -> None:
        stored(submission)
        projects.create_project("new-one", [bob], by=host())

    monkeypatch.setattr(publish, "store", store)
    answer = push(build_wheel(tmp_path, name="new-one"), token)
    assert (answer.status, answer.code) == (403, "role-required")
    assert (File.objects.count(), list(Role.objects.values_list("user_id", flat=True))) == (0, [bob.pk])


def test_a_person_who_makes_the_project_by_hand_ends_their_own_pending_publisher(ada: User) -> None:
    publisher_of("new-one", ada)
    projects.create_project("new-one", [ada], by=session_of(ada))
    assert Publisher.objects.count() == 0


def test_nothing_is_staged_for_a_publisher_that_goes_while_the_file_is_sent(
    ada: User, alpha: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.objects.update(stages_uploads=True)
    publisher = publisher_of(alpha, ada)
    token = mint()
    stored = publish.store
    monkeypatch.setattr(publish, "store", lambda submission: (stored(submission), publisher.delete()))
    answer = push(build_wheel(tmp_path, name="alpha"), token)
    assert (answer.status, answer.code, StagedFile.objects.count()) == (403, "role-required", 0)
