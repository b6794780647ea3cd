"""N3 on the site: the inbox, what counts as told by it, and the count of unread ones."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import DatabaseError
from django.test import Client
from tests.mandate.notices.telling import ANNOUNCED, DAY, ENFORCED, HOUR, announce, look, owner
from tests.mandate.visiting import Visit

from keyhouse.accounts.models import Email, User
from keyhouse.core import clock
from keyhouse.mandate.models import Notice
from keyhouse.mandate.notices import queries, services
from keyhouse.mandate.notices.models import Delivery

pytestmark = pytest.mark.django_db
NOW = ANNOUNCED + DAY
INBOX = "/account/notices/"


@pytest.fixture(autouse=True)
def standing(wired: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def ada() -> User:
    """Have somebody whom no mail reaches."""
    ada = owner("ada", "alpha")
    Email.objects.filter(user=ada).update(verified_at=None)
    announce()
    look(ANNOUNCED)
    return ada


def test_n3_the_inbox_shows_what_was_said_and_what_became_of_it(ada: User) -> None:
    visit = Visit(ada)
    assert visit.get(INBOX).status_code == 200
    assert "What this index will ask of you" in visit.text
    assert f"Your date is {ENFORCED:%Y-%m-%d %H:%M} UTC" in visit.text
    assert "not mailed: no address of yours is verified" in visit.text
    assert len(visit.answer.content) < 100_000


def test_n3_reading_on_the_site_counts_as_told_where_no_mail_arrived(ada: User) -> None:
    [policy] = queries.mailing_policies(NOW)
    assert [one.name for one in queries.unreached(policy, NOW)] == ["ada"]
    Visit(ada).get(INBOX)
    assert Notice.objects.get(user=ada).kind == "shown"
    assert list(queries.unreached(policy, NOW)) == []


def test_n3_programs_read_the_same_and_nobody_is_told_by_that(ada: User) -> None:
    visit = Visit(ada, accept="application/json")
    told = visit.get("/account/notices.json").json()
    assert told["unread"] == 1
    assert [one["state"] for one in told["notices"]] == ["unverified"]
    assert visit.get(INBOX).status_code == 200  # no page for a browser
    assert Notice.objects.count() == 0
    assert Delivery.objects.filter(read_at=None).count() == 1


def test_n3_the_account_page_counts_unread_ones(ada: User) -> None:
    visit = Visit(ada)
    visit.get("/account/")
    assert "1 unread notice of mandates." in visit.text
    visit.get(INBOX)
    assert "new" in visit.text
    visit.get("/account/")
    assert "unread notice" not in visit.text


def test_nobody_sees_the_notices_of_others(ada: User) -> None:
    other = owner("bob", "beta")
    visit = Visit(other)
    visit.get(INBOX)
    assert "Nobody had to tell you anything yet." in visit.text
    assert Delivery.objects.filter(user=ada, read_at=None).count() == 1
    assert Client().get(INBOX, headers={"accept": "text/html"}).status_code in {302, 303, 401}
    assert Client().get("/account/notices.json").status_code == 401


def _more(user: User, count: int, at: datetime) -> None:
    [row] = Delivery.objects.filter(user=user)
    Delivery.objects.bulk_create(
        Delivery(
            user=user, mandate=row.mandate, version=1, kind="reminder", about=f"{number}", wording=row.wording,
            queued_at=at + number * HOUR, state="sent",
        )
        for number in range(count)
    )  # fmt: skip


def test_many_notices_are_shown_a_page_at_a_time(ada: User) -> None:
    _more(ada, 45, ANNOUNCED)
    visit, seen, path = Visit(ada), 0, INBOX
    for _ in range(3):
        visit.get(path)
        seen += visit.page.count("<article")
        assert len(visit.answer.content) < 100_000
        older = visit.page.partition('href="/account/notices/?before=')[2].partition('"')[0]
        path = f"{INBOX}?before={older}"
    assert seen == 46
    assert not older


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 40, "1%00", "%C2%B2"])
def test_a_bad_place_to_go_on_from_is_none(ada: User, before: str) -> None:
    assert Visit(ada).get(f"{INBOX}?before={before}").status_code == 200


def test_a_database_that_cannot_be_written_stops_nobodys_reading(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(services, "mark_read", fail)
    assert Visit(ada).get(INBOX).status_code == 200
