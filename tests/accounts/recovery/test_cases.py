from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from tests.accounts.conftest import (
    PASSWORD,
    Browser,
    Clock,
    at_once,
    code,
    give_project,
    mailed,
    make_person,
    refused,
    signed_in,
)
from tests.accounts.recovery.conftest import (
    REASON,
    addresses,
    approve,
    ask,
    begin,
    give_token,
    last_link,
    live_tokens,
    operators,
    share,
    speak,
    told,
    vouch,
)
from tests.accounts.test_recovering import go_through

from keyhouse.accounts import freezing, holds, links, services
from keyhouse.accounts.addresses.services import Change, make_primary, remove_address
from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.models import Email, Hold, OneTimeLink, RecoveryCase, RecoveryWord, Session, User
from keyhouse.accounts.recovering import make_enrolment_link
from keyhouse.accounts.recovery import cases, words
from keyhouse.accounts.recovery.asking import ask_for_mail
from keyhouse.accounts.sessions import actor_of
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.audit.services import record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.mail.services import Bounced, record_bounces
from keyhouse.projects.models import Project, Role

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]


def state_of(case: RecoveryCase) -> str:
    return RecoveryCase.objects.get(pk=case.pk).state


def test_a_case_dies_with_the_address_that_it_was_begun_with(browser: Browser, time: Clock) -> None:
    """Somebody reads the mailbox, so the owner takes another one: the link in the former one must not work a day later."""
    user = make_person(factors=0)
    new = services.add_email(user, "ada@new.example.org", by=host(), is_primary=False, verified_by="link")
    case = begin(browser)
    assert case.basis == "mail, nothing at stake"
    path = last_link("recovery.link", "enrolment")
    asked = ask(Browser())
    session, _ = signed_in(user, "password")
    change = Change(user, actor_of(session), clock.now())
    make_primary(change, new.pk)
    case.refresh_from_db()
    assert case.state == "open"  # the address is the account's still
    assert refused(Browser().get(asked)) == "link-unknown"
    remove_address(change, Email.objects.get(address="ada@example.org").pk)
    case.refresh_from_db()
    assert (case.state, case.closed_by) == ("stopped", "address")
    time.go(hours=25)
    assert refused(browser.get(path)) == "link-unknown"


# ---- asking


@pytest.mark.parametrize("typed", ["ada", "ADA@example.org", "nobody", "no@example.org", "\x00", "ä", "gone"])
def test_r8_nobody_learns_who_has_an_account(ada: User, browser: Browser, typed: str) -> None:
    make_person("gone", state="deleted")
    browser.get("/account/recover/")
    page = browser.post("/account/recover/", {"identifier": typed})
    assert page.get("Location") == (None if typed == "\x00" else "/account/recover/sent/")
    is_known = typed.lower().startswith("ada")
    assert Mail.objects.count() == int(is_known)
    assert OneTimeLink.objects.filter(purpose="recovery").count() == int(typed != "\x00")
    assert Record.objects.filter(action="recovery.ask").count() == int(typed != "\x00")
    if not is_known:
        assert not OneTimeLink.objects.filter(purpose="recovery", expires_at__gt=clock.now()).exists()


def test_known_and_unknown_take_the_same_questions_to_the_database(ada: User) -> None:
    counts = []
    for name in ("ada", "nobody"):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            ask_for_mail(name, Visitor("192.0.2.1"), clock.now())
        counts.append(len([one for one in asked if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]))
    assert abs(counts[0] - counts[1]) <= 6  # who has an address is looked for, and the mail is written


def test_asking_is_limited_and_nothing_tells_so(ada: User, browser: Browser) -> None:
    for _ in range(3):
        ask(browser)
    for name in ("ada", "ada@example.org"):
        browser.get("/account/recover/")
        page = browser.post("/account/recover/", {"identifier": name})
        assert (page.status_code, page["Location"]) == (303, "/account/recover/sent/")
    assert Mail.objects.count() == 3


