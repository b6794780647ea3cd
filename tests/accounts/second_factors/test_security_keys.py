from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.accounts.conftest import (
    PASSWORD,
    Browser,
    Clock,
    Configure,
    at_once,
    code,
    give_project,
    mailed,
    make_person,
    refused,
    send,
    signed_in,
)
from tests.accounts.second_factors.soft_key import BE, UP, UV, SoftKey
from tests.accounts.test_newcomers import codes_on

from keyhouse.accounts import services
from keyhouse.accounts.cookies import CEREMONY, CSRF, cookie_name
from keyhouse.accounts.forgetting import forget_old
from keyhouse.accounts.models import Ceremony, SecurityKey, Session, User, UserHandle
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp.services import remove_authenticator
from keyhouse.accounts.second_factors.webauthn.services import remove_key
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db

GOOD = UP | UV
ENROL = "/account/security-keys/options/"
ADD = "/account/security-keys/add/"
PASSKEY = "/account/sign-in/passkey/"
FACTOR = "/account/second-factor/security-key/"
STEP_UP = "/account/step-up/security-key/"
BESIDE = {
    PASSKEY: "/account/sign-in/",
    FACTOR: "/account/second-factor/",
    STEP_UP: "/account/step-up/",
    ADD: ADD,
}


def ask(browser: Browser, path: str) -> dict[str, Any]:
    browser.get(BESIDE[path])
    answer = send(browser, ENROL if path == ADD else path + "options/", {})
    assert answer.status_code == 200, answer.content
    asked: dict[str, Any] = answer.json()
    return asked


def answer(browser: Browser, path: str, key: SoftKey, **faults: Any) -> Any:
    asked = ask(browser, path)
    response = key.create(asked, **faults) if path == ADD else key.get(asked, **faults)
    return send(browser, path, {"response": response, "name": "blue", "next": "/account/tokens/"})


def enrolled(user: User, *, flags: int = 0, count: int = 0) -> tuple[SoftKey, Browser]:
    """Return a key that was just enrolled in a browser, which has proven password, app and key."""
    _, browser = signed_in(user)
    key = SoftKey(count=count, flags=flags or GOOD)
    page = answer(browser, ADD, key)
    assert page.status_code == 200, page.content
    return key, browser


def at_second_factor(browser: Browser) -> Browser:
    page = browser.sign_in()
    assert page["Location"] == "/account/second-factor/"
    return browser


# ---- enrolment


def test_a_key_is_enrolled_named_and_listed(ada: User) -> None:
    _, browser = enrolled(ada)
    key = SecurityKey.objects.get()
    assert (key.user, key.name, key.rp_id, key.user_verified) == (ada, "blue", "localhost", True)
    assert "blue" in browser.get("/account/second-factors/").content.decode()
    record = Record.objects.get(action="second-factor.add", about_kind="security-key")
    assert record.account_id == ada.pk
    session = Session.objects.get(user=ada)
    assert session.methods == ["password", "totp", "webauthn"]
    assert (session.user_verified, session.device_bound) == (True, True)


def test_the_options_are_those_of_the_standard(ada: User) -> None:
    _, browser = signed_in(ada)
    asked = ask(browser, ADD)
    assert asked["rp"]["id"] == "localhost"
    assert [one["alg"] for one in asked["pubKeyCredParams"]] == [-7, -8, -257]
    assert (asked["attestation"], asked["timeout"]) == ("none", 300_000)
    assert asked["user"]["id"] == UserHandle.objects.get(user=ada).handle
    assert len(asked["challenge"]) == 43
    assert ask(browser, ADD)["challenge"] != asked["challenge"]


def test_enrolment_raises_the_session_that_proved_it_and_ends_the_others(ada: User) -> None:
    """G4."""
    _, other = signed_in(ada)
    enrolled(ada)
    assert other.get("/account/").status_code == 302


