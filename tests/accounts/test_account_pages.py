from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from tests.accounts.conftest import PASSWORD, Browser, Clock, Configure, make_person, refused, signed_in

from keyhouse.accounts import checklist, history, holds, services
from keyhouse.accounts.addresses.queries import standings_of
from keyhouse.accounts.models import Attempt, Hold, Session, User
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.sessions import actor_of
from keyhouse.accounts.strength import codes_left
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import RoleRequired, StepUpRequired

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "quiet lantern 41 meadow kite"
CHANGE = {"current_password": PASSWORD, "password": NEW_PASSWORD}


# ---- password ----


def test_a_password_is_changed_and_other_sessions_end(ada: User, time: Clock) -> None:
    session, browser = signed_in(ada)
    signed_in(ada)
    time.go(minutes=1)
    browser.get("/account/password/")
    page = browser.post("/account/password/", CHANGE)
    assert (page.status_code, page["Location"]) == (303, "/account/")
    ada.refresh_from_db()
    assert ada.check_password(NEW_PASSWORD)
    assert ada.password_changed_at == clock.now()
    assert Session.objects.get() == session
    assert Record.objects.get(action="password.change").account_id == ada.pk


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"current_password": "wrong"}, "password-wrong"),
        ({"password": "short"}, "password-too-short"),
        ({"password": "ada@example.org ada"}, "password-personal"),
        ({"password": ""}, ""),
        ({"current_password": ""}, ""),
    ],
)
def test_a_refused_change_changes_nothing(ada: User, fields: dict[str, str], answer: str) -> None:
    _, browser = signed_in(ada)
    _, other = signed_in(ada)
    browser.get("/account/password/")
    page = browser.post("/account/password/", CHANGE | fields)
    assert (page.status_code, refused(page)) == (400, answer)
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert other.get("/account/").status_code == 200
    assert not Record.objects.filter(action="password.change", outcome="done").exists()


def test_guessing_the_present_password_is_limited(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get("/account/password/")
    for _ in range(10):
        assert (
            refused(browser.post("/account/password/", CHANGE | {"current_password": "x"}))
            == "password-wrong"
        )
    assert browser.post("/account/password/", CHANGE).status_code == 429
    assert Attempt.objects.filter(limit="sign-in").count() == 10


def test_who_has_no_password_sets_one(time: Clock) -> None:
    ada = make_person(password=None)
    _, browser = signed_in(ada)
    browser.get("/account/password/")
    assert 'name="current_password"' not in browser.text
    assert browser.post("/account/password/", {"password": NEW_PASSWORD}).status_code == 303
    ada.refresh_from_db()
    assert ada.check_password(NEW_PASSWORD)


def test_a_service_refuses_a_stale_proof_and_somebody_else(ada: User, time: Clock) -> None:
    session, _ = signed_in(ada)
    bobs, _ = signed_in(make_person("bob"))
    with pytest.raises(RoleRequired):
        services.change_password(ada, PASSWORD, NEW_PASSWORD, by=actor_of(bobs), now=clock.now())
    time.go(minutes=16)
    with pytest.raises(StepUpRequired):
        services.change_password(ada, PASSWORD, NEW_PASSWORD, by=actor_of(session), now=clock.now())
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


# ---- what password managers and phones read ----


def purposes_on(browser: Browser) -> list[str]:
    main = browser.text.partition("<main")[2]
    return re.findall(r'<input[^>]*autocomplete="([\w -]+)"', main)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/account/password/", ["username", "current-password", "new-password"]),
        ("/account/second-factors/add/", ["one-time-code"]),
    ],
)
def test_fields_say_what_they_are_for(ada: User, path: str, wanted: list[str]) -> None:
    _, browser = signed_in(ada)
    browser.get(path)
    assert purposes_on(browser) == wanted


