"""A successor that is deleted: nobody is sent there, whoever takes its name, until it is back."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from django.db import connection, connections, transaction
from tests.projects.test_restoring import publish

from keyhouse.cli.project import _said_of
from keyhouse.core import actor
from keyhouse.core.actor import Actor
from keyhouse.projects import pages, verification
from keyhouse.projects.life_cycle import deleting, restoring, successors
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import IndexPage, Project, Removal

pytestmark = pytest.mark.django_db(transaction=True)
SENT = "old. Use Gamma.One instead."


@pytest.fixture
def both(ada: Actor, bob: Actor) -> tuple[Actor, Actor]:
    """Publish alpha, which names a successor that somebody else owns; return both owners."""
    publish(ada, project="alpha")
    publish(bob, project="gamma-one")
    life_cycle.deprecate_project("alpha", "old", "Gamma.One", by=ada)
    return ada, bob


def told() -> str:
    """Return the reason that alpha's pages give, which are as they would be made now."""
    rows = IndexPage.objects.filter(name="alpha")
    forms = {(row.kind, row.form): bytes(row.body).decode() for row in rows}
    reason = str(json.loads(forms["simple", "json"])["project-status"].get("reason", ""))
    assert f'content="{reason}"' in forms["simple", "html"]
    project = Project.objects.get(normalized_name="alpha")
    assert (project.told_successor == "Gamma.One") is ("Gamma" in reason)
    assert _said_of(project) == {"reason": "old", "successor": project.told_successor}
    assert list(verification.verify_pages()) == []
    return reason


def delete(by: Actor, name: str = "gamma-one") -> Removal:
    return deleting.delete_project(name, by=by)


def test_it_is_told_no_more_and_again_once_it_is_back(both: tuple[Actor, Actor]) -> None:
    _, bob = both
    for _ in range(2):
        assert told() == SENT
        removal = delete(bob)
        assert told() == "old"
        restoring.restore_project(removal.pk, by=bob)
    assert told() == SENT


def test_whoever_takes_the_name_is_not_named_before_an_owner_does(both: tuple[Actor, Actor]) -> None:
    ada, bob = both
    delete(bob)
    publish(ada, project="gamma-one", version="2.0")
    assert told() == "old"
    removal = delete(ada)  # and what becomes of that one changes nothing
    restoring.restore_project(removal.pk, by=ada)
    assert told() == "old"
    life_cycle.deprecate_project("alpha", "old", "Gamma.One", by=ada)
    assert told() == SENT
    delete(ada)
    assert told() == "old"


def test_a_name_that_was_told_before_anything_was_there_is_one_too(ada: Actor, bob: Actor) -> None:
    publish(ada, project="alpha")
    life_cycle.deprecate_project("alpha", "old", "Gamma.One", by=ada)
    publish(bob, project="gamma-one")
    assert told() == SENT
    delete(bob)
    assert told() == "old"


def test_one_in_quarantine_is_told_since_its_name_is_taken(both: tuple[Actor, Actor]) -> None:
    Project.objects.filter(normalized_name="gamma-one").update(
        status="quarantined", status_reason="looked at"
    )
    pages.refresh_pages(Project.objects.get(normalized_name="gamma-one"), versions=None)
    assert told() == SENT
    delete(actor.host())
    assert told() == "old"


@pytest.mark.parametrize("is_back", [True, False])
@pytest.mark.parametrize("is_first", [True, False])
def test_who_was_away_meanwhile_comes_back_with_what_holds_now(
    both: tuple[Actor, Actor], *, is_first: bool, is_back: bool
) -> None:
    """Both are deleted, in either order; alpha comes back last."""
    ada, bob = both
    away = delete(ada, "alpha") if is_first else None
    removal = delete(bob)
    away = away or delete(ada, "alpha")
    if is_back:
        restoring.restore_project(removal.pk, by=bob)
    else:
        publish(ada, project="gamma-one", version="2.0")
    restoring.restore_project(away.pk, by=ada)
    assert told() == (SENT if is_back else "old")


def test_a_deletion_that_breaks_off_leaves_it_told(
    both: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pages, "remove_pages", breaking)
        with pytest.raises(KeyboardInterrupt):
            delete(both[1])
    assert told() == SENT
    removal = delete(both[1])
    with monkeypatch.context() as patch:
        patch.setattr(successors, "tell_again", breaking)
        with pytest.raises(KeyboardInterrupt):
            restoring.restore_project(removal.pk, by=both[1])
    assert told() == "old"


def test_two_that_name_each_other_are_deleted_at_once(both: tuple[Actor, Actor]) -> None:
    ada, bob = both
    life_cycle.deprecate_project("gamma-one", "", "alpha", by=bob)
    start, done = threading.Barrier(2), list[Removal]()

    def run(by: Actor, name: str) -> None:
        start.wait()
        try:
            done.append(delete(by, name))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in ((ada, "alpha"), (bob, "gamma-one"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), Project.objects.count()) == (2, 0)
    for removal in done:
        restoring.restore_project(removal.pk, by=ada if removal.normalized_name == "alpha" else bob)
    assert told() == SENT
    assert Project.objects.get(normalized_name="gamma-one").told_successor == "alpha"


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there transactions that write take turns")
def test_who_locks_both_in_their_order_meanwhile_never_waits_in_a_circle(
    both: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the end of an account does, or a search that is filled."""
    has_begun, has_first, errors = threading.Event(), threading.Event(), list[Exception]()
    tell_no_more = successors.tell_no_more

    def slowly(project: Project) -> None:
        has_begun.set()
        if has_first.wait(0.5):
            time.sleep(0.3)  # the other waits first, and so would be the one that is given up
        tell_no_more(project)

    def lock_both() -> None:
        has_begun.wait(5)
        try:
            with transaction.atomic():
                for name in ("alpha", "gamma-one"):
                    Project.objects.select_for_update().filter(normalized_name=name).first()
                    has_first.set()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            errors.append(error)
        finally:
            connections.close_all()

    monkeypatch.setattr(successors, "tell_no_more", slowly)
    thread = threading.Thread(target=lock_both)
    thread.start()
    delete(both[1])
    thread.join()
    assert errors == []


def test_of_all_projects_only_those_that_name_one_are_looked_at(both: tuple[Actor, Actor]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {successors._NAMING}")
        assert "projects_by_successor" in str(cursor.fetchall())
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")
