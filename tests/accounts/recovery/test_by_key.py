"""Coming back by a security key beside a recovery code or the app: what opens a case, and what strangers learn of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.accounts.conftest import (
    Browser,
    Clock,
    at_once,
    code,
    give_project,
    mailed,
    make_person,
    refused,
    send,
)
from tests.accounts.recovery.conftest import told
from tests.accounts.recovery.test_by_factors import PAGE, finish, press, spent
from tests.accounts.second_factors.soft_key import BE, UP, UV, SoftKey

from keyhouse.accounts.cookies import CEREMONY, RETURN, cookie_name
from keyhouse.accounts.models import Authenticator, Ceremony, RecoveryCase, SecurityKey, User, UserHandle
from keyhouse.accounts.recovery import by_factors, rules
from keyhouse.accounts.recovery.errors import ProofsRefused
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.webauthn import ceremonies
from keyhouse.accounts.second_factors.webauthn.rules import decode, encode
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db
DOOR = f"{PAGE}security-key/"
OPTIONS = f"{DOOR}options/"


def lay_key(user: User, *, flags: int = UP, count: int = 0) -> SoftKey:
    """Enrol a key that can't tell who holds it, by its row."""
    key = SoftKey(flags=flags, count=count)
    handle, _ = UserHandle.objects.get_or_create(
        user=user, defaults={"handle": encode(bytes([user.pk % 256] * 64))}
    )
    key.handle = decode(handle.handle)
    SecurityKey.objects.create(
        user=user,
        name="key",
        credential_id=encode(key.id),
        public_key=key.cose(),
        algorithm=-7,
        rp_id="localhost",
        user_verified=bool(flags & UV),
        backup_eligible=bool(flags & BE),
        sign_count=count,
        created_at=clock.now(),
    )
    return key


@pytest.fixture
def key(ada: User) -> SoftKey:
    return lay_key(ada)


@pytest.fixture
def codes(ada: User) -> list[str]:
    given = new_codes()
    give_recovery_codes(ada, given, by=host())
    Mail.objects.all().delete()
    return [shown_code(one) for one in given]


def options(browser: Browser, name: str = "ada") -> Any:
    browser.get(PAGE)
    answer = send(browser, OPTIONS, {"username": name})
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(browser: Browser, name: str) -> list[str]:
    return [one["id"] for one in options(browser, name)["allowCredentials"]]


def give(browser: Browser, key: SoftKey, name: str = "ada", asked: Any = None, **proofs: str) -> str:
    """Send key and proofs; returns where it leads, or the code of its refusal."""
    response = key.get(asked or options(browser, name))
    answer = send(browser, DOOR, {"username": name, "response": response, **proofs})
    return str(answer.json().get("location") or refused(answer))


def test_r4_a_key_and_a_recovery_code_set_the_account_anew_after_three_days(
    ada: User, codes: list[str], key: SoftKey, browser: Browser, time: Clock
) -> None:
    give_project(ada)
    assert give(browser, key, recovery_code=codes[0]) == PAGE
    case = RecoveryCase.objects.get(state="open")
    assert (case.basis, case.proofs, spent()) == ("two factors", "recovery code, security key", 1)
    assert case.ready_at == clock.now() + rules.LONG
    assert "a recovery code, which is used up and a security key" in mailed("recovery.opened")[-1].replace(
        "\n", " "
    )
    assert "a security key" in browser.get(PAGE).content.decode()
    assert refused(press(browser)) == "recovery-waits"
    time.go(hours=72)
    finish(browser)
    case.refresh_from_db()
    assert case.state == "finished"
    assert not SecurityKey.objects.filter(user=ada).exists()


def test_r4_a_key_and_the_app_are_two_proofs_and_use_nothing_up(
    ada: User, codes: list[str], key: SoftKey, browser: Browser
) -> None:
    assert give(browser, key, code=code()) == PAGE
    case = RecoveryCase.objects.get(state="open")
    assert (case.basis, case.proofs, case.knows_code, spent()) == (
        "two factors",
        "security key, authenticator app",
        False,
        0,
    )
    opened = Record.objects.get(action="recovery.open", outcome="done")
    assert opened.details["proofs"] == ["security key", "authenticator app"]
    assert set(told("recovery.opened")) == {"ada@example.org"}


