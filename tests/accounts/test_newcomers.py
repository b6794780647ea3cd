from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.accounts.conftest import (
    PASSWORD,
    Browser,
    Clock,
    at_once,
    code,
    make_person,
    refused,
    send,
    signed_in,
)
from tests.accounts.second_factors.soft_key import UP, UV, SoftKey

from keyhouse.accounts import newcomers, services
from keyhouse.accounts.cookies import NEWCOMER, cookie_name
from keyhouse.accounts.errors import OperatorExists, UsernameTaken
from keyhouse.accounts.forgetting import forget_old
from keyhouse.accounts.models import (
    Authenticator,
    Email,
    OneTimeLink,
    RecoveryCode,
    RecoveryCodeSet,
    Session,
    User,
)
from keyhouse.accounts.newcomers import Door
from keyhouse.accounts.recovering import make_enrolment_link
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import NOBODY, Actor, Strength, host
from keyhouse.core.errors import Refusal, RoleRequired, SecondFactorRequired

pytestmark = pytest.mark.django_db

ADA = {"username": "ada", "email": "Ada@Example.org", "password": PASSWORD}


def secret_on(browser: Browser) -> bytes:
    shown = browser.text.split('<pre class="code secret break" data-copy>')[1].split("<")[0]
    return totp.decode_secret(shown)


def codes_on(browser: Browser) -> list[str]:
    return browser.text.split('data-copy id="codes">')[1].split("<")[0].split()


def setup() -> str:
    return services.make_setup_link(by=host())


def go_to_codes(browser: Browser, path: str, **fields: str) -> bytes:
    """Take the first two steps; the page shows the codes then."""
    browser.get(path + "account/")
    page = browser.post(path + "account/", ADA | fields)
    assert page["Location"] == path + "authenticator/", browser.text
    browser.get(path + "authenticator/")
    secret = secret_on(browser)
    page = browser.post(path + "authenticator/", {"code": code(secret=secret)})
    assert page["Location"] == path + "recovery-codes/"
    browser.get(path + "recovery-codes/")
    return secret


def go_through(browser: Browser, path: str, **fields: str) -> bytes:
    secret = go_to_codes(browser, path, **fields)
    page = browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[3].upper()})
    assert (page.status_code, page["Location"]) == (303, "/help/clients/")
    return secret


def nothing_was_made() -> bool:
    rows = (User, Email, Authenticator, RecoveryCodeSet, Session)
    return not any(model.objects.exists() for model in rows)


# ---- the way through ----


def test_the_first_operator_is_made_whole_and_signed_in(browser: Browser) -> None:
    path = setup()
    assert browser.get(path)["Location"] == path + "account/"
    secret = go_through(browser, path)
    ada = User.objects.get()
    assert (ada.username, ada.is_operator, ada.state) == ("ada", True, "active")
    email = ada.emails.get()
    assert (email.address, email.is_primary, email.verified_by) == ("Ada@example.org", True, "host")
    assert email.verified_at == clock.now()
    app = Authenticator.objects.get()
    assert (app.user, app.last_step) == (ada, totp.step_at(clock.now()))
    assert RecoveryCode.objects.filter(code_set__user=ada, used_at=None).count() == 10
    session = Session.objects.get()
    assert (session.methods, session.is_complete) == (["password", "totp"], True)
    assert browser.get("/account/").status_code == 200
    assert browser.get("/operator/audit/").status_code == 200
    assert browser.get("/help/clients/").status_code == 200
    other = Browser()
    other.sign_in()
    assert refused(other.enter(code(secret=secret))) == "code-replayed"


def test_the_whole_set_up_is_one_record(browser: Browser) -> None:
    path = setup()
    go_through(browser, path)
    made = Record.objects.get(action="setup.finish")
    assert (made.account_id, made.methods) == (User.objects.get().pk, ["password", "totp"])
    assert set(Record.objects.values_list("action", flat=True)) == {"setup.link", "setup.finish"}


def test_nothing_is_visible_before_the_end(browser: Browser) -> None:
    go_to_codes(browser, setup())
    assert nothing_was_made()


