from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client, RequestFactory
from tests.accounts.conftest import (
    PASSWORD,
    Browser,
    Clock,
    Configure,
    code,
    give_project,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts import services, signing_in
from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.hashers import Argon2
from keyhouse.accounts.hashing import Compared, compare_password
from keyhouse.accounts.middleware import comes_from_own_page, own_path
from keyhouse.accounts.models import Attempt, Authenticator, Email, Session, User
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host

pytestmark = pytest.mark.django_db

HOME = "/account/"


def last_record() -> Record:
    return Record.objects.order_by("-id")[0]


def test_password_and_code_lead_in(ada: User, browser: Browser) -> None:
    page = browser.sign_in()
    assert (page.status_code, page["Location"]) == (303, "/account/second-factor/")
    page = browser.enter(code())
    assert (page.status_code, page["Location"]) == (303, HOME)
    assert browser.get(HOME).status_code == 200
    session = Session.objects.get()
    assert (session.methods, session.is_complete) == (["password", "totp"], True)
    assert session.proved_at == clock.now()
    ada.refresh_from_db()
    assert ada.last_seen_at == clock.now()


def test_each_proof_is_recorded_with_the_factor_used(ada: User, browser: Browser) -> None:
    browser.sign_in()
    assert (last_record().action, last_record().methods) == ("session.start", ["password"])
    assert last_record().details == {"waits_for": "second factor"}
    browser.enter(code())
    record = last_record()
    assert (record.action, record.methods, record.actor_id) == ("session.start", ["password", "totp"], ada.pk)
    assert record.personal.network == "127.0.0.1"


def test_each_proof_gives_the_session_a_new_id(ada: User, browser: Browser) -> None:
    browser.carry("planted")
    browser.sign_in()
    first = browser.cookie
    browser.enter(code())
    assert len({"planted", first, browser.cookie}) == 3
    stale = Browser()
    stale.carry(first)
    assert stale.get(HOME).status_code == 302
    assert stale.get("/account/second-factor/")["Location"] == "/account/sign-in/"


def test_between_password_and_code_nobody_is_signed_in(ada: User, browser: Browser) -> None:
    browser.sign_in()
    for path in ("/account/", "/account/second-factors/add/", "/account/step-up/", "/account/tokens/"):
        page = browser.get(path)
        assert page.status_code == 302, path
        assert page["Location"].startswith("/account/sign-in/"), path
    assert Session.objects.get().is_complete is False


@pytest.mark.parametrize("name", ["ada", "ADA", " ada ", "ada@example.org", "Ada@Example.ORG"])
def test_user_name_and_verified_address_name_the_same_person(ada: User, browser: Browser, name: str) -> None:
    assert browser.sign_in(name)["Location"] == "/account/second-factor/"


def test_an_unverified_address_names_nobody(ada: User, browser: Browser) -> None:
    ada.emails.update(verified_at=None, verified_by="")
    assert refused(browser.sign_in("ada@example.org")) == "sign-in-refused"


WRONG = [("ada", "wrong"), ("nobody-here", PASSWORD), ("nobody@example.org", PASSWORD), ("bob", PASSWORD)]


def test_unknown_and_known_accounts_get_the_same_answer(ada: User) -> None:
    make_person("bob", password=None)
    make_person("eve", state=User.State.DELETED)
    answers = []
    for name, password in [*WRONG, ("eve", PASSWORD)]:
        page = Browser().sign_in(name, password)
        text = re.sub(
            rb'csrfmiddlewaretoken" value="\w+"|value="[^"]*" autocomplete|value="[^"]*"', b"", page.content
        )
        answers.append((page.status_code, refused(page), text))
    assert len(set(answers)) == 1
    assert answers[0][:2] == (400, "sign-in-refused")
    assert not Session.objects.exists()


def test_unknown_accounts_cost_a_hash_too(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    real = Argon2.encode

    def counting(self: Argon2, password: str, salt: str) -> str:
        hashed.append(salt)
        return real(self, password, salt)

    monkeypatch.setattr(Argon2, "encode", counting)
    for name in ("nobody-here", "nobody@example.org", "x" * 254, "\x01", "@"):
        hashed.clear()
        Browser().sign_in(name)
        assert len(hashed) == 1, name


def test_a_refused_sign_in_is_recorded_with_its_code_and_without_what_was_typed(
    ada: User, browser: Browser
) -> None:
    browser.sign_in("ada", "not-the-password")
    record = last_record()
    assert (record.outcome, record.code, record.account_id) == ("refused", "sign-in-refused", ada.pk)
    assert (record.actor_kind, record.actor_id) == ("nobody", None)
    browser.sign_in("hunter2hunter2", "x")
    everything = str(list(Record.objects.values())) + str(list(Attempt.objects.values()))
    assert "hunter2" not in everything
    assert "not-the-password" not in everything


def test_a_password_is_compared_in_nfc(browser: Browser) -> None:
    make_person(password="vélvet-anchor-93-tundra", factors=0)
    assert browser.sign_in(password="ve\u0301lvet-anchor-93-tundra").status_code == 303


@pytest.mark.parametrize(
    "password",
    ["x" * 4096, "x" * 4097, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), " ", "\x00"],
)
def test_strange_passwords_are_refused_and_break_nothing(ada: User, browser: Browser, password: str) -> None:
    assert browser.sign_in(password=password).status_code == 400


def test_nothing_of_a_password_is_cut(browser: Browser) -> None:
    make_person(password=PASSWORD * 100, factors=0)
    assert browser.sign_in(password=PASSWORD * 99).status_code == 400
    assert browser.sign_in(password=PASSWORD * 100 + " ").status_code == 400
    assert browser.sign_in(password=PASSWORD * 100).status_code == 303


def test_who_has_no_second_factor_gets_in_and_is_led_to_set_one_up(browser: Browser) -> None:
    ada = make_person(factors=0)
    page = browser.sign_in()
    assert page["Location"] == "/account/second-factors/"
    session = Session.objects.get()
    assert (session.is_complete, session.methods) == (True, ["password"])
    assert browser.get("/account/second-factors/").status_code == 200
    assert browser.client.get("/manage/projects/").status_code == 200, "who can change nothing is left alone"
    give_project(ada)
    assert refused(browser.client.get("/manage/projects/")) == "second-factor-required"


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("frozen", "account-frozen"),
        ("password-disabled", "password-disabled"),
        ("deleted", "sign-in-refused"),
    ],
)
def test_closed_accounts_stay_out_and_only_the_right_password_learns_why(
    browser: Browser, state: str, answer: str
) -> None:
    make_person(state=state)
    assert refused(browser.sign_in(password="wrong")) == "sign-in-refused"
    assert refused(browser.sign_in()) == answer
    assert not Session.objects.exists()


