from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError
from tests.accounts.conftest import (
    Browser,
    Clock,
    Configure,
    at_home,
    at_once,
    code,
    give_project,
    make_person,
    refused,
    signed_in,
)
from tests.accounts.recovery.conftest import addresses, last_link, operators, share, speak, told
from tests.accounts.second_factors.test_authenticators import secret_on

from keyhouse.accounts.errors import RecoveryCodeWrong
from keyhouse.accounts.models import (
    Authenticator,
    Hold,
    KnownBrowser,
    OneTimeLink,
    RecoveryCode,
    Session,
    User,
)
from keyhouse.accounts.recovery import first_enrolment
from keyhouse.accounts.recovery.errors import MailedProofRequired
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import (
    begin_codes,
    confirm_codes,
    give_recovery_codes,
)
from keyhouse.accounts.second_factors.totp.enrolment import begin_enrolment, finish_enrolment
from keyhouse.accounts.sessions import actor_of
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.mail.services import Bounced, record_bounces
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db
ADD = "/account/second-factors/add/"
PROOF = "/account/second-factors/proof/"
BY_CODE = f"{PROOF}code/"
STATUS = "/account/recovery-codes/"


@pytest.fixture
def eve(db: None) -> User:
    """Return somebody with a project and no second factor."""
    user = make_person("eve", factors=0)
    give_project(user)
    return user


def by_password(name: str = "eve") -> Browser:
    browser = Browser()
    browser.sign_in(name)
    return browser


def prove(browser: Browser) -> None:
    browser.get(PROOF)
    browser.post(PROOF)
    path = last_link("first-enrolment.proof", "enrolment-proof")
    assert browser.get(path).status_code == 200
    assert browser.post(path)["Location"] == "/account/second-factors/"


def enrol(browser: Browser) -> bytes:
    browser.get(ADD)
    secret = secret_on(browser)
    browser.post(ADD, {"code": code(secret=secret), "name": "app"})
    return secret


def deliver() -> None:
    """Let the mails so far have left: where one waits for long, none counts as coming."""
    Mail.objects.filter(state="waiting").update(state="sent", ended_at=clock.now())


def held_until() -> object:
    return User.objects.get(username="eve").held_until


def test_a2_r1_a_thief_who_enrols_first_gains_nothing(eve: User, time: Clock) -> None:
    share(Project.objects.get(), make_person("bob"))
    thief = by_password()
    assert thief.get(ADD)["Location"] == PROOF
    assert not Authenticator.objects.filter(user=eve).exists()
    prove(thief)  # as if the mailbox was the thief's, too
    enrol(thief)
    assert Authenticator.objects.filter(user=eve).count() == 1
    assert held_until() == clock.now() + timedelta(hours=24)
    assert refused(thief.get("/manage/project/alpha/")) == "account-held"
    assert 'until <time datetime="2024-05-07T07:08:09Z"' in thief.text
    thief.get("/account/")
    assert "A first second factor was added." in thief.text
    assert set(told("first-enrolment.held")) == addresses(["eve"])
    assert "bob@example.org" in told("hold.to-others")
    time.go(hours=24)
    _, later = signed_in(User.objects.get(pk=eve.pk))
    assert later.get("/manage/project/alpha/").status_code == 200


def test_nobody_is_led_to_a_page_that_the_hold_has_just_closed(eve: User) -> None:
    browser = by_password()
    prove(browser)
    add = "/account/second-factors/add/?next=%2Fmanage%2Fprojects%2F"
    browser.get(add)
    page = browser.post(add, {"code": code(secret=secret_on(browser))})
    assert page["Location"] == "/account/recovery-codes/"
    page = browser.get("/manage/projects/")
    assert refused(page) == "account-held"
    assert "Your account page says why, and what ends it earlier." in browser.text


def test_a2_without_the_mailbox_nothing_is_enrolled(eve: User) -> None:
    thief = by_password()
    session, _ = signed_in(eve, "password")
    thief.get(PROOF)
    thief.post(PROOF)
    secret = begin_enrolment(session)
    with pytest.raises(Refusal) as refusal:
        finish_enrolment(session, code(secret=secret), name="", by=actor_of(session), now=clock.now())
    assert refusal.value.code == "mailed-proof-required"
    assert not Authenticator.objects.filter(user=eve).exists()
    assert held_until() is None
    assert not told("first-enrolment.held")


def test_signing_in_twice_makes_no_acquaintance(eve: User, time: Clock) -> None:
    thief = by_password()
    time.go(minutes=1)
    thief.get("/account/")
    thief.post("/account/sign-out/")
    time.go(days=2)
    thief.page = None
    thief.sign_in("eve")
    deliver()
    assert KnownBrowser.objects.filter(user=eve).count() == 1
    assert thief.get(ADD)["Location"] == PROOF


