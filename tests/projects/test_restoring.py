"""What was deleted comes back whole, for its owners, for some days; what took its place wins."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.apps import apps
from tests.projects.conftest import everything, give_role, id_of, make_file, make_person

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import actor, clock, configuration
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import Refusal, RoleRequired, SecondFactorRequired
from keyhouse.projects import belongings, services, verification
from keyhouse.projects.errors import (
    FileExists,
    FileNameUsed,
    OwnerMissing,
    ProjectQuarantined,
    ProjectTooLarge,
    ReleaseQuarantined,
)
from keyhouse.projects.life_cycle import aside, deleting, queries, restoring, sweeping
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.life_cycle.errors import NothingToRestore, RestoreImpossible
from keyhouse.projects.models import (
    ClientSketch,
    DownloadCount,
    File,
    IndexPage,
    KeptRole,
    KeptRow,
    Project,
    ProjectDownloads,
    Provenance,
    Release,
    ReleaseDownloads,
    Removal,
    Role,
    RoleChange,
    Serial,
    UsedFileName,
)
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of, metadata_key_of
from keyhouse.storage.turns import hold_storage

pytestmark = pytest.mark.django_db

Later = Callable[[timedelta], None]
NAME = "alpha-beta"
WHEEL = "alpha_beta-1.0-py3-none-any.whl"
DAY = timedelta(days=1)
# what changes with every change, and what a deletion leaves
MOVING = {"projects.IndexPage", "projects.Serial", "projects.Tombstone", "audit.Record", "audit.Personal"}
NUMBERED_ANEW = (
    "projects.Role",
    "projects.ReleaseDownloads",
    "projects.ProjectDownloads",
    "projects.DownloadCount",
)
DELETIONS: dict[str, Callable[[Actor], Removal]] = {
    "file": lambda by: deleting.delete_file(NAME, WHEEL, by=by),
    "release": lambda by: deleting.delete_release(NAME, "1.0", by=by),
    "project": lambda by: deleting.delete_project(NAME, by=by),
}
each_kind = pytest.mark.parametrize("kind", DELETIONS)


def restore(removal: Removal, by: Actor) -> Project:
    if removal.kind == "project":
        return restoring.restore_project(removal.pk, by=by)
    act = restoring.restore_file if removal.kind == "file" else restoring.restore_release
    return act(NAME, removal.pk, by=by)


def publish(by: Actor, **changes: Any) -> File:
    """Publish a file whose bytes are there, as after an upload."""
    new = make_file(**changes)
    temp = blobs().incoming()
    temp.write_bytes(changes.get("content", new.filename).encode())
    beside = blobs().incoming()
    beside.write_bytes(b"metadata")
    keys = [key_of(new.blake2, new.filename), metadata_key_of(new.blake2, new.filename)]
    blobs().keep_all(list(zip([temp, beside], keys, strict=True)))
    return services.publish_file(new, by=by)


def rows() -> dict[str, Any]:
    """Return every row but those that move; of roles and counts all but their numbers, which nothing refers to."""
    found = {label: rows for label, rows in everything().items() if label not in MOVING}
    for label in NUMBERED_ANEW:
        found[label] = sorted(row[1:] for row in found[label])
    found["projects.Project"] = list(Project.objects.values_list("pk", "name", "lineage", "status", "size"))
    return found


def refused(refusal: type[Refusal], removal: Removal, by: Actor) -> Refusal:
    before = everything()
    with pytest.raises(refusal) as raised:
        restore(removal, by)
    assert everything() == before
    return raised.value


@pytest.fixture
def alpha(ada: Actor, bob: Actor) -> Actor:
    """Publish three files with everything that is counted of them; return the owner. Bob maintains."""
    for changes in ({"version": "0.9"}, {"version": "1.0"}, {"version": "1.0", "kind": "sdist"}):
        publish(ada, **changes)
    give_role(NAME, bob, "maintainer")
    project, on = Project.objects.get(), date(2024, 2, 29)
    for file in File.objects.all():
        DownloadCount.objects.create(file=file, day_on=on, installer="pip", count=3)
    for release in Release.objects.all():
        ReleaseDownloads.objects.create(project=project, release=release, day_on=on, count=4)
    ProjectDownloads.objects.create(project=project, day_on=on, installer="pip", count=9)
    ClientSketch.objects.create(project=project, day_on=on, sketch=b"\x00\xff")
    told = {"asked_at": clock.now(), "due_at": clock.now() + DAY, "asked_by_name": "bob"}
    RoleChange.objects.create(project=project, user_id=id_of(ada), **told)
    return ada


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Set the clock to so long after the deletion that waits."""

    def move(by: timedelta) -> None:
        at = Removal.objects.get().removed_at + by
        monkeypatch.setattr(clock, "now", lambda: at)

    return move


