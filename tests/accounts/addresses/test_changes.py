"""Adding, verifying, making primary, removing and putting back addresses, over the pages and in parallel."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from tests.accounts.addresses.mailbox import code_in, letter_to, letters_to, links_in, mails_of, path_in
from tests.accounts.conftest import (
    PASSWORD,
    Browser,
    Clock,
    Configure,
    at_once,
    give_project,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts import services as account_services
from keyhouse.accounts.addresses import services
from keyhouse.accounts.addresses.errors import AddressLast
from keyhouse.accounts.addresses.services import Change
from keyhouse.accounts.errors import AddressTaken, TooManyAttempts
from keyhouse.accounts.models import Email, Hold, OneTimeLink, Session, User
from keyhouse.accounts.sessions import actor_of
from keyhouse.accounts.signing_up import ask_to_sign_up
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.models import Token
from keyhouse.mail.letters import render_text
from keyhouse.mail.models import Bounce, Mail
from keyhouse.projects.models import Role

ADD = "/account/emails/add/"
LIST = "/account/emails/"
NEW = "ada@new.example.org"
OLD = "ada@example.org"

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]


def page_of(email: Email, act: str = "") -> str:
    return f"{LIST}{email.pk}/{act}"


def send(browser: Browser, path: str, fields: dict[str, str] | None = None) -> Any:
    """Send a form with the mark of a page that has one."""
    browser.get(LIST)
    if not browser.mark():
        browser.get("/account/sign-in/")
    return browser.post(path, fields)


def add(browser: Browser, address: str = NEW) -> Email:
    answer = send(browser, ADD, {"email": address})
    assert answer.status_code == 303, browser.text
    return Email.objects.get(address=address)


def verified(user: User, address: str) -> Email:
    return account_services.add_email(user, address, by=host(), is_primary=False, verified_by="host")


def minted(user: User, description: str) -> Token:
    return Token.objects.create(
        key_id="k",
        user=user,
        description=description,
        minted_at=clock.now(),
        minted_proof_at=clock.now(),
        expires_at=clock.now() + timedelta(days=30),
    )


def change_of(user: User) -> Change:
    session, _ = signed_in(user)
    return Change(user, actor_of(session), clock.now())


def state() -> list[tuple[Any, ...]]:
    return list(Email.objects.order_by("pk").values_list("user_id", "address", "is_primary", "verified_at"))


# ---- adding


def test_an_added_address_counts_for_nothing_before_it_is_proven(ada: User) -> None:
    _, browser = signed_in(ada)
    email = add(browser)
    assert (email.is_primary, email.verified_at) == (False, None)
    assert mails_of(ada) == {("email-verify", NEW), ("email-added", OLD)}
    assert "not verified" in browser.get(LIST).content.decode()
    assert Record.objects.filter(action="email.add", about_id=str(email.pk), outcome="done").count() == 1


def test_adding_asks_for_a_fresh_proof_and_stores_nothing_without(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    time.go(minutes=16)
    before = state()
    assert refused(browser.get(ADD)) == "step-up-required"
    assert refused(send(browser, ADD, {"email": NEW})) == "step-up-required"
    assert (state(), mails_of(ada)) == (before, set())


def test_a_password_alone_adds_nothing_where_there_is_a_factor(ada: User) -> None:
    _, browser = signed_in(ada, "password")
    assert refused(send(browser, ADD, {"email": NEW})) == "step-up-required"
    assert mails_of(ada) == set()


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", ""),
        ("ada", "address-refused"),
        ("ADA@EXAMPLE.ORG", "address-known"),
        ("ada@example.org\nBcc: x@y.example", ""),
        ("adá@example.org", "address-refused"),
        ("\u0430da@example.org", "address-refused"),  # a Cyrillic letter
        ("ada\u200b@example.org", "address-refused"),
        ("ada@straße.example", "address-refused"),  # another domain by the older rules
        ("ada@exam\uff50le.org", "address-refused"),
        ("a" * 255 + "@example.org", ""),
        ("ada\x00@example.org", ""),
    ],
)
def test_what_is_no_new_address_is_refused_in_the_form(ada: User, typed: str, code: str) -> None:
    _, browser = signed_in(ada)
    before = state()
    answer = send(browser, ADD, {"email": typed})
    assert answer.status_code == 400
    if code:
        assert refused(answer) == code
    assert (state(), Mail.objects.count()) == (before, 0)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ada+2@example.org", "ada+2@example.org"),  # other mailboxes than ada@example.org
        ("a.da@example.org", "a.da@example.org"),
        ("Ada@EXAMPLE.net", "Ada@example.net"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@ex\u0430mple.org", "ada@xn--exmple-4nf.org"),  # a Cyrillic letter shows as what it is
    ],
)
def test_addresses_that_look_alike_are_different_and_shown_as_they_are(
    ada: User, typed: str, kept: str
) -> None:
    _, browser = signed_in(ada)
    send(browser, ADD, {"email": typed})
    assert kept in browser.get(LIST).content.decode()
    assert Email.objects.filter(user=ada, address=kept).count() == 1


def test_nothing_tells_that_somebody_else_has_the_address_before_it_is_proven(ada: User) -> None:
    make_person("eve")
    _, browser = signed_in(ada)
    unknown = send(browser, ADD, {"email": "nobody@example.org"})
    known = send(browser, ADD, {"email": "eve@example.org"})
    assert (known.status_code, refused(known)) == (unknown.status_code, refused(unknown))
    mine = letter_to("eve@example.org", "email-verify")
    other = letter_to("nobody@example.org", "email-verify")
    assert [type(block) for block in mine.blocks] == [type(block) for block in other.blocks]
    assert not letters_to("eve@example.org", "email-added")
    taken = Email.objects.get(user=ada, address="eve@example.org")
    answer = send(browser, page_of(taken), {"code": code_in(mine)})
    assert refused(answer) == "address-taken"
    assert Email.objects.get(pk=taken.pk).verified_at is None


def test_an_unproven_claim_blocks_nobody_and_is_forgotten(ada: User, time: Clock) -> None:
    from keyhouse.accounts.forgetting import forget_old  # noqa: PLC0415 - beside its one use

    eve = make_person("eve")
    _, browser = signed_in(ada)
    add(browser, "both@example.org")
    _, other = signed_in(eve)
    mine = send(other, ADD, {"email": "both@example.org"})
    assert mine.status_code == 303
    email = Email.objects.get(user=eve, address="both@example.org")
    code = code_in(letter_to("both@example.org", "email-verify"))
    assert send(other, page_of(email), {"code": code}).status_code == 303
    assert forget_old(time.go(days=6, hours=23))["claims"] == 0
    assert forget_old(time.go(hours=2))["claims"] == 1
    assert not Email.objects.filter(user=ada, address="both@example.org").exists()
    assert Email.objects.filter(user=ada, address=OLD).exists()


def test_a_mailbox_is_not_filled_by_asking_again_and_again(ada: User, time: Clock) -> None:
    eve = make_person("eve")
    _, browser = signed_in(ada)
    email = add(browser)
    assert send(browser, page_of(email), {"send": "again"}).status_code == 303
    assert send(browser, page_of(email), {"send": "again"}).status_code == 303
    answer = send(browser, page_of(email), {"send": "again"})
    assert (answer.status_code, refused(answer)) == (429, "too-many")
    assert int(answer.headers["Retry-After"]) > 0
    _, other = signed_in(eve)
    assert send(other, ADD, {"email": NEW}).status_code == 429
    assert len(letters_to(NEW, "email-verify")) == 3
    time.go(hours=6, minutes=1)
    _, browser = signed_in(ada)
    assert send(browser, page_of(email), {"send": "again"}).status_code == 303


def test_an_account_has_ten_addresses_at_most(ada: User) -> None:
    _, browser = signed_in(ada)
    for number in range(9):
        add(browser, f"ada{number}@example.org")
    assert refused(send(browser, ADD, {"email": NEW})) == "addresses-many"


# ---- verifying


def test_the_link_verifies_in_two_steps_and_once(ada: User) -> None:
    session, browser = signed_in(ada)
    signed_in(ada)
    email = add(browser)
    path = path_in(letter_to(NEW, "email-verify"), "verify-address")
    assert browser.get(path).status_code == 200
    assert Email.objects.get(pk=email.pk).verified_at is None
    assert send(browser, path).status_code == 303
    email.refresh_from_db()
    assert (email.verified_by, email.is_primary) == ("link", False)
    assert refused(browser.get(path)) == "link-used"
    assert refused(send(browser, path)) == "link-used"
    assert list(Session.objects.filter(user=ada)) == [session]
    assert {address for kind, address in mails_of(ada) if kind == "email-verified"} == {OLD, NEW}


def test_a_scanner_that_follows_the_link_changes_nothing(ada: User) -> None:
    _, browser = signed_in(ada)
    email = add(browser)
    path = path_in(letter_to(NEW, "email-verify"), "verify-address")
    scanner = Browser()
    for method in ("get", "head"):
        answer = getattr(scanner.client, method)(path, headers={"accept": "text/html"})
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/account/sign-in/?next=")
    assert scanner.client.post(path).status_code in {401, 403}
    assert Email.objects.get(pk=email.pk).verified_at is None
    assert send(browser, path).status_code == 303


def test_whoever_reads_the_mailbox_alone_verifies_nothing(ada: User) -> None:
    """A mistyped address: its reader has an account here, too, and neither gets the address into ada's account."""
    eve = make_person("eve")
    _, browser = signed_in(ada)
    email = add(browser)
    path = path_in(letter_to(NEW, "email-verify"), "verify-address")
    _, other = signed_in(eve)
    for answer in (other.get(path), send(other, path), send(other, page_of(email), {"code": "x"})):
        assert answer.status_code == 404
    assert Email.objects.get(pk=email.pk).verified_at is None
    assert not Email.objects.filter(user=eve, address=NEW).exists()