@pytest.mark.parametrize("other", ["/account/password/forgotten/", "/account/recover/"])
def test_what_was_asked_on_one_page_tells_nobody_on_another_whether_an_address_is_known(
    ada: User, browser: Browser, other: str
) -> None:
    answers = []
    for address in ("ada@example.org", "nobody@example.org"):
        for _ in range(4):
            browser.get(other)
            browser.post(other, {"identifier": address})
        browser.get("/account/recover/")
        page = browser.post("/account/recover/", {"identifier": address})
        answers.append((page.status_code, page.get("Location"), refused(page)))
    assert answers[0] == answers[1]
    assert answers[0][0] == 303


def test_r2_a_bounced_address_gets_no_link(ada: User, browser: Browser) -> None:
    record_bounces([Bounced("ada@example.org", "permanent", clock.now())], source="report")
    browser.get("/account/recover/")
    browser.post("/account/recover/", {"identifier": "ada"})
    assert not Mail.objects.exists()


def test_r8_the_page_tells_only_its_owner_of_codes(ada: User, browser: Browser) -> None:
    browser.get("/account/recover/")
    assert "unused code" not in browser.text
    assert "You have no codes" not in browser.text
    _, mine = signed_in(ada)
    mine.get("/account/recover/")
    assert "You have no codes" in mine.text


def test_opening_the_link_changes_nothing_and_another_browser_does_not_go_on(
    ada: User, browser: Browser
) -> None:
    path = ask(browser)
    for _ in range(2):
        assert browser.get(path).status_code == 200
    assert not RecoveryCase.objects.exists()
    assert not told("recovery.opened")
    browser.get(path)
    browser.post(path, {"password": ""})
    assert browser.get(path).status_code == 200
    assert refused(Browser().get(path)) == "link-used"
    assert RecoveryCase.objects.count() == 1


def test_a_link_is_too_old_after_six_hours(ada: User, browser: Browser, time: Clock) -> None:
    path = ask(browser)
    time.go(hours=6)
    assert refused(browser.get(path)) == "link-expired"
    browser.get("/account/recover/")
    assert refused(browser.post(path, {"password": PASSWORD})) == "link-expired"
    assert not RecoveryCase.objects.exists()


# ---- vouching


