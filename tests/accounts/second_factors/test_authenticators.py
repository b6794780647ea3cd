from __future__ import annotations

import re
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from tests.accounts.conftest import (
    SECRET,
    Browser,
    Clock,
    Configure,
    at_home,
    at_once,
    code,
    make_person,
    refused,
    signed_in,
)
from tests.beside import Beside, answers_of
from tests.mandate.stored import make_project

from keyhouse.accounts import services, signing_in, strength
from keyhouse.accounts.errors import (
    ClockOff,
    CodeRefused,
    CodeReplayed,
    CodeWrong,
    SecondFactorLast,
    SecondFactorMissing,
    SecondFactorsMany,
)
from keyhouse.accounts.models import Authenticator, Session, User
from keyhouse.accounts.second_factors.totp import rules
from keyhouse.accounts.second_factors.totp.services import (
    accept_code,
    count_failure,
    enable_authenticator,
    enrol_authenticator,
    remove_authenticator,
    rename_authenticator,
)
from keyhouse.accounts.sessions import actor_of, start_session
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal, RoleRequired, StepUpRequired
from keyhouse.mail.models import Mail
from keyhouse.mandate.models import MandateVersion

ADD = "/account/second-factors/add/"


def accept(user: User, typed: str) -> Authenticator:
    with transaction.atomic():
        return accept_code(user.pk, typed, now=clock.now())


def waiting(user: User) -> Session:
    return start_session(user, ["password"], is_complete=False)[0]


def acting(user: User, *methods: str) -> Actor:
    return actor_of(start_session(user, methods or ("password", "totp"))[0])


def secret_on(browser: Browser) -> bytes:
    shown = browser.text.split('<pre class="code secret break" data-copy>')[1].split("<")[0]
    return rules.decode_secret(shown)


# ---- a code is accepted once ----


@pytest.mark.django_db
def test_the_secret_is_sealed(ada: User) -> None:
    row = Authenticator.objects.get()
    assert rules.encode_secret(SECRET) not in row.secret_sealed
    assert SECRET.hex() not in row.secret_sealed


@pytest.mark.django_db
def test_an_accepted_step_is_kept_and_never_accepted_again(ada: User, time: Clock) -> None:
    first = code()
    assert accept(ada, first).last_used_at is None
    row = Authenticator.objects.get()
    assert row.last_step == rules.step_at(clock.now())
    assert row.last_used_at == clock.now()
    with pytest.raises(CodeReplayed):
        accept(ada, first)
    with pytest.raises(CodeReplayed):
        accept(ada, code(-1))
    time.go(seconds=30)
    with pytest.raises(CodeReplayed):
        accept(ada, f" {first[:3]} {first[3:]}")
    accept(ada, code())


@pytest.mark.django_db
def test_of_several_refusals_the_most_telling_is_given(ada: User) -> None:
    enrol_authenticator(ada, b"\x07" * 20, by=host())
    accept(ada, code())
    with pytest.raises(CodeReplayed):
        accept(ada, code())
    with pytest.raises(ClockOff):
        accept(ada, code(5))
    with pytest.raises(CodeWrong):
        accept(ada, "000000" if code() != "000000" else "000001")


@pytest.mark.django_db
def test_codes_of_every_app_are_accepted(ada: User) -> None:
    enrol_authenticator(ada, b"\x07" * 20, by=host(), name="tablet")
    assert accept(ada, code(secret=b"\x07" * 20)).name == "tablet"
    assert accept(ada, code()).name == "app 0"


@pytest.mark.django_db(transaction=True)
def test_of_many_who_send_one_code_at_once_one_gets_in(configure: Configure) -> None:
    configure(rate_limits="off")
    ada = make_person()
    sessions = [waiting(ada) for _ in range(8)]
    typed, now = code(), clock.now()
    results = at_once(
        partial(signing_in.finish_by_code, session, typed, Visitor(), now) for session in sessions
    )
    assert [type(one) for one in results].count(CodeReplayed) == 7
    assert Session.objects.filter(is_complete=True).count() == 1
    assert Record.objects.filter(code="code-replayed").count() == 7
    assert Record.objects.filter(action="session.start", outcome="done").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_proofs_of_one_session_at_once_one_counts(configure: Configure) -> None:
    configure(rate_limits="off")
    ada = make_person(factors=2)
    session = waiting(ada)
    codes = [code(), code(secret=bytes([*SECRET[:-1], SECRET[-1] + 1]))]

    def finish(typed: str) -> signing_in.SignedIn:
        found = Session.objects.select_related("user").get(pk=session.pk)
        return signing_in.finish_by_code(found, typed, Visitor(), clock.now())

    results = at_once([partial(finish, typed) for typed in codes])
    won = [one for one in results if not isinstance(one, Refusal)]
    lost = [one.code for one in results if isinstance(one, Refusal)]
    assert len(won) == 1
    assert lost == ["sign-in-expired"]