def test_a_code_is_read_however_it_is_typed_and_void_after_ten_wrong_ones(ada: User) -> None:
    _, browser = signed_in(ada)
    email = add(browser)
    code = code_in(letter_to(NEW, "email-verify"))
    for _ in range(9):
        assert refused(send(browser, page_of(email), {"code": "0000-0000"})) == "address-code-wrong"
    shouted = f" {code.upper().replace('-', ' ')} ".replace("0", "O").replace("1", "L")
    assert send(browser, page_of(email), {"code": shouted}).status_code == 303
    second = add(browser, "ada@second.example.org")
    code = code_in(letter_to("ada@second.example.org", "email-verify"))
    for _ in range(10):
        send(browser, page_of(second), {"code": "0000-0000"})
    assert refused(send(browser, page_of(second), {"code": code})) == "verification-missing"
    assert Email.objects.get(pk=second.pk).verified_at is None


@pytest.mark.parametrize("typed", ["\x00", "x" * 65, "\ud800", "\u0966" * 8, "\uff11" * 8, "'; --"])
def test_nonsense_as_a_code_is_refused(ada: User, typed: str) -> None:
    _, browser = signed_in(ada)
    email = add(browser)
    answer = send(browser, page_of(email), {"code": typed.encode("utf-8", "surrogatepass").decode("latin-1")})
    assert answer.status_code == 400


