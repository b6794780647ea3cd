"""Signing in as a list of named steps: name and password, then the second factor, then the session.

Unknown names, unknown addresses and wrong passwords get the same answer after the same work (ASVS 6.3.8).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils.functional import cached_property

from keyhouse.accounts import arrivals, browsers, confirming, limits, queries, strength
from keyhouse.accounts.errors import (
    AccountRefused,
    CodeRefused,
    PasswordDisabled,
    PasswordsBusy,
    PasswordWrong,
    SignInExpired,
    SignInRefused,
    TooManyAttempts,
)
from keyhouse.accounts.forgetting import forget_old_sometimes
from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.limits import Counted
from keyhouse.accounts.models import Session, User
from keyhouse.accounts.passwords.disabling import disable_password
from keyhouse.accounts.passwords.sources import look_up
from keyhouse.accounts.recovery.code_use import follow_code, follow_factor
from keyhouse.accounts.recovery.first_enrolment import note_browser
from keyhouse.accounts.second_factors.recovery_codes.services import Guess, hash_guess, use_code
from keyhouse.accounts.second_factors.totp.services import accept_code, count_failure
from keyhouse.accounts.second_factors.webauthn import ceremonies
from keyhouse.accounts.second_factors.webauthn.errors import KeyCloned, KeyRefused, KeyUnknown
from keyhouse.accounts.second_factors.webauthn.services import accept_answer, find_key, mark_clone
from keyhouse.accounts.sessions import actor_of, prove, start_session
from keyhouse.accounts.unfinished import services as unfinished
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS, Actor, Strength
from keyhouse.core.errors import AccountFrozen, AccountSuspended, Refusal, StepUpRequired

_log = logging.getLogger("keyhouse.accounts")
_LONGEST_ID: Final = 1400  # characters of a credential id


@dataclass(frozen=True, slots=True)
class Entered:
    """What somebody typed into the sign-in form, and the session their browser had before."""

    identifier: str
    password: str
    visitor: Visitor
    now: datetime
    before: Session | None = None


class SignIn:
    """One sign-in on its way through the steps."""

    def __init__(self, entered: Entered) -> None:
        """Begin with what was typed."""
        self.entered = entered
        self.counted = Counted()
        self.rehashed = ""
        self.checked_at: datetime | None = None

    @cached_property
    def user(self) -> User | None:
        """Return who is meant, or None."""
        return queries.find_user_by_identifier(self.entered.identifier)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The session that a proof led to, its cookie's new value, and whether the second factor is still to come."""

    session: Session
    cookie: str

    @property
    def needs_second_factor(self) -> bool:
        """Whether the session waits for the second factor."""
        return not self.session.is_complete and not self.needs_confirmation

    @property
    def needs_confirmation(self) -> bool:
        """Whether the session waits for a confirmation, since the account doesn't know this browser."""
        return confirming.is_waiting(self.session)


def _be_within_limits(attempt: SignIn) -> None:
    """Count the attempt; raises TooManyAttempts."""
    entered, user = attempt.entered, attempt.user
    attempt.counted = limits.count_attempt(
        now=entered.now,
        limit=limits.SIGN_IN,
        subject=entered.visitor.subject(user.pk if user else None, entered.identifier),
        network=entered.visitor.network,
    )


def _have_the_password(attempt: SignIn) -> None:
    """Compare the password, with the same work where there is nobody or no password."""
    compared = compare_password(attempt.entered.password, attempt.user.password if attempt.user else None)
    if attempt.user is None or not compared.is_right:
        raise SignInRefused
    attempt.rehashed = compared.rehashed


def _be_an_open_account(attempt: SignIn) -> None:
    """Refuse closed accounts, and tell so to nobody but who knew the password."""
    state = attempt.user.state if attempt.user else ""
    if state == User.State.DELETED:
        raise SignInRefused
    if state == User.State.FROZEN:
        raise AccountFrozen
    if state == User.State.SUSPENDED:
        raise AccountSuspended
    if state == User.State.PASSWORD_DISABLED:
        raise PasswordDisabled