PROCESS = """
import sys, django
django.setup()
from django.db import transaction
from keyhouse.accounts.second_factors.totp.services import accept_code
from keyhouse.core import clock
sys.stdin.readline()
try:
    with transaction.atomic():
        accept_code(int(sys.argv[1]), sys.argv[2], now=clock.parse_instant(sys.argv[3]))
    print("accepted")
except Exception as error:
    print(getattr(error, "code", error))
"""


@pytest.mark.django_db(transaction=True)
def test_of_many_processes_that_take_one_code_one_accepts_it() -> None:
    ada = make_person()
    arguments = [str(ada.pk), code(), clock.format_instant(clock.now())]
    answers = sorted(answers_of([Beside(PROCESS, *arguments) for _ in range(3)]))
    assert answers == ["accepted", "code-replayed", "code-replayed"]


@pytest.mark.django_db
@pytest.mark.parametrize("dress", ["{}", " {} ", "{}\n", "wide"])
def test_a_replay_in_any_dress_is_refused_and_counts_as_failure(
    ada: User, browser: Browser, dress: str
) -> None:
    first = code()
    browser.sign_in()
    browser.enter(first)
    again = Browser()
    again.sign_in()
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in first)
    page = again.enter(wide if dress == "wide" else dress.format(first))
    assert (page.status_code, refused(page)) == (400, "code-replayed")
    assert Authenticator.objects.get().failures == 1
    assert Session.objects.filter(is_complete=True).count() == 1
    record = Record.objects.order_by("-id")[0]
    assert (record.outcome, record.code, record.methods) == ("refused", "code-replayed", ["password"])


@pytest.mark.django_db
def test_a_clock_that_is_off_is_told_so_and_stays_out(ada: User, browser: Browser) -> None:
    browser.sign_in()
    page = browser.enter(code(6))
    assert refused(page) == "clock-off"
    assert not Session.objects.filter(is_complete=True).exists()


# ---- failures ----


def other_secret(number: int) -> bytes:
    """Return the secret of the app of that number of somebody who has several."""
    return bytes([*SECRET[:-1], SECRET[-1] + number])


def wrong(*secrets: bytes) -> str:
    """Return a code that none of these apps shows within ten minutes."""
    near = {code(shift, secret) for secret in secrets or (SECRET,) for shift in range(-12, 13)}
    return next(text for text in (f"{number:06}" for number in range(1000)) if text not in near)


def failures() -> dict[str, int]:
    return dict(Authenticator.objects.values_list("name", "failures"))


def mails(kind: str) -> list[str]:
    return list(Mail.objects.filter(kind=kind).order_by("pk").values_list("address", flat=True))


@pytest.mark.django_db
def test_a_hundred_failures_in_a_row_switch_an_app_off_and_tell_its_owner(ada: User) -> None:
    services.add_email(ada, "ada@second.example", by=host(), verified_by="host", is_primary=False)
    services.add_email(ada, "never@proven.example", by=host(), is_primary=False)
    for _ in range(99):
        count_failure(ada.pk, now=clock.now())
    assert Authenticator.objects.get().disabled_at is None
    assert mails("second-factor-switched-off") == []
    count_failure(ada.pk, now=clock.now())
    assert Authenticator.objects.get().disabled_at == clock.now()
    record = Record.objects.get(action="second-factor.disable")
    assert (record.account_id, record.actor_kind) == (ada.pk, "job")
    assert mails("second-factor-switched-off") == ["ada@example.org", "ada@second.example"]
    with pytest.raises(CodeWrong):
        accept(ada, code())
    assert strength.has_second_factor(ada.pk)
    assert strength.strongest_proof(ada.pk) == "recovery_code"
    count_failure(ada.pk, now=clock.now())
    assert failures() == {"app 0": 100}
    assert len(mails("second-factor-switched-off")) == 2