def test_a_link_and_its_code_are_too_old_after_a_day_and_void_after_a_newer_mail(
    ada: User, time: Clock
) -> None:
    _, browser = signed_in(ada)
    email = add(browser)
    first = letter_to(NEW, "email-verify")
    send(browser, page_of(email), {"send": "again"})
    assert refused(browser.get(path_in(first, "verify-address"))) == "link-unknown"
    assert refused(send(browser, page_of(email), {"code": code_in(first)})) == "address-code-wrong"
    second = letter_to(NEW, "email-verify")
    time.go(hours=24)
    _, browser = signed_in(ada)
    assert refused(browser.get(path_in(second, "verify-address"))) == "link-expired"
    assert refused(send(browser, path_in(second, "verify-address"))) == "link-expired"
    assert refused(send(browser, page_of(email), {"code": code_in(second)})) == "verification-missing"


def test_the_first_proven_address_becomes_the_primary_one(ada: User) -> None:
    """No dead end: whoever has no verified primary address gets one by themselves."""
    give_project(ada)
    Email.objects.filter(user=ada).update(verified_at=None)
    _, browser = signed_in(ada)
    with pytest.raises(Refusal) as denied:
        actions.require(actor_of(Session.objects.get(user=ada)), "token.mint")
    assert denied.value.code == "email-unverified"
    assert "no verified primary address" in browser.get(LIST).content.decode()
    email = add(browser)
    send(browser, page_of(email), {"code": code_in(letter_to(NEW, "email-verify"))})
    email.refresh_from_db()
    assert email.is_primary
    ada.refresh_from_db()
    assert ada.held_until == clock.now() + timedelta(hours=24)