def _use_no_compromised_password(attempt: SignIn) -> None:
    """Look the right password up among those that others know; one that they do is disabled (NIST SP 800-63B-4 3.1.1.2).

    A source that can't be asked keeps nobody out: it is asked at the next sign-in.
    """
    if attempt.user is None:
        raise SignInRefused
    verdict = look_up(attempt.entered.password)
    attempt.checked_at = attempt.entered.now if verdict.is_whole else None
    if verdict.is_known:
        disable_password(attempt.user, verdict, now=attempt.entered.now)
        raise PasswordDisabled


PASSWORD_STEPS: Final[tuple[Callable[[SignIn], None], ...]] = (
    _be_within_limits,
    _have_the_password,
    _be_an_open_account,
    _use_no_compromised_password,
)


def sign_in_by_password(entered: Entered) -> SignedIn:
    """Take the password steps and start a session.

    It waits for the second factor where the account has one; otherwise it is complete, and gates refuse what needs
    one. Raises TooManyAttempts, SignInRefused, AccountFrozen, PasswordDisabled, PasswordsBusy.
    """
    attempt = SignIn(entered)
    forget_old_sometimes(entered.now)
    try:
        for step in PASSWORD_STEPS:
            step(attempt)
        signed_in = _open(attempt)
    except (TooManyAttempts, PasswordsBusy) as refusal:
        _log_unjudged("session.start", refusal, attempt.counted)
        raise
    except (AccountRefused, AccountFrozen) as refusal:
        _record_refused_sign_in(attempt, refusal.code)
        raise
    attempt.counted.forgive()
    _ask(signed_in.session, entered.visitor, entered.now)
    return signed_in


def _ask(session: Session, visitor: Visitor, now: datetime) -> None:
    """Mail for a confirmation where the sign-in waits for one; its transaction is over by now."""
    if confirming.is_waiting(session):
        confirming.ask_at_first(session, visitor, now)


def _log_unjudged(action: str, refusal: Refusal, counted: Counted) -> None:
    """Log what was never judged; in the audit log a flood would bury what matters."""
    counted.give_back()
    _log.warning("%s refused: %s", action, refusal.code)


def _record_refused_sign_in(attempt: SignIn, code: str) -> None:
    user = attempt.user
    record_refusal(
        "session.start",
        by=attempt.entered.visitor.actor,
        code=code,
        about=Thing("account", user.pk, user.username) if user else None,
        account_id=user.pk if user else None,
    )


def _open(attempt: SignIn) -> SignedIn:
    entered = attempt.entered
    with transaction.atomic():
        user = _hold_account(attempt)
        _keep_better_hash(user, attempt.rehashed)
        User.objects.filter(pk=user.pk).update(password_checked_at=attempt.checked_at)
        waits = strength.has_second_factor(user.pk)
        asks = not waits and confirming.must_confirm(user, ["password"], entered.visitor, entered.now)
        session, cookie = start_session(
            user,
            ["password"],
            at=entered.now,
            is_complete=not waits and not asks,
            network=entered.visitor.network,
            user_agent=entered.visitor.user_agent,
        )
        if asks:
            confirming.begin(session, entered.now)
        leave(entered.before)
        _note_sign_in(session, entered.visitor, entered.now)
        if waits:
            unfinished.note(session, entered.visitor, entered.now)
    return SignedIn(session, cookie)


def _hold_account(attempt: SignIn) -> User:
    """Return the account with its row's lock held; raises what stands in the way by now.

    Comparing takes a while. A password or factor that changes meanwhile ends all sessions, and one that begins after
    that must not rest on what was true before. (A hash that is replaced by a better one is the same password.)
    """
    if attempt.user is None:
        raise SignInRefused
    user = User.objects.select_for_update().filter(pk=attempt.user.pk).first()
    if user is None or user.password_changed_at != attempt.user.password_changed_at:
        raise SignInRefused
    attempt.user = user
    _be_an_open_account(attempt)
    return user