def test_freezing_an_account_ends_its_sessions_at_once(ada: User) -> None:
    _, browser = signed_in(ada)
    assert browser.get(HOME).status_code == 200
    User.objects.filter(pk=ada.pk).update(state=User.State.FROZEN)
    assert browser.get(HOME).status_code == 302


def test_a_held_account_can_sign_in_and_sees_why(browser: Browser) -> None:
    make_person(state=User.State.HELD)
    browser.sign_in()
    browser.enter(code())
    assert browser.get(HOME).status_code == 200
    assert "on hold" in browser.text


def test_an_old_hash_is_replaced_at_sign_in(
    ada: User, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ada.password
    monkeypatch.setattr(Argon2, "memory_cost", 128)
    browser.sign_in(password="wrong")
    ada.refresh_from_db()
    assert ada.password == before
    browser.sign_in()
    ada.refresh_from_db()
    assert "m=128" in ada.password
    assert browser.sign_in().status_code == 303


def act_meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let somebody act after a password was found right, before its session begins."""

    def compared(password: str, kept: str | None) -> Compared:
        found = compare_password(password, kept)
        act()
        return found

    monkeypatch.setattr(signing_in, "compare_password", compared)


def test_a_password_that_is_changed_meanwhile_opens_nothing(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, time: Clock
) -> None:
    bob = make_person("bob", factors=0)
    time.go(minutes=1)
    session, _ = signed_in(bob, "password")
    by, now = actor_of(session), clock.now()

    def change() -> None:
        services.change_password(bob, PASSWORD, "another-anchor-17-steppe", by=by, now=now)

    act_meanwhile(monkeypatch, change)
    assert refused(browser.sign_in("bob")) == "sign-in-refused"
    assert Session.objects.filter(user=bob).get() == session
    assert Record.objects.filter(action="session.start").latest("pk").code == "sign-in-refused"


def test_an_account_that_is_frozen_meanwhile_is_not_opened(
    ada: User, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = User.State.FROZEN
    act_meanwhile(monkeypatch, lambda: User.objects.filter(pk=ada.pk).update(state=frozen))
    assert refused(browser.sign_in()) == "account-frozen"
    assert not Session.objects.filter(user=ada).exists()


def test_the_old_session_of_a_browser_ends_when_somebody_signs_in(ada: User, browser: Browser) -> None:
    make_person("bob", factors=0)
    browser.sign_in("bob")
    browser.get("/account/sessions/")
    browser.post("/account/sign-in/", {"username": "ada", "password": PASSWORD})
    assert [session.user_id for session in Session.objects.all()] == [ada.pk]


def test_a_waiting_sign_in_dies_after_a_quarter_of_an_hour(ada: User, browser: Browser, time: Clock) -> None:
    browser.sign_in()
    time.go(minutes=15)
    assert browser.get("/account/second-factor/")["Location"] == "/account/sign-in/"


def test_sign_out_ends_the_session_on_the_server(ada: User) -> None:
    session, browser = signed_in(ada)
    cookie = browser.cookie
    browser.get(HOME)
    page = browser.post("/account/sign-out/")
    assert page.status_code == 303
    assert page.cookies[cookie_name()]["max-age"] == 0
    assert not Session.objects.filter(pk=session.pk).exists()
    assert last_record().action == "session.end"
    browser.carry(cookie)
    assert browser.get(HOME).status_code == 302


def test_signing_out_twice_is_no_error(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get(HOME)
    browser.post("/account/sign-out/")
    browser.get("/account/sign-in/")
    assert browser.post("/account/sign-out/").status_code == 303


def test_who_is_signed_in_is_not_asked_again(ada: User) -> None:
    _, browser = signed_in(ada)
    assert browser.get("/account/sign-in/?next=/project/a/")["Location"] == "/project/a/"


@pytest.mark.parametrize("cookie", ["", "x", "x" * 5000, "\x01", "' or 1=1 --", "é"])
def test_a_made_up_cookie_is_nobody(db: None, cookie: str) -> None:
    browser = Browser()
    browser.carry(cookie)
    assert browser.get(HOME).status_code == 302


# ---- the way on ----


@pytest.mark.parametrize("where", ["form", "address"])
@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/project/alpha/", "/project/alpha/"),
        ("/search/?q=a&page=2", "/search/?q=a&page=2"),
        ("//evil.example/", HOME),
        ("https://evil.example/", HOME),
        ("/\\evil.example", HOME),
        ("\t//evil.example", HOME),
        ("javascript:alert(1)", HOME),
        ("http:evil.example", HOME),
    ],
)
def test_sign_in_leads_on_to_own_pages_only(
    ada: User, browser: Browser, asked: str, led_to: str, where: str
) -> None:
    fields = {"username": "ada", "password": PASSWORD}
    if where == "form":
        browser.get("/account/sign-in/")
        page = browser.post("/account/sign-in/", {**fields, "next": asked})
    else:
        browser.get("/account/sign-in/")
        page = browser.post("/account/sign-in/?" + urlencode({"next": asked}), fields)
    page = browser.client.get(page["Location"])
    browser.page = page
    hidden = re.search(r'name="next" value="([^"]*)"', page.content.decode())
    assert hidden
    assert hidden[1].replace("&amp;", "&") == led_to
    page = browser.post("/account/second-factor/", {"code": code(), "next": asked})
    assert page["Location"] == led_to


def test_no_link_or_cookie_comes_from_the_host_header(ada: User, configure: Configure) -> None:
    configure(base_url="http://index.example")
    browser = Browser(SERVER_NAME="evil.example")
    for path in ("/account/sign-in/", "/account/second-factors/", "/help/clients/"):
        page = browser.get(path)
        assert "evil.example" not in str(page.headers), path
        assert b"evil.example" not in page.content, path
    page = browser.sign_in()
    assert page["Location"].startswith("/account/")
    assert "domain=" not in page.cookies.output().lower()


# ---- cookies ----


def test_on_https_the_cookie_is_bound_to_the_host(ada: User, configure: Configure) -> None:
    configure(base_url="https://index.example")
    page = Browser().sign_in()
    morsel = page.cookies["__Host-keyhouse"]
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Lax")
    assert (morsel["path"], morsel["domain"], morsel["max-age"]) == ("/", "", "")


def test_on_http_the_cookie_carries_the_instance(ada: User) -> None:
    page = Browser().sign_in()
    assert re.fullmatch(r"keyhouse-[0-9a-f]{8}", cookie_name())
    morsel = page.cookies[cookie_name()]
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == ("", True, "Lax")


def test_every_cookie_is_out_of_reach_of_scripts_and_other_sites(ada: User, browser: Browser) -> None:
    browser.sign_in()
    browser.enter(code())
    assert len(browser.client.cookies) == 3
    for name, morsel in browser.client.cookies.items():
        assert morsel["httponly"] is True, name
        assert morsel["samesite"] == "Lax", name


# ---- forms of other sites ----

FORMS = [
    "/account/sign-in/",
    "/account/second-factor/",
    "/account/second-factor/recovery-code/",
    "/account/sign-out/",
    "/account/step-up/",
    "/account/second-factors/add/",
    "/account/second-factors/1/remove/",
    "/account/recovery-codes/",
    "/account/recovery-codes/new/",
    "/account/password/",
    "/account/sessions/",
    "/setup/secret/account/",
    "/setup/secret/authenticator/",
    "/setup/secret/recovery-codes/",
    "/invitation/secret/account/",
    "/invitation/secret/authenticator/",
    "/invitation/secret/recovery-codes/",
]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("mark", ["", "x" * 32, "A" * 64])
def test_a_form_without_the_mark_of_this_session_is_refused(ada: User, path: str, mark: str) -> None:
    _, browser = signed_in(ada)
    count = Record.objects.count()
    page = browser.client.post(path, {"csrfmiddlewaretoken": mark})
    assert (page.status_code, refused(page)) == (403, "form-refused")
    assert Record.objects.count() == count
    assert Session.objects.count() == 1


def test_a_mark_of_another_session_is_refused(ada: User) -> None:
    _, browser = signed_in(ada)
    _, other = signed_in(make_person("bob"))
    other.get(HOME)
    page = browser.client.post("/account/sessions/", {"csrfmiddlewaretoken": other.mark()})
    assert refused(page) == "form-refused"


FROM_HERE = {"origin": "http://localhost:8400", "accept": "text/html"}


def test_a_session_that_ended_while_somebody_typed_leads_back_to_the_page_by_the_sign_in(ada: User) -> None:
    session, browser = signed_in(ada)
    browser.get("/account/emails/add/")
    mark = browser.mark()
    session.delete()
    page = browser.client.post("/account/emails/add/", {"csrfmiddlewaretoken": mark}, headers=FROM_HERE)
    text = page.content.decode()
    assert (page.status_code, refused(page)) == (403, "form-refused")
    assert "You were signed out after this page was opened" in text
    assert 'href="/account/sign-in/?next=%2Faccount%2Femails%2Fadd%2F"' in text
    assert Email.objects.count() == 1


def test_a_form_from_before_the_sign_in_leads_to_its_page(ada: User) -> None:
    _, browser = signed_in(ada)
    page = browser.client.post("/account/sign-in/", {"csrfmiddlewaretoken": "x" * 32}, headers=FROM_HERE)
    text = page.content.decode()
    assert (page.status_code, refused(page)) == (403, "form-refused")
    assert "This page was opened before you signed in or out" in text
    assert '<a class="button" href="/account/sign-in/">Open the page again</a>' in text


@pytest.mark.parametrize(
    ("way", "kept"), [("/account/tokens/", "?next=%2Faccount%2Ftokens%2F"), ("//evil.example/", "")]
)
def test_the_page_that_is_opened_again_knows_the_way_on(db: None, way: str, kept: str) -> None:
    fields = {"csrfmiddlewaretoken": "x" * 32, "next": way}
    page = Browser().client.post("/account/second-factor/", fields, headers=FROM_HERE)
    text = page.content.decode()
    assert f'<a class="button" href="/account/second-factor/{kept}">Open the page again</a>' in text
    assert "evil" not in text


@pytest.mark.parametrize("given", ["https://Index.Example.org", "https://index.example.org:443"])
def test_a_form_is_of_this_site_however_its_address_is_written(given: str, configure: Configure) -> None:
    configure(base_url=given)
    origin = "https://index.example.org"
    request = RequestFactory().post("/account/", headers={"origin": origin})
    assert comes_from_own_page(request)
    assert own_path(f"{origin}/account/tokens/?page=2") == "/account/tokens/?page=2"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_a_form_of_another_site_is_called_that_and_led_nowhere(ada: User, origin: str) -> None:
    headers = {"accept": "text/html", **({"origin": origin} if origin else {})}
    page = Browser().client.post("/account/emails/add/", headers=headers)
    text = page.content.decode()
    assert (page.status_code, refused(page)) == (403, "form-refused")
    assert "come from this site" in text
    assert "next=" not in text
    assert "Open the page again</a>" not in text


@pytest.mark.parametrize(
    ("before", "way_back"),
    [
        (
            "http://localhost:8400/manage/project/alpha/robot-tokens/?page=2#end",
            "/manage/project/alpha/robot-tokens/?page=2",
        ),
        ("http://localhost:8400/manage/project/alpha/robot-tokens/5/confirm/", "/account/"),
        ("http://localhost:8400/nowhere/", "/account/"),
        ("http://localhost:8400//evil.example/", "/account/"),
        ("http://localhost:8400.evil.example/account/tokens/", "/account/"),
        ("", "/account/"),
    ],
)
def test_the_way_back_from_a_button_is_the_page_that_it_is_on(ada: User, before: str, way_back: str) -> None:
    _, browser = signed_in(ada, at=clock.now() - timedelta(minutes=20))
    browser.get("/account/")
    page = browser.client.post(
        f"/manage/project/alpha/robot-tokens/{uuid.uuid4()}/confirm/",
        {"csrfmiddlewaretoken": browser.mark()},
        headers={"accept": "text/html", **({"referer": before} if before else {})},
    )
    assert page.status_code == 302
    assert parse_qs(urlsplit(page["Location"]).query)["next"] == [way_back]


def test_a_mark_from_before_the_sign_in_is_worthless_after_it(ada: User, browser: Browser) -> None:
    browser.get("/account/sign-in/")
    mark = browser.mark()
    browser.sign_in()
    browser.enter(code())
    page = browser.client.post("/account/sessions/", {"csrfmiddlewaretoken": mark})
    assert refused(page) == "form-refused"


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [
        ("http://localhost:8400", True),
        ("http://evil.example", False),
        ("null", False),
        ("http://localhost:9", False),
    ],
)
def test_the_origin_of_a_form_must_be_ours(ada: User, origin: str, is_taken: bool) -> None:
    _, browser = signed_in(ada)
    browser.get(HOME)
    page = browser.client.post(
        "/account/sessions/", {"csrfmiddlewaretoken": browser.mark()}, headers={"origin": origin}
    )
    assert (page.status_code == 303) is is_taken


def test_the_first_page_sets_a_mark_for_its_form(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.get("/account/sign-in/")
    assert cookie_name("form") in page.cookies
    assert page["Cache-Control"] == "no-store"


# ---- prove once more ----


def test_after_a_quarter_of_an_hour_changes_ask_for_the_code_once_more(ada: User, time: Clock) -> None:
    session, browser = signed_in(ada)
    time.go(minutes=15, seconds=1)
    page = browser.get("/account/password/")
    assert page["Location"] == "/account/step-up/?next=%2Faccount%2Fpassword%2F"
    page = browser.get(page["Location"])
    before = browser.cookie
    page = browser.post("/account/step-up/", {"code": code(), "next": "/account/password/"})
    assert (page.status_code, page["Location"]) == (303, "/account/password/")
    assert browser.cookie != before
    assert browser.get("/account/password/").status_code == 200
    session.refresh_from_db()
    assert session.proved_at == clock.now()
    assert (last_record().action, last_record().details) == ("session.step-up", {"by": "totp"})


def test_the_password_alone_proves_nothing_once_there_is_a_factor(ada: User, time: Clock) -> None:
    session, browser = signed_in(ada)
    time.go(minutes=16)
    browser.get("/account/step-up/")
    assert 'name="password"' not in browser.text
    page = browser.post("/account/step-up/", {"password": PASSWORD})
    assert page.status_code == 400
    page = browser.post("/account/step-up/", {"code": PASSWORD, "password": PASSWORD})
    assert refused(page) == "code-wrong"
    session.refresh_from_db()
    assert session.proved_at < clock.now()


def test_somebody_elses_code_proves_nothing(ada: User, time: Clock) -> None:
    eve = make_person("eve", factors=0)
    secret = b"\x01" * 20
    enrol_authenticator(eve, secret, by=host())
    _, browser = signed_in(ada)
    time.go(minutes=16)
    page = browser.post("/account/step-up/", {"code": code(secret=secret), "username": "eve"})
    assert refused(page) == "code-wrong"
    assert Authenticator.objects.get(user=eve).last_step == 0


def test_without_a_factor_the_password_is_asked_again(time: Clock) -> None:
    session, browser = signed_in(make_person(factors=0), "password")
    time.go(minutes=16)
    assert refused(browser.post("/account/step-up/", {"password": "wrong"})) == "password-wrong"
    assert browser.post("/account/step-up/", {"password": PASSWORD}).status_code == 303
    session.refresh_from_db()
    assert session.methods == ["password"]
    assert session.proved_at == clock.now()


def test_forms_in_other_tabs_live_through_a_step_up(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    browser.get("/account/sessions/")
    mark = browser.mark()
    time.go(minutes=16)
    browser.post("/account/step-up/", {"code": code()})
    page = browser.client.post("/account/sessions/", {"csrfmiddlewaretoken": mark})
    assert page.status_code == 303
