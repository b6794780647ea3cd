from __future__ import annotations

from datetime import timedelta

import pytest
from tests.accounts.conftest import (
    PASSWORD,
    Browser,
    Clock,
    code,
    give_project,
    make_person,
    refused,
    signed_in,
)
from tests.accounts.recovery.conftest import addresses, share, speak, told
from tests.accounts.second_factors.test_authenticators import secret_on
from tests.accounts.test_newcomers import codes_on

from keyhouse.accounts import services
from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.models import Authenticator, Hold, RecoveryCode, User
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail
from keyhouse.mandate.models import CriticalProject
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db
CODE_PAGE = "/account/second-factor/recovery-code/"
ADD = "/account/second-factors/add/"


@pytest.fixture
def codes(ada: User) -> list[str]:
    made = new_codes()
    give_recovery_codes(ada, made, by=host())
    return made


def enter_by_code(codes: list[str], number: int = 0) -> Browser:
    browser = Browser()
    browser.sign_in()
    browser.get(CODE_PAGE)
    page = browser.post(CODE_PAGE, {"recovery_code": shown_code(codes[number])})
    assert page["Location"] == "/account/second-factors/", browser.text
    return browser


def held_until() -> object:
    return User.objects.get(username="ada").held_until


def test_a8_r3_a_stolen_code_changes_nothing_and_everybody_is_told(
    ada: User, alpha: Project, codes: list[str]
) -> None:
    services.add_email(ada, "second@example.org", by=host(), is_primary=False, verified_by="link")
    services.add_email(ada, "claimed@example.org", by=host(), is_primary=False)
    share(alpha, make_person("bob"))
    thief = enter_by_code(codes)
    assert held_until() == clock.now() + timedelta(hours=24)
    assert set(told("recovery-code.used")) == {"ada@example.org", "second@example.org"}
    assert set(told("hold.to-others")) == addresses(["bob"])
    thief.get(ADD)
    thief.post(ADD, {"code": code(secret=secret_on(thief)), "name": "thief's"})
    assert thief.page.status_code == 303
    answer = thief.get("/manage/project/alpha/")
    assert refused(answer) == "account-held"
    assert 'until <time datetime="2024-05-07T07:08:09Z"' in thief.text
    thief.get("/account/")
    assert "on hold until" in thief.text
    assert "A recovery code was used." in thief.text


def test_a8_a_critical_project_is_held_for_three_days(ada: User, alpha: Project, codes: list[str]) -> None:
    CriticalProject.objects.create(
        normalized_name="alpha", lineage=alpha.lineage, criterion="x", since_at=clock.now()
    )
    enter_by_code(codes)
    assert held_until() == clock.now() + timedelta(hours=72)


def test_without_authority_a_code_holds_nothing_and_is_told(ada: User, codes: list[str]) -> None:
    enter_by_code(codes)
    assert held_until() is None
    assert set(told("recovery-code.used")) == {"ada@example.org"}


def test_a_refused_code_holds_nothing_and_mails_nothing(ada: User, alpha: Project, codes: list[str]) -> None:
    browser = Browser()
    browser.sign_in()
    browser.get(CODE_PAGE)
    browser.post(CODE_PAGE, {"recovery_code": "a" * 16})
    assert refused(browser.page) == "recovery-code-wrong"
    assert not Hold.objects.exists()
    assert not Mail.objects.exists()
    enter_by_code(codes)
    Hold.objects.all().delete()
    Mail.objects.all().delete()
    again = Browser()
    again.sign_in()
    again.get(CODE_PAGE)
    again.post(CODE_PAGE, {"recovery_code": shown_code(codes[0])})
    assert refused(again.page) == "recovery-code-wrong"
    assert not Hold.objects.exists()
    assert not Mail.objects.exists()


def test_a_factor_that_was_there_before_ends_the_hold(
    ada: User, alpha: Project, codes: list[str], time: Clock
) -> None:
    time.go(seconds=1)
    enter_by_code(codes)
    time.go(minutes=1)
    owner = Browser().be_known(ada)
    owner.sign_in()
    owner.enter(code())
    assert held_until() is None
    assert Hold.objects.get().ended_by == "factor"
    assert owner.get("/manage/project/alpha/").status_code == 200


def test_a_factor_enrolled_since_does_not_end_it(
    ada: User, alpha: Project, codes: list[str], time: Clock
) -> None:
    thief = enter_by_code(codes)
    time.go(seconds=30)
    thief.get(ADD)
    secret = secret_on(thief)
    thief.post(ADD, {"code": code(secret=secret), "name": "thief's"})
    assert Authenticator.objects.filter(user=ada).count() == 2
    time.go(minutes=1)
    thief.get("/account/step-up/")
    thief.post("/account/step-up/", {"code": code(secret=secret)})
    assert thief.page.status_code == 303, thief.text
    assert Hold.objects.get().ended_at is None
    assert refused(thief.get("/manage/project/alpha/")) == "account-held"