def test_the_link_works_in_the_session_that_asked_and_once(eve: User, time: Clock) -> None:
    mine, other = by_password(), Browser().be_known(eve)
    other.sign_in("eve")
    mine.get(PROOF)
    mine.post(PROOF)
    path = last_link("first-enrolment.proof", "enrolment-proof")
    assert refused(other.get(path)) == "link-in-use"
    other.get(PROOF)
    assert refused(other.post(path)) == "link-in-use"
    assert "/account/sign-in/" in Browser().get(path)["Location"]
    mine.get(path)
    assert mine.get(ADD)["Location"] == PROOF  # looking is not proving
    mine.get(path)
    assert mine.post(path).status_code == 303
    assert mine.get(ADD).status_code == 200
    mine.get("/account/")
    assert refused(mine.get(path)) == "link-used"


def test_asking_for_the_mail_is_limited(eve: User) -> None:
    browser = by_password()
    for _ in range(3):
        browser.get(PROOF)
        browser.post(PROOF)
    browser.get(PROOF)
    assert browser.post(PROOF).status_code == 429
    assert Mail.objects.filter(kind="first-enrolment.proof").count() == 3
    assert OneTimeLink.objects.filter(purpose="enrolment-proof", used_at=None).count() == 1


def test_r1_an_account_without_authority_is_not_slowed(db: None) -> None:
    make_person("max", factors=0)
    browser = by_password("max")
    enrol(browser)
    assert not Hold.objects.exists()
    assert Authenticator.objects.filter(user__username="max").count() == 1


def test_the_browser_in_which_the_account_was_made_is_not_slowed(eve: User) -> None:
    session, browser = signed_in(eve, "password")
    at_home(session)
    enrol(browser)
    assert not Hold.objects.exists()
    assert browser.get("/manage/project/alpha/").status_code == 200


def test_an_old_acquaintance_is_not_slowed_and_a_long_silence_is(eve: User, time: Clock) -> None:
    browser = by_password()
    for _ in range(5):
        time.go(days=10)
        browser.sign_in("eve")
    assert browser.get(ADD).status_code == 200
    time.go(days=31)
    browser.page = None
    browser.sign_in("eve")
    deliver()
    assert browser.get(ADD)["Location"] == PROOF


def test_the_days_are_a_setting(eve: User, time: Clock, configure: Configure) -> None:
    configure(first_enrolment_days=5)
    browser = by_password()
    time.go(days=4)
    browser.sign_in("eve")
    time.go(days=4)
    browser.sign_in("eve")
    assert browser.get(ADD).status_code == 200


@pytest.mark.parametrize("trouble", ["off", "bounced"])
def test_without_mail_the_wait_alone_stands(eve: User, configure: Configure, trouble: str) -> None:
    if trouble == "off":
        configure(mail_url="")
    else:
        record_bounces([Bounced("eve@example.org", "permanent", clock.now())], source="report")
    browser = by_password()
    enrol(browser)
    assert held_until() == clock.now() + timedelta(hours=24)
    assert refused(browser.get("/manage/project/alpha/")) == "account-held"


@pytest.mark.parametrize("who", ["operator", "co-owner"])
def test_an_operator_or_a_co_owner_wakes_authority(eve: User, who: str) -> None:
    browser = by_password()
    [olga] = operators("olga")
    bob = make_person("bob")
    share(Project.objects.get(), bob)
    prove(browser)
    enrol(browser)
    hold = Hold.objects.get()
    paths = {
        "operator": f"/operator/recovery/holds/{hold.pk}/",
        "co-owner": f"/account/vouch/holds/{hold.pk}/",
    }
    speak(olga if who == "operator" else bob, paths[who])
    assert held_until() is None
    assert browser.get("/manage/project/alpha/").status_code == 200
    action = "hold.release" if who == "operator" else "hold.confirm"
    assert Record.objects.filter(action=action, outcome="done", account_id=eve.pk).count() == 1


def test_the_thiefs_own_factor_does_not_end_the_wait(eve: User, time: Clock) -> None:
    browser = by_password()
    prove(browser)
    secret = enrol(browser)
    time.go(minutes=2)
    again = Browser().be_known(eve)
    again.sign_in("eve")
    assert again.enter(code(secret=secret))["Location"] == "/account/"
    assert held_until() is not None
    assert Hold.objects.get().ended_at is None


@pytest.mark.parametrize(("to", "is_asked"), [("eve@example.org", False), ("thief@example.net", True)])
def test_x10_where_mails_to_the_person_are_stuck_the_wait_alone_is_asked(
    eve: User, to: str, *, is_asked: bool
) -> None:
    queued_at = clock.now() - timedelta(minutes=20)
    Mail.objects.create(
        lane="security",
        kind="x",
        address=to,
        token="x",
        queued_at=queued_at,
        due_at=clock.now(),
        state="waiting",
    )
    thief = by_password()
    page = thief.get(ADD)
    assert page.headers.get("Location") == (PROOF if is_asked else None)
    if not is_asked:
        enrol(thief)
        assert held_until() == clock.now() + timedelta(hours=24)