def _keep_better_hash(user: User, rehashed: str) -> None:
    """Replace a hash made with old parameters, unless the password was changed meanwhile."""
    if rehashed:
        User.objects.filter(pk=user.pk, password=user.password).update(password=rehashed)


def leave(before: Session | None) -> None:
    """End the session that this browser had: signing in anew is leaving."""
    if before is not None:
        Session.objects.filter(pk=before.pk).delete()


def _note_sign_in(
    session: Session, visitor: Visitor, now: datetime, details: Mapping[str, str] | None = None
) -> None:
    """Record the proof; a sign-in is also the account's last sight."""
    if session.is_complete:
        _welcome(session, visitor, now)
    record(
        "session.start",
        by=_actor(session, visitor),
        about=Thing("session", session.public_id),
        account_id=session.user_id,
        details=dict(details or {}) if session.is_complete else _waits_for(session),
    )


def _waits_for(session: Session) -> dict[str, str]:
    return {"waits_for": "confirmation" if confirming.is_waiting(session) else "second factor"}


def _welcome(session: Session, visitor: Visitor, now: datetime) -> None:
    """Note who was here, and with which browser."""
    User.objects.filter(pk=session.user_id).update(last_seen_at=now)
    confirming.welcome(session, visitor, browsers.how_of(session.methods), now)
    note_browser(session, visitor)
    arrivals.tell(session, visitor, now)


def _actor(session: Session, visitor: Visitor, *methods: str) -> Actor:
    actor = actor_of(session, network=visitor.network, user_agent=visitor.user_agent)
    proven = Strength(frozenset({*session.methods, *methods}), session.proved_at)
    return replace(actor, strength=proven)


def finish_by_code(session: Session, typed: str, visitor: Visitor, now: datetime) -> SignedIn:
    """Finish a waiting sign-in by the code of an authenticator app.

    Raises TooManyAttempts, CodeWrong, CodeReplayed, ClockOff, SignInExpired.
    """
    return _finish(session, _Code(typed), visitor, now)


def finish_by_recovery_code(session: Session, typed: str, visitor: Visitor, now: datetime) -> SignedIn:
    """Finish a waiting sign-in by a recovery code, which is used up; the session has no second factor then.

    Raises TooManyAttempts, RecoveryCodeWrong, SignInExpired.
    """
    return _finish(session, _RecoveryCode(typed), visitor, now)


def finish_by_key(session: Session, response: Mapping[str, Any], visitor: Visitor, now: datetime) -> SignedIn:
    """Finish a waiting sign-in by a security key.

    Raises TooManyAttempts, a KeyRefused, SignInExpired.
    """
    return _finish(session, _SecurityKey(response, ceremonies.SECOND_FACTOR, session), visitor, now)


def step_up_by_key(session: Session, response: Mapping[str, Any], visitor: Visitor, now: datetime) -> str:
    """Prove once more by a security key; returns the session's new cookie value.

    Raises TooManyAttempts, a KeyRefused, SignInExpired.
    """
    proof = _SecurityKey(response, ceremonies.STEP_UP, session)
    return _judged(session, proof, visitor, now, "session.step-up")


def step_up_by_app(session: Session, typed: str, visitor: Visitor, now: datetime) -> str:
    """Prove once more by an authenticator app, for whoever lost their key; good for enrolling a new one.

    Raises TooManyAttempts, CodeWrong, CodeReplayed, ClockOff, SignInExpired.
    """
    return _judged(session, _Code(typed), visitor, now, "session.step-up")