def test_what_was_entered_waits_sealed(browser: Browser) -> None:
    path = setup()
    secret = go_to_codes(browser, path)
    link = OneTimeLink.objects.get()
    kept = link.draft_sealed + json.dumps(link.data) + link.digest
    for one in (PASSWORD, "ada@", totp.encode_secret(secret), path.split("/")[2], codes_on(browser)[0]):
        assert one.lower() not in kept.lower()
    browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    link.refresh_from_db()
    assert link.draft_sealed == ""


def test_the_typed_back_code_is_not_used_up(browser: Browser) -> None:
    path = setup()
    go_to_codes(browser, path)
    typed = codes_on(browser)[0]
    browser.post(path + "recovery-codes/", {"recovery_code": typed})
    other = Browser().be_known(User.objects.get())
    other.sign_in()
    other.get("/account/second-factor/recovery-code/")
    page = other.post("/account/second-factor/recovery-code/", {"recovery_code": typed})
    assert page["Location"] == "/account/second-factors/"


def test_loading_again_and_going_back_change_nothing(browser: Browser) -> None:
    path = setup()
    secret = go_to_codes(browser, path)
    shown = codes_on(browser)
    browser.get(path + "recovery-codes/")
    assert codes_on(browser) == shown
    assert browser.get(path)["Location"] == path + "recovery-codes/"
    assert browser.get(path + "authenticator/")["Location"] == path + "recovery-codes/"
    browser.get(path + "account/")
    assert 'value="ada"' in browser.text
    assert PASSWORD not in browser.text
    page = browser.post(path + "account/", ADA | {"username": "ada2"})
    assert page.status_code == 303
    browser.get(path + "recovery-codes/")
    assert codes_on(browser) == shown
    browser.post(path + "recovery-codes/", {"recovery_code": shown[0]})
    assert User.objects.get().username == "ada2"
    assert totp.decode_secret(totp.encode_secret(secret)) == secret


def test_a_second_click_on_the_code_goes_on(browser: Browser) -> None:
    path = setup()
    browser.get(path + "account/")
    browser.post(path + "account/", ADA)
    browser.get(path + "authenticator/")
    fields = {"csrfmiddlewaretoken": browser.mark(), "code": code(secret=secret_on(browser))}
    for _ in range(2):
        page = browser.client.post(path + "authenticator/", fields)
        assert page["Location"] == path + "recovery-codes/"


def test_a_second_click_at_the_end_leads_to_the_sign_in(browser: Browser) -> None:
    path = setup()
    go_to_codes(browser, path)
    typed, mark, cookies = codes_on(browser)[0], browser.mark(), browser.client.cookies.output(header="")
    browser.post(path + "recovery-codes/", {"recovery_code": typed})
    late = Browser()
    late.client.cookies.load(cookies)
    fields = {"csrfmiddlewaretoken": mark, "recovery_code": typed}
    page = late.client.post(path + "recovery-codes/", fields)
    assert page["Location"] == "/account/sign-in/?next=/help/clients/"
    assert browser.get(path)["Location"] == "/account/sign-in/?next=/help/clients/"
    assert browser.get("/account/sign-in/?next=/help/clients/")["Location"] == "/help/clients/"
    assert User.objects.count() == 1


# ---- refusals ----


@pytest.mark.parametrize("step", ["authenticator", "recovery-codes"])
def test_no_step_is_skipped(browser: Browser, step: str) -> None:
    path = setup()
    assert refused(browser.get(path + step + "/")) == "step-missing"
    browser.get(path + "account/")
    page = browser.post(path + step + "/", {"code": "123456", "recovery_code": "a" * 16})
    assert (page.status_code, refused(page)) == (409, "step-missing")
    assert OneTimeLink.objects.get().draft_sealed == ""
    assert nothing_was_made()


