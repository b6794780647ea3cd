"""What becomes of security keys when the site gets another name (RP ID)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.accounts.conftest import START, Browser, Clock, Configure, refused, send, signed_in
from tests.accounts.second_factors.soft_key import SoftKey
from tests.accounts.second_factors.test_security_keys import ADD, FACTOR, STEP_UP, answer, enrolled

from keyhouse.accounts import strength
from keyhouse.accounts.errors import SecondFactorLast
from keyhouse.accounts.models import Hold, SecurityKey, User
from keyhouse.accounts.sessions import actor_of
from keyhouse.cli.announcement import former_keys
from keyhouse.cli.doctor_inside import check_security_keys
from keyhouse.core import clock, configuration
from keyhouse.core.configuration import ConfigurationError, FormerName

pytestmark = pytest.mark.django_db
NEW = {"base_url": "https://new.example", "rp_id": ""}
LAST_DAY = date(2024, 6, 30)


@pytest.fixture
def moved(ada: User, configure: Configure) -> SoftKey:
    """Return a key of ada's from before the site moved; its answers come from the new address."""
    key, _ = enrolled(ada)
    configure(**NEW, former_rp_ids=(FormerName("localhost", LAST_DAY),))
    key.origin = "https://new.example"
    return key


def secure() -> Browser:
    browser = Browser()
    browser.client.defaults["wsgi.url_scheme"] = "https"
    return browser


def waiting() -> Browser:
    browser = secure()
    browser.sign_in()
    return browser


def by_former_passkey(browser: Browser, key: SoftKey) -> Any:
    browser.get("/account/sign-in/")
    asked = send(browser, "/account/sign-in/former-passkey/options/", {})
    if asked.status_code != 200:
        return asked
    return send(browser, "/account/sign-in/former-passkey/", {"response": key.get(asked.json())})


# ---- the start


def test_a_start_under_another_name_is_refused_and_says_what_dies(ada: User, configure: Configure) -> None:
    enrolled(ada)
    assert former_keys(configuration.current()) == []
    settings = configure(**NEW)
    with pytest.raises(ConfigurationError) as refusal:
        former_keys(settings)
    told = str(refusal.value)
    assert "1 security keys of 1 people" in told
    assert "KEYHOUSE_FORMER_RP_IDS=localhost" in told


def test_what_was_acknowledged_starts_and_is_told(ada: User, configure: Configure) -> None:
    enrolled(ada)
    dead = former_keys(configure(**NEW, former_rp_ids=(FormerName("localhost"),)))
    assert len(dead) == 1
    assert "don't work any more" in dead[0]
    living = former_keys(configure(**NEW, former_rp_ids=(FormerName("localhost", LAST_DAY),)))
    assert "through 2024-06-30" in living[0]
    with pytest.raises(ConfigurationError):
        former_keys(configure(**NEW, former_rp_ids=(FormerName("other.example"),)))


def test_the_doctor_says_the_same_before_a_start(ada: User, configure: Configure) -> None:
    def grades(**settings: Any) -> list[str]:
        return [one.grade for one in check_security_keys(configure(**settings))]

    enrolled(ada)
    assert list(check_security_keys(configuration.current())) == []
    assert grades(**NEW) == ["problem"]
    assert grades(**NEW, former_rp_ids=(FormerName("localhost"),)) == ["hint"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ()),
        ("Old.example", (FormerName("old.example"),)),
        (
            " a.example=2027-01-31, b.example",
            (FormerName("a.example", date(2027, 1, 31)), FormerName("b.example")),
        ),
    ],
)
def test_the_setting_is_read(text: str, read: tuple[FormerName, ...]) -> None:
    found = configuration.read({"KEYHOUSE_FORMER_RP_IDS": text})
    assert found.former_rp_ids == read


@pytest.mark.parametrize("text", ["a.example=soon", "a.example=2027-13-01"])
def test_a_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="KEYHOUSE_FORMER_RP_IDS"):
        configuration.read({"KEYHOUSE_FORMER_RP_IDS": text})


# ---- the window


