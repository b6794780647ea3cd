"""Attacks on second factors under a mandate, each named by its number, carried out over HTTP with keys and apps."""

from __future__ import annotations

import base64
import re
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.accounts.conftest import (
    Browser,
    Clock,
    Configure,
    at_once,
    code,
    give_project,
    make_person,
    refused,
)
from tests.accounts.second_factors.soft_key import BE, SoftKey
from tests.accounts.second_factors.test_security_keys import (
    ADD,
    FACTOR,
    GOOD,
    PASSKEY,
    STEP_UP,
    answer,
)
from tests.distfiles.builders import build_wheel
from tests.mandate.stored import ANNOUNCED, ENFORCED, document, retire_default, store
from tests.publishing.driver import Answer, upload

from keyhouse import storage
from keyhouse.accounts.cookies import BROWSER, CSRF, SESSION, cookie_name
from keyhouse.accounts.models import Authenticator, SecurityKey, Session, User
from keyhouse.accounts.second_factors.totp.services import remove_authenticator
from keyhouse.accounts.second_factors.webauthn.services import remove_key
from keyhouse.accounts.sessions import actor_of, start_session
from keyhouse.core import clock, configuration
from keyhouse.projects.models import File, Project

pytestmark = pytest.mark.django_db(transaction=True)

MANAGE, MINT = "/manage/project/alpha/", "/account/tokens/new/"
BEFORE = ANNOUNCED - timedelta(days=10)


@pytest.fixture(autouse=True)
def before(time: Clock) -> None:
    """Begin before the mandate is announced, with nothing stored."""
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()
    time.set(BEFORE)


def campaign(*accept: str) -> None:
    retire_default()
    store(document(methods={"accept": list(accept)}), origin="seeded")


def owner() -> User:
    ada = make_person()
    give_project(ada)
    return ada


def by_app() -> Browser:
    """Sign in by the forms of a browser that the account knows, with password and the code of the app."""
    browser = Browser().be_known(User.objects.get(username="ada"))
    browser.sign_in()
    assert browser.enter(code()).status_code in {302, 303}
    return browser


def by_key(key: SoftKey, path: str = FACTOR) -> Browser:
    browser = Browser()
    if path == FACTOR:
        browser.sign_in()
    assert answer(browser, path, key).status_code == 200
    return browser


def enrol(browser: Browser, flags: int = GOOD) -> SoftKey:
    key = SoftKey(flags=flags)
    assert answer(browser, ADD, key).status_code == 200
    return key


def minted(browser: Browser) -> str:
    """Make a token by the form, and read it off the page that shows it once."""
    browser.get(MINT)
    fields = {
        "description": f"token of {clock.now():%d %H:%M}",
        "project": str(Project.objects.get().pk),
        "expires_in_days": "300",
        "actions": "upload",
    }
    page = browser.post(MINT, fields)
    found = re.search(r"keyhouse-Ag[\w=-]+", page.content.decode())
    assert found, (page.status_code, refused(page))
    return found[0]


def push(token: str, path: Path) -> Answer:
    credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
    return upload(path, headers={"authorization": f"Basic {credentials}"})


# ---- relayed codes, and the way down to them


def test_a10_what_a_relay_can_take_opens_nothing_under_a_phishing_resistant_mandate(
    time: Clock, tmp_path: Path
) -> None:
    owner()
    campaign("phishing-resistant")
    relayed = minted(by_app())
    assert push(relayed, build_wheel(tmp_path)).status == 200
    time.set(ENFORCED)
    browser = by_app()
    page = browser.get(MANAGE)
    assert (page.status_code, refused(page)) == (403, "stronger-factor-required")
    assert refused(browser.get(MINT)) == "stronger-factor-required"
    before = File.objects.count()
    late = push(relayed, build_wheel(tmp_path, version="2.0"))
    assert (late.status, late.code) == (403, "credential-weak")
    assert File.objects.count() == before
    key = enrol(browser)  # enrolling is never gated, and lifts the session that proved it
    assert browser.get(MANAGE).status_code == 200
    for path in (FACTOR, PASSKEY):
        strong = by_key(key, path)
        assert strong.get(MANAGE).status_code == 200
        token = minted(strong)
        assert push(token, build_wheel(tmp_path, version=f"2.{File.objects.count()}")).status == 200
        time.go(minutes=1)
    assert push(relayed, build_wheel(tmp_path, version="3.0")).code == "credential-weak"


@pytest.mark.parametrize("path", [FACTOR, PASSKEY, STEP_UP])
def test_a10_a_key_asked_by_a_site_in_between_answers_for_that_site(path: str) -> None:
    owner()
    key = enrol(by_app())
    browser = by_key(key) if path == STEP_UP else Browser()
    if path == FACTOR:
        browser.sign_in()
    page = answer(browser, path, key, origin="https://keyh0use.example")
    assert (page.status_code, refused(page)) == (403, "key-origin-wrong")


def test_a12_going_down_to_the_app_leaves_a_session_that_says_so(time: Clock) -> None:
    owner()
    campaign("security-key")
    key = enrol(by_app())
    time.set(ENFORCED)
    browser = by_app()  # the key is there, and wasn't used
    assert Session.objects.get(proved_at=clock.now()).methods == ["password", "totp"]
    assert refused(browser.get(MANAGE)) == "stronger-factor-required"
    assert refused(browser.post(MANAGE)) in {"stronger-factor-required", "method-not-allowed"}
    browser.get("/account/step-up/app/")
    time.go(seconds=30)
    browser.post("/account/step-up/app/", {"code": code()})
    assert refused(browser.get(MANAGE)) == "stronger-factor-required", "once more by the app is no more"
    assert answer(browser, STEP_UP, key).status_code == 200
    assert browser.get(MANAGE).status_code == 200


