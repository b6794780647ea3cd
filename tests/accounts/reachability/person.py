"""A person whose account is brought into a situation of the model, and who does its steps by real requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core import signing
from tests.accounts.conftest import PASSWORD, Browser, Clock, Configure, code, make_person, send, signed_in
from tests.accounts.recovery.conftest import REASON, operators
from tests.accounts.second_factors.soft_key import UP, UV, SoftKey
from tests.accounts.second_factors.test_security_keys import ADD as ADD_KEY
from tests.accounts.second_factors.test_security_keys import FACTOR, PASSKEY, answer
from tests.accounts.test_newcomers import codes_on, secret_on

from keyhouse.accounts import browsers, confirming, freezing, holds, links, strength
from keyhouse.accounts.cookies import BROWSER, cookie_name
from keyhouse.accounts.hashing import compare_password, hash_password
from keyhouse.accounts.models import (
    Authenticator,
    Email,
    Hold,
    KnownBrowser,
    Proposal,
    RecoveryCase,
    SecurityKey,
    Session,
    User,
    UserHandle,
)
from keyhouse.accounts.reachability import (
    Account,
    App,
    Case,
    Key,
    Mail,
    Password,
    Proven,
    Situation,
    Transport,
)
from keyhouse.accounts.reachability import Browser as Acquaintance
from keyhouse.accounts.recovery.queries import is_password_a_proof, stage_of, support_of
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp.services import PURPOSE, enrol_authenticator
from keyhouse.accounts.second_factors.webauthn.rules import encode
from keyhouse.accounts.services import add_email
from keyhouse.accounts.sessions import actor_of, find_session, start_session
from keyhouse.accounts.visitor import SALT, Visitor, _read_browsers
from keyhouse.audit.services import record
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actions import Thing
from keyhouse.core.actor import NOBODY, host
from keyhouse.mail import models as mails
from keyhouse.mail.delivery import deliver_due
from keyhouse.mail.queries import is_deliverable, is_off
from keyhouse.mandate.models import CriticalProject
from keyhouse.projects.models import Project, Role

NAME = "eve"
ADDRESS = "eve@example.org"
ANOTHER = "eve.anew@example.net"
OPERATORS = ("olga", "oscar")
ANEW = "marble-thicket-44-lagoon"
SECRETS = {"in-hand": b"abcdefghij0123456789", "lost": b"0123456789abcdefghij"}
_ADD_APP = "/account/second-factors/add/"
_PROOF = "/account/second-factors/proof/"
_NEW_BROWSER = "/account/new-browser/"
_BY_CODE = "/account/second-factor/recovery-code/"
_WITHOUT_MAIL = "/account/recover/without-mail/"
_BY_KEY = f"{_WITHOUT_MAIL}security-key/"
_EMAILS = "/account/emails/"
_FORGOTTEN = "/account/password/forgotten/"


class Person:
    """Somebody with what the situation leaves them: `owns` is their part, the rest is read from the index."""

    def __init__(
        self,
        start: Situation,
        time: Clock,
        configure: Configure,
        folder: Path,
        browser: Callable[[], Browser] = Browser,
    ) -> None:
        """Build the account by services and rows; `browser` makes what everybody here acts by."""
        self.start, self.time, self.folder, self.configure = start, time, folder, configure
        self.new_browser, self.browser = browser, browser()
        self.password = PASSWORD
        self.secret = SECRETS["in-hand"] if start.app in {"in-hand", "disabled"} else b""
        self.key: SoftKey | None = None
        self.codes: list[str] = []
        self.reads = ADDRESS if start.mail in {"verified", "unverified"} else ""
        configure(mail_dir=folder)
        self.user = self._build()
        self._lay_mail(configure)
        self.time.go(minutes=1)

    # ---- building

    def _build(self) -> User:
        start = self.start
        user = make_person(NAME, factors=0, password=PASSWORD)
        Email.objects.filter(user=user).delete()
        add_email(user, ADDRESS, by=host(), verified_by="host")
        project = Project.objects.create(
            name="alpha", normalized_name="alpha", folded_name="alpha", created_at=clock.now()
        )
        CriticalProject.objects.create(
            criterion="by hand", normalized_name="alpha", lineage=uuid4(), since_at=clock.now()
        )
        owners = [user, make_person("bob")] if start.co_owners else [user]
        for one in owners:
            Role.objects.create(project=project, user=one, kind="owner", since_at=clock.now())
        self._lay_factors(user)
        self._lay_password(user)
        self._lay_address()
        self._lay_browser(user)
        self._lay_account(user)
        return User.objects.get(pk=user.pk)

    def _lay_factors(self, user: User) -> None:
        start = self.start
        if start.app != "none":
            secret = SECRETS["lost" if start.app == "lost" else "in-hand"]
            app = enrol_authenticator(user, secret, by=host(), name="app")
            if start.app == "disabled":
                Authenticator.objects.filter(pk=app.pk).update(disabled_at=clock.now(), failures=100)
        if start.key != "none":
            self._lay_key(user)
        if start.codes:
            codes = new_codes()
            give_recovery_codes(user, codes, by=host())
            self.codes = [shown_code(one) for one in codes]

    def _lay_key(self, user: User) -> None:
        key = SoftKey(flags=UP if self.start.key == "touch" else UP | UV, handle=bytes(64))
        UserHandle.objects.create(user=user, handle=encode(key.handle))
        SecurityKey.objects.create(
            user=user,
            name="key",
            credential_id=encode(key.id),
            public_key=key.cose(),
            algorithm=-7,
            rp_id="former.example" if self.start.key == "dead" else "localhost",
            user_verified=self.start.key != "touch",
            created_at=clock.now(),
        )
        self.key = key if self.start.key in {"passkey", "touch"} else None

    def _lay_password(self, user: User) -> None:
        changed: dict[str, Any] = {}
        if self.start.password == "forgotten":
            changed = {"password": hash_password("another-93-velvet-anchor")}
        elif self.start.password == "none":
            changed = {"password": hash_password(None)}
        elif self.start.password == "disabled":
            changed = {"state": User.State.PASSWORD_DISABLED}
        elif self.start.password == "mailed":
            record("password.reset", by=NOBODY, about=Thing("account", user.pk, NAME), account_id=user.pk)
        if changed:
            User.objects.filter(pk=user.pk).update(**changed)

    def _lay_address(self) -> None:
        email, now = Email.objects.filter(address=ADDRESS), clock.now()
        if self.start.mail == "unverified":
            email.update(verified_at=None)
        elif self.start.mail == "domain-gone":
            email.update(verified_at=None, domain_gone_at=now)
        elif self.start.mail == "bounced":
            mails.Bounce.objects.create(address=ADDRESS, kind="permanent", at=now, source="smtp")

    def _lay_browser(self, user: User) -> None:
        """Let an old acquaintance be this browser, or another one."""
        now, visitor = clock.now(), Visitor()
        browsers.add(user.pk, visitor, KnownBrowser.How.LINK, known_at=now, now=now)
        User.objects.filter(pk=user.pk).update(first_browser_at=now)
        if self.start.browser == "known":
            self._carry(visitor)

    def _carry(self, visitor: Visitor) -> None:
        user_id = User.objects.get(username=NAME).pk
        kept = signing.dumps({str(user_id): visitor.fresh_id}, salt=SALT)
        self.browser.client.cookies[cookie_name(BROWSER)] = kept

    def _lay_account(self, user: User) -> None:
        now = clock.now()
        if self.start.reset:
            holds.place_hold(user, Hold.Reason.PASSWORD_RESET, now=now, until=holds.FOR_EVER)
        if self.start.account == "held":
            holds.place_hold(user, Hold.Reason.RECOVERY, now=now, until=now + holds.LONG)
        elif self.start.account == "dormant":
            holds.place_hold(user, Hold.Reason.FIRST_ENROLMENT, now=now, until=now + holds.SHORT)
        elif self.start.account == "frozen":
            self.time.go(days=8)  # what came in the week before a freeze goes when the account opens
            deliver_due(clock.now())
            session, _ = signed_in(User.objects.get(pk=user.pk), "password")  # a factor would end a hold
            freezing.freeze_own(session.user, by=actor_of(session), now=clock.now())

    def _lay_mail(self, configure: Configure) -> None:
        deliver_due(clock.now())
        if self.start.transport == "off":
            configure(mail_dir=None)
        elif self.start.transport == "stuck":
            configure(mail_dir=None, mail_url="smtp://127.0.0.1:1")
            now = clock.now()
            mails.Mail.objects.create(
                lane="security",
                kind="x",
                address=ADDRESS,
                token="x",
                queued_at=now - timedelta(minutes=20),
                due_at=now + timedelta(days=900),
                state=mails.WAITING,
            )

    # ---- what is so

    def observe(self, believed: Situation) -> Situation:
        """Return how it stands: what the index says, with what the person has or lacks."""
        user = User.objects.get(username=NAME)
        session = find_session(self.browser.cookie, clock.now())
        return replace(
            believed,
            mail=self._mail(),
            password=self._password(user, believed),
            key=self._key(user),
            app=self._app(user),
            codes=bool(self.codes) and strength.codes_left(user.pk) > 0,
            account=_account(user),
            reset=Hold.Reason.PASSWORD_RESET in _reasons(user),
            transport=self._transport(),
            browser=self._acquaintance(user),
            proven=_proven(session),
            mailed_proof=session is not None and "mail_proved_at" in session.data,
            case=_case(user),
        )

    def _mail(self) -> Mail:
        email = Email.objects.get(user__username=NAME, is_primary=True)
        if email.domain_gone_at:
            return "domain-gone"
        if email.verified_at is None:
            return "unverified"
        if not is_deliverable(email.address):
            return "bounced"
        return "verified" if email.address == self.reads else "lost"

    def _password(self, user: User, believed: Situation) -> Password:
        if user.state == User.State.PASSWORD_DISABLED:
            return "disabled"
        if user.state == User.State.FROZEN and believed.password == "disabled":
            return "disabled"  # the one state stands over the other, and nothing of the account tells
        if not user.has_usable_password():
            return "none"
        if not compare_password(self.password, user.password).is_right:
            return "forgotten"
        return "good" if is_password_a_proof(user) else "mailed"

    def _key(self, user: User) -> Key:
        rows = list(SecurityKey.objects.filter(user=user))
        mine = [row for row in rows if self.key and row.credential_id == encode(self.key.id)]
        if mine:
            return "passkey" if mine[0].user_verified else "touch"
        if strength.has_usable_key(user.pk):
            return "lost"
        return "dead" if rows else "none"

    def _app(self, user: User) -> App:
        rows = Authenticator.objects.filter(user=user)
        able = [keys.ring().open(PURPOSE, row.secret_sealed) for row in rows.filter(disabled_at=None)]
        if able:
            return "in-hand" if self.secret in able else "lost"
        return "disabled" if rows else "none"

    def _transport(self) -> Transport:
        if is_off():
            return "off"
        return "stuck" if configuration.current().mail_url else "works"

    def _visitor(self) -> Visitor:
        morsel = self.browser.client.cookies.get(cookie_name(BROWSER))
        return Visitor(browsers=_read_browsers(morsel.value if morsel else ""))

    def _acquaintance(self, user: User) -> Acquaintance:
        row, now = browsers.find(user.pk, self._visitor()), clock.now()
        if row is None:
            return "unknown"
        if row.known_at > now:
            return "waiting"
        if not browsers.counts(row, now):
            return "unknown"
        if row.account_state:
            return "waited"
        return "known" if row.how == KnownBrowser.How.LINK else "fresh"

    # ---- mail

    def _letter(self, purpose: str) -> str:
        """Return the path of the link in the newest mail that came to the person."""
        deliver_due(clock.now())
        found = []
        for path in sorted(self.folder.glob("*.eml"), key=lambda one: one.stat().st_mtime_ns):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            part = message.get_body(("plain",))
            if part and self.reads and self.reads in str(message["To"]):
                found += re.findall(rf"/{purpose}/[\w-]+/", str(part.get_content()))
        assert found, f"no mail with a link of {purpose} came"
        return str(found[-1])

    def _open(self, purpose: str, **fields: str) -> Any:
        """Follow a mailed link, and press its button."""
        path = self._letter(purpose)
        self.browser.visit(path)
        return self.browser.post(path, fields)

    # ---- the steps

    def do(self, name: str) -> None:
        """Do a step of the model; what the one before wrote leaves first, and a minute passes."""
        deliver_due(clock.now())  # not after the last one: nobody would read it
        self.time.go(seconds=61)
        self.browser.page = None
        getattr(self, f"do_{name.replace('-', '_')}")()

    def do_enter_password(self) -> None:
        self.browser.sign_in(NAME, self.password)

    def do_enter_passkey(self) -> None:
        assert self.key
        assert answer(self.browser, PASSKEY, self.key).status_code == 200

    def do_enter_app(self) -> None:
        self.browser.enter(code(secret=self.secret))

    def do_enter_code(self) -> None:
        self.browser.get(_BY_CODE)
        self.browser.post(_BY_CODE, {"recovery_code": self.codes.pop(0)})

    def do_enter_key(self) -> None:
        assert self.key
        assert answer(self.browser, FACTOR, self.key).status_code == 200

    def do_confirm_by_mail(self) -> None:
        self._open("confirm-sign-in")

    def do_confirm_by_app(self) -> None:
        path = f"{_NEW_BROWSER}code/"
        self.browser.get(path)
        self.browser.post(path, {"code": code(secret=self.secret)})

    def do_confirm_by_code(self) -> None:
        path = f"{_NEW_BROWSER}code/"
        self.browser.get(path)
        self.browser.post(path, {"recovery_code": self.codes.pop(0)})

    def do_begin_wait(self) -> None:
        self.browser.get(_NEW_BROWSER)
        self.browser.post(f"{_NEW_BROWSER}wait/")
        self.browser.get(_NEW_BROWSER)
        self.browser.post("/account/sign-out/")

    def do_wait_for_browser(self) -> None:
        instants = self._browser_known_at()
        assert instants
        waits_for_holds = self._transport() == "works" and self._mail() in {"verified", "lost"}
        self._wait_until([*instants, *(self._holds_end_at() if waits_for_holds else [])])

    def _browser_known_at(self) -> list[datetime]:
        """Return from when on the browser counts, where it waits for that."""
        row = browsers.find(self.user.pk, self._visitor())
        return [row.known_at] if row and row.known_at > clock.now() else []

    def _holds_end_at(self) -> list[datetime]:
        timed = holds.live_holds(self.user.pk, clock.now()).exclude(reason=Hold.Reason.PASSWORD_RESET)
        return [hold.until for hold in timed]

    def _wait_until(self, instants: list[datetime]) -> None:
        """Let time pass until the last of these, if it isn't over."""
        self.time.set(max(clock.now(), *instants))

    def do_prove_mailbox(self) -> None:
        self.browser.get(_PROOF)
        self.browser.post(_PROOF)
        self._open("enrolment-proof")

    def do_prove_by_code(self) -> None:
        self.browser.get(_PROOF)
        self.browser.post(f"{_PROOF}code/", {"recovery_code": self.codes.pop(0)})

    def do_enrol_first(self) -> None:
        page = self.browser.get(_ADD_APP)
        assert page.status_code == 200, page.headers
        self.secret = secret_on(self.browser)
        self.browser.post(_ADD_APP, {"code": code(secret=self.secret), "name": "new"})

    do_enrol_app = do_enrol_first

    def do_enrol_key(self) -> None:
        self.key = SoftKey()
        page = answer(self.browser, ADD_KEY, self.key)
        assert page.status_code == 200, page.content

    def do_verify_address(self) -> None:
        email = Email.objects.get(address=ADDRESS)
        self.browser.get(f"{_EMAILS}{email.pk}/")
        self.browser.post(f"{_EMAILS}{email.pk}/", {"send": "1"})
        self._open("verify-address")

    def do_replace_address(self) -> None:
        self.browser.get(f"{_EMAILS}add/")
        self.browser.post(f"{_EMAILS}add/", {"email": ANOTHER})
        self.reads = ANOTHER
        self._open("verify-address")
        email = Email.objects.get(address=ANOTHER)
        if not email.is_primary:
            self.browser.get(f"{_EMAILS}{email.pk}/primary/")
            self.browser.post(f"{_EMAILS}{email.pk}/primary/")

    def do_choose_password(self) -> None:
        self.password = ANEW
        self.browser.get("/account/password/")
        self.browser.post("/account/password/", {"password": ANEW})

    def do_reset_password(self) -> None:
        self.browser.get(_FORGOTTEN)
        self.browser.post(_FORGOTTEN, {"username": NAME})
        self.password = ANEW
        self._open("password-reset", password=ANEW)

    def do_wait_for_hold(self) -> None:
        self._wait_until([*self._holds_end_at(), *self._browser_known_at()])

    def do_confirmed_by_co_owner(self) -> None:
        hold = holds.live_holds(self.user.pk, clock.now()).exclude(reason=Hold.Reason.PASSWORD_RESET).get()
        self._co_owner_says(f"/account/vouch/holds/{hold.pk}/")

    def do_thaw(self) -> None:
        path = self._ask()
        self.password = ANEW
        self.browser.get(f"{path}password/")
        self.browser.post(f"{path}password/", {"password": ANEW})
        if self.key and strength.has_usable_key(self.user.pk):
            self._thaw_by_key(path)
        else:
            self.browser.get(f"{path}factor/")
            self.browser.post(f"{path}factor/", {"code": code(secret=self.secret)})

    def _thaw_by_key(self, path: str) -> None:
        assert self.key
        self.browser.get(f"{path}factor/")
        asked = send(self.browser, f"{path}security-key/options/", {})
        page = send(self.browser, f"{path}security-key/", {"response": self.key.get(asked.json())})
        assert page.status_code == 200, page.content

    def _ask(self) -> str:
        self.browser.get("/account/recover/")
        self.browser.post("/account/recover/", {"identifier": NAME})
        return self._letter("recovery")

    def do_begin_case(self, password: str = "", recovery_code: str = "") -> None:
        path = self._ask()
        lost = "?lost=1" if self.user_state() == User.State.FROZEN else ""
        assert self.browser.get(path + lost).status_code == 200
        self.browser.post(path, {"password": password, "recovery_code": recovery_code})
        self._leave()

    def do_begin_case_with_code(self) -> None:
        self.do_begin_case(recovery_code=self.codes.pop(0))

    def do_begin_case_with_factors(self) -> None:
        self._leave()
        self.browser.get(_WITHOUT_MAIL)
        proofs = {"code": code(secret=self.secret), "recovery_code": self.codes.pop(0)}
        page = self.browser.post(_WITHOUT_MAIL, {"username": NAME, **proofs})
        assert page.status_code == 303, self.browser.text

    def do_begin_case_with_code_and_key(self) -> None:
        self._begin_case_by_key(recovery_code=self.codes.pop(0))

    def do_begin_case_with_app_and_key(self) -> None:
        self._begin_case_by_key(code=code(secret=self.secret))

    def _begin_case_by_key(self, **proof: str) -> None:
        self._leave()
        assert self.key
        self.browser.get(_WITHOUT_MAIL)
        asked = send(self.browser, f"{_BY_KEY}options/", {"username": NAME})
        body = {"username": NAME, **proof, "response": self.key.get(asked.json())}
        page = send(self.browser, _BY_KEY, body)
        assert page.status_code == 200, page.content

    def do_begin_case_with_password(self) -> None:
        self.do_begin_case(self.password)

    def _leave(self) -> None:
        """Sign out, where somebody signed in half-way before."""
        if self.browser.cookie:
            self.browser.get("/account/recover/")
            self.browser.post("/account/sign-out/")

    def user_state(self) -> str:
        return User.objects.get(username=NAME).state

    def do_vouch(self) -> None:
        case = RecoveryCase.objects.get(user__username=NAME, state="open")
        self._co_owner_says(f"/account/vouch/{case.pk}/")

    def _co_owner_says(self, path: str) -> None:
        self._says(User.objects.get(username="bob"), path, {"reason": REASON})

    def _says(self, who: User, path: str, fields: dict[str, str]) -> str:
        """Let somebody else send a form in a browser of their own; returns where it leads."""
        browser = self.new_browser()
        browser.carry(start_session(who, ("password", "totp"), network="192.0.2.9")[1])
        browser.visit(path)
        page = browser.post(path, fields)
        assert page.status_code == 303, browser.text
        return str(page["Location"])

    # ---- what operators do

    def do_operators_answer(self) -> None:
        """Let two operators open and approve a case whose link is handed over; they are here from now on."""
        self._leave()
        first, second = operators(*OPERATORS)
        form = {"username": NAME, "reason": REASON, "hands_over": "on"}
        path = self._says(first, "/operator/recovery/new/", form)
        self._says(second, f"{path}approve/", {"reason": REASON})

    def do_verify_by_hand(self) -> None:
        first, second = operators(*OPERATORS)
        email = Email.objects.get(address=ADDRESS)
        form = {"address": str(email.pk), "reason": REASON}
        self._says(first, f"/operator/people/{NAME}/verify-address/", form)
        self.reads = ADDRESS  # whom they met reads it again, also where the domain was gone
        row = Proposal.objects.get(kind="address")
        self._says(second, f"/operator/proposals/{row.pk}/approve/", {})

    def do_mend_mail(self) -> None:
        """Let mails leave, and whatever waits leave first."""
        self.configure(mail_dir=self.folder, mail_url=None)
        mails.Mail.objects.filter(state=mails.WAITING).update(due_at=clock.now())

    def do_wait_for_case(self) -> None:
        case = RecoveryCase.objects.get(user__username=NAME, state="open")
        assert case.ready_at
        self._wait_until([case.ready_at, *self._holds_end_at(), *self._browser_known_at()])

    def do_finish_case(self) -> None:
        path = self._path_of_case()
        self.browser.get(path)
        self.browser.get(f"{path}account/")
        self.browser.post(f"{path}account/", {"password": ANEW})
        self.browser.get(f"{path}authenticator/")
        self.password, self.secret, self.key = ANEW, secret_on(self.browser), None
        self.browser.post(f"{path}authenticator/", {"code": code(secret=self.secret)})
        self.browser.get(f"{path}recovery-codes/")
        self.codes = codes_on(self.browser)
        self.browser.post(f"{path}recovery-codes/", {"recovery_code": self.codes[0]})

    def _path_of_case(self) -> str:
        """Return the path of the link: handed over, from the mail, or from the page of the browser that began the case."""
        case = RecoveryCase.objects.get(user__username=NAME, state="open")
        if case.hands_over:
            return self._handed_over(case)
        if case.path != RecoveryCase.Path.FACTORS:
            return self._letter(links.ENROLMENT)
        self.browser.get(_WITHOUT_MAIL)
        return str(self.browser.post(f"{_WITHOUT_MAIL}go-on/")["Location"])

    def _handed_over(self, case: RecoveryCase) -> str:
        browser = self.new_browser()
        operator = User.objects.get(username=OPERATORS[0])
        browser.carry(start_session(operator, ("password", "totp"), network="192.0.2.9")[1])
        browser.get(f"/operator/recovery/{case.pk}/link/")
        browser.post(f"/operator/recovery/{case.pk}/link/")
        return str(re.findall(r"/enrolment/[\w-]+/", browser.text)[0])

    def may_mint(self) -> bool:
        """Whether the gate lets this browser mint a token."""
        self.time.go(seconds=1)
        return bool(self.browser.get("/account/tokens/new/").status_code == 200)


