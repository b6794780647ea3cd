"""Several at once, with real threads and real commits: one outcome, told to everybody rightly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from tests.projects.conftest import StrengthGate, make_file, make_person

from keyhouse.audit.models import Record
from keyhouse.core import actions, actor, clock
from keyhouse.core.actions import Action, Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal, RoleRequired
from keyhouse.projects import pages, services, verification
from keyhouse.projects.changing import settled
from keyhouse.projects.errors import ContentExists, FileExists, NameRefused, ProjectNotFound
from keyhouse.projects.life_cycle import deleting, restoring, sweeping
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.life_cycle.errors import NothingToRestore, RestoreImpossible
from keyhouse.projects.models import File, IndexPage, Project, Removal, Role, Serial, Tombstone, UsedFileName
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of

pytestmark = pytest.mark.django_db(transaction=True)
Act = Callable[[], Any]


def at_once(*acts: Act) -> list[Any]:
    """Do all acts at the same time; return what each returned or was refused with."""
    start = threading.Barrier(len(acts))
    outcomes: list[Any] = [None] * len(acts)

    def run(place: int, act: Act) -> None:
        start.wait()
        try:
            outcomes[place] = act()
        except Exception as error:  # noqa: BLE001 - the outcome is looked at below
            outcomes[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def publishing(new: services.NewFile, by: Actor) -> Act:
    return lambda: services.publish_file(new, by=by)


def kinds(outcomes: list[Any]) -> list[str]:
    return sorted(type(outcome).__name__ for outcome in outcomes)


def listed(name: str) -> set[str]:
    page = IndexPage.objects.get(kind="simple", name=name, form="json")
    return {file["filename"] for file in json.loads(bytes(page.body))["files"]}


@pytest.fixture
def ada(db: None) -> Actor:
    return make_person("ada")


@pytest.fixture
def bob(db: None) -> Actor:
    return make_person("bob")


def test_of_two_contents_for_one_name_one_wins(ada: Actor) -> None:
    services.publish_file(make_file(version="0.1"), by=ada)

    outcomes = at_once(*(publishing(make_file(content=f"content {n}"), ada) for n in range(4)))

    assert kinds(outcomes) == ["File", "FileExists", "FileExists", "FileExists"]
    winner = next(outcome for outcome in outcomes if isinstance(outcome, File))
    assert File.objects.get(filename=winner.filename).sha256 == winner.sha256
    assert all(
        one.sentence.startswith("File already exists") for one in outcomes if isinstance(one, FileExists)
    )
    assert list(verification.verify_pages()) == []


def test_the_same_file_at_once_is_one_file_and_one_record(ada: Actor) -> None:
    outcomes = at_once(*(publishing(make_file(), ada) for _ in range(4)))

    assert {outcome.pk for outcome in outcomes} == {File.objects.get().pk}
    assert Record.objects.count() == Serial.objects.get().value == 1


def test_files_of_one_release_at_once_are_all_on_the_page(ada: Actor) -> None:
    services.publish_file(make_file(version="0.1"), by=ada)
    files = [make_file(filename=f"alpha_beta-1.0-{n}-py3-none-any.whl") for n in range(6)]

    outcomes = at_once(*(publishing(new, ada) for new in files))

    assert kinds(outcomes) == ["File"] * 6
    assert listed("alpha-beta") >= {new.filename for new in files}
    assert Serial.objects.get().value == 7
    assert list(verification.verify_pages()) == []


def test_of_two_people_who_make_a_project_at_once_one_owns_it(ada: Actor, bob: Actor) -> None:
    outcomes = at_once(publishing(make_file(version="1.0"), ada), publishing(make_file(version="2.0"), bob))

    assert kinds(outcomes) == ["File", "RoleRequired"]
    owner = ada if isinstance(outcomes[0], File) else bob
    assert Role.objects.get().user_id == owner.user_id
    assert File.objects.count() == UsedFileName.objects.count() == Record.objects.count() == 1
    assert any(isinstance(outcome, RoleRequired) for outcome in outcomes)


def test_of_two_names_that_people_confuse_one_is_made(ada: Actor, bob: Actor) -> None:
    outcomes = at_once(publishing(make_file("lol"), ada), publishing(make_file("l0l"), bob))

    assert kinds(outcomes) == ["File", "NameRefused"]
    assert Project.objects.count() == 1
    assert any(isinstance(outcome, NameRefused) for outcome in outcomes)


class _Meanwhile(StrengthGate):
    """Lets another upload win between the look for a project and the making of it, where this transaction stands."""

    def __init__(self, other: Act) -> None:
        self.other: Act | None = other

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        super().require(actor, action, thing)
        other, self.other = self.other, None
        if action.name == "project.create" and other:
            assert kinds(at_once(other)) == ["File"]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there transactions that write take turns")
def test_a_project_made_meanwhile_takes_the_file(ada: Actor, bob: Actor) -> None:
    actions.wire(gate=_Meanwhile(publishing(make_file(version="1.0"), ada)))
    assert services.publish_file(make_file(version="2.0"), by=ada).release.version == "2.0"
    assert Project.objects.count() == 1
    made = [one.details["is_new_project"] for one in Record.objects.order_by("id")]
    assert made == [True, False]

    actions.wire(gate=_Meanwhile(publishing(make_file("gamma"), ada)))
    with pytest.raises(RoleRequired):
        services.publish_file(make_file("gamma", "2.0"), by=bob)
    actions.wire(gate=_Meanwhile(publishing(make_file("lol"), ada)))
    with pytest.raises(NameRefused):
        services.publish_file(make_file("l0l"), by=ada)
    assert list(verification.verify_pages()) == []


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there transactions that write take turns")
def test_whoever_gives_way_in_a_deadlock_does_it_again(ada: Actor) -> None:
    both = [services.publish_file(make_file(name), by=ada).release.project_id for name in ("gamma", "delta")]
    tries, have_one = list[int](), threading.Barrier(2)

    def touching(first: int, second: int) -> Act:
        def act() -> bool:
            tries.append(first)
            with transaction.atomic():
                Project.objects.filter(pk=first).update(summary="touched")
                if tries.count(first) == 1:
                    have_one.wait()
                return bool(Project.objects.filter(pk=second).update(summary="touched"))

        return lambda: settled(act)

    assert at_once(touching(*both), touching(*reversed(both))) == [True, True]
    assert len(tries) == 3

    def within(act: Act) -> Act:
        def whole() -> bool:
            with transaction.atomic():
                return bool(act())

        return lambda: settled(whole)

    tries.clear()
    have_one.reset()
    assert at_once(within(touching(*both)), within(touching(*reversed(both)))) == [True, True]
    assert len(tries) == 3  # not time and again inside, where it still holds what the other one waits for


def test_the_same_bytes_in_two_projects_at_once_are_taken_once(ada: Actor, bob: Actor) -> None:
    services.publish_file(make_file("gamma"), by=ada)
    services.publish_file(make_file("delta"), by=bob)

    outcomes = at_once(
        publishing(make_file("gamma", "2.0", content="same"), ada),
        publishing(make_file("delta", "2.0", content="same"), bob),
    )

    assert kinds(outcomes) == ["ContentExists", "File"]
    assert File.objects.count() == 3
    assert any(isinstance(outcome, ContentExists) for outcome in outcomes)


def test_a_project_deleted_twice_at_once_is_deleted_once(ada: Actor) -> None:
    services.publish_file(make_file(), by=ada)

    outcomes = at_once(*(lambda: deleting.delete_project("alpha-beta", by=actor.host()) for _ in range(3)))

    assert sorted(str(type(outcome).__name__) for outcome in outcomes) == [
        "ProjectNotFound",
        "ProjectNotFound",
        "Removal",
    ]
    assert Tombstone.objects.count() == 1
    assert Record.objects.filter(action="project.delete").count() == 1
    assert any(isinstance(outcome, ProjectNotFound) for outcome in outcomes)


def test_upload_and_deletion_at_once_end_in_right_pages(ada: Actor) -> None:
    for number in range(3):
        services.publish_file(make_file(version=f"1.{number}"), by=ada)

    at_once(
        publishing(make_file(version="2.0"), ada),
        lambda: deleting.delete_release("alpha-beta", "1.0", by=ada),
        lambda: life_cycle.yank_release("alpha-beta", "1.1", "x", by=ada),
        lambda: life_cycle.archive_project("alpha-beta", "y", by=ada),
        lambda: services.rebuild_pages(by=actor.host()),
    )

    assert list(verification.verify_pages()) == []


def test_nobody_who_follows_the_serials_misses_a_change(ada: Actor) -> None:
    """A reader polls by serial while many publish: when it has seen n, all changes up to n are visible."""
    names = [f"proj{n}x" for n in range(6)]
    for name in names:
        services.publish_file(make_file(name, "0.1"), by=ada)
    done = threading.Event()
    gaps: list[tuple[int, set[int]]] = []

    def follow() -> None:
        seen: set[int] = set(range(1, len(names) + 1))
        while not (done.is_set() and seen >= set(range(1, Serial.objects.get().value + 1))):
            # the highest serial first, then everything up to it: none below may appear later
            highest = Serial.objects.get().value
            rows = IndexPage.objects.filter(kind="json", serial__lte=highest, name__contains="/")
            seen |= set(rows.values_list("serial", flat=True))
            missing = set(range(1, highest + 1)) - seen
            if missing:
                gaps.append((highest, missing))
                return

    def publish_all(name: str) -> None:
        for number in range(5):
            services.publish_file(make_file(name, f"1.{number}"), by=ada)

    def publish_then_tell() -> None:
        outcomes = at_once(*(lambda name=name: publish_all(name) for name in names))
        done.set()
        assert outcomes == [None] * len(names)

    assert at_once(follow, publish_then_tell) == [None, None]
    assert gaps == []


def test_serials_wait_for_the_one_before(ada: Actor) -> None:
    services.publish_file(make_file(), by=ada)
    holds, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def slow() -> None:
        with transaction.atomic():
            pages.next_serial(touches_listing=False)
            holds.set()
            go_on.wait(10)
            order.append("slow")

    def quick() -> None:
        holds.wait(10)
        threading.Timer(0.3, go_on.set).start()
        services.publish_file(make_file("gamma"), by=ada)
        order.append("quick")

    assert at_once(slow, quick) == [None, None]
    assert order == ["slow", "quick"]


def test_a_waker_reaches_whoever_listens(ada: Actor) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no channels; processes see the file change")
    listener = connections.create_connection("default")
    with listener.cursor() as cursor:
        cursor.execute("LISTEN keyhouse_pages")
    services.publish_file(make_file(), by=ada)

    heard = next(listener.connection.notifies(timeout=5, stop_after=1))
    listener.close()

    assert (heard.channel, heard.payload) == ("keyhouse_pages", str(Serial.objects.get().value))


def test_a_refusal_in_a_race_is_a_refusal_and_no_defect(ada: Actor) -> None:
    outcomes = at_once(*(publishing(make_file(f"n{n}ame", content="one"), ada) for n in range(5)))

    assert sum(isinstance(outcome, File) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Refusal) for outcome in outcomes) == 4


# ---- bringing back what was deleted


def stored(new: services.NewFile) -> services.NewFile:
    """Put the bytes of a file where an upload would have put them."""
    temp = blobs().incoming()
    temp.write_bytes(new.filename.encode())
    blobs().keep(temp, key_of(new.blake2, new.filename))
    return new


def test_of_a_restore_and_a_new_project_of_that_name_one_wins(ada: Actor, bob: Actor) -> None:
    for round_ in range(3):
        name = f"omega{round_}"
        services.publish_file(stored(make_file(name)), by=ada)
        removal = deleting.delete_project(name, by=ada)

        outcomes = at_once(
            lambda: restoring.restore_project(removal.pk, by=ada),  # noqa: B023 - called at once
            publishing(make_file(name, "2.0"), bob),
        )

        project = Project.objects.get(normalized_name=name)
        restored = project.pk == removal.project_key
        assert kinds(outcomes) == (["Project", "RoleRequired"] if restored else ["File", "RestoreImpossible"])
        owner = ada if restored else bob
        assert [role.user_id for role in project.roles.all()] == [owner.user_id]
        assert Removal.objects.filter(pk=removal.pk).exists() != restored
    assert list(verification.verify_pages()) == []


def test_a_project_is_restored_once_however_often_it_is_tried(ada: Actor) -> None:
    services.publish_file(stored(make_file()), by=ada)
    removal = deleting.delete_project("alpha-beta", by=ada)

    outcomes = at_once(*(lambda: restoring.restore_project(removal.pk, by=ada) for _ in range(3)))

    assert kinds(outcomes) == ["Project", "RoleRequired", "RoleRequired"]
    assert Record.objects.filter(action="project.restore").count() == 1
    assert list(verification.verify_pages()) == []


@pytest.mark.parametrize("sweeps", [1, 2])
def test_of_a_restore_and_a_sweep_one_wins_whole(sweeps: int, ada: Actor) -> None:
    """The sweep's clock is ahead, so that both may think that it is their turn."""
    later = clock.now() + timedelta(days=30)
    services.publish_file(stored(make_file()), by=ada)
    services.publish_file(stored(make_file(version="2.0")), by=ada)
    removal = deleting.delete_release("alpha-beta", "1.0", by=ada)
    new = make_file()

    outcomes = at_once(
        lambda: restoring.restore_release("alpha-beta", removal.pk, by=ada),
        *(lambda: sweeping.sweep_removals(later) for _ in range(sweeps)),
    )

    is_back = isinstance(outcomes[0], Project)
    assert is_back or isinstance(outcomes[0], NothingToRestore | RestoreImpossible)
    assert (new.filename in listed("alpha-beta")) is is_back
    assert (blobs().size(key_of(new.blake2, new.filename)) is not None) is is_back
    assert not Removal.objects.exists()
    assert Record.objects.filter(action__in=["release.restore", "removal.sweep"]).count() == 1
    assert list(verification.verify_pages()) == []


