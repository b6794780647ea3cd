from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.accounts.conftest import (
    PASSWORD,
    SECRET,
    START,
    Browser,
    Clock,
    Configure,
    at_once,
    code,
    give_project,
    mailed,
    make_person,
    refused,
    signed_in,
)
from tests.accounts.passwords.conftest import Leak

from keyhouse.accounts import services, signing_in
from keyhouse.accounts.models import Authenticator, Email, Hold, MailDomain, OneTimeLink, Session, User
from keyhouse.accounts.passwords.resetting import ask_for_reset, reset_password
from keyhouse.accounts.recovery import first_enrolment
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator, remove_authenticator
from keyhouse.accounts.sessions import actor_of
from keyhouse.accounts.signing_in import Entered
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import actions
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.clock import now
from keyhouse.core.errors import AccountHeld, Refusal
from keyhouse.core.windows import read_windows
from keyhouse.mail.models import Mail

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data")]
NEW = "ochre-lantern-57-meadow"
FORGOTTEN = "/account/password/forgotten/"


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def ask(name: str = "ada", network: str = "192.0.2.9") -> None:
    ask_for_reset(name, Visitor(network), now())


def links() -> list[str]:
    found = (re.search(r"/password-reset/([\w-]+)/", mail) for mail in mailed("password-reset-link"))
    return [match[1] for match in found if match]


def link(name: str = "ada") -> str:
    ask(name)
    return links()[-1]


def reset(secret: str, password: str = NEW) -> None:
    reset_password(secret, password, Visitor("192.0.2.9"), now())


def enter(password: str = NEW) -> signing_in.SignedIn:
    return signing_in.sign_in_by_password(Entered("ada", password, Visitor(), now()))


def never_verified() -> User:
    user = services.create_user("ada", by=host(), password=PASSWORD)
    services.add_email(user, "ada@example.org", by=host())
    return user


# ---- asking


def test_known_and_unknown_get_one_answer(ada: User, browser: Browser) -> None:
    answers = []
    for name in (
        "ada",
        "ADA",
        "ada@example.org",
        "Ada@Example.org",
        "nobody",
        "nobody@example.org",
        "…",
    ):
        page = Browser().post(FORGOTTEN, {"username": name})
        answers.append((page.status_code, page["Location"], sorted(page.headers)))
    assert len({repr(answer) for answer in answers}) == 1
    page = browser.get(answers[0][1])
    assert "If there is an account" in browser.text
    assert page.status_code == 200
    assert {mail.address for mail in Mail.objects.all()} == {"ada@example.org"}


def test_asking_for_nobody_writes_as_much_as_for_somebody(ada: User) -> None:
    ask("ada")  # the check phrase is made at the first mail
    with CaptureQueriesContext(connection) as somebody:
        ask("ada", "192.0.2.10")
    with CaptureQueriesContext(connection) as nobody:
        ask("nobody", "192.0.2.11")
    writes = [sum(query["sql"].startswith("INSERT") for query in queries) for queries in (somebody, nobody)]
    assert abs(writes[0] - writes[1]) <= 1
    assert OneTimeLink.objects.filter(user=None, expires_at__gt=START).count() == 0


def test_the_mail_goes_to_the_address_on_file_and_to_no_other(ada: User) -> None:
    services.add_email(ada, "second@example.org", by=host(), is_primary=False, verified_by="link")
    ask("ada")
    ask("second@example.org")
    assert list(Mail.objects.order_by("pk").values_list("address", flat=True)) == [
        "ada@example.org",
        "second@example.org",
    ]
    [first, _] = mailed()
    assert "ada" in first
    assert User.objects.get(pk=ada.pk).check_phrase in first


def test_an_unverified_address_of_somebody_else_reaches_only_whoever_verified_it(ada: User) -> None:
    bob = services.create_user("bob", by=host(), password=PASSWORD)
    services.add_email(bob, "ada@example.org", by=host())
    ask("ada@example.org")
    assert OneTimeLink.objects.get().user == ada


def test_a_claimed_address_is_no_way_back_beside_a_verified_one(ada: User) -> None:
    services.add_email(ada, "mistyped@example.org", by=host(), is_primary=False)
    ask("mistyped@example.org")
    assert mailed() == []
    Email.objects.filter(address="ada@example.org").update(verified_at=None)
    ask("mistyped@example.org")
    assert mailed() == []
    ask("ada@example.org")
    assert Mail.objects.get().address == "ada@example.org"