def test_all_three_are_taken_and_all_have_to_be_right(
    ada: User, codes: list[str], key: SoftKey, browser: Browser
) -> None:
    assert give(browser, key, recovery_code=codes[0], code="000000") == ProofsRefused.code
    assert (spent(), RecoveryCase.objects.count()) == (0, 0)
    assert give(browser, key, recovery_code=codes[0], code=code()) == PAGE


def test_one_proof_opens_nothing_and_gets_the_answer_of_none(
    ada: User, codes: list[str], key: SoftKey, browser: Browser
) -> None:
    bobs = lay_key(make_person("bob"))
    wrong = shown_code(new_codes()[0])
    answers = {
        give(browser, key),
        give(browser, key, recovery_code=wrong),
        give(browser, key, code="000000"),
        give(browser, SoftKey(), recovery_code=codes[0]),
        give(browser, bobs, recovery_code=codes[0]),
        give(browser, bobs, code=code()),
        give(browser, key, name="nobody", recovery_code=codes[0]),
        give(browser, key, name="bob", code=code()),
    }
    assert answers == {ProofsRefused.code}
    assert (spent(), RecoveryCase.objects.count(), Mail.objects.count()) == (0, 0, 0)
    assert not browser.client.cookies.get(cookie_name(RETURN))


def test_nobody_without_the_key_tries_codes_of_the_app_and_who_has_it_is_limited(
    ada: User, key: SoftKey, browser: Browser
) -> None:
    for _ in range(6):
        assert give(browser, SoftKey(), code="000000") == ProofsRefused.code
    assert Authenticator.objects.get(user=ada).failures == 0
    other = Browser()
    answers = [give(other, key, code="000000") for _ in range(7)]
    assert answers[:3] == [ProofsRefused.code] * 3
    assert answers[-1] == "too-many"
    assert 0 < Authenticator.objects.get(user=ada).failures < 7
    assert give(other, key, code=code()) == "too-many"


@pytest.mark.parametrize("name", ["ada", "bob", "nobody", "ä", "", "ada@example.org", "held"])
def test_a_question_by_name_is_of_one_form_and_stays_the_same(ada: User, key: SoftKey, name: str) -> None:
    make_person("bob")
    make_person("held", state="suspended")
    first, again, shouted = (ids(Browser(), one) for one in (name, name, name.upper()))
    assert first == again == shouted
    assert first == sorted(first)
    assert len(set(first)) == 4
    told_options = options(Browser(), name)
    assert set(told_options) == {"challenge", "rpId", "allowCredentials", "userVerification", "timeout"}
    assert all(set(one) == {"type", "id"} for one in told_options["allowCredentials"])
    assert (encode(key.id) in first) is (name == "ada")


@pytest.mark.parametrize("other", ["ross ", " ROSS", "ro\N{LATIN SMALL LETTER LONG S}s", "roß", "Roß"])
def test_two_ways_to_write_a_name_tell_no_made_up_id_from_a_real_one(db: None, other: str) -> None:
    lay_key(make_person("ross"))
    of_nobody = other.replace("r", "l").replace("R", "L")
    shared = len(set(ids(Browser(), "ross")) & set(ids(Browser(), other)))
    assert shared in {0, 4}
    assert shared == len(set(ids(Browser(), "loss")) & set(ids(Browser(), of_nobody)))


def test_spaces_around_a_name_are_no_part_of_it(
    ada: User, codes: list[str], key: SoftKey, browser: Browser
) -> None:
    assert give(browser, key, name=" Ada ", recovery_code=codes[0]) == PAGE


def test_keys_that_open_the_account_alone_and_wherever_are_named_to_nobody(ada: User) -> None:
    synced = lay_key(ada, flags=UP | UV | BE)
    assert encode(synced.id) not in ids(Browser(), "ada")
    bound = [lay_key(ada, flags=UP | UV) for _ in range(5)]
    assert set(ids(Browser(), "ada")) == {encode(one.id) for one in bound}