def step_up_by_recovery_code(session: Session, typed: str, visitor: Visitor, now: datetime) -> str:
    """Prove once more by a recovery code, for whoever lost their key; good for enrolling a new one, and little else.

    Raises TooManyAttempts, RecoveryCodeWrong, SignInExpired.
    """
    return _judged(session, _RecoveryCode(typed), visitor, now, "session.step-up")


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """What a browser answered to the question for any passkey: in which browser, at which instant."""

    response: Mapping[str, Any]
    holder: str
    asked: str  # what the browser's cookie says it was asked
    visitor: Visitor
    now: datetime
    before: Session | None = None


def sign_in_by_passkey(answer: PasskeyAnswer) -> SignedIn:
    """Sign somebody in by a passkey alone: it is two factors, as the authenticator verified who holds it.

    Unknown keys and keys of accounts that are gone get one answer. Raises TooManyAttempts, a KeyRefused, AccountFrozen, AccountSuspended.
    """
    forget_old_sometimes(answer.now)
    owner = _owner_of(answer.response)
    counted = limits.count_attempt(
        now=answer.now,
        limit=limits.SIGN_IN,
        # strangers who know the id of a key use up their own bucket, never that of its owner's browsers
        subject=answer.visitor.subject(owner, str(answer.response.get("id"))[:_LONGEST_ID]),
        network=answer.visitor.network,
    )
    try:
        asked = ceremonies.find_asked(answer.holder, answer.asked, answer.response, answer.now)
        signed_in = _open_by_passkey(answer, asked)
    except (KeyRefused, AccountFrozen, AccountSuspended) as refusal:
        if isinstance(refusal, KeyCloned):
            mark_clone(answer.response, now=answer.now)
        record_refusal("session.start", by=answer.visitor.actor, code=refusal.code, account_id=owner)
        raise
    counted.forgive()
    return signed_in


def _open_by_passkey(answer: PasskeyAnswer, asked: ceremonies.Asked) -> SignedIn:
    with transaction.atomic():
        user = _hold_owner(answer)  # before the key: whoever removes one takes the locks in this order, too
        key, _ = accept_answer(asked, answer.response, needs_user_verified=True, now=answer.now)
        ceremonies.mark_answered(asked, answer.now)
        if user.state == User.State.FROZEN:
            raise AccountFrozen
        if user.state == User.State.SUSPENDED:
            raise AccountSuspended
        session, cookie = start_session(
            user,
            ["passkey"],
            at=answer.now,
            user_verified=True,
            device_bound=not key.backup_eligible,
            network=answer.visitor.network,
            user_agent=answer.visitor.user_agent,
        )
        leave(answer.before)
        _note_sign_in(session, answer.visitor, answer.now, {"key": key.name})
        follow_factor(session, key.created_at, by=_actor(session, answer.visitor), now=answer.now)
    return SignedIn(session, cookie)


def _owner_of(response: Mapping[str, Any]) -> int | None:
    """Return whose key an answer names; nothing is proven by that."""
    try:
        key = find_key(response)
    except KeyRefused:
        return None
    return key.user_id if key else None


def _hold_owner(answer: PasskeyAnswer) -> User:
    """Return the owner of the key that is named, with the lock of the account held; raises KeyUnknown."""
    owner = _owner_of(answer.response)
    user = User.objects.select_for_update().filter(pk=owner).first() if owner is not None else None
    if user is None or user.state == User.State.DELETED:
        raise KeyUnknown
    return user


def _finish(session: Session, proof: _Proof, visitor: Visitor, now: datetime) -> SignedIn:
    if session.is_complete or (
        confirming.is_waiting(session) and proof.method not in PHISHING_RESISTANT_METHODS
    ):
        raise SignInExpired
    cookie = _judged(session, proof, visitor, now, "session.start")
    _ask(session, visitor, now)
    return SignedIn(session, cookie)


