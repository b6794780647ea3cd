"""Staging, publishing, discarding: what is judged, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from tests.projects.conftest import everything, give_role, id_of, make_file, make_person
from tests.publishing.staging.conftest import Stage, make_token, publish, seen

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher
from keyhouse.mail.models import Mail
from keyhouse.projects import queries as project_queries
from keyhouse.projects import services as projects
from keyhouse.projects import verification
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import File, IndexPage, Project, Provenance, Release, Role, Serial, UsedFileName
from keyhouse.publishing.staging import queries, services
from keyhouse.publishing.staging.models import StagedFile, StagedRelease
from keyhouse.storage import blobs
from keyhouse.web.project_pages.publications import publication_of

pytestmark = pytest.mark.django_db

WHEEL = "alpha_beta-2.0-py3-none-any.whl"
SDIST = "alpha_beta-2.0.tar.gz"


def all_rows() -> dict[str, Any]:
    own = {
        model._meta.label: sorted(model._default_manager.values_list(), key=repr)
        for model in apps.get_app_config("staging").get_models()
    }
    return {**everything(), **own, "mails": Mail.objects.count()}


def refused(act: Callable[[], object]) -> str:
    """Return the code of a refusal, after seeing that it left everything as it was."""
    before = all_rows()
    with pytest.raises(Refusal) as caught:
        act()
    assert all_rows() == before
    return caught.value.code


def publish_seen(digest: str, by: Actor) -> object:
    return services.publish_release("alpha-beta", "2.0", seen=digest, by=by)


def mails() -> list[str]:
    return list(Mail.objects.order_by("pk").values_list("kind", flat=True))


def pages() -> dict[tuple[str, str, str], tuple[str, int]]:
    return {(page.kind, page.name, page.form): (page.etag, page.serial) for page in IndexPage.objects.all()}


# staging


def test_a_staged_file_changes_no_row_and_no_page_of_the_index(stage: Stage, project: Project) -> None:
    tables = (Project, Release, File, UsedFileName, Serial, Provenance)
    before = [list(model._default_manager.values_list()) for model in tables], pages()
    staged = stage()
    assert ([list(model._default_manager.values_list()) for model in tables], pages()) == before
    assert (staged.filename, staged.release.version) == (WHEEL, "2.0")
    assert (staged.uploaded_by, staged.uploaded_via) == ("ada", "token")
    assert staged.release.expires_at - staged.release.opened_at == timedelta(days=7)


def test_one_record_for_each_file_and_one_mail_for_the_release(stage: Stage) -> None:
    stage()
    stage(kind="sdist")
    stage()
    told = Record.objects.filter(action="release.stage")
    assert [one.details["filename"] for one in told.order_by("pk")] == [WHEEL, SDIST]
    assert mails() == ["release-staged"]
    stage("3.0")
    assert mails() == ["release-staged"] * 2


def test_the_very_same_file_again_changes_nothing(stage: Stage) -> None:
    first = stage()
    before = all_rows()
    assert stage() == first
    assert all_rows() == before


def test_the_very_same_file_that_is_published_is_returned(stage: Stage, ada: Actor) -> None:
    found = stage("1.0")
    assert isinstance(found, File)
    assert not StagedRelease.objects.exists()


def test_equal_versions_wait_together(stage: Stage) -> None:
    stage("2.0")
    stage("2.0.0", python_tag="py2", filename="alpha_beta-2.0.0-py2-none-any.whl")
    assert StagedRelease.objects.count() == 1
    stage("2.0", kind="sdist")
    assert refused(lambda: stage("2.0.0", kind="sdist")) == "second-sdist"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"content": "other bytes"}, "staged-file-exists"),
        ({"content": WHEEL, "filename": "alpha_beta-2.0-py2-none-any.whl"}, "content-exists"),
        # what is published counts as it does for an upload
        (
            {
                "version": "1.0",
                "content": "other bytes",
            },
            "file-exists",
        ),
        (
            {
                "filename": "alpha_beta-2.0-py2-none-any.whl",
                "content": "alpha_beta-1.0-py3-none-any.whl",
            },
            "content-exists",
        ),
        ({"project": "not-here"}, "staging-needs-project"),
    ],
)
def test_what_can_not_wait(stage: Stage, changes: dict[str, Any], code: str) -> None:
    stage()
    version = changes.get("version", "2.0")
    assert refused(lambda: stage(**{**changes, "version": version})) == code


def test_archived_quarantined_and_foreign_projects_take_none(
    stage: Stage, project: Project, ada: Actor, bob: Actor
) -> None:
    assert refused(lambda: stage(by=bob)) == "role-required"
    life_cycle.archive_project(project.normalized_name, by=ada)
    assert refused(stage) == "project-archived"
    Project.objects.update(status="quarantined")
    assert refused(stage) == "project-quarantined"


def test_what_waits_counts_against_the_limit_of_the_project(stage: Stage, project: Project) -> None:
    size = len(WHEEL)
    Project.objects.update(project_limit=project.size + size + len(SDIST))
    stage()
    stage(kind="sdist")
    assert refused(lambda: stage("3.0")) == "project-too-large"


def test_so_many_releases_wait_and_no_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_WAITING", 2)
    stage()
    stage("3.0")
    assert refused(lambda: stage("4.0")) == "staged-releases-too-many"
    stage("3.0", kind="sdist")
    StagedRelease.objects.filter(version="2.0").update(expires_at=clock.now())
    stage("4.0")


def test_an_upload_that_was_under_way_when_staging_was_switched_on_is_not_published(
    project: Project, ci: Actor, ada: Actor
) -> None:
    services.set_staging("alpha-beta", stages=True, by=ada)
    new = make_file(version="2.0")
    for by in (ci, replace(ci, kind="publisher")):
        assert refused(partial(projects.publish_file, new, by=by)) == "uploads-wait"
    assert projects.publish_file(new, by=host()).filename == WHEEL


# publishing


def test_all_files_appear_at_once_with_who_uploaded_and_who_published(
    stage: Stage, project: Project, bob: Actor, token: Token
) -> None:
    give_role("alpha-beta", bob, "maintainer")
    wheel = stage(publication={"claims": {"ref": "main"}}, provenance={"version": 1})
    stage(kind="sdist")
    Mail.objects.all().delete()
    assert sorted(publish(project, bob)) == [WHEEL, SDIST]
    assert not StagedRelease.objects.exists()
    assert not StagedFile.objects.exists()
    files = {file.filename: file for file in File.objects.filter(release__version="2.0")}
    one, other = files[WHEEL], files[SDIST]
    assert one.uploaded_at == other.uploaded_at == one.release.created_at
    assert (one.uploaded_by, one.uploaded_via, one.credential) == ("ada", "token", token.pk.hex)
    assert one.publication == {
        "claims": {"ref": "main"},
        "staged_at": clock.format_instant(wheel.staged_at),
        "published_by": bob.user_id,
    }
    assert (one.has_provenance, other.has_provenance) == (True, False)
    assert one.provenance.body == {"version": 1}
    assert Release.objects.get(version="2.0").metadata == wheel.description["metadata"]
    assert publication_of(one).staged_at == wheel.staged_at
    page = IndexPage.objects.get(kind="simple", name="alpha-beta", form="json")
    assert {WHEEL, SDIST} <= {file["filename"] for file in json.loads(bytes(page.body))["files"]}
    assert not list(verification.verify_pages())
    told = Record.objects.get(action="release.publish")
    assert (told.actor_id, told.details) == (bob.user_id, {"version": "2.0", "files": 2})
    uploads = Record.objects.filter(action="release.upload", details__version="2.0")
    assert {one.details["credential"] for one in uploads} == {token.pk.hex}


def test_a_release_that_is_there_already_is_joined(stage: Stage, project: Project, ada: Actor) -> None:
    stage("1.0", kind="sdist")
    assert publish(project, ada, "1.0") == ["alpha_beta-1.0.tar.gz"]
    assert Release.objects.get().files.count() == 2


def test_a_second_click_finds_nothing_and_changes_nothing(stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    was_seen = seen(project)
    publish(project, ada)
    assert refused(lambda: publish_seen(was_seen, ada)) == "staged-release-missing"


def test_only_what_was_seen_is_published(stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    was_seen = seen(project)
    stage(kind="sdist")
    for digest in (was_seen, "", "0" * 64):
        assert refused(partial(publish_seen, digest, ada)) == "staged-release-changed"
    services.discard_release("alpha-beta", "2.0", by=ada)
    stage(content="other bytes")  # somebody puts another file of the same name there
    assert refused(lambda: publish_seen(was_seen, ada)) == "staged-release-changed"


@pytest.mark.parametrize("act", [services.publish_release, services.discard_release])
def test_who_may_not(act: Any, stage: Stage, project: Project, ci: Actor, bob: Actor) -> None:
    stage()
    extra = {"seen": seen(project)} if act is services.publish_release else {}
    weak = replace(make_person("eve"), strength=bob.strength.__class__())
    for who in (ci, bob, weak, replace(bob, is_operator=True)):
        assert refused(partial(act, "alpha-beta", "2.0", by=who, **extra)) == "role-required"
    give_role("alpha-beta", weak, "owner")
    assert refused(lambda: act("alpha-beta", "2.0", by=weak, **extra)) == "second-factor-required"


def owner() -> Actor:
    return Actor(kind="token", user_id=User.objects.get(username="ada").pk)


def _revoke(project: Project, ci: Actor) -> None:
    Token.objects.update(revoked_at=clock.now())


def _end_role(project: Project, ci: Actor) -> None:
    Role.objects.filter(user_id=id_of(ci)).update(kind="maintainer")
    Role.objects.filter(user_id=id_of(ci)).delete()


def _state(state: str) -> Callable[[Project, Actor], object]:
    return lambda project, ci: User.objects.filter(pk=id_of(ci)).update(state=state)


def _hold(project: Project, ci: Actor) -> None:
    """Put the account on hold, as what a thief would do does: its tokens publish nothing while that lasts."""
    User.objects.filter(pk=id_of(ci)).update(held_until=clock.now() + timedelta(days=1))


def _only_publishers(project: Project, ci: Actor) -> None:
    Project.objects.update(only_publishers=True)


def _lose_bytes(project: Project, ci: Actor) -> None:
    for key in list(blobs().keys()):
        blobs().remove(key)


def _limit(**limits: int) -> Callable[[Project, Actor], object]:
    return lambda project, ci: Project.objects.update(**limits)


def _status(status: str) -> Callable[[Project, Actor], object]:
    return lambda project, ci: Project.objects.update(status=status)


def _publish_other(project: Project, ci: Actor) -> None:
    projects.publish_file(make_file(version="2.0", content="other"), by=host())


def _publish_and_delete(project: Project, ci: Actor) -> None:
    _publish_other(project, ci)
    deleting.delete_file("alpha-beta", WHEEL, by=host())


def _hold_release(project: Project, ci: Actor) -> None:
    file = make_file(version="2.0", filename="alpha_beta-2.0-py2-none-any.whl")
    projects.publish_file(file, by=host())
    Release.objects.filter(version="2.0").update(is_quarantined=True)


def _old_release(project: Project, ci: Actor) -> None:
    _publish_other_tag(project)
    Release.objects.filter(version="2.0").update(created_at=clock.now() - timedelta(days=15))


def _publish_other_tag(project: Project) -> None:
    projects.publish_file(make_file(version="2.0", filename="alpha_beta-2.0-py2-none-any.whl"), by=host())


@pytest.mark.parametrize(
    ("meanwhile", "code"),
    [
        (_revoke, "staged-origin-ended"),
        (_end_role, "staged-origin-ended"),
        *((_state(state), "staged-origin-ended") for state in ("frozen", "suspended", "held", "deleted")),
        (_hold, "staged-origin-ended"),
        (_only_publishers, "staged-origin-ended"),
        (lambda project, ci: Token.objects.all().delete(), "staged-origin-ended"),
        (_lose_bytes, "staged-bytes-missing"),
        (_limit(file_limit=1), "staged-file-too-large"),
        # one of the two fits
        (_limit(project_limit=len(WHEEL) * 2), "project-too-large"),
        (_status("archived"), "project-archived"),
        (_status("quarantined"), "project-quarantined"),
        (_publish_other, "file-exists"),
        (_publish_and_delete, "file-name-used"),
        (_hold_release, "release-quarantined"),
        (_old_release, "release-closed"),
    ],
)
def test_all_is_judged_again_when_it_is_published(
    meanwhile: Callable[[Project, Actor], object],
    code: str,
    stage: Stage,
    project: Project,
    bob: Actor,
) -> None:
    give_role("alpha-beta", bob, "owner")
    stage()
    stage(kind="sdist")
    meanwhile(project, owner())
    assert refused(lambda: publish(project, bob)) == code


def test_an_expired_token_is_no_reason(stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    Token.objects.update(expires_at=clock.now() - timedelta(days=1), suspended_at=clock.now())
    assert publish(project, ada) == [WHEEL]


def test_the_host_publishes_what_is_in_order_and_no_more(stage: Stage, project: Project) -> None:
    stage()
    Token.objects.update(revoked_at=clock.now())
    assert refused(lambda: publish(project, host())) == "staged-origin-ended"
    Token.objects.update(revoked_at=None)
    Project.objects.update(status="quarantined")
    assert refused(lambda: publish(project, host())) == "project-quarantined"
    Project.objects.update(status="active")
    assert publish(project, host()) == [WHEEL]
    assert File.objects.get(filename=WHEEL).publication["published_by"] == "host"


@pytest.fixture
def publisher(project: Project, ada: Actor) -> Publisher:
    return Publisher.objects.create(
        issuer_url="https://issuer.example",
        provider="custom",
        project=project,
        lookup="team/alpha",
        identity="1" * 64,
        added_at=clock.now(),
        configured_by_id=id_of(ada),
        configured_at=clock.now(),
    )


def by_publisher(stage: Stage, publisher: Publisher, ci: Actor) -> Any:
    actor = replace(ci, kind="publisher", name=str(publisher), credential=uuid.uuid4().hex)
    return stage(by=actor, publication={"publisher": publisher.pk})


def test_a_publisher_that_stands_is_no_objection_though_its_token_is_gone(
    stage: Stage, publisher: Publisher, ci: Actor, project: Project, ada: Actor
) -> None:
    by_publisher(stage, publisher, ci)
    publish(project, ada)
    file = File.objects.get(filename=WHEEL)
    assert (file.uploaded_by, file.uploaded_via) == ("custom:team/alpha", "publisher")
    assert file.publication["publisher"] == publisher.pk


def test_a_publisher_that_was_removed_or_rests_is_one_until_another_owner_confirms_it(
    stage: Stage, publisher: Publisher, ci: Actor, project: Project, bob: Actor
) -> None:
    staged = by_publisher(stage, publisher, ci)
    give_role("alpha-beta", bob, "owner")
    User.objects.filter(pk=id_of(ci)).update(state="frozen")
    assert refused(lambda: publish(project, bob)) == "staged-origin-ended"
    publisher.configured_by_id = id_of(bob)
    publisher.save()
    minted = MintedToken.objects.create(
        pk=uuid.UUID(staged.credential),
        issuer_url="https://issuer.example",
        provider="custom",
        key_id="1",
        minted_at=clock.now(),
        expires_at=clock.now(),
        revoked_at=clock.now(),
    )
    assert refused(lambda: publish(project, bob)) == "staged-origin-ended"
    minted.delete()
    other = Project.objects.create(
        name="other", normalized_name="other", folded_name="other", created_at=clock.now()
    )
    Publisher.objects.update(project=other)
    assert refused(lambda: publish(project, bob)) == "staged-origin-ended"
    Publisher.objects.update(project=project)
    assert publish(project, bob) == [WHEEL]


# discarding, and the setting


def test_what_was_discarded_may_be_staged_anew_with_other_content(
    stage: Stage, project: Project, ada: Actor
) -> None:
    stage()
    services.discard_release("alpha-beta", "2.0", by=ada)
    assert Record.objects.get(action="release.discard").details == {"version": "2.0"}
    assert refused(lambda: publish(project, ada)) == "staged-release-missing"
    assert refused(lambda: services.discard_release("alpha-beta", "2.0", by=ada)) == "staged-release-missing"
    stage(content="other bytes")
    assert publish(project, ada) == [WHEEL]


def test_what_has_expired_can_not_be_published_before_it_is_swept(
    stage: Stage, project: Project, ada: Actor
) -> None:
    stage()
    was_seen = seen(project)
    StagedRelease.objects.update(expires_at=clock.now())
    assert refused(lambda: publish_seen(was_seen, ada)) == "staged-release-missing"
    stage(content="other bytes")  # makes room for itself
    assert publish(project, ada) == [WHEEL]


def test_a_project_that_is_deleted_takes_what_waits_with_it(
    stage: Stage, project: Project, ada: Actor
) -> None:
    stage()
    deleting.delete_project("alpha-beta", by=ada)
    assert StagedRelease.objects.get().project is None
    assert not queries.waiting_releases(clock.now()).exists()
    assert not list(queries.stored_files())


def test_the_setting_is_the_owners_and_everybody_is_told(project: Project, ada: Actor, bob: Actor) -> None:
    give_role("alpha-beta", bob, "maintainer")
    assert refused(lambda: services.set_staging("alpha-beta", stages=True, by=bob)) == "role-required"
    services.set_staging("alpha-beta", stages=True, by=ada)
    before = all_rows()
    services.set_staging("alpha-beta", stages=True, by=ada)
    assert all_rows() == before
    services.set_staging("alpha-beta", stages=False, by=ada)
    assert mails() == ["staging-switched-on", "staging-switched-off"]
    told = Record.objects.filter(action="project.set-staging").order_by("pk")
    assert [one.details["stages_uploads"] for one in told] == [True, False]
    assert project_queries.find_project("alpha-beta") == project


def test_a_robot_token_rests_with_its_owner_until_another_confirms_it(
    stage: Stage, project: Project, token: Token, bob: Actor
) -> None:
    Token.objects.update(project=project)
    stage()
    give_role("alpha-beta", bob, "owner")
    Role.objects.filter(user_id=token.user_id).update(kind="maintainer")
    assert refused(lambda: publish(project, bob)) == "staged-origin-ended"
    Token.objects.update(user_id=id_of(bob))
    assert publish(project, bob) == [WHEEL]


def test_another_token_of_the_project_is_judged_by_itself(
    stage: Stage, project: Project, ada: Actor, ci: Actor
) -> None:
    stage()
    other = make_token(id_of(ada))
    stage(kind="sdist", by=replace(ci, credential=other.pk.hex))
    Token.objects.filter(pk=other.pk).update(revoked_at=clock.now())
    assert refused(lambda: publish(project, ada)) == "staged-origin-ended"