def test_a13_a_domain_that_was_gone_recovers_nobody(ada: User) -> None:
    secret = link()
    Mail.objects.all().delete()
    Email.objects.filter(user=ada).update(verified_at=None, verified_by="", domain_gone_at=now())
    for name in ("ada", "ada@example.org"):
        ask(name)
    assert mailed() == []
    with pytest.raises(Refusal) as refusal:
        reset(secret)
    assert refusal.value.code == "reset-link-stale"


def test_a13_a_domain_that_goes_missing_ends_the_links_mailed_to_it(ada: User) -> None:
    secret = link()
    MailDomain.objects.create(domain="example.org", missing_count=1)
    with pytest.raises(Refusal) as refusal:
        reset(secret)
    assert refusal.value.code == "reset-link-stale"
    assert fresh(ada).password == ada.password


def test_too_many_are_not_mailed_and_still_answered_alike(ada: User, time: Clock) -> None:
    for number in range(5):
        page = Browser(REMOTE_ADDR=f"192.0.2.{number}").post(FORGOTTEN, {"username": "ada"})
        assert page.status_code == 303
    assert len(mailed()) == 3
    time.go(hours=6, seconds=1)
    ask()
    assert len(mailed()) == 4


def test_a_network_that_asks_too_often_has_to_wait(ada: User, configure: Configure) -> None:
    configure(mail_network_limit=tuple(read_windows("2/6h")))
    for _ in range(2):
        Browser().post(FORGOTTEN, {"username": "nobody"})
    page = Browser().post(FORGOTTEN, {"username": "ada"})
    assert page.status_code == 429
    assert int(page["Retry-After"]) > 0
    assert mailed() == []


@pytest.mark.parametrize("name", ["ada", "ada@example.org", "frozen@example.org", "nobody", "no@example.org"])
def test_resets_asked_for_by_strangers_tell_nothing_on_other_pages_and_use_nothing_up(
    ada: User, name: str
) -> None:
    """A limit that is full only where nobody has the address would tell so by its 429 where the address is typed next."""
    User.objects.filter(pk=make_person("frozen").pk).update(state=User.State.FROZEN)
    for _ in range(4):
        ask(name)
    browser = Browser()
    browser.get("/account/recover/")
    assert browser.post("/account/recover/", {"identifier": name}).status_code == 303
    eve, account = signed_in(make_person("eve"))
    del eve
    account.get("/account/emails/add/")
    assert account.post("/account/emails/add/", {"email": "no@example.org"}).status_code == 303
    ask("eve@example.org")
    assert len([mail for mail in mailed("password-reset-link") if "for the account eve." in mail]) == 1


def test_resets_asked_for_by_strangers_keep_nobody_from_enrolling(ada: User) -> None:
    for _ in range(4):
        ask()
    session, _ = signed_in(ada)
    assert first_enrolment.ask_for_proof(session, by=actor_of(session), now=now()) in {"", "ada@example.org"}


def test_an_address_whose_mails_came_back_once_is_no_dead_end(ada: User) -> None:
    ask()
    assert Mail.objects.get().even_if_bounced


def test_claims_of_an_address_by_many_dont_crowd_out_whose_it_is() -> None:
    for number in range(12):
        claimer = make_person(f"claimer-{number}", factors=0)
        services.add_email(claimer, "ada@example.org", by=host(), is_primary=False)
    never_verified()
    ask("ada@example.org")
    [mail] = mailed()
    assert "for the account ada." in mail


@pytest.mark.parametrize("state", [User.State.FROZEN, User.State.DELETED])
def test_closed_accounts_get_no_mail(ada: User, state: str) -> None:
    User.objects.filter(pk=ada.pk).update(state=state)
    ask()
    assert mailed() == []


def test_asking_changes_nothing(ada: User) -> None:
    session, _ = signed_in(ada)
    ask()
    assert (fresh(ada).password, fresh(ada).state, fresh(ada).held_until) == (ada.password, "active", None)
    assert Session.objects.filter(pk=session.pk).exists()


# ---- the link


def test_a7_looking_at_the_page_does_nothing_and_posting_needs_the_link_too(
    ada: User, browser: Browser
) -> None:
    path = f"/password-reset/{link()}/"
    for _ in range(3):
        assert Browser().get(path).status_code == 200
        assert Browser().client.head(path).status_code == 200
    assert fresh(ada).password == ada.password
    for wrong in ("/password-reset/x/", path[:-3] + "xx/", f"/password-reset/{'a' * 5000}/"):
        assert refused(browser.get(wrong)) == "link-unknown"
        browser.get("/account/sign-in/")
        assert refused(browser.post(wrong, {"password": NEW})) == "link-unknown"
    assert Browser().client.post(path, {"password": NEW}).status_code == 403  # no mark of a form
    assert fresh(ada).password == ada.password