def test_a12_a_key_that_syncs_is_not_one_that_stays(time: Clock, tmp_path: Path) -> None:
    owner()
    campaign("device-bound")
    first = by_app()
    synced, bound = enrol(first, GOOD | BE), enrol(first)
    time.set(ENFORCED)
    weak, strong = by_key(synced), by_key(bound)
    page = weak.get(MANAGE)
    assert (page.status_code, refused(page)) == (403, "stronger-factor-required")
    assert strong.get(MANAGE).status_code == 200
    assert push(minted(strong), build_wheel(tmp_path)).status == 200


# ---- codes that were seen


def test_a11_a_code_is_worth_one_sign_in_in_whatever_dress_and_however_late(time: Clock) -> None:
    ada = owner()
    typed = code()
    assert Browser().be_known(ada).sign_in()["Location"] == "/account/second-factor/"
    by_app()
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in typed)
    others = [Browser().be_known(ada) for _ in range(4)]
    for browser, dress in zip(others, (typed, f" {typed[:3]} {typed[3:]}\t", wide, wide), strict=True):
        if browser is others[-1]:
            time.go(seconds=30)  # still inside of the window, as for a clock that is a step behind
        browser.sign_in()
        page = browser.enter(dress)
        assert (page.status_code, refused(page)) == (400, "code-replayed")
        assert refused(browser.get(MANAGE)) == "sign-in-required"
    assert Session.objects.filter(is_complete=True).count() == 1
    assert Authenticator.objects.get().failures == 4


def test_a11_of_many_browsers_that_send_one_code_at_once_one_gets_in(configure: Configure) -> None:
    configure(rate_limits="off")
    ada = owner()
    browsers = [Browser().be_known(ada) for _ in range(4)]
    for browser in browsers:
        browser.sign_in()
        browser.get("/account/second-factor/")
    typed = {"code": code()}
    pages = at_once([partial(browser.post, "/account/second-factor/", typed) for browser in browsers])
    assert sorted(getattr(page, "status_code", 0) for page in pages) == [303, 400, 400, 400]
    assert Session.objects.filter(is_complete=True).count() == 1


# ---- browsers that were here before


def test_a4_no_browser_is_remembered_in_the_place_of_a_factor() -> None:
    ada = owner()
    browser = by_app()
    assert browser.get(MANAGE).status_code == 200
    names = {cookie_name(purpose) for purpose in (SESSION, CSRF, BROWSER)}
    assert set(browser.client.cookies) == names, "nothing else is kept in a browser"
    assert browser.client.cookies[cookie_name(BROWSER)].value, "known, by which limits of guessing go"
    old = browser.cookie
    browser.get("/account/")
    browser.post("/account/sign-out/")
    for name in ("remember", "remember_device", "trusted_device", "known_browser"):
        browser.client.cookies[name] = old
    page = browser.sign_in()
    assert page["Location"].startswith("/account/second-factor/")
    assert refused(browser.get(MANAGE)) == "sign-in-required"
    waiting = Session.objects.get(user=ada, is_complete=False)
    assert waiting.methods == ["password"]
    browser.carry(old)
    assert refused(browser.get(MANAGE)) == "sign-in-required", "what was signed out is gone"


def test_a4_a_session_that_lost_its_factor_is_as_weak_as_what_is_left(time: Clock) -> None:
    ada = owner()
    key = enrol(by_app())
    browser = by_key(key)
    for row in Authenticator.objects.all():
        browser.get("/account/")
        browser.post(f"/account/second-factors/{row.pk}/remove/")
    session, cookie = start_session(ada, ("password",))
    weak = Browser()
    weak.carry(cookie)
    assert not actor_of(session).strength.has_second_factor
    assert refused(weak.get(MANAGE)) == "second-factor-required"


# ---- the last factor, of whatever kind


@pytest.mark.parametrize("first", ["app", "key"])
def test_a1_of_an_app_and_a_key_the_last_one_stays(first: str) -> None:
    ada = owner()
    key = enrol(by_app())
    browser = by_key(key)
    app, kept = ada.authenticators.get(), SecurityKey.objects.get()
    paths = [f"/account/second-factors/{app.pk}/remove/", f"/account/security-keys/{kept.pk}/remove/"]
    if first == "key":
        paths.reverse()
    browser.get("/account/")
    assert browser.post(paths[0]).status_code in {302, 303}
    browser.get("/account/")
    last = browser.post(paths[1])
    assert refused(last) in {"second-factor-last", "step-up-required"}
    assert Authenticator.objects.count() + SecurityKey.objects.count() == 1


@pytest.mark.parametrize("keys", [1, 2])
def test_a1_removals_of_apps_and_keys_at_once_leave_one(keys: int) -> None:
    ada = owner()
    browser = by_app()
    made = [enrol(browser) for _ in range(keys)]
    by_key(made[0])
    actor = actor_of(Session.objects.latest("pk"))
    acts: list[Any] = [
        partial(remove_authenticator, ada.pk, row.pk, by=actor) for row in Authenticator.objects.all()
    ]
    acts += [partial(remove_key, ada.pk, row.pk, by=actor) for row in SecurityKey.objects.all()]
    results = at_once(acts)
    names = sorted(type(one).__name__ for one in results)
    assert names == ["NoneType"] * keys + ["SecondFactorLast"]
    assert Authenticator.objects.count() + SecurityKey.objects.count() == 1