def confirm_by_code(session: Session, typed: str, visitor: Visitor, now: datetime) -> SignedIn:
    """Complete a sign-in that waits for its confirmation by an app as well, where no mail can be sent.

    Raises ConfirmationByMail, TooManyAttempts, CodeWrong, CodeReplayed, ClockOff, SignInExpired.
    """
    return _confirm(session, _Code(typed), visitor, now)


def confirm_by_recovery_code(session: Session, typed: str, visitor: Visitor, now: datetime) -> SignedIn:
    """Complete a sign-in that waits for its confirmation by a recovery code as well, where no mail can be sent.

    Raises ConfirmationByMail, TooManyAttempts, RecoveryCodeWrong, SignInExpired.
    """
    return _confirm(session, _RecoveryCode(typed), visitor, now)


def _confirm(session: Session, proof: _Proof, visitor: Visitor, now: datetime) -> SignedIn:
    confirming.require_other_factor(session, proof.method, now)
    cookie = _judged(session, proof, visitor, now, confirming.ACTION)
    return SignedIn(session, cookie)


def step_up(session: Session, typed: str, visitor: Visitor, now: datetime) -> str:
    """Prove once more, by the strongest factor the account has; returns the session's new cookie value.

    Raises TooManyAttempts, the refusals of codes, PasswordWrong, SignInExpired.
    """
    proofs: dict[str, Callable[[str], _Proof]] = {
        "totp": _Code,
        "recovery_code": _RecoveryCode,
        "password": _Password,
    }
    strongest = strength.strongest_proof(session.user_id)
    if strongest not in proofs:
        raise StepUpRequired("This account proves itself by a security key.", fix="Use it on this page.")
    proof = proofs[strongest](typed)
    return _judged(session, proof, visitor, now, "session.step-up")


class _Proof:
    """One way of proving: `prepare` does what takes time, `accept` what must happen at once with the session."""

    method: str
    limit = limits.SECOND_FACTOR
    enrolled_at: datetime | None = None  # of the factor that was accepted

    def __init__(self, typed: str) -> None:
        self.typed = typed

    def prepare(self, user: User) -> None:
        """Do the slow part, outside of the transaction."""

    def accept(self, user: User, now: datetime) -> None:
        """Accept in the transaction, or raise."""

    def follow(self, session: Session, visitor: Visitor, now: datetime) -> None:
        """Do in the same transaction what follows from an accepted proof."""

    def count_failure(self, user: User, refusal: Refusal, now: datetime) -> None:
        """Count a refused proof against the factor."""

    @property
    def marks(self) -> dict[str, bool]:
        """Return what an accepted proof says beside its method, as `prove` takes it."""
        return {}

    @property
    def told(self) -> dict[str, str]:
        """Return what the audit log tells of an accepted proof."""
        return {}


class _Code(_Proof):
    method = "totp"

    def accept(self, user: User, now: datetime) -> None:
        self.enrolled_at = accept_code(user.pk, self.typed, now=now).created_at

    def follow(self, session: Session, visitor: Visitor, now: datetime) -> None:
        follow_factor(session, self.enrolled_at, by=_actor(session, visitor), now=now)

    def count_failure(self, user: User, refusal: Refusal, now: datetime) -> None:
        count_failure(user.pk, refusal if isinstance(refusal, CodeRefused) else None, now=now)


class _SecurityKey(_Proof):
    method = "webauthn"
    asked: ceremonies.Asked

    def __init__(self, response: Mapping[str, Any], purpose: str, session: Session) -> None:
        super().__init__("")
        self.response, self.purpose, self.holder = response, purpose, session.public_id
        self._marks: dict[str, bool] = {}
        self._told: dict[str, str] = {}

    def prepare(self, user: User) -> None:
        self.asked = ceremonies.take(self.purpose, self.holder, self.response, clock.now())
        if self.asked.user_id != user.pk:
            raise KeyUnknown

    def accept(self, user: User, now: datetime) -> None:
        del user
        key, proof = accept_answer(self.asked, self.response, now=now)
        self._marks = {"user_verified": proof.user_verified, "device_bound": not key.backup_eligible}
        self._told = {"key": key.name}
        self.enrolled_at = key.created_at

    def follow(self, session: Session, visitor: Visitor, now: datetime) -> None:
        follow_factor(session, self.enrolled_at, by=_actor(session, visitor), now=now)

    def count_failure(self, user: User, refusal: Refusal, now: datetime) -> None:
        del user
        if isinstance(refusal, KeyCloned):
            mark_clone(self.response, now=now)

    @property
    def marks(self) -> dict[str, bool]:
        return self._marks

    @property
    def told(self) -> dict[str, str]:
        return self._told


