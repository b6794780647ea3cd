"""Publishing one file: what appears, what is refused and then leaves nothing, what a retry does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.projects.conftest import everything, give_role, id_of, make_file, make_person

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import actor, clock
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import Refusal, RoleRequired, SecondFactorRequired, SignInRequired
from keyhouse.projects import services
from keyhouse.projects.errors import (
    ContentExists,
    FileExists,
    FileNameUsed,
    NameRefused,
    OwnerMissing,
    ProjectArchived,
    ProjectQuarantined,
    ProjectTooLarge,
    ReleaseClosed,
    SecondSourceDistribution,
)
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import IndexPage, Project, Release, Role, Serial, UsedFileName

pytestmark = pytest.mark.django_db


def page(kind: str, name: str, form: str = "json") -> IndexPage:
    return IndexPage.objects.get(kind=kind, name=name, form=form)


def filenames_on(name: str) -> list[str]:
    return [file["filename"] for file in json.loads(bytes(page("simple", name).body))["files"]]


def refused(refusal: type[Refusal], new: services.NewFile, by: Actor) -> Refusal:
    before = everything()
    with pytest.raises(refusal) as raised:
        services.publish_file(new, by=by)
    assert everything() == before
    return raised.value


def test_the_first_file_makes_project_release_role_and_pages(ada: Actor) -> None:
    file = services.publish_file(make_file(), by=ada)

    project = Project.objects.get()
    assert (project.name, project.normalized_name, project.folded_name) == (
        "Alpha.Beta",
        "alpha-beta",
        "a1phabeta",
    )
    assert (project.size, project.latest_version, project.summary) == (file.size, "1.0", "Summary of 1.0")
    role = Role.objects.get()
    assert (role.user_id, role.kind, role.project_id) == (ada.user_id, "owner", project.pk)
    release = Release.objects.get()
    assert (release.version, release.summary, release.description_html) == (
        "1.0",
        "Summary of 1.0",
        "<p>Text</p>",
    )
    assert release.metadata["description"] == "Text <b>of</b> it"
    assert (file.uploaded_by, file.uploaded_via, file.credential) == ("ada", "token", "abc")
    used = UsedFileName.objects.get()
    assert (used.filename, used.blake2, used.deleted_at) == (file.filename, file.blake2, None)
    assert filenames_on("alpha-beta") == [file.filename]
    assert file.filename in bytes(page("simple", "alpha-beta", "html").body).decode()
    assert json.loads(bytes(page("json", "alpha-beta").body))["info"]["summary"] == "Summary of 1.0"
    assert json.loads(bytes(page("json", "alpha-beta/1.0").body))["urls"][0]["filename"] == file.filename
    assert set(IndexPage.objects.values_list("serial", flat=True)) == {project.last_serial}


def test_one_audit_record_tells_of_it(ada: Actor) -> None:
    file = services.publish_file(make_file(), by=ada)

    told = Record.objects.get()
    assert (told.action, told.outcome, told.actor_id) == ("release.upload", "done", ada.user_id)
    assert (told.about_kind, told.about_name) == ("project", "alpha-beta")
    assert told.details == {
        "version": "1.0",
        "filename": file.filename,
        "sha256": file.sha256,
        "size": file.size,
        "is_new_project": True,
        "is_new_release": True,
    }


def test_serials_count_changes_and_the_listing_only_new_projects(ada: Actor) -> None:
    services.publish_file(make_file(version="1.0"), by=ada)
    first = Serial.objects.get()
    services.publish_file(make_file(version="1.1"), by=ada)
    second = Serial.objects.get()

    assert (second.value, second.listing) == (first.value + 1, first.listing)
    assert page("simple", "alpha-beta").serial == page("json", "alpha-beta/1.1").serial == second.value
    assert page("json", "alpha-beta/1.0").serial == first.value


def test_the_same_file_again_changes_nothing(ada: Actor) -> None:
    first = services.publish_file(make_file(), by=ada)
    before = everything()

    assert services.publish_file(make_file(), by=ada) == first
    assert everything() == before


def test_a_new_page_drops_the_compressed_forms_of_the_old_one(ada: Actor) -> None:
    services.publish_file(make_file(version="1.0"), by=ada)
    IndexPage.objects.update(gzip=b"old", zstd=b"old")

    services.publish_file(make_file(version="1.1"), by=ada)

    assert page("simple", "alpha-beta").gzip is None
    assert page("simple", "alpha-beta").zstd is None
    assert page("json", "alpha-beta/1.0").gzip is not None


def test_a_maintainer_uploads_and_a_stranger_does_not(ada: Actor, bob: Actor) -> None:
    services.publish_file(make_file(version="1.0"), by=ada)

    refused(RoleRequired, make_file(version="1.1"), bob)
    give_role("alpha-beta", bob, "maintainer")
    services.publish_file(make_file(version="1.1"), by=bob)

    assert len(filenames_on("alpha-beta")) == 2


def test_a_stranger_learns_nothing_by_sending_a_file_that_is_here(ada: Actor, bob: Actor) -> None:
    services.publish_file(make_file(), by=ada)

    refused(RoleRequired, make_file(), bob)
    refused(RoleRequired, make_file(content="other bytes"), bob)


def test_being_an_operator_gives_no_right_to_publish(ada: Actor) -> None:
    services.publish_file(make_file(version="1.0"), by=ada)

    refused(RoleRequired, make_file(version="1.1"), make_person("operator", is_operator=True))


def test_nobody_publishes_nothing(db: None) -> None:
    refused(SignInRequired, make_file(), actor.NOBODY)


def test_the_gate_is_asked_for_new_and_for_existing_projects(ada: Actor) -> None:
    weak = replace(ada, strength=Strength(frozenset({"password"}), clock.now()))

    refused(SecondFactorRequired, make_file(), weak)
    services.publish_file(make_file(version="1.0"), by=ada)
    refused(SecondFactorRequired, make_file(version="1.1"), weak)


def test_a_file_name_stands_for_the_same_bytes_for_ever(ada: Actor) -> None:
    services.publish_file(make_file(), by=ada)

    refusal = refused(FileExists, make_file(content="other bytes"), ada)

    assert refusal.sentence.startswith("File already exists")


def test_the_name_of_a_deleted_file_is_never_free_again(ada: Actor) -> None:
    file = services.publish_file(make_file(), by=ada)
    deleting.delete_file("alpha-beta", file.filename, by=ada)

    refused(FileNameUsed, make_file(), ada)
    refused(FileNameUsed, make_file(content="other bytes"), ada)


def test_the_same_bytes_under_another_name_are_refused(ada: Actor) -> None:
    services.publish_file(make_file(version="1.0", content="same"), by=ada)

    refused(ContentExists, make_file(version="1.1", content="same"), ada)


def test_a_release_has_one_source_distribution(ada: Actor) -> None:
    services.publish_file(make_file(kind="sdist"), by=ada)

    refused(SecondSourceDistribution, make_file(kind="sdist", filename="alpha_beta-1.0.zip"), ada)
    services.publish_file(make_file(), by=ada)
    services.publish_file(make_file(kind="sdist", version="1.1"), by=ada)


def test_an_old_release_takes_no_new_file_but_a_repeat_is_fine(ada: Actor, tmp_path: Path) -> None:
    services.publish_file(make_file(), by=ada)
    Release.objects.update(created_at=clock.now() - timedelta(days=15))

    refused(ReleaseClosed, make_file(kind="sdist"), ada)
    services.publish_file(make_file(), by=ada)
    services.publish_file(make_file(version="1.1"), by=ada)


def test_an_archived_project_takes_no_files(ada: Actor) -> None:
    services.publish_file(make_file(version="1.0"), by=ada)
    life_cycle.archive_project("alpha-beta", by=ada)

    refused(ProjectArchived, make_file(version="1.1"), ada)


def test_a_project_in_quarantine_takes_no_files(ada: Actor) -> None:
    services.publish_file(make_file(version="1.0"), by=ada)
    Project.objects.update(status="quarantined", status_reason="looked at")

    assert "looked at" in refused(ProjectQuarantined, make_file(version="1.1"), ada).sentence


def test_a_project_does_not_grow_beyond_its_limit(ada: Actor) -> None:
    first = services.publish_file(make_file(version="1.0"), by=ada)
    Project.objects.update(project_limit=first.size + 5)

    refused(ProjectTooLarge, make_file(version="1.1"), ada)
    services.publish_file(make_file(version="1.2", size=5), by=ada)
    assert Project.objects.get().size == first.size + 5


@pytest.mark.parametrize(
    "name", ["json", "Alpha-Beta-", "keyhouse", "-x", "álpha", "a1phabeta", "al.pha.beta"]
)
def test_new_names_are_judged(name: str, ada: Actor) -> None:
    services.publish_file(make_file(), by=ada)

    refused(NameRefused, make_file(name, filename="x-1.0-py3-none-any.whl"), ada)


def test_the_host_builds_a_history_for_somebody(ada: Actor) -> None:
    past = clock.now() - timedelta(days=400)
    history: dict[str, Any] = {"uploaded_at": past, "owner_id": ada.user_id, "uploaded_by": "ada"}

    file = services.publish_file(make_file(version="1.0", **history), by=actor.host())
    services.publish_file(make_file(version="1.0", kind="sdist", **history), by=actor.host())

    assert (file.uploaded_at, file.uploaded_by) == (past, "ada")
    assert Role.objects.get().user_id == ada.user_id
    assert Project.objects.get().created_at == Release.objects.get().created_at == past
    refused(OwnerMissing, make_file("gamma"), actor.host())


def test_a_publish_asks_few_questions_and_none_that_reads_a_whole_table(ada: Actor) -> None:
    owner = User.objects.get(pk=id_of(ada))
    for number in range(30):
        services.create_project(f"other-{number}x", [owner], by=actor.host())
        services.publish_file(make_file(version=f"0.{number}"), by=ada)
    services.publish_file(make_file(version="1.0"), by=ada)

    with CaptureQueriesContext(connection) as asked:
        services.publish_file(make_file(version="1.0", kind="sdist"), by=ada)
    statements = [query["sql"] for query in asked.captured_queries]
    work = [sql for sql in statements if not re.match(r"(RELEASE )?SAVEPOINT|BEGIN|COMMIT", sql)]

    assert len(work) <= (15 if connection.vendor == "sqlite" else 16), work  # PostgreSQL: one more for NOTIFY
    if connection.vendor == "sqlite":
        plans = {plan for sql in work for plan in _plan_of(sql) if plan.startswith("SCAN")}
        assert plans <= {"SCAN CONSTANT ROW", "SCAN asked"}  # one row, made of values in the statement itself


def _plan_of(sql: str) -> list[str]:
    if not sql.startswith(("SELECT", "UPDATE", "DELETE")):
        return []
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql.replace("%", "%%"))
        return [str(row[3]) for row in cursor.fetchall()]


def test_creating_a_project_names_its_people(ada: Actor, bob: Actor) -> None:
    people = {user.username: user for user in User.objects.all()}

    project = services.create_project(
        "Gamma", [people["ada"]], [people["bob"], people["ada"]], by=actor.host(), archived=True
    )

    assert dict(project.roles.values_list("user__username", "kind")) == {"ada": "owner", "bob": "maintainer"}
    assert json.loads(bytes(page("simple", "gamma").body))["project-status"] == {"status": "archived"}
    assert page("json", "gamma").is_gone
    assert Record.objects.get().action == "project.create"


def test_a_project_is_not_created_without_an_owner_or_with_a_taken_name(ada: Actor) -> None:
    owner = User.objects.get()
    services.create_project("Gamma", [owner], by=actor.host())
    before = everything()

    with pytest.raises(OwnerMissing):
        services.create_project("delta", [], [owner], by=actor.host())
    with pytest.raises(NameRefused):
        services.create_project("GAMMA", [owner], by=actor.host())
    assert everything() == before


def test_equal_versions_are_one_release_however_many_zeros_end_them(ada: Actor) -> None:
    services.publish_file(make_file(version="1.0"), by=ada)
    file = services.publish_file(make_file(version="1.0.0"), by=ada)
    assert file.release.version == "1.0"
    assert Release.objects.count() == 1
    assert Record.objects.filter(action="release.upload").latest("id").details["version"] == "1.0"
    assert b"1.0.0-py3" in bytes(page("json", "alpha-beta/1.0").body)
    services.publish_file(make_file(version="1.0", kind="sdist"), by=ada)
    with pytest.raises(SecondSourceDistribution):
        services.publish_file(make_file(version="1.0.0", kind="sdist"), by=ada)


def test_an_old_release_is_not_opened_by_another_spelling_of_its_version(ada: Actor) -> None:
    services.publish_file(make_file(version="1.0"), by=ada)
    Release.objects.update(created_at=clock.now() - timedelta(days=15))
    with pytest.raises(ReleaseClosed):
        services.publish_file(make_file(version="1.0.0"), by=ada)
    assert Release.objects.get().files.count() == 1


def test_a_file_name_may_be_made_of_its_tag_nearly_whole(ada: Actor) -> None:
    tag = ".".join(f"py3{number}" for number in range(32))
    file = services.publish_file(make_file("a", filename=f"a-1.0-{tag}-none-any.whl", python_tag=tag), by=ada)
    assert len(file.python_tag) > 150