def test_a7_a_reset_signs_nobody_in_and_takes_no_factor(ada: User, browser: Browser) -> None:
    _, elsewhere = signed_in(ada)
    before = list(Authenticator.objects.values_list("pk", flat=True))
    path = f"/password-reset/{link()}/"
    browser.get(path)
    page = browser.post(path, {"password": NEW})
    assert (page.status_code, page["Location"]) == (303, "/account/sign-in/")
    assert not Session.objects.exists()
    assert browser.get("/account/tokens/").status_code != 200
    assert elsewhere.get("/account/tokens/").status_code != 200
    assert list(Authenticator.objects.values_list("pk", flat=True)) == before
    assert enter().needs_second_factor
    with pytest.raises(Refusal):
        enter(PASSWORD)
    [notice] = mailed("password-reset")
    assert "on hold" in notice
    assert "/not-me/" in notice
    [told] = Record.objects.filter(action="password.reset")
    assert (told.actor_kind, told.account_id) == ("nobody", ada.pk)


def test_the_account_is_held_until_its_factor_is_proven(ada: User, browser: Browser) -> None:
    reset(link())
    assert fresh(ada).held_until is not None
    browser.sign_in(password=NEW)
    assert fresh(ada).held_until is not None
    assert browser.enter(code(1)).status_code == 303
    assert fresh(ada).held_until is None
    assert Hold.objects.get().ended_by == "factor"


def test_a_recovery_code_alone_does_not_end_the_hold(ada: User, browser: Browser) -> None:
    codes = new_codes()
    give_recovery_codes(ada, codes, by=host())
    reset(link())
    browser.sign_in(password=NEW)
    browser.get("/account/second-factor/recovery-code/")
    assert (
        browser.post("/account/second-factor/recovery-code/", {"recovery_code": codes[0]}).status_code == 303
    )
    assert Hold.objects.filter(reason=Hold.Reason.PASSWORD_RESET, ended_at=None).exists()


def test_a_link_works_once(ada: User) -> None:
    secret = link()
    reset(secret)
    with pytest.raises(Refusal) as refusal:
        reset(secret, NEW + "-2")
    assert refusal.value.code == "link-used"
    assert enter()


def test_all_links_die_with_the_first_that_is_used(ada: User) -> None:
    first, second = link(), link()
    assert first != second
    reset(second)
    with pytest.raises(Refusal) as refusal:
        reset(first, NEW + "-2")
    assert refusal.value.code == "link-unknown"
    with pytest.raises(Refusal):
        enter(NEW + "-2")


def test_a_link_lives_for_six_hours(ada: User, time: Clock, browser: Browser) -> None:
    secret = link()
    time.go(hours=6)
    with pytest.raises(Refusal) as refusal:
        reset(secret)
    assert refusal.value.code == "link-expired"
    assert browser.get(f"/password-reset/{secret}/").status_code == 410
    assert fresh(ada).password == ada.password


def _change_password(user: User) -> None:
    session, _ = signed_in(user)
    by = Actor("session", user.pk, credential=session.public_id, strength=proven())
    services.change_password(
        user, PASSWORD, "sable-thicket-41-cedar", by=by, now=now() + timedelta(seconds=1)
    )


def proven() -> Strength:
    return Strength(frozenset({"password", "totp"}), now())