def test_the_sign_in_fields_say_what_they_are_for(ada: User, browser: Browser) -> None:
    browser.get("/account/sign-in/")
    assert purposes_on(browser) == ["username webauthn", "current-password"]
    browser.sign_in()
    browser.get("/account/second-factor/")
    assert re.search(r'<input[^>]*name="code"[^>]*inputmode="numeric"', browser.text)
    assert 'autocomplete="one-time-code"' in browser.text


def test_what_was_typed_wrongly_is_shown_with_a_way_to_its_meaning(ada: User, browser: Browser) -> None:
    browser.sign_in("<b>ada", "wrong")
    assert "<b>ada" not in browser.page.content.decode()
    assert '<a href="/help/codes/sign-in-refused/">' in browser.page.content.decode()
    assert browser.get("/help/codes/sign-in-refused/").status_code == 200


# ---- account home ----


def test_the_account_page_names_one_next_step(time: Clock) -> None:
    ada = make_person(factors=0)
    items = checklist.items_for(ada, standings_of(ada), codes_left(ada.pk))
    assert [item.is_done for item in items] == [True, False, False, False]
    assert [item.title for item in items if item.is_next] == ["Second factor"]
    _, browser = signed_in(ada, "password")
    browser.get("/account/")
    assert browser.text.count(">next</span>") == 1


def test_a_complete_account_has_no_next_step() -> None:
    ada = make_person(factors=2)
    give_recovery_codes(ada, new_codes(), by=host())
    assert all(item.is_done for item in checklist.items_for(ada, standings_of(ada), codes_left(ada.pk)))


@pytest.mark.parametrize(
    "path", ["", "second-factors/", "recovery-codes/", "password/", "sessions/", "history/"]
)
def test_account_pages_are_for_people_who_are_signed_in(db: None, path: str) -> None:
    page = Browser().get("/account/" + path)
    assert page.status_code == 302
    assert page["Location"].startswith("/account/sign-in/?next=%2Faccount%2F")


@pytest.mark.parametrize(
    "path", ["", "second-factors/", "recovery-codes/", "password/", "sessions/", "history/"]
)
def test_account_pages_are_kept_by_no_cache_and_hold_no_inline_code(ada: User, path: str) -> None:
    _, browser = signed_in(ada)
    page = browser.get("/account/" + path)
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    assert not re.search(r"<script>| style=| on\w+=", browser.text)


# ---- history ----


def test_people_see_their_own_history_and_nobody_elses(ada: User, browser: Browser) -> None:
    make_person("bob")
    Browser(REMOTE_ADDR="198.51.100.77").sign_in("bob", "wrong")
    Browser(REMOTE_ADDR="192.0.2.55").sign_in("ada", "wrong")
    _, mine = signed_in(ada)
    mine.get("/account/history/")
    assert "refused: sign-in-refused" in mine.text
    assert "192.0.2.55" in mine.text
    assert "198.51.100.77" not in mine.text
    assert "bob" not in mine.text


def test_a_long_history_is_cut_into_pages(ada: User) -> None:
    actor = actor_of(signed_in(ada)[0])
    for _ in range(55):
        services.end_sessions_elsewhere(ada, by=actor)
    _, browser = signed_in(ada)
    browser.get("/account/history/")
    older = re.search(r'href="\?before=(\d+)"', browser.text)
    assert older
    assert browser.text.count('data-label="When"') == history.PAGE
    browser.get(f"/account/history/?before={older[1]}")
    assert 0 < browser.text.count('data-label="When"') < history.PAGE
    assert "before=" not in browser.text


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 30, "\u0661", "\x00", "0"])
def test_a_made_up_page_is_no_error(ada: User, before: str) -> None:
    _, browser = signed_in(ada)
    assert browser.client.get("/account/history/", {"before": before}).status_code == 200


# ---- the operators' log ----


@pytest.fixture
def operator(time: Clock) -> Browser:
    return signed_in(make_person("olga", is_operator=True))[1]


