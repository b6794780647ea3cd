"""A query that is put into words once finds what Django finds, with whatever values and by whichever thread."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import CharField, DateTimeField, Exists, OuterRef, QuerySet
from django.test.utils import CaptureQueriesContext

from keyhouse.accounts.models import Email, Session, User
from keyhouse.accounts.sessions import start_session
from keyhouse.audit.compiled import Asked, Compiled, HowMany, asked_number
from keyhouse.audit.statements import run_planned
from keyhouse.core import clock

pytestmark = [pytest.mark.database, pytest.mark.django_db]
NOW = clock.parse_instant("2026-01-01T00:00:00Z")


def since(*kinds: str) -> QuerySet[Session]:
    """Return sessions of people of these kinds that began at or after the first value, seen before the second."""
    mailed = Email.objects.filter(user=OuterRef("user"), verified_at__isnull=False)
    return (
        Session.objects.select_related("user")
        .annotate(is_mailed=Exists(mailed))
        .filter(created_at__gte=Asked(0, DateTimeField()), user__kind__in=kinds)
        .filter(last_seen_at__lt=Asked(1, DateTimeField()))
        .order_by("pk")
    )


def asked_of_django(*values: object, shape: tuple[str, ...]) -> list[Session]:
    begun, seen = values
    mailed = Email.objects.filter(user=OuterRef("user"), verified_at__isnull=False)
    found = Session.objects.annotate(is_mailed=Exists(mailed)).select_related("user").order_by("pk")
    return list(found.filter(created_at__gte=begun, last_seen_at__lt=seen, user__kind__in=shape))


def all_of(session: Session) -> list[object]:
    """Return every column of the session and of its person, and what was asked beside them."""
    rows = [session, session.user]
    kept: list[object] = [getattr(row, field.attname) for row in rows for field in row._meta.concrete_fields]
    return [*kept, getattr(session, "is_mailed")]  # noqa: B009 - an annotation, which types don't know


@pytest.fixture
def people() -> None:
    for number, kind in enumerate(("person", "service", "person")):
        user = User.objects.create(username=f"u{number}", joined_at=NOW, kind=kind, is_operator=number == 2)
        if number:
            verified = NOW if number == 2 else None
            Email.objects.create(
                user=user, address=f"u{number}@example.org", verified_at=verified, added_at=NOW
            )
        start_session(user, {"password", "totp"}, at=NOW + timedelta(microseconds=number))


@pytest.mark.usefixtures("people")
def test_rows_are_what_django_makes_of_them() -> None:
    ever, tick = (NOW - timedelta(days=1), NOW + timedelta(days=1)), timedelta(microseconds=1)
    query = Compiled(since)
    counted = set()
    for shape in (("person",), ("service",), ("service", "person")):
        for begun, seen in (ever, (NOW, NOW), (NOW + tick, ever[1]), (NOW, NOW + 2 * tick)):
            found = query.rows(begun, seen, shape=shape)
            expected = asked_of_django(begun, seen, shape=shape)
            assert [all_of(row) for row in found] == [all_of(row) for row in expected]
            counted.add(len(found))
    assert counted == {0, 1, 2, 3}


@pytest.mark.usefixtures("people")
def test_rows_can_be_changed_as_any_model() -> None:
    (session,) = Compiled(since).rows(NOW, NOW + timedelta(microseconds=1), shape=("person",))
    session.network = "192.0.2.7"
    session.save(update_fields=["network"])
    assert Session.objects.get(network="192.0.2.7").pk == session.pk
    assert not session._state.adding


def test_it_is_built_once_for_each_shape() -> None:
    built = []

    def build(*kinds: str) -> QuerySet[Session]:
        built.append(kinds)
        return since(*kinds)

    query = Compiled(build)
    for _ in range(3):
        query.rows(NOW, NOW, shape=("person",))
        query.rows(NOW, NOW, shape=("service",))
    assert built == [("person",), ("service",)]


def test_whoever_captures_queries_sees_it() -> None:
    with CaptureQueriesContext(connection) as captured:
        Compiled(since).rows(NOW, NOW, shape=("person",))
    assert len(captured) == 1
    assert "accounts_session" in captured[0]["sql"]


def test_a_database_that_fails_raises_what_django_raises() -> None:
    query = Compiled(since)
    query.rows(NOW, NOW, shape=("person",))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_email RENAME TO away")
        with pytest.raises(DatabaseError), transaction.atomic():
            query.rows(NOW, NOW, shape=("person",))
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("people")
def test_words_of_one_thread_serve_another() -> None:
    query, found = Compiled(since), list[int]()

    def ask() -> None:
        found.append(len(query.rows(NOW, NOW + timedelta(days=1), shape=("person",))))
        connection.close()

    for _ in range(2):
        thread = Thread(target=ask)
        thread.start()
        thread.join()
    ask()
    assert found == [2, 2, 2]


@pytest.mark.usefixtures("people")
def test_rows_are_counted_beside_others() -> None:
    def build() -> QuerySet[User]:
        theirs = Session.objects.filter(user=OuterRef("pk")).order_by("-created_at")
        return User.objects.annotate(signed_in=HowMany(theirs)).filter(pk__gte=asked_number(0)).only("pk")

    found: list[Any] = [*Compiled(build).rows(0)]
    assert [(one.pk, one.signed_in) for one in found] == [(key, 1) for key in sorted(one.pk for one in found)]
    assert len(found) == 3


@pytest.mark.parametrize("text", ["50%", "a_b", "%s", "it's", "\\", "?"])
def test_a_text_that_is_looked_for_is_taken_as_it_is(text: str) -> None:
    for name in (f"<{text}>", "50 a-b s its"):
        User.objects.create(username=name, joined_at=NOW)
    query = Compiled(lambda: User.objects.filter(username__icontains=Asked(0, CharField())))
    assert [one.username for one in query.rows(text)] == [f"<{text}>"]


@pytest.mark.usefixtures("people")
def test_what_is_planned_anew_finds_the_same() -> None:
    def build(count: int) -> QuerySet[User]:
        return User.objects.filter(pk__in=[asked_number(number) for number in range(count)])

    keys = [*User.objects.values_list("pk", flat=True)]
    for some in (keys, keys[:1], [*keys[1:], 2**40]):
        found = Compiled(build, run=run_planned).rows(*some, shape=(len(some),))
        assert {one.pk for one in found} == {*some} & {*keys}
