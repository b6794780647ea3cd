from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.db import transaction
from tests.accounts.conftest import PASSWORD, Browser, Clock, code, make_person, refused, signed_in
from tests.accounts.test_newcomers import codes_on, secret_on

from keyhouse.accounts import emails, links, strength
from keyhouse.accounts.errors import LinkUnknown
from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.inviting.queries import not_yet_here
from keyhouse.accounts.models import Authenticator, Email, OneTimeLink, RecoveryCodeSet, Session, User
from keyhouse.accounts.recovering import WayBack, end_all_sessions, end_lost_factors, make_enrolment_link
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.services import invite_user
from keyhouse.accounts.sessions import actor_of, digest_of
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import NOBODY, host
from keyhouse.core.errors import Refusal
from keyhouse.mail.contents import unseal
from keyhouse.mail.letters import Letter, Link
from keyhouse.mail.models import Mail
from keyhouse.mail.services import queue

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


# ---- when a backup is restored


def test_links_in_mails_that_wait_are_other_ones_and_all_others_die(ada: User) -> None:
    cleo = invite_user("cleo", "cleo@example.org", by=host())
    OneTimeLink.objects.update(expires_at=clock.now())
    enrolling, carl = (
        make_enrolment_link(ada, by=host()),
        invite_user("carl", "carl@example.org", by=host()),
    )
    bob = invite_user("bob", "bob@example.org", by=host(), is_mailed=True)
    with transaction.atomic():
        emails.tell(
            ada, Letter("test", "Twice", (Link("To see", "http://localhost:8400/account/"),)), now=clock.now()
        )
        for address in ("one@example.org", "two@example.org"):  # one link in two mails stays one
            letter = Letter("both", "Both", (Link("Here", emails.site_address(bob)),))
            queue(letter, to=address, now=clock.now())
    signed_in(ada)
    before = {mail.pk: links_in(mail) for mail in Mail.objects.all()}
    with transaction.atomic():
        ended = end_all_sessions()
    assert (ended.sessions, ended.enrolling) == (1, ["ada"])
    assert [link.username for link in ended.invited] == ["carl"]
    after = {mail.pk: links_in(mail) for mail in Mail.objects.all()}
    for path in {cleo, enrolling, carl, bob, *(one for told in before.values() for one in told)}:
        assert not works(path) or path == "/account/", path
    assert not [path for told in after.values() for path in told if not works(path)]
    assert "/account/" in {path for told in after.values() for path in told}
    invited = {path for told in after.values() for path in told if path.startswith("/invitation/")}
    assert len(invited) == 1
    assert refused(Browser().get(carl)) == "link-expired"
    assert {link.username for link in not_yet_here()} == {"bob", "carl", "cleo"}
    with transaction.atomic():
        assert end_all_sessions().invited == []  # once more does no harm
    assert not [path for mail in Mail.objects.all() for path in links_in(mail) if not works(path)]


def test_a_mail_with_another_link_is_another_mail(ada: User) -> None:
    """A mailbox that drops what it has had, by its Message-ID, must not drop the link that works."""
    invite_user("bob", "bob@example.org", by=host(), is_mailed=True)
    with transaction.atomic():
        emails.tell(ada, Letter("test", "Nothing to open", ()), now=clock.now())
    plain = Mail.objects.get(kind="test")
    assert not links_in(plain) or all("/not-me/" in path for path in links_in(plain))
    before = dict(Mail.objects.values_list("kind", "token"))
    with transaction.atomic():
        end_all_sessions()
    after = dict(Mail.objects.values_list("kind", "token"))
    assert after.keys() == before.keys()
    assert set(after.values()).isdisjoint(before.values())


@pytest.mark.parametrize("purpose", links.OF_A_SESSION)
def test_links_of_sessions_die_also_in_mails_that_wait(ada: User, purpose: str) -> None:
    with transaction.atomic():
        path = links.make_link_for(ada, purpose, now=clock.now(), address="ada@example.org")
        letter = Letter("test", "To prove", (Link("Here", emails.site_address(path)),))
        queue(letter, to="ada@example.org", now=clock.now())
    with transaction.atomic():
        end_all_sessions()
    assert not OneTimeLink.objects.exists()


def test_a_mail_whose_key_is_lost_keeps_no_link_alive(ada: User) -> None:
    invite_user("bob", "bob@example.org", by=host(), is_mailed=True)
    sealed = Mail.objects.get().content_sealed
    Mail.objects.update(address="eve@example.org")  # it was sealed for another one
    with transaction.atomic():
        assert [link.username for link in end_all_sessions().invited] == ["bob"]
    assert Mail.objects.get().content_sealed == sealed
    assert not OneTimeLink.objects.filter(expires_at__gt=clock.now()).exists()


def test_a_link_that_was_used_stays_used(ada: User, browser: Browser) -> None:
    path = make_enrolment_link(ada, by=host())
    go_through(browser, path)
    with transaction.atomic():
        end_all_sessions()
    assert refused(Browser().get(path)) == "link-used"


def links_in(mail: Mail) -> list[str]:
    letter = unseal(mail.content_sealed, mail.address)
    urls = [block.url for block in (*letter.blocks, *letter.footer) if isinstance(block, Link)]
    return [urlsplit(url).path for url in urls]


def works(path: str) -> bool:
    """Whether an address is a page, or a one-time link that can be used."""
    purpose, _, secret = path.strip("/").partition("/")
    link = OneTimeLink.objects.filter(purpose=purpose, digest=digest_of(secret), used_at=None).first()
    return path == "/account/" or (link is not None and link.expires_at > clock.now())


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