@pytest.mark.django_db
def test_a_right_code_of_any_app_ends_the_row_of_failures() -> None:
    ada = make_person(factors=2)
    for _ in range(99):
        count_failure(ada.pk, now=clock.now())
    accept(ada, code(secret=other_secret(0)))
    assert failures() == {"app 0": 0, "app 1": 0}
    count_failure(ada.pk, now=clock.now())
    assert failures() == {"app 0": 1, "app 1": 0}


@pytest.mark.django_db
def test_a23_a_hundred_wrong_codes_switch_one_app_off_and_no_other(time: Clock) -> None:
    ada = make_person(factors=3)
    accept(ada, code(secret=other_secret(1)))
    for _ in range(100):
        count_failure(ada.pk, CodeWrong(), now=clock.now())
    assert failures() == {"app 0": 0, "app 1": 100, "app 2": 0}
    assert [app.name for app in Authenticator.objects.exclude(disabled_at=None)] == ["app 1"]
    time.go(seconds=30)
    with pytest.raises(CodeWrong):
        accept(ada, code(secret=other_secret(1)))
    assert accept(ada, code(secret=other_secret(2))).name == "app 2"
    assert accept(ada, code(secret=other_secret(0))).name == "app 0"


@pytest.mark.django_db
def test_a_code_that_tells_its_app_counts_against_that_one(time: Clock) -> None:
    ada = make_person(factors=2)
    mine, others = other_secret(1), other_secret(0)
    accept(ada, code(secret=mine))
    accept(ada, code(secret=others))
    session = waiting(ada)
    for typed in (code(secret=mine), code(5, secret=mine), code(secret=others), wrong(mine, others)):
        with pytest.raises(CodeRefused):
            signing_in.finish_by_code(session, typed, Visitor(), clock.now())
    # two tell of the app they belong to; a wrong one counts against the app that was used last (of two at once the newer)
    assert failures() == {"app 0": 1, "app 1": 3}


@pytest.mark.django_db
def test_the_hint_at_the_clock_works_with_several_apps_and_reaches_no_further() -> None:
    ada = make_person(factors=3)
    for number in range(3):
        for shift in (-10, -2, 2, 10):
            with pytest.raises(ClockOff):
                accept(ada, code(shift, secret=other_secret(number)))
        for shift in (-11, 11, 60):
            with pytest.raises(CodeWrong):
                accept(ada, code(shift, secret=other_secret(number)))
    assert set(Authenticator.objects.values_list("last_step", "last_used_at")) == {(0, None)}


@pytest.mark.django_db
def test_an_app_that_is_off_tells_nothing_of_its_codes(ada: User) -> None:
    accept(ada, code())
    Authenticator.objects.update(disabled_at=clock.now())
    for typed in (code(), code(1), code(5)):
        with pytest.raises(CodeWrong):
            accept(ada, typed)


@pytest.mark.django_db(transaction=True)
def test_failures_at_once_are_all_counted_and_the_owner_is_told_once() -> None:
    ada = make_person(factors=2)
    Authenticator.objects.filter(name="app 1").update(failures=95, last_used_at=clock.now())
    at_once([partial(count_failure, ada.pk, now=clock.now())] * 8)
    assert failures() == {"app 0": 3, "app 1": 100}
    assert len(mails("second-factor-switched-off")) == 1
    assert Record.objects.filter(action="second-factor.disable").count() == 1


# ---- switching on again, another name ----


def switched_off(number: int = 0) -> Authenticator:
    Authenticator.objects.filter(name=f"app {number}").update(disabled_at=clock.now(), failures=100)
    return Authenticator.objects.get(name=f"app {number}")