def test_browsers_are_told_of_the_new_origin_while_keys_of_before_work(moved: SoftKey, time: Clock) -> None:
    page = secure().get("/.well-known/webauthn")
    assert page.json() == {"origins": ["https://new.example"]}
    assert page["Content-Type"] == "application/json"
    time.set(START.replace(month=6, day=30, hour=23, minute=59))
    assert secure().get("/.well-known/webauthn").status_code == 200
    time.set(START.replace(month=7, day=1, hour=0))
    assert secure().get("/.well-known/webauthn").status_code == 404


def test_without_keys_of_before_nothing_is_told(db: None, configure: Configure) -> None:
    assert Browser().get("/.well-known/webauthn").status_code == 404
    configure(**NEW, former_rp_ids=(FormerName("localhost", LAST_DAY),))
    assert secure().get("/.well-known/webauthn").status_code == 404
    assert "former-passkey" not in (secure().get("/account/sign-in/").content.decode())


def test_a_key_of_before_signs_in_steps_up_and_leads_to_a_new_one_without_a_hold(
    ada: User, moved: SoftKey
) -> None:
    browser = waiting()
    page = answer(browser, FACTOR, moved)
    assert page.status_code == 200, page.content
    assert answer(browser, STEP_UP, moved).status_code == 200
    new = SoftKey(origin="https://new.example", rp_id="new.example")
    assert answer(browser, ADD, new).status_code == 200
    assert set(SecurityKey.objects.values_list("rp_id", flat=True)) == {"localhost", "new.example"}
    assert not Hold.objects.exists()
    assert browser.get("/account/").status_code == 200
    assert answer(browser, STEP_UP, new).status_code == 200  # the new one is asked for from now on


def test_a_passkey_of_before_signs_in_alone_by_its_own_button(ada: User, moved: SoftKey) -> None:
    browser = secure()
    assert "/account/sign-in/former-passkey/" in (browser.get("/account/sign-in/") and browser.text)
    assert by_former_passkey(browser, moved).status_code == 200
    assert browser.get("/account/").status_code == 200


def test_a_question_for_one_name_is_not_answered_by_a_key_of_the_other(ada: User, moved: SoftKey) -> None:
    browser = secure()
    browser.get("/account/sign-in/")
    asked = send(browser, "/account/sign-in/passkey/options/", {}).json()
    assert asked["rpId"] == "new.example"
    page = send(browser, "/account/sign-in/passkey/", {"response": moved.get(asked)})
    assert refused(page) == "key-unknown"


def test_the_origin_of_before_is_refused_all_the_same(ada: User, moved: SoftKey) -> None:
    moved.origin = "http://localhost:8400"
    assert refused(by_former_passkey(secure(), moved)) == "key-origin-wrong"


def test_after_the_last_day_a_key_of_before_opens_nothing(ada: User, moved: SoftKey, time: Clock) -> None:
    time.set(START.replace(month=7, day=1, hour=0))
    assert by_former_passkey(secure(), moved).status_code == 404
    browser = waiting()
    browser.get("/account/second-factor/")
    page = send(browser, FACTOR + "options/", {})
    assert refused(page) == "key-unknown"


def test_a_question_that_was_asked_on_the_last_day_is_not_answered_on_the_next(
    ada: User, moved: SoftKey, time: Clock
) -> None:
    time.set(START.replace(month=6, day=30, hour=23, minute=58, second=0))
    browser = secure()
    browser.get("/account/sign-in/")
    asked = send(browser, "/account/sign-in/former-passkey/options/", {}).json()
    assert clock.now().day == 30
    time.go(minutes=3)
    page = send(browser, "/account/sign-in/former-passkey/", {"response": moved.get(asked)})
    assert refused(page) == "key-unknown"


def test_a_key_of_before_is_no_reason_to_let_the_last_lasting_factor_go(ada: User, moved: SoftKey) -> None:
    """It stops working by itself."""
    app = ada.authenticators.get()
    with pytest.raises(SecondFactorLast):
        strength.require_another(ada.pk, actor_of(signed_in(ada)[0]), app_id=app.pk)