def test_what_was_deleted_comes_into_a_new_release_once_whoever_else_is_at_it(ada: Actor) -> None:
    services.publish_file(stored(make_file(version="0.9")), by=ada)
    for round_ in range(3):
        version = f"1.{round_}"
        kept = [make_file(version=version), make_file(version=version, kind="sdist")]
        for new in kept:
            services.publish_file(stored(new), by=ada)
        file = deleting.delete_file("alpha-beta", kept[0].filename, by=ada)
        whole = deleting.delete_release("alpha-beta", version, by=ada)
        more = [
            make_file(version=version, filename=f"alpha_beta-{version}-{n}-py3-none-any.whl") for n in (1, 2)
        ]
        services.publish_file(stored(more[0]), by=ada)
        serial = Serial.objects.get().value

        outcomes = at_once(
            *(lambda: restoring.restore_release("alpha-beta", whole.pk, by=ada) for _ in range(2)),  # noqa: B023 - called at once
            *(lambda: restoring.restore_file("alpha-beta", file.pk, by=ada) for _ in range(2)),  # noqa: B023 - as above
            publishing(stored(more[1]), ada),
        )

        assert kinds(outcomes) == ["File", "NothingToRestore", "NothingToRestore", "Project", "Project"]
        assert listed("alpha-beta") >= {new.filename for new in [*kept, *more]}
        assert File.objects.filter(release__version=version).count() == 4
        assert Serial.objects.get().value == serial + 3
        assert not Removal.objects.exists()
        assert not UsedFileName.objects.exclude(deleted_at=None).exists()
        assert list(verification.verify_pages()) == []


def test_of_a_restore_and_an_upload_of_the_same_bytes_one_has_the_place(ada: Actor) -> None:
    services.publish_file(stored(make_file(version="0.9")), by=ada)
    for round_ in range(3):
        version = f"1.{round_}"
        wheel, sdist = make_file(version=version), make_file(version=version, kind="sdist")
        for new in (wheel, sdist):
            services.publish_file(stored(new), by=ada)
        whole = deleting.delete_release("alpha-beta", version, by=ada)
        again = make_file(
            "gamma", version, filename=f"gamma-{version}-py3-none-any.whl", content=wheel.filename
        )

        outcomes = at_once(
            lambda: restoring.restore_release("alpha-beta", whole.pk, by=ada),  # noqa: B023 - called at once
            publishing(stored(again), ada),
        )

        won = isinstance(outcomes[1], File)
        assert kinds(outcomes) == (["File", "Project"] if won else ["ContentExists", "Project"])
        assert (wheel.filename in listed("alpha-beta")) is not won
        assert sdist.filename in listed("alpha-beta")
        assert Removal.objects.filter(pk=whole.pk, file_count=1).exists() is won
        assert list(verification.verify_pages()) == []
        Removal.objects.all().delete()
