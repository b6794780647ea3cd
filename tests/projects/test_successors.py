"""A successor that is deleted: nobody is sent there, whoever takes its name, until it is back."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from django.db import connection, connections, transaction
from tests.accounts.conftest import mailed
from tests.projects.conftest import give_role, id_of, make_person
from tests.projects.test_restoring import publish

from keyhouse.accounts.models import Email, User
from keyhouse.cli.project import _said_of
from keyhouse.core import actor, clock, configuration
from keyhouse.core.actor import Actor
from keyhouse.mail.models import LONGEST_KEY, Mail
from keyhouse.projects import pages, services, verification
from keyhouse.projects.life_cycle import deleting, restoring, successors
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import IndexPage, Project, Removal

pytestmark = pytest.mark.django_db(transaction=True)
SENT = "old. Use Gamma.One instead."


@pytest.fixture
def both(ada: Actor, bob: Actor) -> tuple[Actor, Actor]:
    """Publish alpha, which names a successor that somebody else owns; return both owners."""
    publish(reached(ada), project="alpha")
    publish(reached(bob), project="gamma-one")
    life_cycle.deprecate_project("alpha", "old", "Gamma.One", by=ada)
    return ada, bob


def reached(by: Actor) -> Actor:
    """Give somebody a verified address."""
    now = clock.now()
    Email.objects.create(
        user_id=id_of(by),
        address=f"{by.name}@example.org",
        verified_at=now,
        verified_by="link",
        added_at=now,
    )
    return by


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


# ---- deleted by a version that told them on


def delete_as_before(by: Actor, monkeypatch: pytest.MonkeyPatch, name: str = "gamma-one") -> Removal:
    with monkeypatch.context() as patch:
        patch.setattr(successors, "tell_no_more", lambda *_: None)
        return delete(by, name)


@pytest.mark.parametrize("is_taken", [True, False])
def test_what_was_deleted_before_is_told_no_more_and_again_once_it_is_back(
    both: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch, *, is_taken: bool
) -> None:
    ada, bob = both
    removal = delete_as_before(bob, monkeypatch)
    assert told() == SENT
    if is_taken:
        publish(ada, project="gamma-one", version="2.0")
    mails = Mail.objects.count()
    assert [successors.let_go_of_gone() for _ in range(2)] == [1, 0]
    assert (told(), Mail.objects.count()) == ("old", mails)
    if is_taken:
        delete(ada)
        assert told() == "old"
    restoring.restore_project(removal.pk, by=bob)
    assert (told(), successors.let_go_of_gone()) == (SENT, 0)


def test_what_is_back_or_was_named_after_it_was_deleted_is_told_on(
    both: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = both
    removal = delete_as_before(bob, monkeypatch)
    restoring.restore_project(removal.pk, by=bob)
    assert (successors.let_go_of_gone(), told()) == (0, SENT)
    delete(bob)
    life_cycle.deprecate_project("alpha", "old", "Gamma.One", by=ada)  # as of another index
    assert (successors.let_go_of_gone(), told()) == (0, SENT)


def test_where_the_log_does_not_tell_when_it_was_named_it_is_told_on(
    both: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = both
    publish(ada, project="beta")
    Project.objects.filter(name="beta").update(status="deprecated", successor="gamma-one")
    delete_as_before(bob, monkeypatch)
    assert successors.let_go_of_gone() == 1
    assert Project.objects.get(name="beta").told_successor == "gamma-one"


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

    def slowly(project: Project, until: datetime | None) -> None:
        has_begun.set()
        if has_first.wait(0.5):
            time.sleep(0.3)  # the other waits first, and so would be the one that is given up
        tell_no_more(project, until)

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


# ---- who is told by mail

DELETED, RESTORED = "project-successor-deleted", "project-successor-restored"


def to(kind: str) -> list[str]:
    """Return to whom mails of a kind went."""
    return sorted(Mail.objects.filter(kind=kind).values_list("address", flat=True))


@pytest.fixture
def named_by_three(both: tuple[Actor, Actor]) -> tuple[Actor, Actor]:
    """Let beta, also ada's, and delta, which eve owns and mia maintains, name it too; zeta names another one."""
    ada, bob = both
    eve, mia = reached(make_person("eve")), reached(make_person("mia"))
    publish(ada, project="beta")
    publish(eve, project="delta")
    publish(eve, project="zeta")
    give_role("delta", mia, "maintainer")
    for by, name, successor in (
        (ada, "beta", "gamma-one"),
        (eve, "delta", "GAMMA_one"),
        (eve, "zeta", "alpha"),
    ):
        life_cycle.deprecate_project(name, "old", successor, by=by)
    return ada, bob