class _RecoveryCode(_Proof):
    method = "recovery_code"
    guess: Guess

    def prepare(self, user: User) -> None:
        self.guess = hash_guess(user.pk, self.typed)

    def accept(self, user: User, now: datetime) -> None:
        del user
        use_code(self.guess, now=now)

    def follow(self, session: Session, visitor: Visitor, now: datetime) -> None:
        follow_code(session.user, visitor, now)


class _Password(_Proof):
    method = "password"
    limit = limits.SIGN_IN

    def prepare(self, user: User) -> None:
        if not compare_password(self.typed, user.password).is_right:
            raise PasswordWrong


def _judged(session: Session, proof: _Proof, visitor: Visitor, now: datetime, action: str) -> str:
    """Count, judge and keep one proof; every refusal is recorded and counted, also a replay."""
    counted = Counted()
    try:
        counted = _count(session, proof, visitor, now)
        proof.prepare(session.user)
        cookie = _accepted(session, proof, visitor, now, action)
    except (TooManyAttempts, PasswordsBusy) as refusal:
        _log_unjudged(action, refusal, counted)
        raise
    except (CodeRefused, KeyRefused, PasswordWrong) as refusal:
        proof.count_failure(session.user, refusal, now)
        actor = _actor(session, visitor)
        record_refusal(action, by=actor, code=refusal.code, account_id=session.user_id)
        raise
    counted.forgive()
    return cookie


def _count(session: Session, proof: _Proof, visitor: Visitor, now: datetime) -> Counted:
    return limits.count_attempt(
        now=now,
        limit=proof.limit,
        subject=visitor.subject(session.user_id),
        network=visitor.network,
    )


def _accepted(session: Session, proof: _Proof, visitor: Visitor, now: datetime, action: str) -> str:
    with transaction.atomic():
        # the account first: whoever changes what protects it takes the locks in this order, too
        User.objects.select_for_update().filter(pk=session.user_id).first()
        proof.accept(session.user, now)
        cookie = _prove(session, proof, visitor, now, action)
        record(
            action,
            by=_actor(session, visitor),
            about=Thing("session", session.public_id),
            account_id=session.user_id,
            details={"by": proof.method, **proof.told} | ({} if session.is_complete else _waits_for(session)),
        )
        if session.is_complete or proof.method == "recovery_code":  # a code is used up in any case
            proof.follow(session, visitor, now)
    return cookie


def _prove(session: Session, proof: _Proof, visitor: Visitor, now: datetime, action: str) -> str:
    """Let the session have the proof, and note what follows from it for this browser."""
    if action == confirming.ACTION:  # beside what was proven before, also beside a recovery code
        cookie = prove(session, [*session.methods, proof.method], now=now, **proof.marks)
        confirming.admit(session, visitor, browsers.How.TWO_FACTORS, now)
        return cookie
    methods = {*session.methods, proof.method}
    asks = action == "session.start" and confirming.must_confirm(session.user, methods, visitor, now)
    cookie = prove(session, [proof.method], now=now, is_complete=not asks, **proof.marks)
    if action == "session.start":
        unfinished.finish(session, visitor, now)
    if asks:
        confirming.begin(session, now, proof.enrolled_at)
    elif action == "session.start":
        _welcome(session, visitor, now)
    return cookie