# ---- primary, removing


def test_making_another_primary_tells_old_and_new_and_holds_who_has_authority(ada: User) -> None:
    give_project(ada)
    email = verified(ada, NEW)
    session, browser = signed_in(ada)
    signed_in(ada)
    assert "24 hours" in browser.get(page_of(email, "primary/")).content.decode()
    assert send(browser, page_of(email, "primary/")).status_code == 303
    assert [one.address for one in Email.objects.filter(user=ada, is_primary=True)] == [NEW]
    assert mails_of(ada) == {("email-primary-changed", OLD), ("email-primary-changed", NEW)}
    hold = Hold.objects.get(user=ada)
    assert (hold.reason, hold.until) == ("email-change", clock.now() + timedelta(hours=24))
    assert list(Session.objects.filter(user=ada)) == [session]
    with pytest.raises(Refusal) as denied:
        actions.require(actor_of(session), "token.mint")
    assert denied.value.code == "account-held"
    assert clock.format_instant(hold.until)[:16] in denied.value.sentence
    assert "on hold until" in browser.get("/account/").content.decode()
    assert refused(send(browser, ADD, {"email": "x@example.org"})) == "account-held"


def test_nobody_without_authority_is_held(ada: User) -> None:
    email = verified(ada, NEW)
    _, browser = signed_in(ada)
    assert send(browser, page_of(email, "primary/")).status_code == 303
    assert not Hold.objects.exists()


def test_an_unproven_address_is_not_made_primary(ada: User) -> None:
    _, browser = signed_in(ada)
    email = add(browser)
    before = state()
    assert refused(send(browser, page_of(email, "primary/"))) == "address-unverified"
    assert state() == before


def test_the_primary_and_the_last_verified_address_stay(ada: User) -> None:
    _, browser = signed_in(ada)
    primary = Email.objects.get(user=ada)
    assert refused(send(browser, page_of(primary, "remove/"))) == "address-last"
    verified(ada, NEW)
    assert refused(send(browser, page_of(primary, "remove/"))) == "address-primary"
    assert Email.objects.filter(user=ada).count() == 2


def test_a_removed_address_gets_the_notice_too(ada: User) -> None:
    email = verified(ada, NEW)
    _, browser = signed_in(ada)
    assert browser.get(page_of(email, "remove/")).status_code == 200
    assert Email.objects.filter(pk=email.pk).exists()
    assert send(browser, page_of(email, "remove/")).status_code == 303
    assert not Email.objects.filter(pk=email.pk).exists()
    assert mails_of(ada) == {("email-removed", OLD), ("email-removed", NEW)}


def test_somebody_elses_address_looks_like_none(ada: User) -> None:
    foreign = Email.objects.get(user=make_person("eve"))
    _, browser = signed_in(ada)
    before = state()
    for act in ("", "primary/", "remove/"):
        for number in (foreign.pk, 999_999_999):
            path = f"{LIST}{number}/{act}"
            assert refused(browser.get(path)) == "address-missing", path
            assert refused(send(browser, path, {"code": "x"})) == "address-missing", path
            assert browser.page.status_code == 404
    assert (state(), Mail.objects.count()) == (before, 0)


def test_no_form_from_elsewhere_changes_anything(ada: User) -> None:
    email = verified(ada, NEW)
    _, browser = signed_in(ada)
    before = state()
    for path in (ADD, page_of(email), page_of(email, "primary/"), page_of(email, "remove/")):
        answer = browser.client.post(path, {"email": "x@example.org", "code": "x"})
        assert answer.status_code == 403
    assert (state(), Mail.objects.count()) == (before, 0)


def test_an_address_whose_mails_come_back_is_shown_with_the_step_that_mends_it_and_can_be_proven(
    ada: User,
) -> None:
    Bounce.objects.create(address=OLD, kind="permanent", at=clock.now(), source="smtp")
    _, browser = signed_in(ada)
    shown = browser.get(LIST).content.decode()
    assert "mails come back" in shown
    assert "make it primary" in shown
    home = browser.get("/account/").content.decode()
    assert "mails to it come back" in home
    assert f'href="{LIST}">Mend it' in home
    email = add(browser)
    Bounce.objects.create(address=NEW, kind="permanent", at=clock.now(), source="smtp")
    assert Mail.objects.get(address=NEW, kind="email-verify").even_if_bounced
    assert send(browser, page_of(email), {"send": "again"}).status_code == 303
    assert all(mail.even_if_bounced for mail in Mail.objects.filter(address=NEW, kind="email-verify"))
    assert not Mail.objects.get(address=OLD, kind="email-added").even_if_bounced