def test_a_second_key_is_told_of_the_first(ada: User) -> None:
    key, browser = enrolled(ada)
    asked = ask(browser, ADD)
    assert len(asked["excludeCredentials"]) == 1
    again = send(browser, ADD, {"response": key.create(asked), "name": ""})
    assert (again.status_code, refused(again)) == (409, "key-known")
    assert answer(browser, ADD, SoftKey()).status_code == 200
    assert SecurityKey.objects.count() == 2


def test_a_key_of_somebody_else_is_refused(ada: User) -> None:
    key, _ = enrolled(ada)
    _, browser = signed_in(make_person("bob"))
    page = answer(browser, ADD, key)
    assert (page.status_code, refused(page)) == (409, "key-known")
    assert SecurityKey.objects.get().user == ada


def test_enrolment_needs_a_second_factor_where_there_is_one(ada: User) -> None:
    enrolled(ada)
    _, weaker = signed_in(ada, "password")
    page = send(weaker, ADD, {"response": SoftKey().create(ask(weaker, ADD))})
    assert refused(page) == "step-up-required"
    assert SecurityKey.objects.count() == 1


def test_whoever_lost_the_key_adds_a_new_one_by_the_app(ada: User, time: Clock) -> None:
    enrolled(ada)
    _, browser = signed_in(ada, "password", "totp")
    first = SecurityKey.objects.get()
    browser.get("/account/")
    browser.post(f"/account/security-keys/{first.pk}/remove/")
    assert SecurityKey.objects.exists()
    time.go(minutes=16)
    browser.get("/account/step-up/")
    assert "/account/step-up/app/" in browser.text
    page = browser.post("/account/step-up/app/", {"code": code()})
    assert page["Location"] == "/account/second-factors/"
    assert browser.get("/account/tokens/new/").status_code == 302  # the app alone does no more
    assert answer(browser, ADD, SoftKey()).status_code == 200
    assert browser.post(f"/account/security-keys/{first.pk}/remove/").status_code == 303


def test_the_weaker_proof_opens_nothing_that_asks_for_a_fresh_one(ada: User) -> None:
    """A12: password and app are fresh, and the account has a key."""
    give_project(ada)
    enrolled(ada)
    _, browser = signed_in(ada, "password", "totp")
    for path in ("/account/tokens/new/", "/account/password/", "/account/recovery-codes/new/"):
        assert browser.get(path).status_code == 302, path
        assert "/account/step-up/" in browser.page["Location"], path


@pytest.mark.parametrize("methods", [("password", "webauthn"), ("password", "totp"), ("passkey",)])
def test_a_recovery_code_makes_no_old_proof_new(ada: User, time: Clock, methods: tuple[str, ...]) -> None:
    codes = new_codes()
    give_recovery_codes(ada, codes, by=host())
    enrolled(ada)
    _, browser = signed_in(ada, *methods)
    time.go(minutes=40)
    browser.get("/account/step-up/recovery-code/")
    assert browser.post("/account/step-up/recovery-code/", {"recovery_code": codes[0]}).status_code == 303
    session = Session.objects.get(user=ada, proved_at=clock.now())
    assert not set(session.methods) & {"totp", "webauthn", "passkey"}
    assert (session.user_verified, session.device_bound, session.key_proved_at) == (False, False, None)
    for path in ("/account/tokens/new/", "/account/password/", "/account/recovery-codes/new/"):
        assert browser.get(path).status_code == 302, path
    key = SecurityKey.objects.get()
    browser.get("/account/")
    browser.post(f"/account/security-keys/{key.pk}/remove/")
    assert SecurityKey.objects.filter(pk=key.pk).exists()