def test_owners_of_those_that_named_it_are_told_by_one_mail_each_and_again_once_it_is_back(
    named_by_three: tuple[Actor, Actor],
) -> None:
    _, bob = named_by_three
    assert (to(DELETED), to(RESTORED)) == ([], [])
    removal = delete(bob)
    assert (to(DELETED), to(RESTORED)) == (["ada@example.org", "eve@example.org"], [])
    to_ada, to_eve = mailed(DELETED)
    assert "Projects: alpha, beta\n" in to_ada
    assert to_ada.count("/manage/projects/") == 1
    assert "Project: delta\n" in to_eve
    assert "/manage/project/delta/" in to_eve
    for text in (to_ada, to_eve):
        assert f"until {clock.format_second(removal.until_at)}" in text
        assert "Name another successor" in text
        assert "bob" not in text, "who did it is its own people's matter"
    restoring.restore_project(removal.pk, by=bob)
    assert to(DELETED) == to(RESTORED) == ["ada@example.org", "eve@example.org"]
    assert all("was brought back" in text for text in mailed(RESTORED))


def test_nobody_is_told_who_named_something_else_since_or_of_another_that_had_the_name(
    both: tuple[Actor, Actor],
) -> None:
    ada, bob = both
    delete(bob)
    Mail.objects.all().delete()
    publish(bob, project="gamma-one", version="2.0")
    removal = delete(bob)
    restoring.restore_project(removal.pk, by=bob)
    assert (to(DELETED), to(RESTORED)) == ([], [])
    life_cycle.deprecate_project("alpha", "old", "beta", by=ada)
    delete(bob)
    assert to(DELETED) == []


def test_a_deletion_for_good_promises_nothing(
    both: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = dataclasses.replace(configuration.current(), undo_days=0)
    monkeypatch.setattr(configuration, "_current", changed)
    delete(both[1])
    [text] = mailed(DELETED)
    assert "bring it back" not in text


@pytest.mark.parametrize("reads", ["private", "public"])
def test_on_a_private_index_nobody_learns_of_what_they_may_not_read(
    named_by_three: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch, reads: Literal["private", "public"]
) -> None:
    _, bob = named_by_three
    monkeypatch.setattr(configuration, "_current", dataclasses.replace(configuration.current(), reads=reads))
    Project.objects.filter(normalized_name="gamma-one").update(reads="roles")
    give_role("gamma-one", Actor("session", User.objects.get(username="eve").pk), "maintainer")
    told_ones = ["eve@example.org"] if reads == "private" else ["ada@example.org", "eve@example.org"]
    removal = delete(bob)
    assert to(DELETED) == told_ones
    assert told() == "old", "its page tells of it no more all the same"
    restoring.restore_project(removal.pk, by=bob)
    assert to(RESTORED) == told_ones
    Project.objects.filter(normalized_name="gamma-one").update(reads="")
    Mail.objects.all().delete()
    delete(bob)
    assert to(DELETED) == ["ada@example.org", "eve@example.org"]


def test_what_breaks_off_mails_nobody(both: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pages, "remove_pages", breaking)
        with pytest.raises(KeyboardInterrupt):
            delete(both[1])
    assert to(DELETED) == []


def test_over_and_over_is_told_once_a_day(
    named_by_three: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, bob = named_by_three
    today = clock.now()
    for days, mails in ((0, 1), (1, 2)):
        monkeypatch.setattr(clock, "now", lambda then=today + timedelta(days=days): then)
        for _ in range(3):
            restoring.restore_project(delete(bob).pk, by=bob)
        people = sorted(["ada@example.org", "eve@example.org"] * mails)
        assert to(DELETED) == to(RESTORED) == people
    assert all("once a day at most" in text for text in mailed(DELETED))


def test_what_comes_back_into_quarantine_is_not_said_to_be_back_for_people(
    both: tuple[Actor, Actor],
) -> None:
    held = Project.objects.filter(normalized_name="gamma-one")
    held.update(status="quarantined", status_reason="looked at")
    removal = delete(actor.host())
    restoring.restore_project(removal.pk, by=both[1])
    assert held.get().status == "quarantined"
    [text] = mailed(RESTORED)
    assert "was brought back, into quarantine" in text
    assert "nobody can install it until operators lift the quarantine" in text
    assert "People are sent there again" not in text
    [text] = mailed("project-restored")
    assert "still in quarantine" in text
    assert "can be installed again" not in text


def test_an_address_of_any_length_is_told_and_stands_in_no_key(both: tuple[Actor, Actor]) -> None:
    address = f"{'a' * 64}@{'.'.join(['b' * 60] * 3)}.org"
    assert len(address) > LONGEST_KEY
    Email.objects.filter(user__username="ada").update(address=address)
    delete(both[1])
    mail = Mail.objects.get(kind=DELETED)
    assert mail.address == address
    assert "@" not in (mail.key or "")


def test_who_owns_very_many_gets_one_mail_that_names_some(ada: Actor, bob: Actor) -> None:
    publish(bob, project="gamma-one")
    reached(ada)
    for number in range(53):
        services.create_project(f"p{number:02}", [User.objects.get(username="ada")], by=ada)
    Project.objects.filter(normalized_name__startswith="p").update(status="deprecated", successor="gamma-one")
    delete(bob)
    [text] = mailed(DELETED)
    assert "p00, p01," in text
    assert "p49 and 3 more\n" in text
    assert not Project.objects.filter(successor="gamma-one", successor_key=None).exists()