# ---- putting back


def revert_path(address: str, kind: str) -> str:
    return path_in(letter_to(address, kind), "revert-addresses")


def test_a_former_address_puts_everything_back_after_the_thief_changed_all(ada: User, time: Clock) -> None:
    """A thief adds an address, makes it primary, removes the old one, changes the password. Any of the mails undoes it."""
    _, thief = signed_in(ada)
    email = add(thief)
    send(thief, page_of(email), {"code": code_in(letter_to(NEW, "email-verify"))})
    send(thief, page_of(email, "primary/"))
    old = Email.objects.get(user=ada, address=OLD)
    assert send(thief, page_of(old, "remove/")).status_code == 303
    account_services.change_password(
        User.objects.get(pk=ada.pk),
        PASSWORD,
        "harbour-lentil-27-quartz",
        by=actor_of(Session.objects.get(user=ada)),
        now=clock.now(),
    )
    time.go(days=6, hours=23)
    path = revert_path(OLD, "email-removed")
    owner = Browser()
    shown = owner.get(path).content.decode()
    assert OLD in shown
    assert NEW in shown
    assert Email.objects.get(user=ada).address == NEW
    assert send(owner, path).status_code == 200
    assert state() == [(ada.pk, OLD, True, old.verified_at)]
    assert not Session.objects.filter(user=ada).exists()
    assert ("email-reverted", OLD) in mails_of(ada)
    for kind in ("email-added", "email-verified", "email-primary-changed", "email-removed"):
        assert refused(owner.get(revert_path(OLD, kind))) in {"link-used", "link-unknown"}
        assert refused(send(owner, revert_path(OLD, kind))) in {"link-used", "link-unknown"}
    assert Record.objects.filter(action="email.revert", account_id=ada.pk).count() == 1


def test_who_has_a_stolen_former_mailbox_takes_nothing_back_in_silence(ada: User) -> None:
    """The owner moved on because somebody else reads the old mailbox: the new one is told, and can stop the account."""
    _, owner = signed_in(ada)
    email = add(owner)
    send(owner, page_of(email), {"code": code_in(letter_to(NEW, "email-verify"))})
    send(owner, page_of(email, "primary/"))
    send(owner, page_of(Email.objects.get(user=ada, address=OLD), "remove/"))
    thief = Browser()
    assert send(thief, revert_path(OLD, "email-primary-changed")).status_code == 200
    told = letter_to(NEW, "email-reverted")
    assert links_in(told) == {"not-me"}
    assert send(Browser(), path_in(told, "not-me")).status_code == 200
    assert User.objects.get(pk=ada.pk).state == "frozen"


def test_who_is_shown_the_door_comes_back_once_and_not_for_ever(ada: User, time: Clock) -> None:
    """A thief's address that was there for longer than a way back lives: the owner removes it, the thief undoes that."""
    time.go(days=1)
    thiefs = verified(ada, NEW)
    time.go(days=8)
    send(signed_in(ada)[1], page_of(thiefs, "remove/"))
    assert send(Browser(), revert_path(NEW, "email-removed")).status_code == 200
    back = Email.objects.get(user=ada, address=NEW)
    assert back.verified_at is not None
    time.go(minutes=1)
    send(signed_in(ada)[1], page_of(back, "remove/"))
    told = letters_to(NEW, "email-removed")[-1]
    assert links_in(told) == {"not-me"}
    assert not Email.objects.filter(address=NEW).exists()


def test_an_owner_comes_back_as_often_as_a_thief_removes_the_older_address(ada: User, time: Clock) -> None:
    for number in range(2):
        time.go(days=1)
        _, thief = signed_in(User.objects.get(pk=ada.pk))
        email = verified(ada, f"thief-{number}@example.org")
        send(thief, page_of(email, "primary/"))
        send(thief, page_of(Email.objects.get(address=OLD), "remove/"))
        assert not Email.objects.filter(address=OLD).exists()
        assert send(Browser(), revert_path(OLD, "email-removed")).status_code == 200
        assert Email.objects.get(user=ada, is_primary=True).address == OLD