def test_the_codes_do_not_come_before_the_app(browser: Browser) -> None:
    path = setup()
    browser.get(path + "account/")
    browser.post(path + "account/", ADA)
    browser.get(path + "authenticator/")
    page = browser.post(path + "recovery-codes/", {"recovery_code": "a" * 16})
    assert refused(page) == "step-missing"
    assert nothing_was_made()


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"username": "-ada"}, "username-refused"),
        ({"username": "host"}, "username-refused"),
        ({"email": "ada"}, "address-refused"),
        ({"password": "short"}, "password-too-short"),
        ({"password": "keyhousekeyhouse"}, "password-personal"),
        ({"password": "1234567890987654321"}, "password-common"),
        ({"password": "aaaaaaaaaaaaaaaaaaaa"}, "password-guessable"),
        ({"username": ""}, ""),
        ({"username": "\x00"}, ""),
        ({"password": ""}, ""),
    ],
)
def test_a_wrong_account_goes_no_further(browser: Browser, fields: dict[str, str], answer: str) -> None:
    path = setup()
    browser.get(path + "account/")
    page = browser.post(path + "account/", ADA | fields)
    assert (page.status_code, refused(page)) == (400, answer)
    assert OneTimeLink.objects.get().data == {}
    assert OneTimeLink.objects.get().draft_sealed == ""


@pytest.mark.parametrize("fields", [{"username": "BOB"}, {"email": "BOB@example.org"}])
def test_names_and_addresses_of_others_are_taken(browser: Browser, fields: dict[str, str]) -> None:
    make_person("bob")
    path = setup()
    browser.get(path + "account/")
    page = browser.post(path + "account/", ADA | fields)
    assert refused(page) in {"username-taken", "address-taken"}


def test_a_wrong_first_code_keeps_the_secret(browser: Browser) -> None:
    path = setup()
    browser.get(path + "account/")
    browser.post(path + "account/", ADA)
    browser.get(path + "authenticator/")
    secret = secret_on(browser)
    wrong = "000000" if code(secret=secret) != "000000" else "000001"
    assert refused(browser.post(path + "authenticator/", {"code": wrong})) == "code-wrong"
    assert secret_on(browser) == secret
    assert refused(browser.post(path + "authenticator/", {"code": code(7, secret)})) == "clock-off"


def test_a_wrong_typed_back_code_makes_nothing(browser: Browser) -> None:
    path = setup()
    go_to_codes(browser, path)
    page = browser.post(path + "recovery-codes/", {"recovery_code": "a" * 16})
    assert (page.status_code, refused(page)) == (400, "recovery-code-wrong")
    assert nothing_was_made()


@pytest.mark.parametrize("secret", ["x", "x" * 43, "x" * 5000, "%00", "é", "..%2f"])
def test_an_unknown_link_is_no_link(browser: Browser, secret: str) -> None:
    setup()
    for purpose in ("setup", "invitation"):
        for step in ("", "account/", "authenticator/", "recovery-codes/"):
            page = browser.get(f"/{purpose}/{secret}/{step}")
            assert page.status_code == 404, (purpose, step)


def test_a_link_is_for_its_own_purpose(browser: Browser) -> None:
    path = setup()
    assert refused(browser.get(path.replace("setup", "invitation"))) == "link-unknown"


def test_a_link_dies_after_a_day(browser: Browser, time: Clock) -> None:
    path = setup()
    go_to_codes(browser, path)
    time.go(hours=24)
    page = browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert (page.status_code, refused(page)) == (410, "link-expired")
    assert refused(browser.get(path)) == "link-expired"
    assert nothing_was_made()


def test_a_used_link_is_dead_for_everybody(browser: Browser) -> None:
    path = setup()
    go_through(browser, path)
    page = Browser().get(path)
    assert (page.status_code, refused(page)) == (410, "link-used")