def test_operators_see_everything_and_narrow_it(operator: Browser, ada: User, time: Clock) -> None:
    Browser(REMOTE_ADDR="198.51.100.77").sign_in("ada", "wrong")
    operator.get("/operator/audit/")
    assert "198.51.100.77" in operator.text
    operator.get("/operator/audit/?action=session.start")
    assert operator.text.count('data-label="When"') == 1
    operator.get("/operator/audit/?person=ADA&action=session.start")
    assert operator.text.count('data-label="When"') == 1
    operator.get("/operator/audit/?person=olga&action=session.start")
    assert "Nothing here" in operator.text
    operator.get("/operator/audit/?about=ada&action=user.create")
    assert operator.text.count('data-label="When"') == 1
    day = clock.now().date()
    operator.get(f"/operator/audit/?since={day}&until={day}&action=session.start")
    assert operator.text.count('data-label="When"') == 1
    operator.get(f"/operator/audit/?since={day + timedelta(days=1)}")
    assert "Nothing here" in operator.text


@pytest.mark.parametrize(
    "query",
    [
        *("action=nothing", "since=x", "until=9999-12-31", "since=0001-01-01", "about=%00", "person=nobody"),
        *("before=x", "person=" + "x" * 300, "action=%F0%9F%A6%8A", "until=99999-01-01"),
    ],
)
def test_odd_filters_are_no_error(operator: Browser, query: str) -> None:
    assert operator.get("/operator/audit/?" + query).status_code == 200


def test_the_log_is_for_operators_with_a_second_factor(ada: User) -> None:
    _, browser = signed_in(ada)
    assert refused(browser.get("/operator/audit/")) == "role-required"
    olga = make_person("olga", is_operator=True, factors=0)
    _, browser = signed_in(olga, "password")
    assert refused(browser.get("/operator/audit/")) == "second-factor-required"


def test_the_test_environment_says_so_on_every_page(ada: User, configure: Configure) -> None:
    _, browser = signed_in(ada)
    browser.get("/account/")
    assert "Test environment" in browser.text


# ---- finding one's way


@pytest.mark.parametrize(
    ("here", "beside", "elsewhere"),
    [
        ("/account/", "/account/history/", "/account/password/"),
        ("/account/history/", "/account/mandate/", "/account/sessions/"),
        ("/account/second-factors/", "/account/sessions/", "/account/history/"),
        ("/account/password/", "/account/recovery-codes/", "/account/vouch/"),
        ("/account/publishers/", "/account/tokens/", "/account/history/"),
    ],
)
def test_pages_of_one_kind_stand_together(ada: User, here: str, beside: str, elsewhere: str) -> None:
    _, browser = signed_in(ada)
    tabs = tabs_on(browser, here)
    assert tabs.count(f'<a href="{here}" aria-current="page">') == 1
    assert f'<a href="{beside}">' in tabs
    assert elsewhere not in tabs
    for always in ("/account/", "/account/second-factors/", "/account/emails/", "/account/publishers/"):
        assert f'<a href="{always}"' in tabs
    assert tabs.count('aria-current="true"') == 1


def tabs_on(browser: Browser, path: str) -> str:
    browser.get(path)
    return browser.text.partition('<nav class="tabs" aria-label="Account">')[2].partition("</nav>")[0]


@pytest.mark.parametrize(
    "path", ["/account/password/forgotten/mailed/", "/account/recover/sent/", "/account/sign-up/sent/"]
)
@pytest.mark.parametrize("is_off", [True, False])
def test_pages_that_promise_a_mail_say_where_none_will_come(
    browser: Browser, configure: Configure, tmp_path: Path, path: str, is_off: bool
) -> None:
    configure(mail_dir=None if is_off else tmp_path / "mail")
    browser.get(path)
    assert ("no mail server yet" in browser.text) == is_off


def test_a_hold_is_named_where_a_factor_is_added() -> None:
    cleo = make_person("cleo", factors=0)
    holds.place_hold(cleo, Hold.Reason.PASSWORD_RESET, now=clock.now(), until=holds.FOR_EVER)
    _, browser = signed_in(cleo, "password")
    browser.get("/account/second-factors/")
    assert "on hold until a second factor is proven or set up" in browser.text
