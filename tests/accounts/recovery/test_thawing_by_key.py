from __future__ import annotations

from typing import Any

import pytest
from tests.accounts.conftest import Browser, Clock, make_person, refused, send
from tests.accounts.recovery.conftest import ask
from tests.accounts.recovery.test_thawing import enter_password, freeze, state_of
from tests.accounts.second_factors.soft_key import SoftKey
from tests.accounts.second_factors.test_security_keys import enrolled

from keyhouse.accounts.models import SecurityKey, User

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