def test_going_to_and_fro_between_primary_addresses_fills_no_mailbox(ada: User) -> None:
    both = [Email.objects.get(address=OLD), verified(ada, NEW)]
    change = change_of(ada)
    for number in range(3):
        services.make_primary(change, both[(number + 1) % 2].pk)
        if number == 0:  # it is it already, which counts for nothing
            services.make_primary(change, both[1].pk)
    mails = Mail.objects.count()
    with pytest.raises(TooManyAttempts):
        services.make_primary(change, both[0].pk)
    assert Mail.objects.count() == mails


def test_sign_ups_asked_for_by_strangers_keep_nobody_from_adding_an_address(
    ada: User, configure: Configure
) -> None:
    configure(sign_up="open")
    for _ in range(4):
        ask_to_sign_up(NEW, "", Visitor("192.0.2.77"), clock.now())
    assert add(signed_in(ada)[1]).address == NEW


def test_a14_tokens_that_a_thief_made_end_with_the_way_back_and_older_ones_go_on(
    ada: User, time: Clock
) -> None:
    kept = minted(ada, "of the owner")
    time.go(days=2)
    ended = minted(ada, "of the thief")
    time.go(hours=1)
    email = verified(ada, NEW)
    send(signed_in(ada)[1], page_of(email, "primary/"))
    assert send(Browser(), revert_path(OLD, "email-primary-changed")).status_code == 200
    kept.refresh_from_db()
    ended.refresh_from_db()
    assert kept.revoked_at is None
    assert ended.revoked_at == clock.now()
    assert "are revoked: 1." in render_text(letter_to(OLD, "email-reverted"))


def test_the_way_back_lives_seven_days(ada: User, time: Clock) -> None:
    email = verified(ada, NEW)
    _, browser = signed_in(ada)
    send(browser, page_of(email, "primary/"))
    path = revert_path(OLD, "email-primary-changed")
    before = state()
    time.go(days=7)
    assert refused(browser.get(path)) == "link-expired"
    assert refused(send(browser, path)) == "link-expired"
    assert state() == before


def test_a_new_address_gets_no_way_back(ada: User) -> None:
    _, browser = signed_in(ada)
    email = add(browser)
    send(browser, page_of(email), {"code": code_in(letter_to(NEW, "email-verify"))})
    assert "revert-addresses" not in links_in(letter_to(NEW, "email-verified"))
    assert "revert-addresses" in links_in(letter_to(OLD, "email-verified"))


def test_an_address_that_is_somebody_elses_by_now_is_not_put_back(ada: User) -> None:
    eve = make_person("eve")
    email = verified(ada, NEW)
    _, browser = signed_in(ada)
    send(browser, page_of(email, "primary/"))
    send(browser, page_of(Email.objects.get(user=ada, address=OLD), "remove/"))
    verified(eve, OLD)
    path = revert_path(OLD, "email-removed")
    assert send(browser, path).status_code == 200
    assert Email.objects.get(user=ada, is_primary=True).address == NEW
    assert Email.objects.get(address=OLD, verified_at__isnull=False).user_id == eve.pk


def test_a_scanner_that_follows_the_way_back_changes_nothing(ada: User) -> None:
    email = verified(ada, NEW)
    _, browser = signed_in(ada)
    send(browser, page_of(email, "primary/"))
    path = revert_path(OLD, "email-primary-changed")
    before = state()
    scanner = Browser()
    assert scanner.get(path).status_code == 200
    assert scanner.client.head(path).status_code == 200
    assert scanner.client.post(path).status_code == 403
    assert state() == before
    assert send(Browser(), path).status_code == 200


# ---- the attacks by name


