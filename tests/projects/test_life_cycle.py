"""Yank, delete, archive: what installers see after it, what is kept, who is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.projects.conftest import everything, give_role, id_of, make_file, make_person

from keyhouse.accounts.models import Email, User
from keyhouse.audit.models import Record
from keyhouse.core import actor, clock, configuration
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import Refusal, RoleRequired, SecondFactorRequired
from keyhouse.mail.contents import unseal
from keyhouse.mail.letters import render_text
from keyhouse.mail.models import Mail
from keyhouse.projects import services, verification
from keyhouse.projects.errors import FileNameUsed, ProjectNotFound, ProjectQuarantined, ReasonRefused
from keyhouse.projects.life_cycle import deleting, letters, restoring
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.life_cycle.errors import SuccessorRefused
from keyhouse.projects.models import (
    ClientSketch,
    DownloadCount,
    File,
    IndexPage,
    Project,
    Release,
    Role,
    Serial,
    Tombstone,
    UsedFileName,
)

pytestmark = pytest.mark.django_db
Act = Callable[[Actor], object]

WHEEL = "alpha_beta-1.0-py3-none-any.whl"
ACTS: dict[str, Act] = {
    "release.yank": lambda by: life_cycle.yank_release("alpha-beta", "1.0", "broken", by=by),
    "release.unyank": lambda by: life_cycle.unyank_release("alpha-beta", "0.9", by=by),
    "file.delete": lambda by: deleting.delete_file("alpha-beta", WHEEL, by=by),
    "release.delete": lambda by: deleting.delete_release("alpha-beta", "1.0", by=by),
    "project.delete": lambda by: deleting.delete_project("alpha-beta", by=by),
    "project.archive": lambda by: life_cycle.archive_project("alpha-beta", "done", by=by),
    "project.unarchive": lambda by: life_cycle.unarchive_project("alpha-beta", by=by),
    "project.deprecate": lambda by: life_cycle.deprecate_project("alpha-beta", "old", "beta", by=by),
    "project.undeprecate": lambda by: life_cycle.undeprecate_project("alpha-beta", by=by),
}
each_act = pytest.mark.parametrize("action", ACTS)


@pytest.fixture
def alpha(ada: Actor) -> Actor:
    """Publish two files of 1.0 and a yanked 0.9; return the owner."""
    for changes in ({"version": "0.9"}, {"version": "1.0"}, {"version": "1.0", "kind": "sdist"}):
        services.publish_file(make_file(**changes), by=ada)
    life_cycle.yank_release("alpha-beta", "0.9", "old", by=ada)
    return ada


def document(kind: str, name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(IndexPage.objects.get(kind=kind, name=name, form="json").body))
    return body


def html(name: str) -> str:
    return bytes(IndexPage.objects.get(kind="simple", name=name, form="html").body).decode()


def yanks() -> dict[str, Any]:
    return {file["filename"]: file["yanked"] for file in document("simple", "alpha-beta")["files"]}


def refused(refusal: type[Refusal], act: Act, by: Actor) -> Refusal:
    before = everything()
    with pytest.raises(refusal) as raised:
        act(by)
    assert everything() == before
    return raised.value


def assert_one_record(action: str, before: int, **details: object) -> None:
    record = Record.objects.latest("pk")
    assert Record.objects.count() == before + 1
    assert (record.action, record.about_kind, record.about_name) == (action, "project", "alpha-beta")
    assert {key: record.details[key] for key in details} == details


@each_act
def test_each_act_writes_one_record_and_right_pages(action: str, alpha: Actor) -> None:
    if action == "project.unarchive":
        life_cycle.archive_project("alpha-beta", by=alpha)
    elif action == "project.undeprecate":
        life_cycle.deprecate_project("alpha-beta", by=alpha)
    before, serial = Record.objects.count(), Serial.objects.get().value

    ACTS[action](alpha)

    assert_one_record(action, before)
    assert Serial.objects.get().value == serial + 1
    assert list(verification.verify_pages()) == []


@each_act
def test_each_act_is_refused_to_strangers_maintainers_and_operators(
    action: str, alpha: Actor, bob: Actor
) -> None:
    refused(RoleRequired, ACTS[action], bob)
    refused(RoleRequired, ACTS[action], replace(bob, is_operator=True))
    give_role("alpha-beta", bob, "maintainer")
    refused(RoleRequired, ACTS[action], bob)


@each_act
def test_each_act_asks_the_gate(action: str, alpha: Actor) -> None:
    weak = replace(alpha, strength=Strength(frozenset({"password"}), clock.now()))

    refused(SecondFactorRequired, ACTS[action], weak)


@each_act
def test_a_token_can_yank_and_nothing_else(action: str, alpha: Actor) -> None:
    token = replace(alpha, kind="token")

    if action == "release.yank":
        ACTS[action](token)
    else:
        refused(RoleRequired, ACTS[action], token)


@each_act
def test_a_project_in_quarantine_is_changed_by_the_host_alone_who_lifts_nothing_by_the_way(
    action: str, alpha: Actor
) -> None:
    Project.objects.update(status="quarantined")

    refused(ProjectQuarantined, ACTS[action], alpha)
    if action.startswith("project.") and action != "project.delete":
        refused(ProjectQuarantined, ACTS[action], actor.host())
    else:
        ACTS[action](actor.host())


@each_act
def test_a_stranger_gets_one_answer_for_what_is_here_and_what_is_not(
    action: str, alpha: Actor, bob: Actor
) -> None:
    here = refused(RoleRequired, ACTS[action], bob)
    deleting.delete_project("alpha-beta", by=alpha)
    gone = refused(RoleRequired, ACTS[action], bob)

    assert (here.line, here.fix) == (gone.line, gone.fix)


def test_a_yank_is_seen_in_both_forms_and_the_documents(alpha: Actor) -> None:
    life_cycle.yank_release("alpha-beta", "1.0", "leaks <memory>", by=alpha)

    assert yanks()[WHEEL] == "leaks <memory>"
    assert 'data-yanked="leaks &lt;memory&gt;"' in html("alpha-beta")
    assert document("json", "alpha-beta/1.0")["info"]["yanked_reason"] == "leaks <memory>"
    assert document("json", "alpha-beta")["info"]["yanked"] is True


def test_a_yank_without_a_reason_is_a_yank(alpha: Actor) -> None:
    life_cycle.yank_release("alpha-beta", "1.0", by=alpha)

    assert yanks()[WHEEL] is True


def test_the_yank_taken_back_is_gone_from_both_forms(alpha: Actor) -> None:
    life_cycle.unyank_release("alpha-beta", "0.9", by=alpha)

    assert set(yanks().values()) == {False}
    assert "data-yanked" not in html("alpha-beta")


def test_what_is_so_already_stays_without_a_record(alpha: Actor) -> None:
    life_cycle.archive_project("alpha-beta", "done", by=alpha)
    before = everything()

    life_cycle.yank_release("alpha-beta", "0.9", " old ", by=alpha)
    life_cycle.unyank_release("alpha-beta", "1.0", by=alpha)
    life_cycle.archive_project("alpha-beta", "done", by=alpha)
    assert everything() == before
    life_cycle.unarchive_project("alpha-beta", by=alpha)
    before = everything()
    life_cycle.unarchive_project("alpha-beta", by=alpha)
    assert everything() == before


def test_another_reason_replaces_the_first_and_keeps_the_instant(alpha: Actor) -> None:
    at = Release.objects.get(version="0.9").yanked_at

    release = life_cycle.yank_release("alpha-beta", "0.9", "very old", by=alpha)

    assert release.yanked_at == at
    assert yanks()["alpha_beta-0.9-py3-none-any.whl"] == "very old"


@pytest.mark.parametrize("reason", ["x" * 501, "two\nlines", "nul\x00", "bell\x07", "\u202ereversed"])
def test_a_reason_is_one_readable_line(reason: str, alpha: Actor) -> None:
    refused(ReasonRefused, lambda by: life_cycle.yank_release("alpha-beta", "1.0", reason, by=by), alpha)
    refused(ReasonRefused, lambda by: life_cycle.archive_project("alpha-beta", reason, by=by), alpha)


def test_the_latest_release_is_one_that_is_not_yanked(alpha: Actor) -> None:
    services.publish_file(make_file(version="2.0a1"), by=alpha)
    assert Project.objects.get().latest_version == "1.0"
    life_cycle.yank_release("alpha-beta", "1.0", by=alpha)
    assert Project.objects.get().latest_version == "2.0a1"
    assert Project.objects.get().summary == "Summary of 2.0a1"


def test_a_deleted_file_vanishes_and_its_name_stays_used(alpha: Actor) -> None:
    file = File.objects.get(filename=WHEEL)
    DownloadCount.objects.create(file=file, day_on=clock.now().date(), installer="pip", count=3)
    size = Project.objects.get().size
    records = Record.objects.count()

    deleting.delete_file("alpha-beta", WHEEL, by=alpha)

    assert WHEEL not in yanks()
    assert WHEEL not in html("alpha-beta")
    assert [one["filename"] for one in document("json", "alpha-beta/1.0")["urls"]] == [
        "alpha_beta-1.0.tar.gz"
    ]
    assert Project.objects.get().size == size - file.size
    assert UsedFileName.objects.get(filename=WHEEL).deleted_at is not None
    assert not DownloadCount.objects.exists()
    assert_one_record("file.delete", records, filename=WHEEL, version="1.0", sha256=file.sha256)


def test_a_release_without_files_stays_and_installers_do_not_see_it(alpha: Actor) -> None:
    deleting.delete_file("alpha-beta", "alpha_beta-0.9-py3-none-any.whl", by=alpha)

    assert Release.objects.filter(version="0.9").exists()
    assert document("simple", "alpha-beta")["versions"] == ["1.0"]
    assert document("json", "alpha-beta/0.9")["urls"] == []
    services.publish_file(make_file(version="0.9", filename="alpha_beta-0.9-1-py3-none-any.whl"), by=alpha)
    assert document("simple", "alpha-beta")["versions"] == ["0.9", "1.0"]


def test_a_project_that_lost_all_files_still_says_what_it_is(alpha: Actor) -> None:
    for filename in list(File.objects.values_list("filename", flat=True)):
        deleting.delete_file("alpha-beta", filename, by=alpha)

    assert document("simple", "alpha-beta")["files"] == []
    assert document("json", "alpha-beta")["info"]["version"] == "1.0"
    assert Project.objects.get().size == 0


def test_a_deleted_release_vanishes_with_its_files(alpha: Actor) -> None:
    deleting.delete_release("alpha-beta", "1.0", by=alpha)

    page = IndexPage.objects.get(kind="json", name="alpha-beta/1.0")
    assert (page.is_gone, bytes(page.body), page.etag) == (True, b"", "")
    assert page.serial == Serial.objects.get().value
    assert document("simple", "alpha-beta")["versions"] == ["0.9"]
    assert UsedFileName.objects.filter(deleted_at__isnull=False).count() == 2
    with pytest.raises(FileNameUsed):
        services.publish_file(make_file(version="1.0"), by=alpha)
    services.publish_file(make_file(version="1.0", filename="alpha_beta-1.0-1-py3-none-any.whl"), by=alpha)
    assert not IndexPage.objects.get(kind="json", name="alpha-beta/1.0").is_gone


def test_a_deleted_project_leaves_empty_pages_a_tombstone_and_its_file_names(alpha: Actor) -> None:
    project = Project.objects.get()
    ClientSketch.objects.create(project=project, day_on=clock.now().date(), sketch=b"x")

    deleting.delete_project("alpha-beta", by=alpha)

    serial = Serial.objects.get()
    assert serial.value == serial.listing
    pages = IndexPage.objects.all()
    assert {(page.kind, page.name, page.form) for page in pages} == {
        ("simple", "alpha-beta", "json"),
        ("simple", "alpha-beta", "html"),
        ("json", "alpha-beta", "json"),
        ("json", "alpha-beta/0.9", "json"),
        ("json", "alpha-beta/1.0", "json"),
    }
    assert {(page.is_gone, bytes(page.body), page.serial) for page in pages} == {(True, b"", serial.value)}
    for table in (Project, Release, File, Role, ClientSketch):
        assert not table._default_manager.exists()
    assert Tombstone.objects.get().lineage == project.lineage
    assert UsedFileName.objects.filter(deleted_at__isnull=False).count() == 3


def test_a_project_of_the_same_name_takes_on_the_lineage(alpha: Actor, bob: Actor) -> None:
    lineage = Project.objects.get().lineage
    for _ in range(2):
        deleting.delete_project("alpha-beta", by=actor.host())
        services.publish_file(make_file("alpha_BETA", version="3.0", filename=f"new-{_}.whl"), by=bob)

        assert Project.objects.get().lineage == lineage
    assert Role.objects.get().user_id == bob.user_id
    assert document("simple", "alpha-beta")["versions"] == ["3.0"]
    assert list(verification.verify_pages()) == []
    deleting.delete_project("alpha-beta", by=bob)
    assert Tombstone.objects.get().lineage == lineage
    with pytest.raises(FileNameUsed):
        services.publish_file(make_file(), by=bob)


def test_an_archived_project_says_so_and_why(alpha: Actor) -> None:
    life_cycle.archive_project("alpha-beta", "use gamma", by=alpha)

    expected = {"status": "archived", "reason": "use gamma"}
    assert document("simple", "alpha-beta")["project-status"] == expected
    assert '<meta name="pypi:project-status" content="archived">' in html("alpha-beta")
    life_cycle.unarchive_project("alpha-beta", by=alpha)
    assert document("simple", "alpha-beta")["project-status"] == {"status": "active"}


def test_what_is_not_there_cannot_be_changed(alpha: Actor) -> None:
    refused(ProjectNotFound, lambda by: life_cycle.yank_release("alpha-beta", "7", by=by), alpha)
    refused(ProjectNotFound, lambda by: deleting.delete_release("alpha-beta", "7", by=by), alpha)
    refused(ProjectNotFound, lambda by: deleting.delete_file("alpha-beta", "x.whl", by=by), alpha)
    refused(ProjectNotFound, lambda by: deleting.delete_project("gamma", by=by), actor.host())
    refused(RoleRequired, lambda by: deleting.delete_project("gamma", by=by), alpha)


def test_a_file_of_another_project_is_not_deleted_by_its_name(alpha: Actor, bob: Actor) -> None:
    services.publish_file(make_file("gamma"), by=bob)

    refused(ProjectNotFound, lambda by: deleting.delete_file("gamma", WHEEL, by=by), bob)


def test_installers_see_no_files_and_no_document_of_a_project_in_quarantine(alpha: Actor) -> None:
    Project.objects.update(status="quarantined", status_reason="malware")
    services.rebuild_pages(by=actor.host())

    simple = document("simple", "alpha-beta")
    assert (simple["files"], simple["project-status"]["status"]) == ([], "quarantined")
    assert "alpha_beta-1.0" not in html("alpha-beta")
    assert set(IndexPage.objects.filter(kind="json").values_list("is_gone", flat=True)) == {True}
    Project.objects.update(status="active", status_reason="")
    services.rebuild_pages(by=actor.host())
    assert len(document("simple", "alpha-beta")["files"]) == 3
    assert list(verification.verify_pages()) == []


def test_a_file_in_quarantine_is_left_out(alpha: Actor) -> None:
    File.objects.filter(filename=WHEEL).update(is_quarantined=True)
    services.rebuild_pages(by=actor.host())

    assert WHEEL not in yanks()
    assert len(document("simple", "alpha-beta")["files"]) == 2


# ---- deprecation


def test_a_deprecation_says_in_both_forms_why_and_what_to_take_instead(alpha: Actor) -> None:
    life_cycle.deprecate_project("alpha-beta", "No longer <kept>", "Gamma", by=alpha)

    told = "No longer <kept>. Use Gamma instead."
    assert document("simple", "alpha-beta")["project-status"] == {"status": "deprecated", "reason": told}
    assert 'content="deprecated"' in html("alpha-beta")
    assert 'content="No longer &lt;kept&gt;. Use Gamma instead."' in html("alpha-beta")
    life_cycle.deprecate_project("alpha-beta", "", "Gamma", by=alpha)
    assert document("simple", "alpha-beta")["project-status"]["reason"] == "Use Gamma instead."
    services.publish_file(make_file(version="2.0"), by=alpha)  # it goes on taking files
    life_cycle.undeprecate_project("alpha-beta", by=alpha)
    assert document("simple", "alpha-beta")["project-status"] == {"status": "active"}
    assert Project.objects.get().successor == ""


def test_what_is_said_of_a_project_replaces_what_was_said_before(alpha: Actor) -> None:
    life_cycle.deprecate_project("alpha-beta", "old", "gamma", by=alpha)
    before = everything()
    life_cycle.deprecate_project("alpha-beta", "old", "gamma", by=alpha)
    life_cycle.unarchive_project("alpha-beta", by=alpha)  # it is in no archive
    assert everything() == before
    project = life_cycle.archive_project("alpha-beta", by=alpha)
    assert (project.status, project.successor) == ("archived", "")
    life_cycle.undeprecate_project("alpha-beta", by=alpha)
    assert Project.objects.get().status == "archived"


@pytest.mark.parametrize("successor", ["alpha.beta", "-x", "a b", "x/../y", "<b>", "x" * 201, "é", "a\nb"])
def test_a_successor_is_another_project_by_a_name_it_could_have(successor: str, alpha: Actor) -> None:
    refused(
        SuccessorRefused, lambda by: life_cycle.deprecate_project("alpha-beta", "", successor, by=by), alpha
    )


# ---- mails


@each_act
def test_each_act_is_told_to_everybody_in_the_project(action: str, alpha: Actor, bob: Actor) -> None:
    give_role("alpha-beta", bob, "maintainer")
    make_person("carl")
    if action.startswith("project.un"):
        life_cycle.deprecate_project("alpha-beta", by=alpha)
    if action == "project.unarchive":
        life_cycle.archive_project("alpha-beta", by=alpha)
    for user in User.objects.all():
        Email.objects.create(
            user=user, address=f"{user.username}@example.org", verified_at=clock.now(), added_at=clock.now()
        )

    ACTS[action](alpha)

    mails = {
        mail.address: render_text(unseal(mail.content_sealed, mail.address)) for mail in Mail.objects.all()
    }
    assert set(mails) == {"ada@example.org", "bob@example.org"}
    assert all("Alpha.Beta" in text and "Done by: ada" in text for text in mails.values())
    assert ["/not-me/" in mails[address] for address in sorted(mails)] == [True, False]


def test_mails_say_what_ends_for_good(alpha: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    Email.objects.create(
        user=User.objects.get(username="ada"),
        address="ada@example.org",
        verified_at=clock.now(),
        added_at=clock.now(),
    )

    def told() -> str:
        mail = Mail.objects.latest("pk")
        return " ".join(render_text(unseal(mail.content_sealed, mail.address)).split())

    life_cycle.archive_project("alpha-beta", by=alpha)
    assert "no longer deprecated" not in told()
    life_cycle.deprecate_project("alpha-beta", "old", "beta", by=alpha)
    life_cycle.archive_project("alpha-beta", by=alpha)
    assert "no longer deprecated; why, and what to take instead, is not said any more" in told()
    assert letters.NOT_BACK not in told()

    for filename in list(File.objects.values_list("filename", flat=True)):
        deleting.delete_file("alpha-beta", filename, by=alpha)  # there are no bytes of them
    assert letters.NOT_BACK not in told()
    removal = deleting.delete_project("alpha-beta", by=alpha)
    assert letters.NOT_BACK in told()
    restoring.restore_project(removal.pk, by=alpha)
    assert f"every team that is still in its organization. {letters.NOT_BACK}" in told()
    monkeypatch.setattr(configuration, "_current", replace(configuration.current(), undo_days=0))
    deleting.delete_project("alpha-beta", by=alpha)
    assert "It can't be brought back." in told()
    assert letters.NOT_BACK not in told()


def test_a_yank_asks_no_more_where_many_people_are_told(alpha: Actor) -> None:
    def yank(reason: str, people: range) -> tuple[int, int]:
        for number in people:
            person = make_person(f"person-{number}")
            give_role("alpha-beta", person, "maintainer")
            Email.objects.create(
                user_id=id_of(person),
                address=f"person-{number}@example.org",
                verified_at=clock.now(),
                added_at=clock.now(),
            )
        before = Mail.objects.count()
        with CaptureQueriesContext(connection) as asked:
            life_cycle.yank_release("alpha-beta", "1.0", reason, by=alpha)
        return Mail.objects.count() - before, len(asked)

    (few, of_few), (many, of_many) = yank("broken", range(2)), yank("more broken", range(2, 30))
    assert (few, many) == (2, 30)
    assert of_many == of_few
