from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.db.models import QuerySet
from tests.accounts.conftest import Browser, Clock, Configure, make_person, refused, signed_in

from keyhouse.accounts import services, sessions
from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.errors import SessionMissing
from keyhouse.accounts.models import Email, Session, User
from keyhouse.audit.models import Record
from keyhouse.core import clock

pytestmark = pytest.mark.django_db


def test_the_database_holds_nothing_to_sign_in_with(ada: User) -> None:
    session, cookie = sessions.start_session(ada, ["password", "totp"])
    assert cookie not in str(Session.objects.values().get())
    assert session.digest == sessions.digest_of(cookie)
    assert len(cookie) >= 43


def test_an_idle_session_ends(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    for _ in range(3):
        time.go(minutes=59)
        assert browser.get("/account/").status_code == 200
    time.go(minutes=60)
    assert browser.get("/account/").status_code == 302


def test_a_session_in_use_ends_after_a_day(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    for _ in range(47):
        time.go(minutes=30)
        assert browser.get("/account/").status_code == 200
    time.go(minutes=30)
    assert browser.get("/account/").status_code == 302


def test_both_lives_are_settings(ada: User, time: Clock, configure: Configure) -> None:
    configure(session_idle_minutes=1, session_hours=1)
    _, browser = signed_in(ada)
    time.go(seconds=50)
    assert browser.get("/account/").status_code == 200
    time.go(seconds=50)
    assert browser.get("/account/").status_code == 200
    time.go(seconds=60)
    assert browser.get("/account/").status_code == 302


def test_a_proof_does_not_prolong_the_absolute_life(ada: User, time: Clock) -> None:
    session, _ = signed_in(ada)
    time.go(hours=23)
    Session.objects.update(last_seen_at=clock.now())
    cookie = sessions.prove(Session.objects.get(), ["totp"], now=clock.now())
    assert sessions.find_session(cookie, clock.now())
    assert sessions.find_session(cookie, session.created_at + timedelta(hours=24)) is None


def test_the_last_use_is_noted_at_most_once_a_minute(ada: User, time: Clock) -> None:
    session, browser = signed_in(ada)
    time.go(seconds=59)
    browser.get("/account/")
    assert Session.objects.get().last_seen_at == session.last_seen_at
    time.go(seconds=1)
    browser.get("/account/")
    assert Session.objects.get().last_seen_at == clock.now()


def test_a_database_that_cannot_be_written_stops_no_reading(
    ada: User, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, browser = signed_in(ada)
    time.go(minutes=2)

    def full(*args: object, **kwargs: object) -> int:
        raise DatabaseError

    monkeypatch.setattr(QuerySet, "update", full)
    assert browser.get("/account/").status_code == 200


def test_the_actor_says_what_the_session_has_proven(ada: User) -> None:
    session, cookie = sessions.start_session(ada, ["totp", "password"], network="192.0.2.1")
    actor = sessions.find_actor_by_cookie(f"a=b; {cookie_name()}={cookie}", clock.now(), network="192.0.2.7")
    assert actor
    assert (actor.kind, actor.user_id, actor.name) == ("session", ada.pk, "ada")
    assert (actor.credential, actor.network) == (session.public_id, "192.0.2.7")
    assert actor.strength.methods == {"password", "totp"}
    assert actor.strength.at == clock.now()
    assert actor.email_is_verified


@pytest.mark.parametrize("change", ["unverified", "secondary", "none"])
def test_only_a_verified_primary_address_counts(ada: User, change: str) -> None:
    cookie = sessions.start_session(ada, ["password"])[1]
    emails = Email.objects.all()
    if change == "unverified":
        emails.update(verified_at=None)
    elif change == "secondary":
        emails.update(is_primary=False)
    else:
        emails.delete()
    actor = sessions.find_actor_by_cookie(f"{cookie_name()}={cookie}", clock.now())
    assert actor
    assert not actor.email_is_verified


@pytest.mark.parametrize("header", ["", "x", "a=b; c", "{name}=", "{name}=nothing", "{name}=" + "x" * 9000])
def test_a_cookie_header_of_nobody_is_nobody(db: None, header: str) -> None:
    assert sessions.find_actor_by_cookie(header.replace("{name}", cookie_name()), clock.now()) is None


def test_a_session_that_waits_for_its_second_factor_is_no_actor(ada: User) -> None:
    cookie = sessions.start_session(ada, ["password"], is_complete=False)[1]
    assert sessions.find_actor_by_cookie(f"{cookie_name()}={cookie}", clock.now()) is None


def test_the_mark_for_seeded_sessions_opens_their_forms(ada: User) -> None:
    session, browser = signed_in(ada)
    page = browser.client.post(
        "/account/sessions/", {"csrfmiddlewaretoken": sessions.csrf_token_for(session)}
    )
    assert page.status_code == 303


def test_people_see_their_sessions_and_nobody_elses(ada: User, time: Clock) -> None:
    bobs, _ = signed_in(make_person("bob"))
    old, _ = signed_in(ada, at=clock.now() - timedelta(days=2))
    other, _ = signed_in(ada)
    waits, _ = sessions.start_session(ada, ["password"], is_complete=False)
    mine, browser = signed_in(ada)
    browser.get("/account/sessions/")
    assert other.public_id in browser.text
    assert "this one" in browser.text
    for hidden in (bobs, old, waits):
        assert hidden.public_id not in browser.text
    assert mine.digest not in browser.text


def test_people_end_one_session(ada: User) -> None:
    other, elsewhere = signed_in(ada)
    _, browser = signed_in(ada)
    browser.get("/account/sessions/")
    assert browser.post("/account/sessions/", {"session": other.public_id}).status_code == 303
    assert elsewhere.get("/account/").status_code == 302
    assert browser.get("/account/").status_code == 200
    assert Record.objects.get(action="session.revoke").about_id == other.public_id
    page = browser.post("/account/sessions/", {"session": other.public_id})
    assert (page.status_code, refused(page)) == (404, "session-missing")


def test_people_end_all_their_other_sessions(ada: User) -> None:
    theirs, _ = signed_in(make_person("bob"))
    signed_in(ada)
    sessions.start_session(ada, ["password"], is_complete=False)
    mine, browser = signed_in(ada)
    browser.get("/account/sessions/")
    browser.post("/account/sessions/")
    assert set(Session.objects.values_list("pk", flat=True)) == {mine.pk, theirs.pk}
    assert Record.objects.get(action="session.revoke").details == {"ended": 2}


def test_nobody_ends_somebody_elses_session(ada: User) -> None:
    theirs, _ = signed_in(make_person("bob"))
    _, browser = signed_in(ada)
    browser.get("/account/sessions/")
    assert refused(browser.post("/account/sessions/", {"session": theirs.public_id})) == "session-missing"
    assert Session.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("public_id", ["\0", "\ud800", "\u00e9" * 22, "x"])
def test_what_is_no_session_cannot_be_ended(ada: User, public_id: str) -> None:
    session, _ = signed_in(ada)
    with pytest.raises(SessionMissing):
        services.end_session(ada, public_id, by=sessions.actor_of(session))


def test_sessions_that_are_over_are_forgotten(ada: User, time: Clock) -> None:
    signed_in(ada)
    time.go(minutes=61)
    kept, _ = signed_in(ada)
    assert sessions.prune_sessions(clock.now()) == 1
    assert Session.objects.get() == kept


def test_two_servers_on_one_host_keep_their_people(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    _, browser = signed_in(ada)
    mine = cookie_name()
    monkeypatch.setattr("keyhouse.accounts.cookies.read_instance_id", lambda: "deadbeef")
    assert cookie_name() != mine
    other = Browser()
    other.client.cookies = browser.client.cookies
    assert other.get("/account/").status_code == 302