CHANGES: dict[str, Callable[[User], object]] = {
    "password": _change_password,
    "factor added": lambda user: enrol_authenticator(user, SECRET[::-1], by=host(), name="new"),
    "factor removed": lambda user: remove_authenticator(
        user.pk, Authenticator.objects.filter(user=user).latest("pk").pk, by=host()
    ),
    "codes": lambda user: give_recovery_codes(user, new_codes(), by=host()),
    "address added": lambda user: services.add_email(user, "x@example.org", by=host(), is_primary=False),
    "address removed": lambda user: Email.objects.filter(user=user).delete(),
    "address unverified": lambda user: Email.objects.filter(user=user).update(verified_at=None),
    "frozen": lambda user: User.objects.filter(pk=user.pk).update(state="frozen"),
    "deleted": lambda user: User.objects.filter(pk=user.pk).update(state="deleted"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_link_dies_with_every_change(change: str, browser: Browser) -> None:
    ada = make_person(factors=2)
    secret = link()
    CHANGES[change](ada)
    before = fresh(ada)
    assert refused(browser.get(f"/password-reset/{secret}/")) == "reset-link-stale"
    with pytest.raises(Refusal) as refusal:
        reset(secret)
    assert refusal.value.code == "reset-link-stale"
    after = fresh(ada)
    assert (after.password, after.state, after.held_until) == (
        before.password,
        before.state,
        before.held_until,
    )
    assert mailed("password-reset") == []


@pytest.mark.parametrize(
    "password", ["short", "a" * 5000, "ada@example.org", "\x00" * 20, "velvet-leaked-93-tundra"]
)
def test_a_refused_password_leaves_nothing_and_the_link_lives(
    ada: User, browser: Browser, leak: Leak, password: str
) -> None:
    leak("velvet-leaked-93-tundra")
    path = f"/password-reset/{link()}/"
    browser.get(path)
    page = browser.post(path, {"password": password})
    assert page.status_code == 400
    assert (fresh(ada).password, fresh(ada).held_until) == (ada.password, None)
    assert mailed("password-reset") == []
    assert browser.post(path, {"password": NEW}).status_code == 303


def test_the_page_and_the_log_hold_no_secret(
    ada: User, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    secret = link()
    page = browser.get(f"/password-reset/{secret}/")
    assert "no-store" in page["Cache-Control"]
    assert page["Referrer-Policy"] in {"no-referrer", "same-origin"}
    assert secret not in caplog.text
    assert not OneTimeLink.objects.filter(digest=secret).exists()


# ---- whoever is locked out by several controls at once


def test_a31_a_leaked_password_an_unverified_address_and_no_factor_are_no_dead_end(
    browser: Browser, leak: Leak
) -> None:
    ada = never_verified()
    give_project(ada)
    leak(PASSWORD)
    assert refused(browser.sign_in()) == "password-disabled"
    browser.get(FORGOTTEN)
    browser.post(FORGOTTEN, {"username": "ada@example.org"})
    path = f"/password-reset/{links()[-1]}/"
    browser.get(path)
    assert browser.post(path, {"password": NEW}).status_code == 303
    assert fresh(ada).state == User.State.ACTIVE
    assert Email.objects.get(user=ada).verified_at == START
    browser.sign_in(password=NEW)
    session = Session.objects.get(user=ada, is_complete=True)
    by = Actor("session", ada.pk, email_is_verified=True, strength=proven(), credential=session.public_id)
    with pytest.raises(AccountHeld):
        actions.require_gate(by, "token.mint")
    page = browser.get("/account/second-factors/add/")
    assert page.status_code == 200, page.content
    secret = re.search(r"[A-Z2-7]{4}(?: [A-Z2-7]{4}){7}|[A-Z2-7]{32}", browser.text)
    assert secret
    raw = totp.decode_secret(secret[0].replace(" ", ""))
    assert browser.post("/account/second-factors/add/", {"name": "x", "code": code(0, raw)}).status_code in {
        200,
        303,
    }
    assert Authenticator.objects.filter(user=ada).exists()
    assert not Hold.objects.filter(user=ada, reason=Hold.Reason.PASSWORD_RESET, ended_at=None).exists()


def test_an_account_without_a_password_gets_one_too(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(password="!")
    reset(link())
    assert enter().needs_second_factor


def test_of_several_accounts_with_one_unverified_address_each_gets_its_link() -> None:
    for name in ("ada", "bob"):
        user = services.create_user(name, by=host(), password=PASSWORD)
        services.add_email(user, "both@example.org", by=host())
    ask("both@example.org")
    first, second = links()
    reset(first)
    with pytest.raises(Refusal) as refusal:
        reset(second)
    assert refusal.value.code == "address-taken"
    assert Email.objects.filter(verified_at__isnull=False).count() == 1
    assert fresh(User.objects.get(username="bob")).held_until is None


# ---- at once


@pytest.mark.django_db(transaction=True)
def test_a_link_used_twice_at_once_works_once() -> None:
    ada = make_person()
    secret = link()
    results = at_once([lambda n=n: reset(secret, f"{NEW}-{n}") for n in range(4)])  # type: ignore[misc]  # default argument
    assert sum(result is None for result in results) == 1, results
    assert len(mailed("password-reset")) == 1
    assert Record.objects.filter(action="password.reset").count() == 1
    assert Hold.objects.filter(user=ada).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_a_reset_and_a_change_at_once_one_wins() -> None:
    ada = make_person()
    secret = link()
    acts: list[Callable[[], object]] = [lambda: reset(secret), lambda: _change_password(ada)]
    results = at_once(acts)
    assert sum(not isinstance(result, Refusal) for result in results) == 1, results
    assert sum(_opens(password) for password in (NEW, "sable-thicket-41-cedar")) == 1


def _opens(password: str) -> bool:
    try:
        return bool(enter(password))
    except Refusal:
        return False