def test_a_key_of_another_name_is_none(ada: User, browser: Browser, configure: Configure) -> None:
    enrolled(ada)
    configure(base_url="https://packages.example.org", rp_id="example.org")
    _, session = signed_in(ada, "password", "totp")
    assert session.get("/account/tokens/new/").status_code == 200  # step-up doesn't ask for it
    assert "made for localhost" in session.get("/account/second-factors/").content.decode()
    page = session.get("/account/second-factors/").content.decode()
    assert "your last one" in page or "Remove" in page
    asked = send(session, ENROL, {}).json()
    assert (asked["rp"]["id"], asked["excludeCredentials"]) == ("example.org", [])
    app = ada.authenticators.get()
    give_project(ada)
    assert refused(session.post(f"/account/second-factors/{app.pk}/remove/")) == "second-factor-last"


def test_without_a_password_only_a_verifying_key_is_a_way_in(ada: User) -> None:
    _, browser = enrolled(ada)
    User.objects.filter(pk=ada.pk).update(password="!")
    key = SecurityKey.objects.get()
    assert refused(browser.post(f"/account/security-keys/{key.pk}/remove/")) == "second-factor-last"
    User.objects.filter(pk=ada.pk).update(state="password-disabled", password="x")
    assert refused(browser.post(f"/account/security-keys/{key.pk}/remove/")) == "second-factor-last"
    assert SecurityKey.objects.exists()


def test_a_next_that_is_none_does_not_spoil_what_was_done(ada: User) -> None:
    _, browser = signed_in(ada)
    asked = ask(browser, ADD)
    page = send(browser, ADD, {"response": SoftKey().create(asked), "next": "/a\u00ad"})
    assert page.status_code == 200
    assert browser.get("/account/").status_code == 200


def test_transports_hold_nothing_but_words(ada: User) -> None:
    _, browser = signed_in(ada)
    response = SoftKey().create(ask(browser, ADD))
    response["response"]["transports"] = ["usb", "x\0", "\ud800", 7, "A", "smart-card"]
    assert send(browser, ADD, {"response": response}).status_code == 200
    assert SecurityKey.objects.get().transports == ["usb", "smart-card"]


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ({"origin": "https://evil.example"}, "key-origin-wrong"),
        ({"type": "webauthn.get"}, "key-challenge-wrong"),
        ({"flags": 0}, "user-not-verified"),
    ],
)
def test_a_refused_enrolment_leaves_nothing(ada: User, faults: dict[str, Any], code: str) -> None:
    _, browser = signed_in(ada)
    before = browser.cookie
    page = answer(browser, ADD, SoftKey(), **faults)
    assert (page.status_code, refused(page)) == (403, code)
    assert not SecurityKey.objects.exists()
    assert Session.objects.get(user=ada).methods == ["password", "totp"]
    assert browser.cookie == before
    assert told_of("second-factor-added") == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"7", {"response": 7}, {"response": {}}, {"response": {"id": "YQ"}}, b"\xff\xfe"],
)
@pytest.mark.parametrize("path", [ADD, PASSKEY])
def test_garbage_is_refused(ada: User, body: Any, path: str) -> None:
    _, browser = signed_in(ada)
    page = send(browser, path, body)
    assert (page.status_code, refused(page)) == (400, "key-answer-malformed")


def test_forms_of_other_sites_are_refused(ada: User) -> None:
    _, browser = signed_in(ada)
    for path in (ENROL, ADD, PASSKEY, PASSKEY + "options/", STEP_UP, STEP_UP + "options/"):
        page = browser.client.post(path, "{}", content_type="application/json")
        assert page.status_code == 403, path
    assert not Ceremony.objects.exists()


# ---- second factor