def test_a_question_leaves_no_row_and_its_answer_counts_once_in_its_browser_for_its_name(
    ada: User, codes: list[str], key: SoftKey, browser: Browser, time: Clock
) -> None:
    make_person("bob")
    asked = options(browser)
    assert not Ceremony.objects.exists()
    thief = Browser()
    options(thief)
    assert give(thief, key, asked=asked, recovery_code=codes[0]) == ProofsRefused.code
    thief.client.cookies[cookie_name(CEREMONY)] = browser.client.cookies[cookie_name(CEREMONY)].value
    assert give(thief, key, asked=asked, recovery_code=codes[0]) == ProofsRefused.code
    assert give(browser, key, name="bob", asked=asked, recovery_code=codes[0]) == ProofsRefused.code
    assert give(browser, key, asked=asked, code="000000") == ProofsRefused.code
    assert give(browser, key, asked=asked, recovery_code=codes[0]) == ProofsRefused.code  # it was answered
    late = options(browser)
    time.go(minutes=5)
    assert give(browser, key, asked=late, recovery_code=codes[0]) == ProofsRefused.code
    assert spent() == 0


def test_a_question_of_the_sign_in_page_answers_nothing_here_nor_the_other_way_round(
    ada: User, codes: list[str], browser: Browser
) -> None:
    key = lay_key(ada, flags=UP | UV)
    browser.get("/account/sign-in/")
    anybody = send(browser, "/account/sign-in/passkey/options/", {}).json()
    assert give(browser, key, asked=anybody, recovery_code=codes[0]) == ProofsRefused.code
    asked = options(browser)
    page = send(browser, "/account/sign-in/passkey/", {"response": key.get(asked)})
    assert refused(page) == "key-challenge-wrong"


def test_a_key_whose_counter_stands_still_is_put_aside(ada: User, codes: list[str], browser: Browser) -> None:
    key = lay_key(ada, count=7)
    key.count = 3
    assert give(browser, key, recovery_code=codes[0]) == ProofsRefused.code
    assert SecurityKey.objects.get(credential_id=encode(key.id)).cloned_at is not None
    assert (spent(), RecoveryCase.objects.count()) == (0, 0)


def test_a_frozen_account_is_not_opened_by_it(
    ada: User, codes: list[str], key: SoftKey, browser: Browser
) -> None:
    User.objects.filter(pk=ada.pk).update(state=User.State.FROZEN)
    assert give(browser, key, recovery_code=codes[0]) == ProofsRefused.code
    assert give(browser, key, code=code()) == ProofsRefused.code
    assert (spent(), RecoveryCase.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "ada"},
        {"username": 1, "response": {}},
        {"username": "ada", "response": []},
        {"username": "a\x00", "response": {}},
        {"username": "ada", "recovery_code": ["x"], "response": {}},
    ],
)
def test_bad_input_is_refused_plainly(ada: User, browser: Browser, body: dict[str, Any]) -> None:
    options(browser)
    page = send(browser, DOOR, body)
    assert page.status_code in {400, 403, 422}
    assert refused(page) in {"key-answer-malformed", ProofsRefused.code}


def test_the_form_is_forged_by_nobody(ada: User, browser: Browser) -> None:
    for path in (DOOR, OPTIONS):
        page = browser.client.post(path, "{}", content_type="application/json")
        assert page.status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_with_one_answer_one_opens(ada: User, key: SoftKey) -> None:
    now, app = clock.now(), code()
    asked, kept = ceremonies.ask_by_name("ada", "browser", now)
    answer = by_factors.KeyAnswer(key.get(asked), "browser", kept)

    def act() -> str:
        try:
            return by_factors.begin(by_factors.Proofs("ada", code=app, key=answer), Visitor(), now)
        except Refusal as refusal:
            return refusal.code

    answers = at_once([act, act])
    assert answers.count(ProofsRefused.code) == 1
    assert RecoveryCase.objects.count() == 1