def test_r3_r6_mail_and_the_words_of_two_co_owners_lead_to_a_held_account(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    bob, eve, max_ = make_person("bob"), make_person("eve"), make_person("max", factors=0)
    share(alpha, bob, eve, max_)
    operators("olga")
    Email.objects.create(
        user=ada,
        address="second@example.org",
        verified_at=clock.now(),
        verified_by="link",
        added_at=clock.now(),
    )
    case = begin(browser)
    assert "need" in browser.text
    assert set(told("recovery.opened")) == {"ada@example.org", "second@example.org"}
    assert set(told("recovery.opened-to-others")) == addresses(["bob", "eve", "max", "olga"])
    assert not mailed("recovery.link")
    vouch(bob, case)
    assert state_of(case) == "open"
    assert not mailed("recovery.link")
    vouch(eve, case)
    path = last_link("recovery.link", "enrolment")
    assert set(told("recovery.link")) == {"ada@example.org"}
    assert refused(browser.get(path + "account/")) == "recovery-waits"
    assert "2024-05-07T07:08:09Z" in browser.text
    time.go(hours=23)
    assert refused(browser.get(path + "account/")) == "recovery-waits"
    time.go(hours=1)
    elsewhere = signed_in(ada)[1]
    go_through(browser, path)
    user = User.objects.get(pk=ada.pk)
    assert (state_of(case), user.held_until) == ("finished", clock.now() + timedelta(hours=24))
    assert elsewhere.get("/account/").status_code == 302
    assert refused(browser.get("/manage/project/alpha/")) == "account-held"
    browser.get("/account/")
    assert "on hold until" in browser.text
    finished = addresses(["ada", "bob", "eve", "max", "olga"]) | {"second@example.org"}
    assert set(told("recovery.finished")) == finished
    assert refused(Browser().get(path)) == "link-used"
    time.go(hours=24)
    _, later = signed_in(User.objects.get(pk=ada.pk))
    assert later.get("/manage/project/alpha/").status_code == 200


def test_the_only_other_owner_is_enough_and_nobody_vouches_for_themselves(
    ada: User, alpha: Project, browser: Browser
) -> None:
    bob, eve = make_person("bob"), make_person("eve")
    share(alpha, bob)
    give_project(eve, "beta")
    case = begin(browser)
    for other in (ada, eve):
        assert refused(vouch(other, case).page) == "recovery-missing"
    assert not RecoveryWord.objects.exists()
    vouch(bob, case)
    assert mailed("recovery.link")
    assert refused(vouch(bob, case).page) == "recovery-word-refused"


@pytest.mark.parametrize("change", ["role", "factor", "hold", "frozen"])
def test_a_voucher_who_lost_role_or_compliance_no_longer_counts(
    ada: User, alpha: Project, browser: Browser, time: Clock, change: str
) -> None:
    bob = make_person("bob")
    share(alpha, bob)
    case = begin(browser)
    vouch(bob, case)
    path = last_link("recovery.link", "enrolment")
    time.go(hours=24)
    match change:
        case "role":
            Role.objects.filter(user=bob).delete()
        case "factor":
            bob.authenticators.update(disabled_at=clock.now())
        case "hold":
            User.objects.filter(pk=bob.pk).update(held_until=clock.now() + timedelta(hours=1))
        case _:
            User.objects.filter(pk=bob.pk).update(state="frozen")
    assert refused(browser.get(path)) == "recovery-incomplete"
    assert compare_password(PASSWORD, User.objects.get(pk=ada.pk).password).is_right


def test_who_becomes_a_co_owner_later_has_no_word(ada: User, alpha: Project, browser: Browser) -> None:
    bob, mallory = make_person("bob"), make_person("mallory")
    share(alpha, bob)
    case = begin(browser)
    share(alpha, mallory)
    assert refused(vouch(mallory, case).page) == "recovery-missing"
    Role.objects.filter(user=bob).delete()
    assert refused(vouch(bob, case).page) == "recovery-missing"
    assert not mailed("recovery.link")


def test_vouching_takes_a_fresh_proof_a_reason_and_no_hold(
    ada: User, alpha: Project, browser: Browser
) -> None:
    bob = make_person("bob")
    share(alpha, bob)
    case = begin(browser)
    path = f"/account/vouch/{case.pk}/"
    _, stale = signed_in(bob, at=clock.now() - timedelta(minutes=16))
    assert "/account/step-up/" in stale.get(path)["Location"]
    assert refused(signed_in(bob, "password")[1].get(path)) != ""
    assert refused(speak(bob, path, "yes").page) == "recovery-reason-missing"
    User.objects.filter(pk=bob.pk).update(held_until=clock.now() + timedelta(hours=1))
    assert refused(signed_in(bob)[1].get(path)) == "account-held"
    assert not RecoveryWord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_words_at_once_count_once_each(ada: User, alpha: Project) -> None:
    bob, eve = make_person("bob"), make_person("eve")
    share(alpha, bob, eve)
    case = begin(Browser())
    actors = [actor_of(signed_in(one)[0]) for one in (bob, eve, bob)]
    done = at_once([partial(words.vouch, case.pk, REASON, by=by, now=clock.now()) for by in actors])
    assert sum(isinstance(one, Refusal) for one in done) == 1
    assert RecoveryWord.objects.count() == 2
    assert len(mailed("recovery.link")) == 1
    assert OneTimeLink.objects.filter(purpose="enrolment", used_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_case_runs_once_whoever_clicks_at_once(ada: User, alpha: Project, time: Clock) -> None:
    links = [ask(Browser()) for _ in range(2)]
    opens = [
        partial(cases.open_by_mail, link.split("/")[2], "", "", Visitor("192.0.2.1"), clock.now())
        for link in [*links, links[0]]
    ]
    done = at_once(opens)
    assert sum(isinstance(one, Refusal) for one in done) == 1
    assert RecoveryCase.objects.count() == 1


# ---- stopping


@pytest.mark.parametrize("by", ["sign-in", "step-up"])
def test_a_proven_factor_stops_the_case_and_its_link_is_dead(
    ada: User, alpha: Project, browser: Browser, time: Clock, by: str
) -> None:
    bob = make_person("bob")
    share(alpha, bob)
    case = begin(browser)
    vouch(bob, case)
    path = last_link("recovery.link", "enrolment")
    if by == "sign-in":
        owner = Browser()
        owner.sign_in()
        owner.enter(code())
    else:
        _, owner = signed_in(ada)
        owner.get("/account/step-up/")
        owner.post("/account/step-up/", {"code": code()})
    assert state_of(case) == "stopped"
    assert refused(browser.get(path)) == "link-unknown"
    assert "ada@example.org" in told("recovery.over")
    assert refused(vouch(bob, case).page) in {"recovery-over", "recovery-missing"}


def test_a_case_ends_by_itself_after_two_weeks(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    bob = make_person("bob")
    share(alpha, bob)
    case = begin(browser)
    time.go(days=14)
    assert refused(vouch(bob, case).page) == "recovery-over"
    with pytest.raises(Refusal):
        words.vouch(case.pk, REASON, by=actor_of(signed_in(bob)[0]), now=clock.now())
    again = begin(Browser())
    assert again.pk != case.pk
    assert state_of(case) == "expired"


# ---- alone


def test_a17_a_sole_owner_is_no_dead_end_and_nobody_is_promoted(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    olga, otto = operators("olga", "otto")
    maintainer = make_person("mia")
    share(alpha, maintainer, kind="maintainer")
    case = begin(browser)
    assert not mailed("recovery.link")
    assert refused(vouch(maintainer, case).page) == "recovery-missing"
    for one in (olga, otto):
        approve(one, case)
    go_through(browser, last_link("recovery.link", "enrolment"))
    assert state_of(case) == "finished"
    roles = set(Role.objects.values_list("user__username", "kind"))
    assert roles == {("ada", "owner"), ("mia", "maintainer")}


def test_r4_a_sole_owner_comes_back_by_mailbox_and_password_after_three_days(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    case = begin(browser, password=PASSWORD)
    assert "has what it takes" in browser.text
    path = last_link("recovery.link", "enrolment")
    time.go(hours=71)
    assert refused(browser.get(path)) == "recovery-waits"
    time.go(hours=1)
    go_through(browser, path)
    assert state_of(case) == "finished"
    assert Hold.objects.get().reason == "recovery"


def test_a_wrong_password_opens_nothing_and_is_counted(ada: User, alpha: Project, browser: Browser) -> None:
    path = ask(browser)
    browser.get(path)
    for _ in range(5):
        assert refused(browser.post(path, {"password": "not-the-password-at-all"})) == "password-wrong"
    assert not RecoveryCase.objects.exists()
    assert not told("recovery.opened")


def test_r4_a_password_that_a_mail_has_set_is_no_second_proof(
    ada: User, alpha: Project, browser: Browser
) -> None:
    with transaction.atomic():
        record("password.reset", by=host(), account_id=ada.pk)
    case = begin(browser, password=PASSWORD)
    assert (case.knows_password, case.basis) == (False, "")
    assert not mailed("recovery.link")


def test_r4_a_password_that_was_set_since_is_a_proof_no_longer(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    begin(browser, password=PASSWORD)
    path = last_link("recovery.link", "enrolment")
    time.go(hours=1)
    User.objects.filter(pk=ada.pk).update(password_changed_at=clock.now())
    time.go(hours=72)
    assert refused(browser.get(path)) == "recovery-incomplete"


def test_r4_a_password_that_others_turn_out_to_know_is_a_proof_no_longer(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    begin(browser, password=PASSWORD)
    path = last_link("recovery.link", "enrolment")
    User.objects.filter(pk=ada.pk).update(state=User.State.PASSWORD_DISABLED)
    time.go(hours=72)
    assert refused(browser.get(path)) == "recovery-incomplete"


def test_without_authority_a_mail_and_a_day_are_enough(ada: User, browser: Browser, time: Clock) -> None:
    begin(browser)
    path = last_link("recovery.link", "enrolment")
    assert refused(browser.get(path)) == "recovery-waits"
    time.go(hours=24)
    go_through(browser, path)
    assert not Hold.objects.exists()
    assert User.objects.get(pk=ada.pk).held_until is None


# ---- operators


def test_x10_an_address_that_was_never_verified_needs_the_password_beside_it(
    ada: User, browser: Browser, time: Clock
) -> None:
    """As a forgotten password, it comes back by the address on file; but that alone, here, opens nothing at all."""
    Email.objects.filter(user=ada).update(verified_at=None)
    case = begin(browser)
    assert (case.basis, case.ready_at) == ("", None)  # also where nothing is at stake
    give_project(ada)
    time.go(hours=7)
    case = begin(browser, password=PASSWORD)
    assert (case.basis, case.ready_at) == ("mail and password", clock.now() + timedelta(hours=72))
    time.go(hours=72)
    go_through(browser, last_link("recovery.link", "enrolment"))
    ada.refresh_from_db()
    assert (ada.held_until, Email.objects.get(user=ada).verified_at) == (clock.now() + holds.SHORT, None)


@pytest.mark.parametrize("closed", ["frozen", "verified elsewhere"])
def test_x10_beside_a_freeze_or_a_verified_address_an_unverified_one_gets_no_link(
    ada: User, browser: Browser, closed: str
) -> None:
    Email.objects.filter(user=ada).update(verified_at=None)
    if closed == "frozen":
        User.objects.filter(pk=ada.pk).update(state="frozen")
    else:
        Email.objects.create(
            user=ada,
            address="gone@example.net",
            verified_at=clock.now(),
            domain_gone_at=clock.now(),
            added_at=clock.now(),
        )
    browser.get("/account/recover/")
    browser.post("/account/recover/", {"identifier": "ada"})
    assert not Mail.objects.exists()


def test_r5_two_operators_approve_and_choose_nothing(ada: User, alpha: Project, browser: Browser) -> None:
    olga, otto = operators("olga", "otto")
    case = begin(browser)
    one = approve(olga, case)
    assert one.page.status_code == 303
    assert not mailed("recovery.link")
    assert refused(approve(olga, case).page) == "recovery-word-refused"
    before = User.objects.get(pk=ada.pk).password
    approve(otto, case)
    assert User.objects.get(pk=ada.pk).password == before
    assert set(told("recovery.link")) == {"ada@example.org"}
    link = f"/operator/recovery/{case.pk}/link/"
    _, browser_of_otto = signed_in(otto)
    browser_of_otto.get(link)
    browser_of_otto.post(link)
    assert refused(browser_of_otto.page) == "recovery-word-refused"
    assert "/enrolment/" not in browser_of_otto.text
    go_through(browser, last_link("recovery.link", "enrolment"))
    reasons = [
        one.details.get("reason") for one in Record.objects.filter(action="recovery.approve", outcome="done")
    ]
    assert reasons == [REASON, REASON]


def test_r5_an_operator_approves_nothing_of_their_own(browser: Browser) -> None:
    olga, otto = operators("olga", "otto")
    case = begin(browser, "olga")
    assert refused(approve(olga, case).page) == "recovery-word-refused"
    assert refused(speak(olga, f"/operator/recovery/{case.pk}/refuse/").page) == "recovery-word-refused"
    make_person("otis", is_operator=True)
    approve(otto, case)
    assert not mailed("recovery.link")


def test_l5_a_sole_operator_waits_a_day_and_can_take_it_back(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    [olga] = operators("olga")
    case = begin(browser)
    approve(olga, case)
    path = last_link("recovery.link", "enrolment")
    assert refused(browser.get(path)) == "recovery-waits"
    speak(olga, f"/operator/recovery/{case.pk}/withdraw/")
    time.go(hours=24)
    assert refused(browser.get(path)) == "link-unknown"
    approve(olga, case)
    path = last_link("recovery.link", "enrolment")
    assert refused(browser.get(path)) == "recovery-waits"
    time.go(hours=24)
    go_through(browser, path)


def test_a_former_operators_approval_no_longer_counts(ada: User, alpha: Project, browser: Browser) -> None:
    olga, otto, _ = operators("olga", "otto", "otis")
    case = begin(browser)
    for one in (olga, otto):
        approve(one, case)
    path = last_link("recovery.link", "enrolment")
    User.objects.filter(pk=otto.pk).update(is_operator=False)
    assert refused(browser.get(path)) == "recovery-incomplete"


def test_an_operator_refuses_with_a_reason(ada: User, alpha: Project, browser: Browser) -> None:
    olga, otto = operators("olga", "otto")
    bob = make_person("bob")
    share(alpha, bob)
    case = begin(browser)
    approve(otto, case)
    vouch(bob, case)
    path = last_link("recovery.link", "enrolment")
    speak(olga, f"/operator/recovery/{case.pk}/refuse/")
    assert state_of(case) == "refused"
    assert refused(browser.get(path)) == "link-unknown"
    browser.get("/account/recover/")
    olgas = signed_in(olga)[1]
    olgas.get(f"/operator/recovery/{case.pk}/")
    assert REASON in olgas.text


def test_r5_a_link_is_handed_over_only_after_two_operators_and_a_warning(
    ada: User, alpha: Project, time: Clock, browser: Browser
) -> None:
    olga, otto = operators("olga", "otto")
    _, at_olgas = signed_in(olga)
    at_olgas.get("/operator/recovery/new/")
    at_olgas.post("/operator/recovery/new/", {"username": "ada", "reason": REASON, "hands_over": "on"})
    case = RecoveryCase.objects.get()
    link = f"/operator/recovery/{case.pk}/link/"
    at_olgas.get(link)
    assert refused(at_olgas.post(link)) == "recovery-incomplete"
    approve(otto, case)
    assert not mailed("recovery.link")
    assert "ada@example.org" in told("recovery.opened")
    _, at_ottos = signed_in(otto)
    at_ottos.get(link)
    assert refused(at_ottos.post(link)) == "recovery-waits"
    time.go(hours=24)
    _, at_ottos = signed_in(otto)
    at_ottos.get(link)
    at_ottos.post(link)
    path = "/enrolment/" + at_ottos.text.split("/enrolment/")[1].split("<")[0]
    go_through(browser, path)
    assert state_of(case) == "finished"
    assert Record.objects.filter(action="recovery.hand-over", outcome="done").count() == 1


def test_a_mailbox_thief_gets_nothing_of_a_case_that_is_handed_over(
    ada: User, alpha: Project, browser: Browser
) -> None:
    olga, otto = operators("olga", "otto")
    by = actor_of(signed_in(olga)[0])
    case = words.propose("ada", REASON, hands_over=True, by=by, now=clock.now())
    begin(browser, password=PASSWORD)
    approve(otto, case)
    assert not mailed("recovery.link")
    assert RecoveryCase.objects.get().path == "operators"


def test_who_means_a_lost_mailbox_does_not_speak_for_whoever_sits_in_it(
    ada: User, alpha: Project, browser: Browser
) -> None:
    olga, _ = operators("olga", "otto")
    case = begin(browser)
    by = actor_of(signed_in(olga)[0])
    with pytest.raises(Refusal) as refusal:
        words.propose("ada", REASON, hands_over=True, by=by, now=clock.now())
    assert refusal.value.code == "recovery-word-refused"
    assert not RecoveryWord.objects.exists()
    assert not told("recovery.spoken")
    words.refuse(case.pk, REASON, by=by, now=clock.now())
    handed = words.propose("ada", REASON, hands_over=True, by=by, now=clock.now())
    with pytest.raises(Refusal) as refusal:
        words.propose("ada", REASON, hands_over=False, by=by, now=clock.now())
    assert refusal.value.code == "recovery-word-refused"
    assert RecoveryWord.objects.get().case == handed


@pytest.mark.parametrize(
    "away", [{"state": "frozen"}, {"held_until": holds.FOR_EVER}, {"state": "password-disabled"}]
)
def test_l5_an_operator_who_is_away_for_a_while_makes_nobody_a_sole_operator(
    ada: User, alpha: Project, browser: Browser, time: Clock, away: dict[str, object]
) -> None:
    olga, otto = operators("olga", "otto")
    User.objects.filter(pk=otto.pk).update(**away)
    case = begin(browser)
    assert "otto@example.org" in told("recovery.opened-to-others")
    approve(olga, case)
    assert RecoveryCase.objects.get().basis == ""
    assert not told("recovery.link")


def test_r5_one_of_two_operators_does_not_get_the_account_of_the_other(time: Clock) -> None:
    olga, otto = operators("olga", "otto")
    by = actor_of(signed_in(olga)[0])
    case = words.propose("otto", REASON, hands_over=True, by=by, now=clock.now())
    time.go(hours=73)
    by = actor_of(signed_in(olga)[0])
    with pytest.raises(Refusal) as refusal:
        words.hand_over(case.pk, by=by, now=clock.now())
    assert refusal.value.code in {"recovery-word-refused", "recovery-incomplete"}
    assert not OneTimeLink.objects.filter(purpose="enrolment", username=otto.username).exists()


def test_one_operator_never_gets_the_link_of_a_mailed_case(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    bob, (olga, _) = make_person("bob"), operators("olga", "otto")
    share(alpha, bob)
    case = begin(browser)
    by = actor_of(signed_in(olga)[0])
    words.propose("ada", REASON, hands_over=False, by=by, now=clock.now())
    vouch(bob, case)
    time.go(hours=24)
    with pytest.raises(Refusal) as refusal:
        words.hand_over(case.pk, by=actor_of(signed_in(olga)[0]), now=clock.now())
    assert refusal.value.code == "recovery-word-refused"


def test_the_console_is_for_operators_and_shows_who_may_act(
    ada: User, alpha: Project, browser: Browser
) -> None:
    bob, (olga, _) = make_person("bob"), operators("olga", "otto")
    _, at_olgas = signed_in(olga)
    assert "Nobody asks." in (at_olgas.get("/operator/recovery/"), at_olgas.text)[1]
    share(alpha, bob)
    case = begin(browser)
    at_olgas.get("/operator/recovery/")
    for part in ("ada", "bob", "olga, otto", "0 of 1 vouched"):
        assert part in at_olgas.text
    for path in (
        "/operator/recovery/",
        f"/operator/recovery/{case.pk}/",
        f"/operator/recovery/{case.pk}/approve/",
    ):
        assert refused(signed_in(bob)[1].get(path)) == "role-required"
    assert at_olgas.get("/operator/recovery/999999/").status_code == 404
    assert "password" not in "".join(
        line for line in at_olgas.text.splitlines() if "<input" in line and "csrf" not in line
    )


def test_r6_tokens_that_were_made_shortly_before_do_not_wake_with_the_account(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    bob = make_person("bob")
    for user in (ada, bob):
        give_token(user, "old")
    time.go(days=10)
    for user in (ada, bob):
        give_token(user, "late")
    time.go(days=6)
    begin(browser, password=PASSWORD)
    path = last_link("recovery.link", "enrolment")
    time.go(hours=72)
    assert live_tokens(ada) == {"old", "late"}
    go_through(browser, path)
    assert live_tokens(ada) == {"old"}
    assert live_tokens(bob) == {"old", "late"}
    assert "are revoked: 1." in mailed("recovery.finished")[0]
    [told] = Record.objects.filter(action="token.revoke")
    assert (told.account_id, told.about_name) == (ada.pk, "late")


# ---- the host


def test_the_host_makes_a_link_that_is_announced(ada: User, alpha: Project, browser: Browser) -> None:
    olga, bob = operators("olga")[0], make_person("bob")
    share(alpha, bob)
    path = make_enrolment_link(ada, by=host())
    assert set(told("recovery.settled")) == addresses(["ada", "bob", "olga"])
    assert RecoveryCase.objects.get().path == "host"
    go_through(browser, path)
    assert set(told("recovery.finished")) == addresses(["ada", "bob", "olga"])
    assert User.objects.get(pk=ada.pk).held_until == clock.now() + holds.SHORT
    assert olga.pk
    assert Session.objects.filter(user=ada).count() == 1


def test_opening_a_case_does_not_end_the_link_that_the_host_made(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    with transaction.atomic():
        path = links.make_link("enrolment", now=clock.now(), username="ada", address="ada@example.org")
    begin(browser, password=PASSWORD)
    thiefs = last_link("recovery.link", "enrolment")
    go_through(Browser(), path)
    assert RecoveryCase.objects.get().state == "stopped"
    time.go(hours=73)
    assert refused(browser.get(thiefs)) == "link-unknown"


def test_freezing_does_not_end_the_link_that_the_host_made(ada: User, alpha: Project) -> None:
    path = make_enrolment_link(ada, by=host())
    freezing.freeze_own(ada, by=actor_of(signed_in(ada)[0]), now=clock.now())
    go_through(Browser(), path)
    assert User.objects.get(pk=ada.pk).state == "active"


def test_freezing_ends_the_link_of_a_mailed_case(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    begin(browser, password=PASSWORD)
    path = last_link("recovery.link", "enrolment")
    freezing.freeze_own(ada, by=actor_of(signed_in(ada)[0]), now=clock.now())
    time.go(hours=73)
    assert refused(browser.get(path)) == "link-unknown"


def test_a_link_that_was_mailed_to_an_address_dies_with_a_change_of_addresses(
    ada: User, alpha: Project, browser: Browser
) -> None:
    path = ask(browser)
    links.end_links(ada.pk, *links.DEAD_AFTER_CHANGE)
    assert refused(browser.get(path)) == "link-unknown"


def test_a_reason_moves_no_cursor_and_turns_no_text(ada: User, alpha: Project, browser: Browser) -> None:
    olga, _ = operators("olga", "otto")
    case = begin(browser)
    speak(olga, f"/operator/recovery/{case.pk}/approve/", f"\x1b[2J\u202e{REASON}\r\nBcc: all")
    assert RecoveryWord.objects.get().reason == f"[2J{REASON} Bcc: all"


def test_a_link_of_the_host_outlives_the_request_that_was_open(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    begin(browser)
    time.go(days=13)
    path = make_enrolment_link(ada, by=host())
    time.go(days=6)
    go_through(browser, path)


# ---- at the same moment


@pytest.mark.django_db(transaction=True)
def test_of_two_who_speak_for_each_other_at_once_neither_stands_in_the_others_way() -> None:
    ada, bob = make_person("ada"), make_person("bob")
    share(give_project(ada), bob)
    asked = [begin(Browser(), name) for name in ("ada", "bob")]
    acts = [
        partial(words.vouch, case.pk, REASON, by=actor_of(signed_in(one)[0]), now=clock.now())
        for case, one in zip(asked, (bob, ada), strict=True)
    ]
    assert [type(one).__name__ for one in at_once(acts)] == ["RecoveryCase", "RecoveryCase"]
    assert RecoveryWord.objects.count() == 2


# ---- bad input


@pytest.mark.parametrize("secret", ["x", "%00", "a" * 3000, "..%2f..", "é"])
@pytest.mark.parametrize("step", ["", "password/", "factor/", "security-key/options/"])
def test_a_link_that_is_none_is_never_an_error_of_ours(browser: Browser, secret: str, step: str) -> None:
    for method in (browser.get, browser.post):
        assert method(f"/recovery/{secret}/{step}").status_code in {400, 403, 404, 405}


@pytest.mark.parametrize("reason", ["", "short", "\x00" * 40, "x" * 100_000, "  \n  "])
def test_a_word_without_a_reason_is_no_word(ada: User, alpha: Project, reason: str) -> None:
    bob = make_person("bob")
    share(alpha, bob)
    case = begin(Browser())
    assert speak(bob, f"/account/vouch/{case.pk}/", reason).page.status_code == 400
    assert not RecoveryWord.objects.exists()
    assert not told("recovery.spoken")