# ---- what the index says


def _reasons(user: User) -> set[str]:
    return set(holds.live_holds(user.pk, clock.now()).values_list("reason", flat=True))


def _account(user: User) -> Account:
    if user.state == User.State.FROZEN:
        return "frozen"
    timed = _reasons(user) - {Hold.Reason.PASSWORD_RESET}
    if not timed:
        return "open"
    if timed == {Hold.Reason.RECOVERY_CODE, Hold.Reason.FIRST_ENROLMENT}:
        return "dormant-code-held"
    if timed == {Hold.Reason.RECOVERY_CODE}:
        return "code-held"
    return "dormant" if timed == {Hold.Reason.FIRST_ENROLMENT} else "held"


def _proven(session: Session | None) -> Proven:
    if session is None:
        return ""
    waits = confirming.is_waiting(session)
    if not session.is_complete and not waits:
        return "factor?"
    if {"webauthn", "passkey"} & set(session.methods):
        return "key"
    if "totp" in session.methods:
        return "app?" if waits else "app"
    if "recovery_code" in session.methods:
        return "code?" if waits else "code"
    return "password?" if waits else "password"


def _case(user: User) -> Case:
    now = clock.now()
    case = RecoveryCase.objects.filter(user=user, state="open", expires_at__gt=now).first()
    if case is None:
        return ""
    stage = stage_of(case, support_of(case, now), now)
    found: dict[str, Case] = {
        "waits for words": "begun",
        "waits for its instant": "settled",
        "ready": "ready",
    }
    return found[stage]