def test_a_key_is_a_second_factor(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    at_second_factor(browser)
    page = answer(browser, FACTOR, key)
    assert (page.status_code, page.json()) == (200, {"location": "/account/tokens/"})
    session = Session.objects.get(user=ada, is_complete=True, methods=["password", "webauthn"])
    assert session.device_bound
    assert browser.get("/account/").status_code == 200
    assert SecurityKey.objects.get().last_used_at == clock.now()


def test_an_app_still_works_beside_a_key_and_proves_less(ada: User, browser: Browser, time: Clock) -> None:
    """A12: such a session is marked for what it is, and step-up asks for the key."""
    enrolled(ada)
    at_second_factor(browser)
    browser.enter(code())
    session = Session.objects.get(methods=["password", "totp"])
    assert not actor_of(session).strength.is_phishing_resistant
    time.go(minutes=16)
    page = browser.get("/account/step-up/")
    assert "security key" in browser.text
    assert 'name="code"' not in page.content.decode()
    assert refused(browser.post("/account/step-up/", {"code": code(1)})) == "step-up-required"


def test_the_waiting_session_asks_only_for_keys_of_its_own_person(ada: User, browser: Browser) -> None:
    enrolled(ada)
    bobs, _ = enrolled(make_person("bob"))
    at_second_factor(browser)
    asked = ask(browser, FACTOR)
    assert [one["id"] for one in asked["allowCredentials"]] == [
        SecurityKey.objects.get(user=ada).credential_id
    ]
    page = send(browser, FACTOR, {"response": bobs.get(asked)})
    assert (page.status_code, refused(page)) == (403, "key-unknown")


def test_an_answer_is_taken_once(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    at_second_factor(browser)
    response = key.get(ask(browser, FACTOR))
    assert send(browser, FACTOR, {"response": response}).status_code == 200
    at_second_factor(again := Browser())
    page = send(again, FACTOR, {"response": response}, BESIDE[FACTOR])
    assert refused(page) == "key-challenge-wrong"


def test_a_refused_answer_has_used_its_challenge_up(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    at_second_factor(browser)
    asked = ask(browser, FACTOR)
    assert (
        refused(send(browser, FACTOR, {"response": key.get(asked, signature=b"x")})) == "key-signature-wrong"
    )
    assert refused(send(browser, FACTOR, {"response": key.get(asked)})) == "key-challenge-wrong"


@pytest.mark.parametrize("seconds", [299, 300])
def test_a_challenge_lives_five_minutes(ada: User, browser: Browser, time: Clock, seconds: int) -> None:
    key, _ = enrolled(ada)
    at_second_factor(browser)
    asked = ask(browser, FACTOR)
    time.go(seconds=seconds)
    page = send(browser, FACTOR, {"response": key.get(asked)})
    assert refused(page) == ("" if seconds < 300 else "key-challenge-wrong")


def test_challenges_of_another_purpose_session_or_person_prove_nothing(ada: User) -> None:
    key, strong = enrolled(ada)
    waiting, other = at_second_factor(Browser()), at_second_factor(Browser())
    for path, where in ((FACTOR, waiting), (STEP_UP, strong), (PASSKEY, Browser())):
        asked = ask(where, path)
        for target, browser in ((FACTOR, other), (STEP_UP, strong), (PASSKEY, Browser())):
            if target == path and browser is where:
                continue
            page = send(browser, target, {"response": key.get(asked)}, BESIDE[target])
            assert refused(page) == "key-challenge-wrong", (path, target)
            asked = ask(where, path)


def test_refusals_are_recorded_and_limited(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    at_second_factor(browser)
    for _ in range(5):
        assert refused(answer(browser, FACTOR, key, signature=b"x")) == "key-signature-wrong"
    page = answer(browser, FACTOR, key)
    assert (page.status_code, refused(page)) == (429, "too-many")
    assert Record.objects.filter(action="session.start", code="key-signature-wrong").count() == 5


# ---- passkey


def test_a_passkey_alone_signs_in(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    asked = ask(browser, PASSKEY)
    assert (asked["allowCredentials"], asked["userVerification"]) == ([], "required")
    page = send(browser, PASSKEY, {"response": key.get(asked), "next": "//evil.example/"})
    assert page.json() == {"location": "/account/"}
    session = Session.objects.get(methods=["passkey"])
    assert (session.user, session.is_complete, session.user_verified) == (ada, True, True)
    assert browser.get("/account/tokens/new/").status_code == 200


def test_a_stolen_key_without_its_pin_signs_nobody_in(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    page = answer(browser, PASSKEY, key, flags=UP)
    assert refused(page) == "user-not-verified"
    assert not Session.objects.filter(methods=["passkey"]).exists()


def test_unknown_keys_and_gone_accounts_get_one_answer(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    unknown = SoftKey(handle=key.handle)
    first = answer(browser, PASSKEY, unknown)
    User.objects.filter(pk=ada.pk).update(state="deleted")
    second = answer(browser, PASSKEY, key)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert refused(first) == "key-unknown"
    User.objects.filter(pk=ada.pk).update(state="frozen")
    assert refused(answer(browser, PASSKEY, key)) == "account-frozen"


def test_an_answer_that_was_taken_is_not_taken_again_after_a_visit_at_another_door(
    ada: User, browser: Browser
) -> None:
    key, _ = enrolled(
        ada, flags=GOOD | BE
    )  # of those that sync none counts, so no counter stops a second use
    browser.get("/account/sign-in/")
    response = key.get(send(browser, f"{PASSKEY}options/", {}).json())
    kept = {name: one.value for name, one in browser.client.cookies.items()}
    assert send(browser, PASSKEY, {"response": response}).status_code == 200
    waiting = at_second_factor(Browser().be_known(ada))
    waiting.get("/account/second-factor/")
    assert refused(send(waiting, FACTOR, {"response": response})) == "key-challenge-wrong"
    again = Browser()
    for name, value in kept.items():
        again.client.cookies[name] = value
    again.get("/account/sign-in/")
    assert refused(send(again, PASSKEY, {"response": response})) == "key-challenge-wrong"


def test_a_passkey_of_another_handle_is_refused(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    assert refused(answer(browser, PASSKEY, key, handle=b"x" * 64)) == "key-unknown"
    assert refused(answer(browser, PASSKEY, key, handle=None)) == "key-unknown"


def test_an_account_without_password_signs_in_by_passkey(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada)
    User.objects.filter(pk=ada.pk).update(password="!")
    assert answer(browser, PASSKEY, key).status_code == 200


# ---- once more


def test_step_up_by_key(ada: User, time: Clock) -> None:
    key, browser = enrolled(ada)
    time.go(minutes=16)
    assert browser.get("/account/password/").status_code == 302
    assert answer(browser, STEP_UP, key).json() == {"location": "/account/tokens/"}
    assert browser.get("/account/password/").status_code == 200


def test_whoever_lost_the_key_adds_a_new_one_by_a_recovery_code(time: Clock) -> None:
    link = services.invite_user("eve", "eve@example.org", by=host())
    browser = Browser()
    codes, _ = arrive(browser, link)
    time.go(minutes=16)
    browser.get("/account/step-up/")
    assert "/account/step-up/recovery-code/" in browser.text
    page = browser.post("/account/step-up/recovery-code/", {"recovery_code": codes[1]})
    assert page["Location"] == "/account/second-factors/"
    assert answer(browser, ADD, SoftKey()).status_code == 200
    lost = SecurityKey.objects.order_by("pk")[0]
    assert browser.post(f"/account/security-keys/{lost.pk}/remove/").status_code == 303


# ---- copies


def test_a_counter_that_does_not_rise_puts_the_key_aside(ada: User, browser: Browser) -> None:
    key, _ = enrolled(ada, count=10)
    at_second_factor(browser)
    assert refused(answer(browser, FACTOR, key, count=10)) == "key-cloned"
    assert SecurityKey.objects.get().cloned_at == clock.now()
    assert not Session.objects.filter(user=ada, is_complete=True).exists()  # nobody keeps one by that key
    record = Record.objects.get(action="second-factor.disable")
    assert record.account_id == ada.pk
    assert browser.enter(code()).status_code == 303
    assert "switched off" in browser.get("/account/second-factors/").content.decode()


def test_the_owner_is_told_once_and_everywhere_of_a_copy(ada: User, browser: Browser) -> None:
    services.add_email(ada, "ada@second.example", by=host(), verified_by="host", is_primary=False)
    services.add_email(ada, "never@proven.example", by=host(), is_primary=False)
    key, _ = enrolled(ada, count=10)
    at_second_factor(browser)
    asked = [ask(browser, FACTOR), ask(browser, FACTOR)]
    for one in asked:
        send(browser, FACTOR, {"response": key.get(one, count=10)})
    assert told_of("security-key-copied") == ["ada@example.org", "ada@second.example"]
    assert "“blue”" in mailed("security-key-copied")[0]


@pytest.mark.django_db(transaction=True)
def test_of_two_answers_with_one_counter_one_wins(ada: User) -> None:
    key, _ = enrolled(ada, count=10)
    browsers = [at_second_factor(Browser()) for _ in range(2)]
    asked = [ask(browser, FACTOR) for browser in browsers]
    answers = [{"response": key.get(one, count=11)} for one in asked]
    acts: list[Callable[[], Any]] = [
        partial(send, browser, FACTOR, body) for browser, body in zip(browsers, answers, strict=True)
    ]
    found = sorted(page.status_code for page in at_once(acts) if not isinstance(page, Refusal))
    assert found == [200, 403]
    assert len(mailed("security-key-copied")) == 1


def test_a_later_answer_that_comes_first_is_no_copy(ada: User) -> None:
    key, _ = enrolled(ada, count=10)
    browser = at_second_factor(Browser())
    SecurityKey.objects.update(sign_count=12)  # another tab was faster, with a counter below this one's
    assert answer(browser, FACTOR, key, count=13).status_code == 200


def test_a_key_that_was_removed_meanwhile_is_no_copy(ada: User) -> None:
    key, _ = enrolled(ada, count=10)
    browser = at_second_factor(Browser())
    asked = ask(browser, FACTOR)
    SecurityKey.objects.all().delete()
    assert refused(send(browser, FACTOR, {"response": key.get(asked)})) == "key-unknown"
    assert not Record.objects.filter(code="key-cloned").exists()


# ---- removal


def test_a_key_is_removed_while_another_factor_stays(ada: User) -> None:
    give_project(ada)
    _, browser = enrolled(ada)
    key = SecurityKey.objects.get()
    assert browser.get(f"/account/security-keys/{key.pk}/remove/").status_code == 200
    assert browser.post(f"/account/security-keys/{key.pk}/remove/").status_code == 303
    assert not SecurityKey.objects.exists()
    assert browser.post(f"/account/security-keys/{key.pk}/remove/").status_code == 404


def test_the_owner_is_told_of_keys_that_come_and_go(ada: User) -> None:
    """NIST SP 800-63B-4 4.1.2.1, ASVS 6.3.7: at every verified address, and nowhere else."""
    services.add_email(ada, "ada@second.example", by=host(), verified_by="host", is_primary=False)
    services.add_email(ada, "never@proven.example", by=host(), is_primary=False)
    _, browser = enrolled(ada)
    assert told_of("second-factor-added") == ["ada@example.org", "ada@second.example"]
    assert "“blue” was added" in mailed("second-factor-added")[0]
    browser.post(f"/account/security-keys/{SecurityKey.objects.get().pk}/remove/")
    assert told_of("second-factor-removed") == ["ada@example.org", "ada@second.example"]
    assert "“blue” was removed" in mailed("second-factor-removed")[0]


def told_of(kind: str) -> list[str]:
    return sorted(Mail.objects.filter(kind=kind).values_list("address", flat=True))


def test_the_last_factor_of_a_covered_account_stays(ada: User) -> None:
    """A1."""
    give_project(ada)
    _, browser = enrolled(ada)
    app = ada.authenticators.get()
    assert browser.post(f"/account/second-factors/{app.pk}/remove/").status_code == 303
    key = SecurityKey.objects.get()
    page = browser.post(f"/account/security-keys/{key.pk}/remove/")
    assert refused(page) == "second-factor-last"
    assert SecurityKey.objects.exists()
    assert told_of("second-factor-removed") == ["ada@example.org"]  # of the app, not of the key that stayed


def test_somebody_elses_key_is_not_there(ada: User) -> None:
    enrolled(ada)
    _, browser = signed_in(make_person("bob"))
    key = SecurityKey.objects.get()
    assert browser.get(f"/account/security-keys/{key.pk}/remove/").status_code == 404
    assert browser.post(f"/account/security-keys/{key.pk}/remove/").status_code == 404
    assert SecurityKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_factors_removed_at_once_leave_one() -> None:
    """A1: an app and a key, by parallel requests of two strong sessions."""
    ada = make_person()
    give_project(ada)
    enrolled(ada)
    session = Session.objects.get(user=ada)
    by = actor_of(session)
    app, key = ada.authenticators.get(), SecurityKey.objects.get()
    outcomes = at_once(
        [partial(remove_authenticator, ada.pk, app.pk, by=by), partial(remove_key, ada.pk, key.pk, by=by)]
    )
    refusals = [one for one in outcomes if isinstance(one, Refusal)]
    assert [one.code for one in refusals] == ["second-factor-last"]
    assert ada.authenticators.count() + SecurityKey.objects.count() == 1


# ---- newcomers


def arrive(browser: Browser, link: str, **faults: Any) -> tuple[list[str], SoftKey]:
    """Take the steps of a link with a security key; returns the recovery codes and the key."""
    browser.get(link + "account/")
    page = browser.post(
        link + "account/", {"username": "eve", "email": "eve@example.org", "password": PASSWORD}
    )
    assert page["Location"] == link + "authenticator/", browser.text
    browser.get(link + "authenticator/")
    asked = send(browser, link + "security-key/options/", {}).json()
    key = SoftKey()
    page = send(browser, link + "security-key/", {"response": key.create(asked, **faults)})
    if faults:
        return [refused(page)], key
    assert page.json() == {"location": link + "recovery-codes/"}
    browser.get(link + "recovery-codes/")
    codes = codes_on(browser)
    assert browser.post(link + "recovery-codes/", {"recovery_code": codes[0]}).status_code == 303
    return codes, key


def test_the_first_operator_is_set_up_with_a_security_key(browser: Browser) -> None:
    _, key = arrive(browser, services.make_setup_link(by=host()))
    user = User.objects.get()
    assert (user.is_operator, user.authenticators.count()) == (True, 0)
    assert SecurityKey.objects.get().user == user
    session = Session.objects.get(user=user)
    assert (session.methods, session.device_bound) == (["password", "webauthn"], True)
    assert browser.get("/operator/audit/").status_code == 200
    other = Browser()
    assert answer(other, PASSKEY, key).status_code == 200


def test_a_refused_key_at_a_link_leaves_the_step_open(browser: Browser) -> None:
    link = services.make_setup_link(by=host())
    codes, _ = arrive(browser, link, origin="https://evil.example")
    assert codes == ["key-origin-wrong"]
    assert not User.objects.exists()
    assert browser.get(link)["Location"] == link + "authenticator/"


def test_another_browser_cannot_enrol_at_a_link(browser: Browser) -> None:
    link = services.make_setup_link(by=host())
    browser.get(link + "account/")
    browser.post(link + "account/", {"username": "eve", "email": "eve@example.org", "password": PASSWORD})
    stranger = Browser()
    stranger.get("/account/sign-in/")
    page = send(stranger, link + "security-key/options/", {})
    assert refused(page) == "link-in-use"


def test_setting_up_anew_voids_the_keys_of_before(ada: User, browser: Browser) -> None:
    from keyhouse.accounts.recovering import make_enrolment_link  # noqa: PLC0415 - one test needs it

    lost, _ = enrolled(ada)
    arrive(browser, make_enrolment_link(ada, by=host()))
    assert SecurityKey.objects.filter(user=ada).count() == 1
    assert refused(answer(Browser(), PASSKEY, lost)) == "key-unknown"


def test_a_synced_passkey_is_not_bound_to_its_device(ada: User) -> None:
    enrolled(ada, flags=UP | UV | BE)
    assert not Session.objects.get(user=ada).device_bound
    assert SecurityKey.objects.get().backup_eligible


def test_ceremonies_that_nobody_finished_are_forgotten(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    ask(browser, ADD)
    assert Ceremony.objects.count() == 1
    assert forget_old(time.go(minutes=5))["ceremonies"] == 1


def test_asking_for_a_passkey_leaves_nothing_behind(ada: User, browser: Browser) -> None:
    for _ in range(30):
        ask(browser, PASSKEY)
    assert not Ceremony.objects.exists()


def test_a_passkey_answers_once_and_in_time(ada: User, time: Clock) -> None:
    key, _ = enrolled(ada)
    first = Browser()
    asked = ask(first, PASSKEY)
    cookies = dict(first.client.cookies.items())
    assert send(first, PASSKEY, {"response": key.get(asked)}).status_code == 200
    again = Browser()
    for name in (cookie_name(CEREMONY), cookie_name(CSRF)):
        again.client.cookies[name] = cookies[name].value
    again.get("/account/sign-in/")
    assert refused(send(again, PASSKEY, {"response": key.get(asked)})) == "key-challenge-wrong"
    late = Browser()
    asked = ask(late, PASSKEY)
    time.go(minutes=5)
    assert refused(send(late, PASSKEY, {"response": key.get(asked)})) == "key-challenge-wrong"


@pytest.mark.parametrize("cookie", ["", "x", "a:b:c", "é", "x" * 5000])
def test_a_forged_memory_of_a_question_is_none(ada: User, browser: Browser, cookie: str) -> None:
    key, _ = enrolled(ada)
    asked = ask(browser, PASSKEY)
    browser.client.cookies[cookie_name(CEREMONY)] = cookie
    assert refused(send(browser, PASSKEY, {"response": key.get(asked)})) == "key-challenge-wrong"


def test_a_session_has_few_questions_open(ada: User, time: Clock) -> None:
    key, browser = enrolled(ada)
    asked = []
    for _ in range(8):
        time.go(seconds=1)
        asked.append(ask(browser, STEP_UP))
    assert Ceremony.objects.count() == 5
    assert refused(send(browser, STEP_UP, {"response": key.get(asked[0])})) == "key-challenge-wrong"
    assert send(browser, STEP_UP, {"response": key.get(asked[-1])}).status_code == 200


def test_a_key_that_somebody_else_enrolled_meanwhile_leaves_the_step_open(browser: Browser) -> None:
    link = services.invite_user("eve", "eve@example.org", by=host())
    browser.get(link + "account/")
    browser.post(link + "account/", {"username": "eve", "email": "eve@example.org", "password": PASSWORD})
    browser.get(link + "authenticator/")
    key = SoftKey()
    send(
        browser,
        link + "security-key/",
        {"response": key.create(send(browser, link + "security-key/options/", {}).json())},
    )
    browser.get(link + "recovery-codes/")
    codes = codes_on(browser)
    _, other = signed_in(make_person())
    assert answer(other, ADD, key).status_code == 200
    page = browser.post(link + "recovery-codes/", {"recovery_code": codes[0]})
    assert refused(page) == "key-known"
    assert not User.objects.filter(username="eve").exists()
    assert browser.get(link)["Location"] == link + "authenticator/"


def test_the_list_names_the_model_that_a_key_tells_of(ada: User) -> None:
    _, browser = enrolled(ada)
    assert "as it says of itself" not in (browser.get("/account/second-factors/") and browser.text)
    model = "ee882879-721c-4913-9775-3dfcce97072a"
    SecurityKey.objects.update(aaguid=model)
    assert f"model {model}" in (browser.get("/account/second-factors/") and browser.text)
