from __future__ import annotations

import re
from functools import partial
from urllib.parse import unquote

import pytest
from django.db import transaction
from tests.accounts.conftest import (
    Browser,
    Clock,
    Configure,
    at_once,
    code,
    give_project,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts import signing_in, strength
from keyhouse.accounts.errors import RecoveryCodeWrong
from keyhouse.accounts.hashing import CODE_HASH, CodeHash, hash_code
from keyhouse.accounts.models import RecoveryCode, RecoveryCodeSet, Session, User
from keyhouse.accounts.second_factors.recovery_codes import rules, services
from keyhouse.accounts.sessions import actor_of, start_session
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal, StepUpRequired
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db

RECOVERY = "/account/second-factor/recovery-code/"
STATUS = "/account/recovery-codes/"
NEW = "/account/recovery-codes/new/"


def codes_of(user: User) -> list[str]:
    codes = rules.new_codes()
    services.give_recovery_codes(user, codes, by=host())
    return codes


def use(user: User, typed: str) -> int:
    guess = services.hash_guess(user.pk, typed)
    with transaction.atomic():
        return services.use_code(guess, now=clock.now())


def codes_on(browser: Browser) -> list[str]:
    return browser.text.split('data-copy id="codes">')[1].split("<")[0].split()


@pytest.mark.usefixtures("hashing_in_earnest")
def test_codes_are_kept_as_argon2id_under_one_salt(ada: User) -> None:
    codes = codes_of(ada)
    code_set = RecoveryCodeSet.objects.get()
    digests = list(RecoveryCode.objects.values_list("digest", flat=True))
    assert len(set(digests)) == 10
    assert all(len(digest) == 64 for digest in digests)
    assert not set(codes) & set(digests)
    assert len(code_set.salt) == 32
    assert code_set.parameters == "m=19456,t=2,p=1"
    assert CodeHash.parse(code_set.parameters) == CODE_HASH


def test_one_guess_costs_one_hash(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    codes_of(ada)
    hashed: list[str] = []

    def counting(typed: str, *rest: object) -> str:
        hashed.append(typed)
        return "x"

    monkeypatch.setattr(services, "hash_code", counting)
    with pytest.raises(RecoveryCodeWrong):
        use(ada, "a" * 16)
    assert len(hashed) == 1


def test_each_code_works_once(ada: User) -> None:
    codes = codes_of(ada)
    assert use(ada, codes[4]) == 9
    with pytest.raises(RecoveryCodeWrong):
        use(ada, codes[4])
    assert use(ada, rules.shown_code(codes[5]).upper()) == 8
    assert strength.codes_left(ada.pk) == 8


def test_a_new_set_voids_the_old(ada: User) -> None:
    old = codes_of(ada)
    guess = services.hash_guess(ada.pk, old[0])
    new = codes_of(ada)
    with pytest.raises(RecoveryCodeWrong), transaction.atomic():
        services.use_code(guess, now=clock.now())
    with pytest.raises(RecoveryCodeWrong):
        use(ada, old[1])
    assert use(ada, new[0]) == 9


def test_somebody_elses_code_is_worth_nothing(ada: User) -> None:
    codes_of(ada)
    with pytest.raises(RecoveryCodeWrong):
        use(ada, codes_of(make_person("bob"))[0])
    with pytest.raises(RecoveryCodeWrong):
        use(make_person("eve"), "a" * 16)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_use_one_code_at_once_one_gets_in(configure: Configure) -> None:
    configure(rate_limits="off")
    ada = make_person()
    typed, now = codes_of(ada)[0], clock.now()
    sessions = [start_session(ada, ["password"], is_complete=False)[0] for _ in range(6)]
    results = at_once(
        partial(signing_in.finish_by_recovery_code, session, typed, Visitor(), now) for session in sessions
    )
    assert [one.code for one in results if isinstance(one, Refusal)] == ["recovery-code-wrong"] * 5
    assert Session.objects.filter(is_complete=True).count() == 1
    assert strength.codes_left(ada.pk) == 9


def test_a_recovery_code_lets_in_and_leads_to_a_new_factor(ada: User, browser: Browser) -> None:
    codes = codes_of(ada)
    give_project(ada)
    browser.sign_in()
    browser.get(RECOVERY)
    page = browser.post(RECOVERY, {"recovery_code": rules.shown_code(codes[0]), "next": "/project/alpha/"})
    assert page["Location"] == "/account/second-factors/"
    assert Session.objects.get().methods == ["password", "recovery_code"]
    record = Record.objects.order_by("-id")[0]
    assert (record.action, record.methods) == ("session.start", ["password", "recovery_code"])
    browser.get("/account/second-factors/")
    assert "You came in by a recovery code" in browser.text
    assert refused(browser.get("/manage/projects/")) == "account-held"
    assert browser.get("/account/second-factors/add/").status_code == 200


def test_a_wrong_recovery_code_is_counted_and_recorded(ada: User, browser: Browser) -> None:
    codes_of(ada)
    browser.sign_in()
    browser.get(RECOVERY)
    for _ in range(5):
        assert refused(browser.post(RECOVERY, {"recovery_code": "a" * 16})) == "recovery-code-wrong"
    assert browser.post(RECOVERY, {"recovery_code": "a" * 16}).status_code == 429
    assert Record.objects.filter(code="recovery-code-wrong", account_id=ada.pk).count() == 5


def test_a_session_by_recovery_code_changes_neither_password_nor_codes(ada: User) -> None:
    session, browser = signed_in(ada, "password", "recovery_code")
    with pytest.raises(StepUpRequired):
        services.give_recovery_codes(ada, rules.new_codes(), by=actor_of(session))
    browser.get(STATUS)
    assert refused(browser.post(STATUS)) == "step-up-required"
    assert not RecoveryCodeSet.objects.exists()


def test_a_new_set_holds_once_one_is_typed_back(ada: User) -> None:
    old = codes_of(ada)
    session, browser = signed_in(ada)
    signed_in(ada)
    browser.get(STATUS)
    assert browser.post(STATUS)["Location"] == NEW
    browser.get(NEW)
    shown = codes_on(browser)
    assert len(shown) == 10
    assert use(ada, old[0]) == 9
    assert refused(browser.post(NEW, {"recovery_code": old[1]})) == "recovery-code-wrong"
    assert codes_on(browser) == shown
    assert browser.post(NEW, {"recovery_code": shown[7]})["Location"] == STATUS
    with pytest.raises(RecoveryCodeWrong):
        use(ada, old[2])
    assert use(ada, shown[7]) == 9
    assert Session.objects.get().pk == session.pk
    session.refresh_from_db()
    assert session.data_sealed == ""


def test_the_waiting_codes_are_sealed(ada: User) -> None:
    session, browser = signed_in(ada)
    browser.get(STATUS)
    browser.post(STATUS)
    browser.get(NEW)
    session.refresh_from_db()
    assert codes_on(browser)[0].replace("-", "") not in session.data_sealed


def test_without_a_set_under_way_there_is_nothing_to_confirm(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get("/account/")
    for page in (browser.client.get(NEW), browser.post(NEW, {"recovery_code": "a" * 16})):
        assert (page.status_code, refused(page)) == (409, "enrolment-missing")


def test_a_stale_proof_makes_no_codes(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    browser.get(STATUS)
    time.go(minutes=16)
    assert browser.post(STATUS)["Location"].startswith("/account/step-up/")
    page = browser.get("/account/step-up/")
    browser.post("/account/step-up/", {"code": code(), "next": STATUS})
    assert page.status_code == 200
    browser.get(STATUS)
    assert browser.post(STATUS)["Location"] == NEW


def test_new_codes_are_shown_once_to_copy_to_load_down_and_to_print(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get(STATUS)
    browser.post(STATUS)
    browser.get(NEW)
    shown = codes_on(browser)
    link = re.search(
        r'download="keyhouse-recovery-codes.txt" href="data:text/plain;charset=utf-8,([^"]+)"', browser.text
    )
    assert link
    assert unquote(link[1]).split("\n")[1:11] == shown
    assert 'src="/static/accounts/print' in browser.text
    browser.post(NEW, {"recovery_code": shown[0]})
    for path in (NEW, STATUS, "/account/second-factors/"):
        assert not any(one in browser.get(path).content.decode() for one in shown)
    assert "no-store" in browser.page["Cache-Control"]


def test_r8_pages_tell_whether_codes_exist_when_made_and_how_many_are_left(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    browser.get("/account/second-factors/")
    assert "None. Without them a lost device locks you out." in browser.text
    codes = codes_of(ada)
    use(ada, codes[0])
    _, browser = signed_in(ada)
    for path in ("/account/second-factors/", STATUS):
        browser.get(path)
        assert "9 of ten" in browser.text
        assert "2024-05-06" in browser.text
    for one in codes[1:]:
        use(ada, one)
    browser.get("/account/second-factors/")
    assert "All of them are used." in browser.text


def test_the_owner_is_told_of_a_new_set(ada: User) -> None:
    session, _ = signed_in(ada)
    services.give_recovery_codes(ada, rules.new_codes(), by=actor_of(session))
    assert list(Mail.objects.values_list("kind", "address")) == [("recovery-codes-new", "ada@example.org")]


@pytest.mark.django_db(transaction=True)
def test_of_two_sets_kept_at_once_one_is_there_whole(ada: User) -> None:
    sets = [rules.new_codes() for _ in range(4)]
    at_once(partial(services.give_recovery_codes, ada, codes, by=host()) for codes in sets)
    digests = set(RecoveryCode.objects.values_list("digest", flat=True))
    code_set = RecoveryCodeSet.objects.get()
    assert len(digests) == 10
    assert digests in [{hash_code(code, code_set.salt) for code in codes} for codes in sets]