def test_a10_the_browser_of_a_first_enrolment_is_known_and_no_other_is_taken_on_trust(
    eve: User, time: Clock
) -> None:
    browser = by_password()
    prove(browser)
    secret = enrol(browser)
    time.go(minutes=2)
    relayed = by_password()
    assert relayed.enter(code(secret=secret))["Location"] == "/account/new-browser/"
    browser.get("/account/")
    browser.post("/account/sign-out/")
    time.go(minutes=2)
    browser.sign_in("eve")
    assert browser.enter(code(secret=secret))["Location"] == "/account/"


# ---- a recovery code in place of the mail


@pytest.fixture
def codes(eve: User) -> list[str]:
    given = new_codes()
    give_recovery_codes(eve, given, by=host())
    return [shown_code(one) for one in given]


def give_code(browser: Browser, typed: str) -> str:
    """Send the form; returns where it leads, or the code of its refusal."""
    assert browser.get(BY_CODE).status_code == 200
    page = browser.post(BY_CODE, {"recovery_code": typed})
    return str(page.get("Location") or page["X-Refusal"])


def test_whoever_lost_the_mailbox_gives_a_code_instead_which_is_used_up_told_and_holds(
    eve: User, codes: list[str], time: Clock
) -> None:
    browser = by_password()
    assert browser.get(ADD)["Location"] == PROOF
    assert BY_CODE in browser.get(PROOF).content.decode()
    assert give_code(browser, codes[0]) == "/account/second-factors/"
    assert set(told("recovery-code.used")) == {"eve@example.org"}
    enrol(browser)
    reasons = set(Hold.objects.filter(user=eve, ended_at=None).values_list("reason", flat=True))
    assert reasons == {Hold.Reason.RECOVERY_CODE, Hold.Reason.FIRST_ENROLMENT}
    proof = Record.objects.get(action="enrolment-proof.give", outcome="done")
    assert proof.details["by"] == "recovery_code"
    assert (
        refused(by_password().get(BY_CODE)) == "sign-in-required"
    )  # by now a password alone is half a sign-in


def test_a_code_that_is_wrong_used_or_somebody_elses_proves_nothing_and_guessing_is_limited(
    eve: User, codes: list[str]
) -> None:
    bob = make_person("bob", factors=0)
    theirs = new_codes()
    give_recovery_codes(bob, theirs, by=host())
    browser = by_password()
    assert give_code(browser, shown_code(theirs[0])) == "recovery-code-wrong"
    assert give_code(browser, "!") == "recovery-code-wrong"
    assert browser.get(ADD)["Location"] == PROOF
    assert not Hold.objects.filter(user=eve).exists()
    refusals = Record.objects.filter(action="enrolment-proof.give").values_list("code", flat=True)
    assert set(refusals) == {"recovery-code-wrong"}
    for _ in range(3):
        give_code(browser, "!")
    browser.get(BY_CODE)
    assert browser.post(BY_CODE, {"recovery_code": codes[0]}).status_code == 429


def test_a2_a_thief_with_the_password_makes_no_codes_of_their_own_to_stand_in_for_the_mail(
    eve: User, codes: list[str]
) -> None:
    thief = by_password()
    thief.get(STATUS)
    assert thief.post(STATUS)["Location"] == PROOF
    session, _ = signed_in(eve, "password")
    [one, *_] = begin_codes(session)
    with pytest.raises(MailedProofRequired):
        confirm_codes(session, shown_code(one), by=actor_of(session), now=clock.now())
    assert RecoveryCode.objects.filter(code_set__user=eve).count() == len(codes)
    assert thief.get(ADD)["Location"] == PROOF
    prove(thief)
    thief.get(STATUS)
    assert thief.post(STATUS)["Location"] == f"{STATUS}new/"


def test_killed_in_between_the_code_is_not_used_up(
    eve: User, codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = signed_in(eve, "password")

    def die(*_: object, **__: object) -> None:
        raise IntegrityError("killed")

    monkeypatch.setattr(first_enrolment, "follow_code", die)
    with pytest.raises(IntegrityError):
        first_enrolment.prove_by_code(session, codes[0], Visitor(), by=actor_of(session), now=clock.now())
    session.refresh_from_db()
    assert "mail_proved_at" not in session.data
    assert not RecoveryCode.objects.exclude(used_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_sessions_that_give_one_code_at_once_one_has_proven_something(
    eve: User, codes: list[str]
) -> None:
    sessions = [signed_in(eve, "password")[0] for _ in range(2)]

    def give(session: Session) -> None:
        first_enrolment.prove_by_code(session, codes[0], Visitor(), by=actor_of(session), now=clock.now())

    answers = at_once([partial(give, one) for one in sessions])
    assert [type(one) for one in answers].count(RecoveryCodeWrong) == 1
    assert sum("mail_proved_at" in one.data for one in Session.objects.filter(user=eve)) == 1