@each_kind
def test_what_was_deleted_comes_back_as_it_was(kind: str, alpha: Actor) -> None:
    whole = rows()
    removal = DELETIONS[kind](alpha)
    assert rows() != whole
    records, serial = Record.objects.count(), Serial.objects.get().value

    project = restore(removal, alpha)

    assert rows() == whole
    assert Serial.objects.get().value == serial + 1
    record = Record.objects.latest("pk")
    assert (Record.objects.count(), record.action) == (records + 1, f"{kind}.restore")
    assert (record.about_name, record.details["files"]) == (NAME, removal.file_count)
    assert list(verification.verify_pages()) == []
    assert (project.restored_at is not None) == (kind == "project")
    with pytest.raises((NothingToRestore, RoleRequired)):
        restore(removal, alpha)


def test_a_quarantined_column_comes_back_too(alpha: Actor) -> None:
    File.objects.filter(filename=WHEEL).update(is_quarantined=True, quarantine_reason="bad")
    restore(deleting.delete_file(NAME, WHEEL, by=actor.host()), actor.host())
    assert File.objects.get(filename=WHEEL).quarantine_reason == "bad"


@each_kind
def test_only_owners_bring_back_by_a_session_with_a_second_factor(
    kind: str, alpha: Actor, bob: Actor
) -> None:
    removal = DELETIONS[kind](alpha)
    stranger = make_person("carl")
    refused(RoleRequired, removal, bob)  # maintains
    refused(RoleRequired, removal, replace(stranger, is_operator=True))
    refused(RoleRequired, removal, replace(alpha, kind="token"))
    refused(SecondFactorRequired, removal, replace(alpha, strength=Strength(frozenset({"password"}))))
    unknown = Removal(pk=removal.pk + 1, kind=kind)
    assert refused(RoleRequired, unknown, stranger).line == refused(RoleRequired, removal, stranger).line


@each_kind
def test_it_is_over_after_the_days_and_the_sweep_takes_bytes_and_rows(
    kind: str, alpha: Actor, later: Later
) -> None:
    removal = DELETIONS[kind](alpha)
    later(configuration.current().undo_days * DAY - timedelta(seconds=1))
    assert sweeping.sweep_removals(clock.now()) == 0
    later(configuration.current().undo_days * DAY)
    refused(NothingToRestore, removal, alpha)

    records = Record.objects.count()
    assert sweeping.sweep_removals(clock.now()) == 1
    assert sweeping.sweep_removals(clock.now()) == 0

    assert not Removal.objects.exists()
    assert not KeptRow.objects.exists()
    assert not KeptRole.objects.exists()
    assert [one.action for one in Record.objects.order_by("pk")[records:]] == ["removal.sweep"]
    here = {key_of(file.blake2, file.filename) for file in File.objects.all()}
    kept = {key.removesuffix(".metadata") for key in blobs().keys()}  # noqa: SIM118 - not a dict
    assert kept >= here
    assert blobs().size(key_of(make_file().blake2, WHEEL)) is None
    with pytest.raises(FileNameUsed):
        services.publish_file(make_file(), by=alpha if kind != "project" else _new_owner(alpha))


def _new_owner(by: Actor) -> Actor:
    services.create_project("Alpha.Beta", [User.objects.get(pk=id_of(by))], by=by)
    return by


@pytest.mark.parametrize("is_here", [True, False])
def test_the_sweep_leaves_bytes_that_something_else_stands_for(is_here: bool, alpha: Actor) -> None:
    now, key = clock.now(), key_of(make_file().blake2, WHEEL)
    mistaken = Removal.objects.create(kind="file", project_key=1, removed_at=now, until_at=now - DAY)
    aside.keep_files(mistaken, File.objects.filter(filename=WHEEL))
    if not is_here:
        deleting.delete_file(NAME, WHEEL, by=alpha)
    assert sweeping.sweep_removals(now) == 1
    assert blobs().size(key) is not None