@pytest.mark.django_db
def test_an_app_is_switched_on_again_after_a_proof_by_another_factor(time: Clock) -> None:
    ada = make_person(factors=2)
    app = switched_off()
    _, browser = signed_in(ada)
    signed_in(ada)
    browser.get("/account/second-factors/")
    assert f'href="/account/second-factors/{app.pk}/enable/"' in browser.text
    assert "100" in browser.text
    browser.get(f"/account/second-factors/{app.pk}/enable/")
    assert "after 100 wrong codes" in browser.text
    assert browser.post(f"/account/second-factors/{app.pk}/enable/").status_code == 303
    assert failures() == {"app 0": 0, "app 1": 0}
    assert accept(ada, code()).name == "app 0"
    assert Session.objects.count() == 1
    assert mails("second-factor-switched-on") == ["ada@example.org"]
    browser.get("/account/")
    assert browser.post(f"/account/second-factors/{app.pk}/enable/").status_code == 303
    assert Record.objects.filter(action="second-factor.enable").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("methods", [("password",), ("password", "recovery_code")])
def test_neither_password_nor_recovery_code_switches_an_app_on(methods: tuple[str, ...]) -> None:
    ada = make_person(factors=2)
    app = switched_off()
    _, browser = signed_in(ada, *methods)
    browser.get("/account/")
    assert refused(browser.post(f"/account/second-factors/{app.pk}/enable/")) == "step-up-required"
    with pytest.raises(StepUpRequired):
        enable_authenticator(ada.pk, app.pk, by=acting(ada, *methods))
    assert failures() == {"app 0": 100, "app 1": 0}
    assert mails("second-factor-switched-on") == []


@pytest.mark.django_db
def test_a_stale_proof_switches_nothing_on(time: Clock) -> None:
    ada = make_person(factors=2)
    app = switched_off()
    _, browser = signed_in(ada)
    time.go(minutes=16)
    browser.get("/account/")
    page = browser.post(f"/account/second-factors/{app.pk}/enable/")
    assert page["Location"].startswith("/account/step-up/")
    assert failures()["app 0"] == 100


@pytest.mark.django_db
def test_an_app_of_somebody_else_is_not_there(ada: User) -> None:
    bob = make_person("bob", factors=2)
    app = switched_off(1)
    _, browser = signed_in(ada)
    browser.get("/account/")
    for act in ("enable", "rename", "remove"):
        assert browser.get(f"/account/second-factors/{app.pk}/{act}/").status_code == 404
        page = browser.post(f"/account/second-factors/{app.pk}/{act}/", {"name": "x"})
        assert refused(page) == "second-factor-missing"
    with pytest.raises(RoleRequired):
        enable_authenticator(bob.pk, app.pk, by=acting(ada))
    with pytest.raises(RoleRequired):
        rename_authenticator(bob.pk, app.pk, "x", by=acting(ada))
    app.refresh_from_db()
    assert (app.name, app.failures) == ("app 1", 100)


@pytest.mark.django_db
def test_an_app_gets_another_name(ada: User) -> None:
    app = Authenticator.objects.get()
    _, browser = signed_in(ada)
    browser.get(f"/account/second-factors/{app.pk}/rename/")
    assert 'value="app 0"' in browser.text
    assert (
        browser.post(f"/account/second-factors/{app.pk}/rename/", {"name": " the  tablet "}).status_code
        == 303
    )
    app.refresh_from_db()
    assert app.name == "the tablet"
    record = Record.objects.get(action="second-factor.rename")
    assert (record.about_name, record.details) == ("the tablet", {"before": "app 0"})
    assert "the tablet" in browser.get("/account/second-factors/").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "   ", "\u2028\u202e", "x" * 65])
def test_a_name_that_nobody_can_read_is_refused(ada: User, name: str) -> None:
    app = Authenticator.objects.get()
    _, browser = signed_in(ada)
    browser.get(f"/account/second-factors/{app.pk}/rename/")
    assert browser.post(f"/account/second-factors/{app.pk}/rename/", {"name": name}).status_code == 400
    app.refresh_from_db()
    assert app.name == "app 0"
    assert not Record.objects.filter(action="second-factor.rename").exists()


@pytest.mark.django_db
def test_the_owner_is_told_of_apps_that_come_and_go(ada: User) -> None:
    session, browser = signed_in(ada)
    browser.get(ADD)
    browser.post(ADD, {"code": code(secret=secret_on(browser)), "name": "phone"})
    assert mails("second-factor-added") == ["ada@example.org"]
    session.refresh_from_db()
    remove_authenticator(ada.pk, Authenticator.objects.get(name="app 0").pk, by=actor_of(session))
    assert mails("second-factor-removed") == ["ada@example.org"]


