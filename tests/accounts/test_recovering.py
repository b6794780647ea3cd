from __future__ import annotations

import pytest
from tests.accounts.conftest import PASSWORD, Browser, Clock, code, make_person, refused, signed_in
from tests.accounts.test_newcomers import codes_on, secret_on

from keyhouse.accounts import strength
from keyhouse.accounts.errors import LinkUnknown
from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.models import Authenticator, Email, OneTimeLink, RecoveryCodeSet, Session, User
from keyhouse.accounts.recovering import WayBack, end_all_sessions, end_lost_factors, make_enrolment_link
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core.actor import NOBODY, host
from keyhouse.core.errors import Refusal

pytestmark = pytest.mark.django_db

ANEW = "marble-thicket-44-lagoon"


def go_through(browser: Browser, path: str) -> bytes:
    browser.get(path)
    browser.get(path + "account/")
    assert browser.post(path + "account/", {"password": ANEW})["Location"] == path + "authenticator/"
    browser.get(path + "authenticator/")
    secret = secret_on(browser)
    browser.post(path + "authenticator/", {"code": code(secret=secret)})
    browser.get(path + "recovery-codes/")
    page = browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert (page.status_code, page["Location"]) == (303, "/help/clients/")
    return secret


def test_a_link_leads_to_a_new_password_app_and_codes(ada: User, browser: Browser, time: Clock) -> None:
    give_recovery_codes(ada, new_codes(), by=host())
    _, elsewhere = signed_in(ada)
    path = make_enrolment_link(ada, by=host())
    browser.get(path + "account/")
    assert "Your account anew" in browser.text
    assert 'value="ada"' in browser.text
    secret = go_through(browser, path)
    user = User.objects.get()
    assert compare_password(ANEW, user.password).is_right
    assert not compare_password(PASSWORD, user.password).is_right
    assert Authenticator.objects.count() == RecoveryCodeSet.objects.count() == Session.objects.count() == 1
    assert Email.objects.get().address == "ada@example.org"
    assert elsewhere.get("/account/").status_code == 302
    assert browser.get("/account/").status_code == 200
    assert Record.objects.filter(action="enrolment.finish", account_id=user.pk).count() == 1
    time.go(minutes=1)
    other = Browser()
    other.sign_in(password=ANEW)
    assert other.enter(code(secret=secret)).status_code == 303


def test_nothing_changes_before_the_last_step(ada: User, browser: Browser) -> None:
    path = make_enrolment_link(ada, by=host())
    before = (User.objects.get().password, Authenticator.objects.get().pk)
    browser.get(path + "account/")
    browser.post(path + "account/", {"password": ANEW})
    assert (User.objects.get().password, Authenticator.objects.get().pk) == before
    assert refused(browser.get(path + "recovery-codes/")) == "step-missing"


def test_a_link_works_once_for_seven_days_and_the_newest_only(
    ada: User, browser: Browser, time: Clock
) -> None:
    first, second = make_enrolment_link(ada, by=host()), make_enrolment_link(ada, by=host())
    assert refused(browser.get(first)) == "link-unknown"
    go_through(browser, second)
    assert refused(Browser().get(second)) == "link-used"
    third = make_enrolment_link(ada, by=host())
    time.go(days=7)
    assert refused(browser.get(third)) == "link-expired"


def test_nobody_but_the_host_or_an_operator_makes_a_link(ada: User) -> None:
    session, _ = signed_in(ada)
    for actor in (NOBODY, actor_of(session)):
        with pytest.raises(Refusal):
            make_enrolment_link(ada, by=actor)
    assert not OneTimeLink.objects.exists()


def test_a_deleted_account_does_not_come_back_by_a_link(ada: User, browser: Browser) -> None:
    path = make_enrolment_link(ada, by=host())
    browser.get(path + "account/")
    browser.post(path + "account/", {"password": ANEW})
    browser.get(path + "authenticator/")
    browser.post(path + "authenticator/", {"code": code(secret=secret_on(browser))})
    browser.get(path + "recovery-codes/")
    User.objects.update(state="deleted")
    browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert refused(browser.page) == LinkUnknown.code
    assert not compare_password(ANEW, User.objects.get().password).is_right


def test_a_link_works_for_somebody_without_an_address(browser: Browser) -> None:
    user = User.objects.create(username="eve", joined_at="2024-01-01T00:00:00Z")
    go_through(browser, make_enrolment_link(user, by=host()))
    assert not Email.objects.exists()
    assert Authenticator.objects.get().user == user


# ---- when the keys are lost


def test_lost_keys_lead_everybody_through_enrolling_anew(ada: User, browser: Browser) -> None:
    bob, codes = make_person("bob"), new_codes()
    make_person("eve", factors=0)
    gone = make_person("gone", state="deleted")
    give_recovery_codes(bob, codes, by=host())
    signed_in(ada)
    end_all_sessions()
    ways = end_lost_factors(by=host())
    assert [(way.username, bool(way.path)) for way in ways] == [("ada", True), ("bob", False)]
    assert not Session.objects.exists()
    assert not Authenticator.objects.filter(disabled_at=None).exists()
    assert Authenticator.objects.filter(user=gone).exists()
    go_through(browser, ways[0].path)
    assert strength.strongest_proof(ada.pk) == "totp"
    # a password alone opens nothing, now as before
    assert strength.strongest_proof(bob.pk) == "recovery_code"
    at_bobs = Browser()
    at_bobs.sign_in("bob")
    assert at_bobs.get("/account/").status_code == 302
    at_bobs.get("/account/second-factor/recovery-code/")
    at_bobs.post("/account/second-factor/recovery-code/", {"recovery_code": shown_code(codes[0])})
    assert at_bobs.get("/account/").status_code == 200
    assert at_bobs.get("/account/second-factors/add/").status_code == 200


def test_somebody_who_used_all_codes_gets_a_link(ada: User, time: Clock) -> None:
    give_recovery_codes(ada, new_codes(), by=host())
    RecoveryCodeSet.objects.get().codes.update(used_at=time.go(seconds=1))
    [way] = end_lost_factors(by=host())
    assert way == WayBack("ada", way.path)
    assert way.path.startswith("/enrolment/")


def test_each_person_has_one_record_and_a_second_run_makes_new_links(ada: User) -> None:
    enrol_authenticator(ada, b"another secret of it", by=host())
    [first] = end_lost_factors(by=host())
    [second] = end_lost_factors(by=host())
    assert first.path != second.path
    assert OneTimeLink.objects.filter(used_at=None).count() == 1
    assert Record.objects.filter(action="enrolment.link", account_id=ada.pk).count() == 2


def test_lost_keys_are_the_hosts_business(ada: User) -> None:
    with pytest.raises(Refusal):
        end_lost_factors(by=NOBODY)
    assert Authenticator.objects.get().disabled_at is None