def test_nothing_is_swept_while_a_backup_is_made(alpha: Actor, later: Later) -> None:
    deleting.delete_file(NAME, WHEEL, by=alpha)
    later(8 * DAY)
    with hold_storage(configuration.current()):
        assert sweeping.sweep_removals(clock.now()) == 0
    assert sweeping.sweep_removals(clock.now()) == 1


def test_no_days_no_undoing(alpha: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(configuration.current(), undo_days=0)
    monkeypatch.setattr(configuration, "_current", settings)
    refused(NothingToRestore, deleting.delete_file(NAME, WHEEL, by=alpha), alpha)


# ---- what took its place wins


def test_a_new_project_of_that_name_stays_and_keeps_the_lineage(alpha: Actor) -> None:
    lineage = Project.objects.get().lineage
    removal = deleting.delete_project(NAME, by=alpha)
    publish(alpha, version="3.0")
    assert "a new project" in refused(RestoreImpossible, removal, alpha).sentence
    assert Project.objects.get().lineage == lineage


def test_neither_comes_a_name_back_that_people_would_confuse_with_a_new_one(ada: Actor) -> None:
    publish(ada, project="lol")
    removal = deleting.delete_project("lol", by=ada)
    publish(ada, project="l0l")
    refused(RestoreImpossible, removal, ada)


def test_a_file_needs_its_place(alpha: Actor) -> None:
    sdist = deleting.delete_file(NAME, "alpha_beta-1.0.tar.gz", by=alpha)
    wheel = deleting.delete_file(NAME, WHEEL, by=alpha)
    publish(alpha, version="1.0", kind="sdist", filename="alpha_beta-1.0.zip")
    refused(RestoreImpossible, sdist, alpha)
    publish(alpha, version="2.0", content=WHEEL, filename="alpha_beta-2.0-py3-none-any.whl")
    refused(RestoreImpossible, wheel, alpha)


def test_a_file_needs_its_release_and_is_told_whether_that_can_come(alpha: Actor) -> None:
    wheel = deleting.delete_file(NAME, WHEEL, by=alpha)
    whole = deleting.delete_release(NAME, "1.0", by=alpha)
    refusal = refused(RestoreImpossible, wheel, alpha)
    assert (refusal.sentence, refusal.fix) == (
        "Its release is not here any more.",
        "Bring the release back first.",
    )
    Removal.objects.filter(pk=whole.pk).update(swept_at=clock.now())
    assert "back first" not in refused(RestoreImpossible, wheel, alpha).fix


# ---- a new release of the same version


def new_release(by: Actor, version: str = "1.0", **changes: Any) -> Release:
    """Make a release anew, as whoever uploads can once it was deleted."""
    facts = {"version": version, "filename": f"alpha_beta-{version}-7-py3-none-any.whl", **changes}
    return publish(by, **facts).release


def names_in(release: Release) -> set[str]:
    return set(release.files.values_list("filename", flat=True))


def check_faces(version: str) -> None:
    """Every page is what the rows say, and this release's and the project's own name its files, once each."""
    assert list(verification.verify_pages()) == []
    release = Release.objects.get(version=version)
    page = json.loads(bytes(IndexPage.objects.get(kind="json", name=f"{NAME}/{version}", form="json").body))
    assert sorted(url["filename"] for url in page["urls"]) == sorted(names_in(release))
    simple = json.loads(bytes(IndexPage.objects.get(kind="simple", name=NAME, form="json").body))
    here = sorted(File.objects.values_list("filename", flat=True))
    assert sorted(file["filename"] for file in simple["files"]) == here
    used = UsedFileName.objects.filter(deleted_at=None).values_list("filename", flat=True)
    assert sorted(used) == here
    project = Project.objects.get()
    assert project.size == sum(File.objects.values_list("size", flat=True))


SDIST, NEW = "alpha_beta-1.0.tar.gz", "alpha_beta-1.0-7-py3-none-any.whl"


@pytest.mark.parametrize("version", ["1.0", "1.0.0"])
def test_files_of_a_release_come_into_the_new_one_of_its_version(version: str, alpha: Actor) -> None:
    counts = sorted(DownloadCount.objects.values_list("file__filename", "day_on", "installer", "count"))
    removal = deleting.delete_release(NAME, "1.0", by=alpha)
    release = new_release(alpha, version)
    on = date(2024, 2, 29)
    for day, count in ((on, 5), (on + DAY, 6)):
        ReleaseDownloads.objects.create(project=release.project, release=release, day_on=day, count=count)
    before, serial = Release.objects.filter(pk=release.pk).values().get(), Serial.objects.get().value

    restore(removal, alpha)

    assert names_in(release) == {WHEEL, SDIST, f"alpha_beta-{version}-7-py3-none-any.whl"}
    assert Release.objects.filter(pk=release.pk).values().get() == before
    assert sorted(Release.objects.values_list("version", flat=True)) == ["0.9", version]
    days = dict(ReleaseDownloads.objects.filter(release=release).values_list("day_on", "count"))
    assert days == {on: 9, on + DAY: 6}
    assert (
        sorted(DownloadCount.objects.values_list("file__filename", "day_on", "installer", "count")) == counts
    )
    assert Serial.objects.get().value == serial + 1
    record = Record.objects.latest("pk")
    assert (record.details["files"], record.details["into"]) == (2, version)
    assert "left" not in record.details
    check_faces(version)
    refused(NothingToRestore, removal, alpha)
    assert not KeptRow.objects.exists()
    for name in (WHEEL, SDIST):
        with pytest.raises(FileExists):
            services.publish_file(make_file(version=version, filename=name, content="other"), by=alpha)


def test_nobody_takes_a_file_away_by_a_release_made_anew(alpha: Actor, bob: Actor) -> None:
    file = deleting.delete_file(NAME, WHEEL, by=alpha)
    whole = deleting.delete_release(NAME, "1.0", by=alpha)
    release = new_release(bob)  # who only maintains
    restore(file, alpha)
    assert names_in(release) == {WHEEL, NEW}
    assert Record.objects.latest("pk").details["into"] == "1.0"
    check_faces("1.0")
    restore(whole, alpha)
    assert names_in(release) == {WHEEL, SDIST, NEW}
    check_faces("1.0")
    refused(NothingToRestore, file, alpha)


def test_of_a_release_whatever_has_its_place_comes_and_the_rest_stays_kept(alpha: Actor) -> None:
    removal = deleting.delete_release(NAME, "1.0", by=alpha)
    release = new_release(alpha, content=WHEEL)  # the same bytes by another name

    restore(removal, alpha)

    assert names_in(release) == {SDIST, NEW}
    details = Record.objects.latest("pk").details
    assert (details["files"], details["left"]) == (1, 1)
    check_faces("1.0")
    removal.refresh_from_db()
    assert removal.file_count == 1
    assert [file.filename for file in aside.kept_files(removal)] == [WHEEL]
    assert "7-py3" in refused(RestoreImpossible, removal, alpha).sentence
    used = UsedFileName.objects.get(filename=WHEEL)
    assert used.deleted_at is not None
    again = deleting.delete_file(NAME, NEW, by=alpha)
    restore(removal, alpha)
    assert names_in(release) == {WHEEL, SDIST}
    assert DownloadCount.objects.filter(file__release=release).count() == 2
    check_faces("1.0")
    refused(RestoreImpossible, again, alpha)  # now that one's place is taken
    refused(NothingToRestore, removal, alpha)


def test_neither_comes_a_second_source_distribution_nor_a_release_without_a_file(alpha: Actor) -> None:
    wheel = deleting.delete_file(NAME, WHEEL, by=alpha)
    removal = deleting.delete_release(NAME, "1.0", by=alpha)
    release = new_release(alpha, kind="sdist", filename="alpha_beta-1.0.zip")
    assert "1.0.zip" in refused(RestoreImpossible, removal, alpha).sentence
    restore(wheel, alpha)
    assert names_in(release) == {"alpha_beta-1.0.zip", WHEEL}
    for name in ("alpha_beta-1.0.zip", WHEEL):
        deleting.delete_file(NAME, name, by=alpha)
    empty = deleting.delete_release(NAME, "1.0", by=alpha)
    new_release(alpha)
    assert "a new release" in refused(RestoreImpossible, empty, alpha).sentence


def test_a_release_comes_back_beside_bytes_that_are_elsewhere_now(alpha: Actor) -> None:
    whole = rows()
    removal = deleting.delete_release(NAME, "1.0", by=alpha)
    other = publish(alpha, version="2.0", content=WHEEL, filename="alpha_beta-2.0-py3-none-any.whl")
    restore(removal, alpha)
    assert names_in(Release.objects.get(version="1.0")) == {SDIST}
    check_faces("1.0")
    deleting.delete_release(NAME, "1.0", by=alpha)
    last = Removal.objects.latest("pk")
    deleting.delete_file(NAME, other.filename, by=alpha)
    refused(RestoreImpossible, removal, alpha)  # its release went once more
    restore(last, alpha)
    restore(removal, alpha)
    deleting.delete_release(NAME, "2.0", by=alpha)
    gone = {"projects.Removal", "projects.KeptRow", "projects.UsedFileName"}
    assert {name: found for name, found in rows().items() if name not in gone} == {
        name: found for name, found in whole.items() if name not in gone
    }


@pytest.mark.parametrize("kind", ["release", "project"])
def test_whose_the_same_bytes_are_is_told_to_those_who_may_read_them_alone(
    kind: str, alpha: Actor, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    removal = DELETIONS[kind](alpha)
    for number, content in enumerate((WHEEL, SDIST)):
        hidden = f"secret_plan-{number}.0-py3-none-any.whl"
        publish(bob, project="Secret.Plan", version=f"{number}.0", filename=hidden, content=content)
    Project.objects.filter(name="Secret.Plan").update(reads="roles")
    assert (
        "secret_plan" in refused(RestoreImpossible, removal, alpha).sentence
    )  # a public index hides nothing
    monkeypatch.setattr(
        configuration, "_current", dataclasses.replace(configuration.current(), reads="private")
    )
    told = refused(RestoreImpossible, removal, alpha)
    assert "secret" not in f"{told.sentence} {told.fix}".lower()
    assert "a file that you may not read has taken its place" in told.sentence
    files = list(aside.kept_files(removal))
    assert set(queries.find_alike(files, alpha).values()) == {"a file that you may not read"}
    for knows in (bob, actor.host()):
        assert all(name.startswith("secret_plan-") for name in queries.find_alike(files, knows).values())
    give_role("secret-plan", alpha, "maintainer")
    assert "secret_plan" in refused(RestoreImpossible, removal, alpha).sentence


def test_what_was_yanked_comes_into_a_yanked_release_only(alpha: Actor) -> None:
    file = deleting.delete_file(NAME, WHEEL, by=alpha)
    life_cycle.yank_release(NAME, "1.0", "leaks keys", by=alpha)
    whole = deleting.delete_release(NAME, "1.0", by=alpha)
    release = new_release(alpha)
    for removal in (file, whole):
        assert "was yanked" in refused(RestoreImpossible, removal, alpha).sentence
    life_cycle.yank_release(NAME, "1.0", "", by=alpha)
    restore(file, alpha)
    restore(whole, alpha)
    assert names_in(release) == {WHEEL, SDIST, NEW}
    check_faces("1.0")


def test_what_stayed_away_is_still_known_as_yanked(alpha: Actor) -> None:
    single = deleting.delete_file(NAME, SDIST, by=alpha)
    life_cycle.yank_release(NAME, "1.0", "leaks keys", by=alpha)
    whole = deleting.delete_release(NAME, "1.0", by=alpha)
    new_release(alpha)
    life_cycle.yank_release(NAME, "1.0", "", by=alpha)
    restore(whole, alpha)
    deleting.delete_release(NAME, "1.0", by=alpha)
    release = new_release(alpha, filename="alpha_beta-1.0-8-py3-none-any.whl")
    assert "was yanked" in refused(RestoreImpossible, single, alpha).sentence
    life_cycle.yank_release(NAME, "1.0", "", by=alpha)
    restore(single, alpha)
    assert SDIST in names_in(release)


def test_what_had_no_room_is_still_known_as_yanked(alpha: Actor) -> None:
    life_cycle.yank_release(NAME, "1.0", "leaks keys", by=alpha)
    whole = deleting.delete_release(NAME, "1.0", by=alpha)
    new_release(alpha, content=WHEEL)
    life_cycle.yank_release(NAME, "1.0", "", by=alpha)
    restore(whole, alpha)
    deleting.delete_release(NAME, "1.0", by=alpha)
    new_release(alpha, filename="alpha_beta-1.0-8-py3-none-any.whl")
    assert "was yanked" in refused(RestoreImpossible, whole, alpha).sentence


def test_the_new_release_goes_and_the_old_one_takes_its_files_in_turn(alpha: Actor) -> None:
    old = Release.objects.get(version="1.0")
    whole = deleting.delete_release(NAME, "1.0", by=alpha)
    new_release(alpha, "1.0.0")
    anew = deleting.delete_release(NAME, "1.0.0", by=alpha)
    restore(whole, alpha)
    restore(anew, alpha)
    assert Release.objects.filter(version__startswith="1.0").get() == old
    assert names_in(old) == {WHEEL, SDIST, "alpha_beta-1.0.0-7-py3-none-any.whl"}
    check_faces("1.0")


@pytest.mark.parametrize("version", ["1.0", "1.0.0"])
def test_what_is_held_comes_where_it_can_be_let_go_of(version: str, alpha: Actor) -> None:
    File.objects.filter(filename=WHEEL).update(is_quarantined=True, quarantine_reason="bad")
    removal = deleting.delete_release(NAME, "1.0", by=actor.host())
    release = new_release(alpha, version)
    if version != "1.0":
        assert "quarantine" in refused(RestoreImpossible, removal, alpha).sentence
        return
    restore(removal, alpha)
    assert File.objects.get(filename=WHEEL).quarantine_reason == "bad"
    assert names_in(release) == {WHEEL, SDIST, NEW}
    assert list(verification.verify_pages()) == []


def test_a_new_release_that_is_held_takes_nothing(alpha: Actor) -> None:
    file = deleting.delete_file(NAME, WHEEL, by=alpha)
    whole = deleting.delete_release(NAME, "1.0", by=alpha)
    new_release(alpha)
    Release.objects.filter(version="1.0").update(is_quarantined=True, quarantine_reason="steals keys")
    for removal in (file, whole):
        refused(ReleaseQuarantined, removal, alpha)


def test_only_owners_bring_files_into_a_new_release(alpha: Actor, bob: Actor) -> None:
    removal = deleting.delete_release(NAME, "1.0", by=alpha)
    new_release(bob)
    refused(RoleRequired, removal, bob)


def test_what_comes_into_a_new_release_counts_against_the_limit(alpha: Actor) -> None:
    removal = deleting.delete_release(NAME, "1.0", by=alpha)
    new_release(alpha)
    project = Project.objects.get()
    Project.objects.update(project_limit=project.size + removal.file_count)
    refused(ProjectTooLarge, removal, alpha)


def test_bytes_that_are_gone_do_not_come_back(alpha: Actor) -> None:
    removal = deleting.delete_file(NAME, WHEEL, by=alpha)
    blobs().remove(key_of(make_file().blake2, WHEEL))
    refused(RestoreImpossible, removal, alpha)


def test_a_project_in_quarantine_gets_nothing_back_but_by_the_host(alpha: Actor) -> None:
    removal = deleting.delete_release(NAME, "1.0", by=alpha)
    Project.objects.update(status="quarantined")
    refused(ProjectQuarantined, removal, alpha)
    restore(removal, actor.host())


def test_a_part_comes_back_after_its_project_did(alpha: Actor) -> None:
    whole = rows()
    part = deleting.delete_release(NAME, "1.0", by=alpha)
    restore(deleting.delete_project(NAME, by=alpha), alpha)
    restore(part, alpha)
    assert rows() == whole


def test_a_part_of_a_former_life_does_not_come_into_a_new_one(alpha: Actor) -> None:
    part = deleting.delete_release(NAME, "1.0", by=alpha)
    deleting.delete_project(NAME, by=alpha)
    publish(alpha, version="3.0")
    refused(NothingToRestore, part, alpha)


# ---- people


def test_an_account_that_went_meanwhile_gets_no_role_back(alpha: Actor, bob: Actor) -> None:
    removal = deleting.delete_project(NAME, by=alpha)
    kept = next(one for one in belongings.BELONGINGS.kept if one.model == "projects.KeptRole")
    kept.rows(id_of(bob)).delete()  # as the end of an account does
    restore(removal, alpha)
    assert [role.user_id for role in Role.objects.all()] == [id_of(alpha)]

    removal = deleting.delete_project(NAME, by=alpha)
    User.objects.filter(pk=id_of(alpha)).update(state="deleted")
    refused(OwnerMissing, removal, actor.host())


def test_lists_show_what_somebody_can_bring_back_and_nothing_else(alpha: Actor, bob: Actor) -> None:
    part = deleting.delete_file(NAME, WHEEL, by=alpha)
    now = clock.now()
    assert list(queries.removals_of(Project.objects.get(), now)) == [part]
    removal = deleting.delete_project(NAME, by=alpha)
    assert list(queries.removals_for(id_of(alpha), now)) == [removal]
    assert list(queries.removals_for(id_of(bob), now)) == []
    assert list(queries.removals_for(id_of(alpha), now + 8 * DAY)) == []
    assert UsedFileName.objects.filter(deleted_at=None).count() == 0


# ---- what is kept


def test_every_table_that_goes_with_a_project_is_kept_or_let_go_with_a_reason() -> None:
    """Name a new table in `projects/life_cycle/aside.py`: KEPT (it comes back) or LET_GO (and why it doesn't)."""
    owners = {Project, Release, File}
    found = {
        model._meta.label
        for model in apps.get_models()
        if any(field.related_model in owners for field in model._meta.concrete_fields if field.is_relation)
    }
    assert found | {"projects.Project"} == {*aside.KEPT, *aside.LET_GO}
    assert all(len(why) > 10 for why in aside.LET_GO.values())


def test_a_kept_role_is_a_role() -> None:
    """A new column of `Role` has to be one of `KeptRole`, too."""
    names = {field.name for field in Role._meta.concrete_fields} - {"project", "nudged_at"}
    assert {field.name for field in KeptRole._meta.concrete_fields} - {"removal"} == names


def test_rows_of_another_schema_can_be_read() -> None:
    columns = {"filename": WHEEL, "a_column_that_went": 1}
    file = aside.read("projects.File", columns)
    assert isinstance(file, File)
    assert (file.filename, file.uploaded_via) == (WHEEL, "")


def provenances() -> dict[str, bool]:
    return {page.name: not page.is_gone for page in IndexPage.objects.filter(kind="integrity")}


@each_kind
def test_a_provenance_goes_with_its_file_and_comes_back_with_it(kind: str, ada: Actor) -> None:
    body = {"version": 1, "attestation_bundles": []}
    for version in ("1.0", "1.1"):
        publish(ada, version=version, provenance=body)
    lost, kept = f"{NAME}/1.0/{WHEEL}", f"{NAME}/1.1/alpha_beta-1.1-py3-none-any.whl"
    assert provenances() == {lost: True, kept: True}
    removal = DELETIONS[kind](ada)
    assert provenances() == {lost: False, kept: kind != "project"}
    assert not list(verification.verify_pages())
    assert Provenance.objects.count() == (0 if kind == "project" else 1)

    restore(removal, ada)
    assert provenances() == {lost: True, kept: True}
    assert not list(verification.verify_pages())
    assert Provenance.objects.get(file__filename=WHEEL).body == body


def test_damage_of_a_provenance_is_found_and_mended(ada: Actor) -> None:
    services.publish_file(make_file(provenance={"version": 1}), by=ada)
    IndexPage.objects.filter(kind="integrity").update(body=b"{}")
    IndexPage.objects.create(kind="integrity", name="alpha-beta/1.0/x.whl", form="json", serial=1, body=b"{}")
    found = {one.page for one in verification.verify_pages()}
    assert found == {
        "integrity/alpha-beta/1.0/alpha_beta-1.0-py3-none-any.whl.json",
        "integrity/alpha-beta/1.0/x.whl.json",
    }
    services.rebuild_pages(by=actor.host())
    assert not list(verification.verify_pages())


def test_a_provenance_comes_into_a_new_release_with_its_file(ada: Actor) -> None:
    publish(ada, version="1.0", provenance={"version": 1, "attestation_bundles": []})
    removal = deleting.delete_release(NAME, "1.0", by=ada)
    new_release(ada, "1.0.0")
    restore(removal, ada)
    assert provenances() == {f"{NAME}/1.0/{WHEEL}": False, f"{NAME}/1.0.0/{WHEEL}": True}
    check_faces("1.0.0")