@pytest.mark.django_db
def test_an_account_whose_app_is_off_is_not_opened_by_its_password(ada: User, browser: Browser) -> None:
    Authenticator.objects.update(disabled_at=clock.now())
    browser.sign_in()
    assert Session.objects.get().is_complete is False
    browser.get("/account/second-factor/")
    assert 'name="recovery_code"' in browser.text


# ---- enrolling ----


@pytest.mark.django_db
def test_the_first_app_is_set_up_by_its_code_and_raises_the_session_that_proved_it(time: Clock) -> None:
    ada = make_person(factors=0)
    session, browser = signed_in(ada, "password")
    signed_in(ada, "password")
    assert browser.get(ADD).status_code == 200
    assert "data:image/svg+xml" in browser.text
    secret = secret_on(browser)
    before = browser.cookie
    page = browser.post(ADD, {"code": code(secret=secret), "name": " phone "})
    assert (page.status_code, page["Location"]) == (303, "/account/recovery-codes/")
    row = Authenticator.objects.get()
    assert (row.name, row.last_step) == ("phone", rules.step_at(clock.now()))
    kept = Session.objects.get()
    assert (kept.pk, kept.methods) == (session.pk, ["password", "totp"])
    assert browser.cookie != before
    assert Record.objects.filter(action="second-factor.add", account_id=ada.pk).count() == 1
    with pytest.raises(CodeReplayed):
        accept(ada, code(secret=secret))