@pytest.mark.parametrize(("critical", "hours"), [(False, 24), (True, 72)])
def test_a14_address_change_then_reset_then_mint_meets_a_hold_and_the_old_address_takes_it_back(
    ada: User, time: Clock, critical: bool, hours: int
) -> None:
    from keyhouse.mandate.models import CriticalProject  # noqa: PLC0415 - beside its one use

    project = give_project(ada)
    if critical:
        CriticalProject.objects.create(
            normalized_name="alpha", criterion="clients", lineage=project.lineage, since_at=clock.now()
        )
    _, thief = signed_in(ada)
    email = add(thief)
    send(thief, page_of(email), {"code": code_in(letter_to(NEW, "email-verify"))})
    send(thief, page_of(email, "primary/"))
    changed = clock.now()
    session = Session.objects.get(user=ada)
    for action in ("token.mint", "project.manage"):
        with pytest.raises(Refusal) as denied:
            actions.require_gate(actor_of(session), action)
        assert denied.value.code == "account-held"
    time.go(hours=hours - 1)
    with pytest.raises(Refusal) as denied:
        actions.require_gate(actor_of(signed_in(User.objects.get(pk=ada.pk))[0]), "token.mint")
    assert denied.value.code == "account-held"
    assert User.objects.get(pk=ada.pk).held_until == changed + timedelta(hours=hours)
    owner = Browser()
    assert send(owner, revert_path(OLD, "email-primary-changed")).status_code == 200
    assert Email.objects.get(user=ada, is_primary=True).address == OLD
    assert not Session.objects.filter(user=ada).exists()
    assert not OneTimeLink.objects.filter(user=ada, used_at=None).exclude(purpose="not-me").exists()


def test_r3_an_address_change_holds_and_every_address_is_told_and_can_stop_it(ada: User) -> None:
    give_project(ada)
    email = verified(ada, NEW)
    third = verified(ada, "ada@third.example.org")
    _, browser = signed_in(ada)
    send(browser, page_of(email, "primary/"))
    for address in (OLD, NEW, third.address):
        letter = letter_to(address, "email-primary-changed")
        assert links_in(letter) == {"not-me", "revert-addresses"}
    assert Hold.objects.get(user=ada).reason == Hold.Reason.EMAIL_CHANGE


def test_r3_co_owners_hear_of_it_but_not_which_address_it_is(ada: User) -> None:
    bob = make_person("bob")
    Role.objects.create(project=give_project(ada), user=bob, kind="owner", since_at=clock.now())
    email = verified(ada, NEW)
    send(signed_in(ada)[1], page_of(email, "primary/"))
    [told] = letters_to("bob@example.org")
    assert links_in(told) == set()  # nothing that freezes bob
    assert "ada" in render_text(told)
    assert NEW not in render_text(told)


def test_an_address_on_file_that_was_never_verified_hears_that_another_takes_its_place() -> None:
    """It was the way back: a thief who knows the password must not take that in silence."""
    user = account_services.create_user("ada", by=host(), password=PASSWORD)
    account_services.add_email(user, OLD, by=host())
    _, thief = signed_in(user, "password")
    email = add(thief)
    send(thief, page_of(email), {"code": code_in(letter_to(NEW, "email-verify"))})
    assert Email.objects.get(user=user, is_primary=True).address == NEW
    for kind in ("email-added", "email-verified"):
        [told] = letters_to(OLD, kind)
        assert links_in(told) == set()  # whoever has this mailbox is nobody yet


def test_a21_what_a_browser_says_of_itself_stands_in_no_mail(ada: User) -> None:
    """A thief must not write a sentence of their own, with a link, into a mail that bears the check phrase."""
    _, thief = signed_in(ada)
    thief.client.defaults["HTTP_USER_AGENT"] = "Keep your account at https://evil.example/ now. Firefox/1"
    email = add(thief)
    send(thief, page_of(email), {"code": code_in(letter_to(NEW, "email-verify"))})
    send(thief, path_in(letter_to(OLD, "email-verified"), "not-me"))
    assert letters_to(OLD, "account-frozen")
    for letter in letters_to(OLD):
        assert "evil.example" not in render_text(letter)


def test_a21_a_notice_carries_the_check_phrase_and_no_way_to_sign_in(ada: User) -> None:
    """A mail made to look like one of ours is told by its lack of the phrase; ours never ask anybody to sign in by a link."""
    _, browser = signed_in(ada)
    email = add(browser)
    send(browser, page_of(email), {"code": code_in(letter_to(NEW, "email-verify"))})
    send(browser, page_of(email, "primary/"))
    ada.refresh_from_db()
    assert len(ada.check_phrase) > 8
    for page in ("/account/", LIST):
        assert ada.check_phrase in browser.get(page).content.decode()
    letters = [letter for address in (OLD, NEW) for letter in letters_to(address)]
    assert len(letters) >= 5
    # whose address it is isn't known yet: a stranger's, where it was mistyped
    assert ada.check_phrase not in render_text(letter_to(NEW, "email-verify"))
    for letter in letters:
        is_phrased = any(ada.check_phrase in getattr(block, "text", "") for block in letter.footer)
        assert is_phrased == (letter.kind != "email-verify"), letter.kind
        assert links_in(letter) <= {"verify-address", "revert-addresses", "not-me"}, letter.kind
    eve = make_person("eve")
    signed_in(eve)[1].get(LIST)
    assert User.objects.get(pk=eve.pk).check_phrase != ada.check_phrase


