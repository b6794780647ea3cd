from __future__ import annotations

from typing import Any

import pytest
from tests.accounts.conftest import SECRET, Browser, Clock, code, mailed, make_person, refused, send
from tests.accounts.recovery.conftest import ask
from tests.accounts.recovery.test_thawing import enter_password, freeze, state_of
from tests.accounts.second_factors.soft_key import SoftKey
from tests.accounts.second_factors.test_security_keys import enrolled

from keyhouse.accounts.models import Authenticator, RecoveryCodeSet, SecurityKey, User
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host

pytestmark = pytest.mark.django_db


def prove(browser: Browser, path: str, key: SoftKey) -> Any:
    """Let a key answer what the page of its last step asks."""
    browser.get(path + "factor/")
    asked = send(browser, path + "security-key/options/", {})
    assert asked.status_code == 200, asked.content
    return send(browser, path + "security-key/", {"response": key.get(asked.json())})


def test_a_security_key_opens_the_account_once(ada: User, browser: Browser, time: Clock) -> None:
    key, _ = enrolled(ada)
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    page = prove(browser, path, key)
    assert (page.status_code, page.json()["location"]) == (200, "/account/sign-in/")
    assert state_of(ada) == "active"
    assert SecurityKey.objects.filter(user=ada).count() == 1


def test_somebody_elses_key_opens_nothing(ada: User, browser: Browser, time: Clock) -> None:
    enrolled(ada)
    theirs, _ = enrolled(make_person("mallory"))
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    assert refused(prove(browser, path, theirs)).startswith("key-")
    assert state_of(ada) == "frozen"


def test_r6_what_a_thief_added_before_the_freeze_opens_nothing_after_it(
    ada: User, browser: Browser, time: Clock
) -> None:
    old, _ = enrolled(ada)
    kept = SecurityKey.objects.get()
    time.go(days=30)
    enrolled(ada)
    enrol_authenticator(ada, SECRET[::-1], by=host(), name="thief's")
    give_recovery_codes(ada, new_codes(), by=host())
    time.go(days=6)
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    assert prove(browser, path, old).status_code == 200
    assert SecurityKey.objects.get() == kept
    assert Authenticator.objects.get().name == "app 0"
    assert not RecoveryCodeSet.objects.exists()
    assert "are ended: make yours again" in mailed("account.thawed")[0]
    ended = Record.objects.get(action="account.thaw", outcome="done").details["ended"]
    assert [one.split()[0] for one in ended] == ["authenticator", "security-key"]


def test_a_late_factor_opens_the_account_where_no_older_one_works(
    ada: User, browser: Browser, time: Clock
) -> None:
    enrolled(ada)
    give_recovery_codes(ada, new_codes(), by=host())
    time.go(days=8)
    enrol_authenticator(ada, SECRET[::-1], by=host(), name="new phone")
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    assert refused(browser.post(path + "factor/", {"code": code(secret=SECRET[::-1])})) == "thaw-refused"
    time.go(minutes=1)
    Authenticator.objects.filter(name="app 0").update(disabled_at=clock.now())
    SecurityKey.objects.update(cloned_at=clock.now())
    page = browser.post(path + "factor/", {"code": code(secret=SECRET[::-1])})
    assert page["Location"] == "/account/sign-in/"
    assert Authenticator.objects.count() == 2
    assert SecurityKey.objects.count() == RecoveryCodeSet.objects.count() == 1
    assert "are ended" not in mailed("account.thawed")[0]