@pytest.mark.django_db
def test_the_secret_stays_while_pages_are_loaded_again(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get(ADD)
    first = secret_on(browser)
    browser.get(ADD)
    assert secret_on(browser) == first
    page = browser.post(ADD, {"code": "000000" if code(secret=first) != "000000" else "000001"})
    assert (page.status_code, refused(page)) == (400, "code-wrong")
    assert secret_on(browser) == first
    browser.post(ADD, {"code": code(secret=first)})
    browser.get(ADD)
    assert secret_on(browser) != first


@pytest.mark.django_db
def test_the_secret_under_way_is_sealed_and_gone_afterwards(ada: User) -> None:
    session, browser = signed_in(ada)
    browser.get(ADD)
    secret = secret_on(browser)
    session.refresh_from_db()
    assert session.data_sealed
    assert rules.encode_secret(secret) not in session.data_sealed
    browser.post(ADD, {"code": code(secret=secret)})
    session.refresh_from_db()
    assert session.data_sealed == ""


@pytest.mark.django_db
def test_a_second_click_enrols_nothing_twice(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get(ADD)
    fields = {"code": code(secret=secret_on(browser))}
    browser.post(ADD, fields)
    browser.get("/account/")
    page = browser.post(ADD, fields)
    assert refused(page) == "enrolment-missing"
    assert Authenticator.objects.count() == 2


@pytest.mark.django_db
def test_the_way_back_from_a_first_app_goes_by_recovery_codes() -> None:
    ada = make_person(factors=0)
    _, browser = signed_in(ada, "password")
    way = "?next=%2Fmanage%2Fprojects%2F"
    browser.get(ADD + way)
    page = browser.post(ADD + way, {"code": code(secret=secret_on(browser))})
    codes = f"/account/recovery-codes/{way}"
    assert page["Location"] == codes
    browser.get(codes)
    assert '<a href="/manage/projects/">Not now</a>' in browser.text
    page = browser.post(codes)
    assert page["Location"] == f"/account/recovery-codes/new/{way}"
    browser.get(page["Location"])
    typed = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", browser.text)[0]
    page = browser.post(page["Location"], {"recovery_code": typed})
    assert (page.status_code, page["Location"]) == (303, "/manage/projects/")
    browser.get(ADD + way)
    page = browser.post(ADD + way, {"code": code(secret=secret_on(browser)), "name": "second"})
    assert page["Location"] == "/manage/projects/", "the codes are there"


@pytest.mark.django_db
def test_the_way_back_by_recovery_codes_leads_to_no_other_site(ada: User) -> None:
    _, browser = signed_in(ada)
    path = "/account/recovery-codes/?next=//evil.example/"
    browser.get(path)
    assert "evil.example" not in browser.text.replace(path, "")
    assert browser.post(path)["Location"] == "/account/recovery-codes/new/"


@pytest.mark.django_db
def test_a_stale_proof_enrols_nothing(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    browser.get(ADD)
    secret = secret_on(browser)
    time.go(minutes=16)
    page = browser.post(ADD, {"code": code(secret=secret)})
    assert page["Location"] == "/account/step-up/?next=%2Faccount%2Fsecond-factors%2Fadd%2F"
    assert Authenticator.objects.count() == 1


@pytest.mark.django_db
def test_a_session_of_a_password_alone_adds_nothing_where_there_is_a_factor(ada: User) -> None:
    with pytest.raises(StepUpRequired):
        enrol_authenticator(ada, b"\x01" * 20, by=acting(ada, "password"))
    assert Authenticator.objects.count() == 1


@pytest.mark.django_db
def test_a_recovery_code_is_enough_to_enrol_anew_and_for_nothing_else(ada: User) -> None:
    actor = acting(ada, "password", "recovery_code")
    with pytest.raises(StepUpRequired):
        remove_authenticator(ada.pk, Authenticator.objects.get().pk, by=actor)
    enrol_authenticator(ada, b"\x01" * 20, by=actor)
    assert Authenticator.objects.count() == 2


@pytest.mark.django_db
def test_nobody_enrols_for_somebody_else(ada: User) -> None:
    with pytest.raises(RoleRequired):
        enrol_authenticator(ada, b"\x01" * 20, by=acting(make_person("bob")))


@pytest.mark.django_db
def test_there_is_an_end_to_apps(ada: User) -> None:
    for number in range(9):
        enrol_authenticator(ada, bytes([number]) * 20, by=host())
    with pytest.raises(SecondFactorsMany):
        enrol_authenticator(ada, b"\x63" * 20, by=host())


# ---- removing ----


@pytest.mark.django_db
def test_one_of_two_apps_is_removed_after_asking_once_more() -> None:
    ada = make_person(factors=2)
    _, browser = signed_in(ada)
    signed_in(ada)
    first = Authenticator.objects.order_by("pk")[0]
    assert browser.get(f"/account/second-factors/{first.pk}/remove/").status_code == 200
    assert browser.post(f"/account/second-factors/{first.pk}/remove/").status_code == 303
    assert Authenticator.objects.get().name == "app 1"
    assert Session.objects.count() == 1
    assert Record.objects.get(action="second-factor.remove").about_name == "app 0"


@pytest.mark.django_db
def test_the_last_app_of_a_covered_person_stays_by_every_door(ada: User) -> None:
    make_project("alpha", ada)
    last = Authenticator.objects.get()
    _, browser = signed_in(ada)
    browser.get("/account/")
    page = browser.post(f"/account/second-factors/{last.pk}/remove/")
    assert (page.status_code, refused(page)) == (409, "second-factor-last")
    for by in (acting(ada), host()):
        with pytest.raises(SecondFactorLast):
            remove_authenticator(ada.pk, last.pk, by=by)
    assert Authenticator.objects.get() == last
    assert Record.objects.filter(action="second-factor.remove-last", outcome="refused").count() == 3
    assert not Record.objects.filter(action="second-factor.remove").exists()
    assert Session.objects.filter(methods=["password", "totp"]).count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("by_host", [False, True])
def test_the_last_app_of_somebody_no_mandate_covers_may_go(ada: User, by_host: bool) -> None:
    session, browser = signed_in(ada)
    other, _ = signed_in(ada)
    last = Authenticator.objects.get()
    if by_host:
        remove_authenticator(ada.pk, last.pk, by=host())
        assert not Session.objects.exists()
    else:
        browser.get("/account/")
        assert browser.post(f"/account/second-factors/{last.pk}/remove/").status_code == 303
        # what the session had proven is worth nothing any more
        session.refresh_from_db()
        assert session.methods == ["password"]
        assert not Session.objects.filter(pk=other.pk).exists()
    assert not Authenticator.objects.exists()
    record = Record.objects.get(action="second-factor.remove-last")
    assert (record.outcome, record.account_id) == ("done", ada.pk)


@pytest.mark.django_db
def test_the_page_offers_to_remove_the_last_app_only_to_who_may(ada: User) -> None:
    last = Authenticator.objects.get()
    link = f'href="/account/second-factors/{last.pk}/remove/"'
    _, browser = signed_in(ada, at=clock.now() - timedelta(minutes=30))
    browser.get("/account/second-factors/")
    assert link in browser.text
    make_project("alpha", ada)
    browser.get("/account/second-factors/")
    assert link not in browser.text
    assert "your last one" in browser.text


@pytest.mark.django_db
@pytest.mark.parametrize("by_host", [False, True])
def test_operators_keep_their_last_app_whatever_mandates_say(by_host: bool) -> None:
    root = make_person("root", is_operator=True)
    MandateVersion.objects.all().delete()
    with pytest.raises(SecondFactorLast):
        remove_authenticator(root.pk, Authenticator.objects.get().pk, by=host() if by_host else acting(root))
    assert Authenticator.objects.exists()


@pytest.mark.django_db
def test_an_app_that_is_off_does_not_count_as_another_one() -> None:
    ada = make_person(factors=2)
    off, on = Authenticator.objects.order_by("pk")
    Authenticator.objects.filter(pk=off.pk).update(disabled_at=clock.now())
    with pytest.raises(SecondFactorLast):
        remove_authenticator(ada.pk, on.pk, by=acting(ada))
    remove_authenticator(ada.pk, off.pk, by=acting(ada))
    assert Authenticator.objects.get() == on


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [2, 3])
def test_removals_of_all_at_once_leave_a_covered_person_one(number: int) -> None:
    ada = make_person(factors=number)
    make_project("alpha", ada)
    actor = acting(ada)
    rows = list(Authenticator.objects.all())
    results = at_once(partial(remove_authenticator, ada.pk, row.pk, by=actor) for row in rows)
    names = sorted(type(one).__name__ for one in results)
    assert names == ["NoneType"] * (number - 1) + ["SecondFactorLast"]
    assert Authenticator.objects.count() == 1


@pytest.mark.django_db
def test_enrolling_lifts_the_session_that_proved_it_and_ends_the_others_g4() -> None:
    ada = make_person(factors=0)
    make_project("alpha", ada)
    ours, browser = signed_in(ada, "password")
    at_home(ours)
    theirs, old = signed_in(ada, "password")
    managing = "/manage/project/alpha/"
    assert {refused(one.get(managing)) for one in (browser, old)} == {"second-factor-required"}
    browser.get(ADD)
    browser.post(ADD, {"code": code(secret=secret_on(browser)), "name": "phone"})
    assert list(Session.objects.values_list("pk", flat=True)) == [ours.pk]
    assert browser.get(managing).status_code == 200
    page = old.get(managing)
    assert (page.status_code, page["Location"].partition("?")[0]) == (302, "/account/sign-in/")
    # signing in by the password alone doesn't lift anything, though the account has a factor now
    _, weak = signed_in(ada, "password")
    assert refused(weak.get(managing)) == "second-factor-required"
    assert theirs.pk not in Session.objects.values_list("pk", flat=True)


@pytest.mark.django_db
@pytest.mark.parametrize("number", ["0", "999999", str(10**30)])
def test_what_is_not_there_or_not_mine_is_not_removed(ada: User, number: str) -> None:
    theirs = Authenticator.objects.create(
        user=make_person("bob", factors=0), name="x", secret_sealed="x", created_at=clock.now()
    )
    _, browser = signed_in(ada)
    browser.get("/account/")
    for pk in (number, str(theirs.pk)):
        assert browser.client.get(f"/account/second-factors/{pk}/remove/").status_code == 404
        assert browser.post(f"/account/second-factors/{pk}/remove/").status_code == 404
        browser.get("/account/")
    with pytest.raises(SecondFactorMissing):
        remove_authenticator(ada.pk, theirs.pk, by=acting(ada))
    assert Authenticator.objects.count() == 2


@pytest.mark.django_db
def test_a_proof_of_sixteen_minutes_ago_removes_nothing(time: Clock) -> None:
    ada = make_person(factors=2)
    actor = acting(ada)
    time.set(clock.now() + timedelta(minutes=16))
    with pytest.raises(StepUpRequired):
        remove_authenticator(ada.pk, Authenticator.objects.all()[0].pk, by=actor)
    assert Authenticator.objects.count() == 2