def test_a_newer_link_replaces_an_older_one(browser: Browser) -> None:
    older = setup()
    go_to_codes(browser, older)
    newer = setup()
    page = browser.post(older + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert refused(page) == "link-unknown"
    assert nothing_was_made()
    go_through(browser, newer)


def test_with_an_operator_there_is_no_set_up(browser: Browser) -> None:
    path = setup()
    make_person("bob", is_operator=True)
    assert refused(browser.get(path)) == "operator-exists"
    with pytest.raises(OperatorExists):
        setup()


@pytest.mark.parametrize(
    "by",
    [
        NOBODY,
        Actor(kind="session", user_id=1, email_is_verified=True, strength=Strength(frozenset({"totp"}))),
        Actor(kind="token", user_id=1, email_is_verified=True, strength=Strength(frozenset({"totp"}))),
    ],
)
def test_only_the_host_makes_set_up_links_and_operators_invite(by: Actor) -> None:
    with pytest.raises(Refusal):
        services.make_setup_link(by=by)
    with pytest.raises(RoleRequired):
        services.invite_user("bob", "bob@example.org", by=by)
    assert not OneTimeLink.objects.exists()
    assert not Record.objects.exists()


def test_the_link_belongs_to_the_browser_that_began(browser: Browser) -> None:
    path = setup()
    other = Browser()
    other.get(path + "account/")
    browser.get(path + "account/")
    browser.post(path + "account/", ADA)
    page = other.post(path + "account/", ADA | {"username": "eve"})
    assert (page.status_code, refused(page)) == (409, "link-in-use")
    for step in ("", "account/", "authenticator/", "recovery-codes/"):
        page = other.get(path + step)
        assert refused(page) == "link-in-use"
        assert "otpauth" not in other.text
    other.client.cookies[cookie_name(NEWCOMER)] = "x"
    assert refused(other.get(path)) == "link-in-use"


@pytest.mark.django_db(transaction=True)
def test_of_two_browsers_that_begin_at_once_one_wins() -> None:
    secret = setup().split("/")[2]

    def begin(name: str) -> str:
        door = Door("setup", secret)
        return newcomers.enter_account(door, name, f"{name}@example.org", PASSWORD, clock.now())

    results = at_once([lambda: begin("ada"), lambda: begin("eve")])
    assert sorted(type(one).__name__ for one in results) == ["LinkInUse", "str"]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_finish_at_once_one_account_is_made() -> None:
    secret = setup().split("/")[2]
    now = clock.now()
    browser = newcomers.enter_account(Door("setup", secret), "ada", "a@example.org", PASSWORD, now)
    door = Door("setup", secret, browser)
    _, draft = newcomers.look(door, now)
    newcomers.enter_code(door, code(secret=totp.decode_secret(draft.totp_secret)), now)
    _, draft = newcomers.look(door, now)
    results = at_once([lambda: newcomers.finish(door, draft.codes[0], Visitor(), now)] * 4)
    assert [type(one).__name__ for one in results].count("LinkUsed") == 3
    assert User.objects.count() == Session.objects.count() == RecoveryCodeSet.objects.count() == 1
    assert Record.objects.filter(action="setup.finish").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_live_set_up_links_make_one_operator() -> None:
    """Two of them can only come about by two commands at the same moment."""
    doors = []
    for name in ("ada", "eve"):
        path = setup()
        OneTimeLink.objects.filter(username="").update(username=f"#{name}")  # out of the next one's reach
        door = Door("setup", path.split("/")[2])
        OneTimeLink.objects.filter(username=f"#{name}").update(username="")
        now = clock.now()
        browser = newcomers.enter_account(door, name, f"{name}@example.org", PASSWORD, now)
        doors.append(Door("setup", door.secret, browser))
        OneTimeLink.objects.update(username="#")
    OneTimeLink.objects.update(username="")
    drafts = []
    for door in doors:
        _, draft = newcomers.look(door, clock.now())
        newcomers.enter_code(door, code(secret=totp.decode_secret(draft.totp_secret)), clock.now())
        drafts.append(newcomers.look(door, clock.now())[1])
    results = at_once(
        partial(newcomers.finish, door, draft.codes[0], Visitor(), clock.now())
        for door, draft in zip(doors, drafts, strict=True)
    )
    assert [type(one).__name__ for one in results].count("OperatorExists") == 1
    assert User.objects.filter(is_operator=True).count() == 1


def test_a_failure_at_the_end_leaves_nothing_and_the_link_alive(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = setup()
    go_to_codes(browser, path)
    typed = codes_on(browser)[0]

    def broken(*args: object, **kwargs: object) -> None:
        raise UsernameTaken

    with monkeypatch.context() as patch:
        patch.setattr(newcomers, "record", broken)
        page = browser.post(path + "recovery-codes/", {"recovery_code": typed})
    assert refused(page) == "username-taken"
    assert nothing_was_made()
    browser.get(path + "recovery-codes/")
    assert browser.post(path + "recovery-codes/", {"recovery_code": typed}).status_code == 303


def test_what_nobody_finished_is_forgotten(browser: Browser, time: Clock) -> None:
    go_to_codes(browser, setup())
    time.go(hours=25)
    assert forget_old(clock.now())["drafts"] == 1
    assert OneTimeLink.objects.get().draft_sealed == ""
    time.go(days=31)
    assert forget_old(clock.now())["links"] == 1


# ---- invitations ----


def test_an_invitation_makes_an_account_of_the_given_name(browser: Browser) -> None:
    path = services.invite_user("bob", "Bob@Example.org", by=host())
    browser.get(path + "account/")
    assert "bob" in browser.text
    go_through(browser, path, username="mallory", email="mallory@example.org")
    bob = User.objects.get()
    assert (bob.username, bob.is_operator) == ("bob", False)
    email = bob.emails.get()
    assert (email.address, bool(email.verified_at)) == ("Bob@example.org", True)
    assert Record.objects.get(action="invitation.accept").account_id == bob.pk
    assert refused(browser.get("/operator/audit/")) == "role-required"


def test_an_invitation_lives_a_week(browser: Browser, time: Clock) -> None:
    path = services.invite_user("bob", "bob@example.org", by=host())
    time.set(clock.now() + timedelta(days=7) - timedelta(seconds=1))
    assert browser.get(path).status_code == 303
    time.go(seconds=1)
    assert refused(browser.get(path)) == "link-expired"


def test_an_invitation_needs_a_free_name_and_address(ada: User) -> None:
    for name, address in (
        ("ADA", "new@example.org"),
        ("bob", "ADA@example.org"),
        ("-", "x@y.org"),
        ("bob", "x"),
    ):
        with pytest.raises(Refusal):
            services.invite_user(name, address, by=host())
    assert not OneTimeLink.objects.exists()


def test_a_name_taken_meanwhile_ends_the_invitation(browser: Browser) -> None:
    path = services.invite_user("bob", "bob@example.org", by=host())
    go_to_codes(browser, path)
    typed = codes_on(browser)[0]
    make_person("Bob", factors=0)
    page = browser.post(path + "recovery-codes/", {"recovery_code": typed})
    assert refused(page) == "username-taken"
    assert User.objects.count() == 1


def test_a_newer_invitation_replaces_the_one_for_the_same_name_only() -> None:
    services.invite_user("bob", "bob@example.org", by=host())
    services.invite_user("eve", "eve@example.org", by=host())
    services.invite_user("Bob", "bob2@example.org", by=host())
    assert set(OneTimeLink.objects.values_list("address", flat=True)) == {
        "eve@example.org",
        "bob2@example.org",
    }


def test_an_operator_without_second_factor_invites_nobody() -> None:
    ada = make_person(is_operator=True, factors=0)
    actor = Actor(
        kind="session",
        user_id=ada.pk,
        is_operator=True,
        email_is_verified=True,
        strength=Strength(frozenset({"password"}), clock.now()),
    )
    with pytest.raises(SecondFactorRequired):
        services.invite_user("bob", "bob@example.org", by=actor)


def test_who_was_signed_in_as_somebody_else_is_the_new_person_afterwards(ada: User) -> None:
    old, browser = signed_in(ada)
    path = services.invite_user("bob", "bob@example.org", by=host())
    go_through(browser, path)
    assert not Session.objects.filter(pk=old.pk).exists()
    assert Session.objects.get().user.username == "bob"


# ---- without a password ----


def choose_no_password(browser: Browser, path: str, **fields: str) -> None:
    browser.get(path + "account/")
    page = browser.post(path + "account/", ADA | {"password": "", "without_password": "1"} | fields)
    assert page["Location"] == path + "authenticator/", browser.text
    browser.get(path + "authenticator/")


def ask_for_key(browser: Browser, path: str) -> dict[str, Any]:
    asked: dict[str, Any] = send(browser, path + "security-key/options/", {}).json()
    return asked


def enter_key(browser: Browser, path: str, key: SoftKey, **faults: Any) -> Any:
    response = key.create(ask_for_key(browser, path), **faults)
    return send(browser, path + "security-key/", {"response": response})


def test_an_account_is_made_and_opened_by_a_passkey_alone(browser: Browser) -> None:
    path, key = setup(), SoftKey()
    choose_no_password(browser, path)
    assert "authenticator app" not in browser.text.partition("<main")[2].partition("</main>")[0]
    asked = ask_for_key(browser, path)["authenticatorSelection"]
    assert (asked["residentKey"], asked["userVerification"]) == ("required", "required")
    assert enter_key(browser, path, key).json()["location"] == path + "recovery-codes/"
    browser.get(path + "recovery-codes/")
    browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    ada = User.objects.get()
    assert not ada.has_usable_password()
    assert not Authenticator.objects.exists()
    session = Session.objects.get()
    assert (session.methods, session.user_verified) == (["passkey"], True)
    assert "you sign in by a passkey" in (browser.get("/account/") and browser.text)
    assert browser.get("/operator/audit/").status_code == 200
    other = Browser()
    other.get("/account/sign-in/")
    question = send(other, "/account/sign-in/passkey/options/", {}).json()
    page = send(other, "/account/sign-in/passkey/", {"response": key.get(question)})
    assert page.json()["location"] == "/account/"
    assert other.get("/account/").status_code == 200
    stranger = Browser()
    for password in (PASSWORD, "!"):
        assert refused(stranger.sign_in(password=password)) == "sign-in-refused"


@pytest.mark.parametrize(
    ("flags", "answer", "code_"),
    [
        (UP, {}, "user-not-verified"),
        (UP | UV, {"clientExtensionResults": {"credProps": {"rk": False}}}, "key-not-kept"),
    ],
)
def test_a_key_that_opens_nothing_alone_is_refused_where_there_is_no_password(
    browser: Browser, flags: int, answer: dict[str, Any], code_: str
) -> None:
    path = setup()
    choose_no_password(browser, path)
    page = enter_key(browser, path, SoftKey(flags=flags), answer=answer)
    assert refused(page) == code_
    assert browser.get(path)["Location"] == path + "authenticator/"
    assert nothing_was_made()
    browser.get(path + "authenticator/")
    assert enter_key(browser, path, SoftKey()).status_code == 200


def test_an_app_opens_nothing_where_there_is_no_password(browser: Browser) -> None:
    path = setup()
    choose_no_password(browser, path)
    page = browser.post(path + "authenticator/", {"code": "123456"})
    assert (page.status_code, refused(page)) == (400, "step-missing")
    assert browser.get(path)["Location"] == path + "authenticator/"


def test_a_question_from_before_the_password_was_left_out_makes_no_passkey(browser: Browser) -> None:
    path, key = setup(), SoftKey()
    browser.get(path + "account/")
    browser.post(path + "account/", ADA)
    browser.get(path + "authenticator/")
    asked = ask_for_key(browser, path)
    assert asked["authenticatorSelection"]["residentKey"] == "preferred"
    choose_no_password(browser, path)
    page = send(browser, path + "security-key/", {"response": key.create(asked)})
    assert refused(page) == "key-not-kept"


@pytest.mark.parametrize("flags", [UP, UP | UV])
def test_leaving_the_password_out_later_asks_for_a_passkey_anew_unless_there_is_one(
    browser: Browser, flags: int
) -> None:
    path, key = setup(), SoftKey(flags=flags)
    browser.get(path + "account/")
    browser.post(path + "account/", ADA)
    browser.get(path + "authenticator/")
    kept = {"clientExtensionResults": {"credProps": {"rk": True}}}
    enter_key(browser, path, key, answer=kept)
    choose_no_password(browser, path)
    step = "recovery-codes/" if flags & UV else "authenticator/"
    assert browser.get(path)["Location"] == path + step


def test_an_app_of_before_does_not_stand_in_for_the_passkey(browser: Browser) -> None:
    path = setup()
    go_to_codes(browser, path)
    choose_no_password(browser, path)
    assert browser.get(path)["Location"] == path + "authenticator/"
    assert refused(browser.get(path + "recovery-codes/")) == "step-missing"
    page = browser.post(path + "account/", ADA)  # and back: the app is proven once more, too
    assert page.status_code == 303
    assert browser.get(path)["Location"] == path + "authenticator/"


def test_an_account_set_up_anew_may_do_without_its_password(browser: Browser) -> None:
    ada, key = make_person(), SoftKey()
    path = make_enrolment_link(ada, by=host())
    choose_no_password(browser, path)
    enter_key(browser, path, key)
    browser.get(path + "recovery-codes/")
    browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    ada.refresh_from_db()
    assert not ada.has_usable_password()
    assert refused(Browser().sign_in()) == "sign-in-refused"