# ---- in parallel, and cut off


@pytest.mark.django_db(transaction=True)
def test_of_two_accounts_that_prove_one_address_at_once_one_gets_it() -> None:
    people = [make_person("ada"), make_person("eve")]
    waiting = []
    for person in people:
        change = change_of(person)
        email = services.add_address(change, "both@example.org")
        waiting.append((change, email.pk, code_in(letter_to("both@example.org", "email-verify"))))
    done = at_once([partial(services.verify_by_code, change, pk, code) for change, pk, code in waiting])
    assert sorted(type(one).__name__ for one in done) == sorted(["NoneType", AddressTaken.__name__])
    assert Email.objects.filter(address="both@example.org", verified_at__isnull=False).count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_code_typed_twice_at_once_verifies_once() -> None:
    ada = make_person()
    change = change_of(ada)
    email = services.add_address(change, NEW)
    code = code_in(letter_to(NEW, "email-verify"))
    done = at_once([lambda: services.verify_by_code(change, email.pk, code)] * 3)
    assert sum(one is None for one in done) == 1
    assert len(letters_to(OLD, "email-verified")) == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_changes_of_the_primary_address_leave_one() -> None:
    ada = make_person()
    others = [verified(ada, f"ada{number}@example.org") for number in range(3)]
    change = change_of(ada)
    at_once([partial(services.make_primary, change, one.pk) for one in others])
    assert Email.objects.filter(user=ada, is_primary=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_removals_leave_a_verified_primary_address() -> None:
    ada = make_person()
    other = verified(ada, NEW)
    change = change_of(ada)
    primary = Email.objects.get(user=ada, is_primary=True)
    done = at_once([partial(services.remove_address, change, pk) for pk in (other.pk, primary.pk)])
    assert Email.objects.get(user=ada, is_primary=True).verified_at is not None
    assert any(isinstance(one, Refusal) for one in done)


@pytest.mark.django_db(transaction=True)
def test_one_way_back_used_twice_at_once_works_once() -> None:
    from keyhouse.accounts.addresses.reverting import revert_addresses  # noqa: PLC0415 - beside its one use
    from keyhouse.accounts.visitor import Visitor  # noqa: PLC0415 - the same

    ada = make_person()
    other = verified(ada, NEW)
    services.make_primary(change_of(ada), other.pk)
    secret = revert_path(OLD, "email-primary-changed").split("/")[2]
    done = at_once([lambda: revert_addresses(secret, Visitor("192.0.2.1"), clock.now())] * 3)
    assert sum(isinstance(one, User) for one in done) == 1
    assert len(letters_to(OLD, "email-reverted")) == 1


def test_a_change_that_is_cut_off_leaves_nothing_behind(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last thing a change does is telling people; dying there takes all of it back, mails included."""
    from django.db import transaction  # noqa: PLC0415 - beside its one use

    email = verified(ada, NEW)
    change = change_of(ada)
    before = state()

    def die(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr("keyhouse.accounts.addresses.changes.tell_all", die)
    monkeypatch.setattr("keyhouse.accounts.addresses.services.tell_all", die)
    acts: list[Callable[[], Any]] = [
        lambda: services.make_primary(change, email.pk),
        lambda: services.remove_address(change, email.pk),
        lambda: services.add_address(change, "ada@third.example.org"),
    ]
    for act, _ in product(acts, range(2)):
        with pytest.raises(RuntimeError), transaction.atomic():
            act()
    assert (state(), Mail.objects.count(), OneTimeLink.objects.count()) == (before, 0, 0)
    assert not Hold.objects.exists()
    with pytest.raises(AddressLast):
        services.remove_address(change_of(make_person("eve")), Email.objects.get(user__username="eve").pk)