def test_a8_a_thief_with_a_code_removes_no_factor_and_changes_no_password(
    ada: User, alpha: Project, codes: list[str], time: Clock
) -> None:
    thief = enter_by_code(codes)
    owners = Authenticator.objects.get(user=ada)
    time.go(seconds=30)
    thief.get(ADD)
    thief.post(ADD, {"code": code(secret=secret_on(thief)), "name": "thief's"})
    path = f"/account/second-factors/{owners.pk}/remove/"
    thief.get(path)
    assert refused(thief.post(path)) == "account-held"
    thief.get("/account/password/")
    fields = {"current_password": PASSWORD, "password": "marble-thicket-44-lagoon"}
    assert refused(thief.post("/account/password/", fields)) == "account-held"
    assert Authenticator.objects.filter(pk=owners.pk).exists()
    assert compare_password(PASSWORD, User.objects.get(pk=ada.pk).password).is_right


def test_r7_a_held_person_adds_a_factor_and_removes_the_old_one_afterwards(
    ada: User, alpha: Project, codes: list[str], time: Clock
) -> None:
    owner = enter_by_code(codes)
    lost = Authenticator.objects.get(user=ada)
    owner.get(ADD)
    owner.post(ADD, {"code": code(secret=secret_on(owner)), "name": "new"})
    time.go(hours=24)
    _, later = signed_in(User.objects.get(pk=ada.pk))
    path = f"/account/second-factors/{lost.pk}/remove/"
    later.get(path)
    assert later.post(path).status_code == 303
    assert [one.name for one in Authenticator.objects.filter(user=ada)] == ["new"]


def test_a9_a_thief_makes_no_new_codes(ada: User, alpha: Project, codes: list[str], time: Clock) -> None:
    thief = enter_by_code(codes)
    page = "/account/recovery-codes/"
    thief.get(page)
    thief.post(page)
    assert refused(thief.page) == "step-up-required"
    time.go(seconds=30)
    thief.get(ADD)
    thief.post(ADD, {"code": code(secret=secret_on(thief)), "name": "thief's"})
    thief.get(page)
    thief.post(page)
    thief.get(page + "new/")
    thief.post(page + "new/", {"recovery_code": codes_on(thief)[0]})
    assert refused(thief.page) == "account-held"
    assert RecoveryCode.objects.filter(used_at=None).count() == 9
    assert not Record.objects.filter(
        action="recovery-codes.replace", outcome="done", actor_kind="session"
    ).exists()


def test_a_compliant_co_owner_confirms_and_others_do_not(ada: User, alpha: Project, codes: list[str]) -> None:
    bob, eve, max_ = make_person("bob"), make_person("eve"), make_person("max", factors=0)
    share(alpha, bob, max_)
    give_project(eve, "beta")
    enter_by_code(codes)
    hold = Hold.objects.get()
    path = f"/account/vouch/holds/{hold.pk}/"
    for other in (eve, ada, max_):
        assert refused(speak(other, path).page) != ""
    assert held_until() is not None
    _, at_bobs = signed_in(bob)
    at_bobs.get("/account/vouch/")
    assert path in at_bobs.text
    speak(bob, path)
    assert held_until() is None
    assert Hold.objects.get().ended_by == "co-owner"
    assert "ada@example.org" in told("hold.ended")
    record = Record.objects.get(action="hold.confirm", outcome="done")
    assert (record.actor_id, record.account_id) == (bob.pk, ada.pk)
    assert refused(speak(bob, path).page) == "recovery-missing"


def test_an_operator_does_not_end_the_hold_of_a_code(ada: User, alpha: Project, codes: list[str]) -> None:
    olga = make_person("olga", is_operator=True)
    enter_by_code(codes)
    hold = Hold.objects.get()
    assert refused(speak(olga, f"/operator/recovery/holds/{hold.pk}/").page) == "recovery-missing"
    assert held_until() is not None


def test_a_code_at_step_up_is_told_and_held_as_well(ada: User, alpha: Project, codes: list[str]) -> None:
    _, browser = signed_in(ada)
    path = "/account/step-up/recovery-code/"
    browser.get(path)
    browser.post(path, {"recovery_code": shown_code(codes[0])})
    assert browser.page.status_code == 303
    assert held_until() is not None
    assert told("recovery-code.used")
