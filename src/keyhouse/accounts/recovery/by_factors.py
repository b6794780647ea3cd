"""A way back without password and mailbox: two of recovery code, app and security key open a case, in one browser.

All are judged in one request, first what can't be guessed: the recovery code, then the key, then the code of the app. So nobody
without one of the first two can try codes of the app, or use up anybody's attempts. Whatever is wrong gets the same answer. No
mail carries the link of such a case: the browser that began it, known by a cookie of its own, makes it once the announced
wait is over.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from keyhouse.accounts import limits, links, queries
from keyhouse.accounts.errors import CodeRefused, LinkUnknown, RecoveryCodeWrong
from keyhouse.accounts.hashing import hash_code
from keyhouse.accounts.models import RecoveryCase, SecurityKey, User
from keyhouse.accounts.recovery import cases, rules
from keyhouse.accounts.recovery.errors import (
    CaseIncomplete,
    CaseMissing,
    CaseOver,
    CaseWaits,
    ProofsRefused,
)
from keyhouse.accounts.recovery.queries import stage_of, support_of
from keyhouse.accounts.second_factors.recovery_codes.rules import canonical_code
from keyhouse.accounts.second_factors.recovery_codes.services import (
    SALT_BYTES,
    Guess,
    hash_guess,
    require_unused,
    use_code,
)
from keyhouse.accounts.second_factors.totp.services import accept_code, count_failure
from keyhouse.accounts.second_factors.webauthn import ceremonies
from keyhouse.accounts.second_factors.webauthn.errors import KeyCloned, KeyRefused
from keyhouse.accounts.second_factors.webauthn.rules import Assertion
from keyhouse.accounts.second_factors.webauthn.services import judge_answer, keep_answer, mark_clone
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions
from keyhouse.core.errors import AccountSuspended

GO_ON: Final = "recovery.go-on"
COUNTED: Final = "factors:"


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """What a browser answered to the question for a key by name: which browser, and what its cookie says it was asked."""

    response: Mapping[str, Any]
    holder: str
    asked: str


@dataclass(frozen=True, slots=True)
class Proofs:
    """What somebody gives at once; an empty text is nothing."""

    username: str
    recovery_code: str = ""
    code: str = ""
    key: KeyAnswer | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return what was given, as letters and the audit log name it."""
        given = (self.recovery_code, self.key, self.code)
        return tuple(name for name, one in zip(rules.PROOFS, given, strict=True) if one)


_Judged = tuple[SecurityKey, Assertion]


def begin(proofs: Proofs, visitor: Visitor, now: datetime) -> str:
    """Open a case by two or all three of the proofs; returns the value of the cookie of its browser.

    Raises ProofsRefused for whatever is wrong, TooManyAttempts, WordRefused where the host has made a link.
    """
    actions.require(visitor.actor, cases.OPEN)
    counted = limits.count_attempt(now=now, limit=limits.RECOVERY, network=visitor.network)
    user = queries.find_user(proofs.username.strip())
    try:
        browser = _begin(user, proofs, visitor, now)
    except (CodeRefused, KeyRefused, LinkUnknown, AccountSuspended) as refusal:
        if isinstance(refusal, KeyCloned) and proofs.key is not None:
            mark_clone(proofs.key.response, now=now)
        record_refusal(
            cases.OPEN, by=visitor.actor, code=ProofsRefused.code, account_id=user.pk if user else None
        )
        raise ProofsRefused from refusal
    counted.give_back()
    return browser


def _guess(user: User | None, recovery_code: str) -> Guess:
    """Return the hashed code; for whoever has none, or is nobody, one that fits nothing takes as long."""
    try:
        if user is not None:
            return hash_guess(user.pk, recovery_code)
        digest = hash_code(canonical_code(recovery_code), secrets.token_hex(SALT_BYTES))
    except RecoveryCodeWrong:
        digest = hash_code("", secrets.token_hex(SALT_BYTES))
    return Guess(0, digest)


def _judge_key(proofs: Proofs, now: datetime) -> _Judged | None:
    """Judge the key where one answered; its challenge is used up, whatever comes of the other proofs."""
    if proofs.key is None:
        return None
    response = proofs.key.response
    asked = ceremonies.find_asked_by_name(proofs.username, proofs.key.holder, proofs.key.asked, response, now)
    judged = judge_answer(asked, response)
    ceremonies.mark_answered(asked, now)
    return judged


def _begin(user: User | None, proofs: Proofs, visitor: Visitor, now: datetime) -> str:
    guess = _guess(user, proofs.recovery_code) if proofs.recovery_code else None
    if guess is not None:
        require_unused(guess)
    judged = _judge_key(proofs, now)
    if user is None or len(proofs.names) < rules.PROOFS_NEEDED:
        raise RecoveryCodeWrong
    counted = limits.count_attempt(now=now, limit=limits.RECOVERY, subject=f"{COUNTED}account:{user.pk}")
    browser = links.new_secret()
    try:
        with transaction.atomic():
            User.objects.select_for_update().filter(pk=user.pk).first()
            if guess is not None:
                use_code(guess, now=now)
            if judged is not None:
                keep_answer(*judged, now)
            if proofs.code:
                accept_code(user.pk, proofs.code, now=now)
            cases.open_by_factors(user.pk, browser, proofs.names, visitor, now)
    except CodeRefused as refusal:
        if not isinstance(refusal, RecoveryCodeWrong):
            count_failure(user.pk, refusal, now=now)
        raise
    counted.give_back()
    return browser


def find_case(browser: str) -> RecoveryCase | None:
    """Return the case that this browser began last, or None."""
    if not browser:
        return None
    mine = RecoveryCase.objects.filter(path=RecoveryCase.Path.FACTORS, browser=links.digest_of(browser))
    return mine.select_related("user").order_by("-pk").first()


def go_on(browser: str, visitor: Visitor, now: datetime) -> tuple[str, str]:
    """Return the path of the link that sets everything anew, and the cookie's value without which it is dead.

    Earlier ones are dead. Raises CaseMissing in any other browser, CaseOver, CaseIncomplete, CaseWaits.
    """
    actions.require(visitor.actor, GO_ON)
    found = find_case(browser)
    if found is None:
        raise CaseMissing
    with transaction.atomic():
        User.objects.select_for_update().filter(pk=found.user_id).first()
        case = _lock_mine(found)
        _require_ready(case, now)
        path = cases.make_link(case, now)
        link = links.lock_link(links.ENROLMENT, path.split("/")[2], now)
        bound = links.bind_browser(link, "")
        link.save(update_fields=["data"])
        record(GO_ON, by=visitor.actor, about=cases.thing_of(case), account_id=case.user_id)
    return path, bound


def _lock_mine(found: RecoveryCase) -> RecoveryCase:
    """Return the case as it is now; raises CaseMissing where the host took it over meanwhile: its link works at once."""
    mine = RecoveryCase.objects.select_for_update().select_related("user")
    case = mine.filter(pk=found.pk, path=RecoveryCase.Path.FACTORS).first()
    if case is None:
        raise CaseMissing
    return case


def _require_ready(case: RecoveryCase, now: datetime) -> None:
    stage = stage_of(case, support_of(case, now), now)
    if stage == "over":
        raise CaseOver
    if stage == "waits for words":
        raise CaseIncomplete
    if stage != "ready":
        raise CaseWaits("This request was announced, and waits for its instant.")
