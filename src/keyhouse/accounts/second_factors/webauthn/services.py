"""Security keys and passkeys: enrol, accept a proof, mark a possible copy, remove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q

from keyhouse.accounts import emails, holds, strength
from keyhouse.accounts.errors import SecondFactorLast, SecondFactorMissing, SecondFactorsMany
from keyhouse.accounts.models import SecurityKey, Session, User, UserHandle
from keyhouse.accounts.recovery import first_enrolment
from keyhouse.accounts.recovery.code_use import follow_removal
from keyhouse.accounts.recovery.newness import judge
from keyhouse.accounts.second_factors import letters
from keyhouse.accounts.second_factors.bound import properties_of
from keyhouse.accounts.second_factors.webauthn import ceremonies, rules
from keyhouse.accounts.second_factors.webauthn.attestation import find_attested
from keyhouse.accounts.second_factors.webauthn.errors import KeyCloned, KeyKnown, KeyModelRefused, KeyUnknown
from keyhouse.accounts.second_factors.webauthn.key_models import find_models
from keyhouse.accounts.second_factors.webauthn.rules import Assertion, KnownKey, NewKey, Site
from keyhouse.accounts.sessions import (
    end_other_sessions,
    end_sessions_by_key,
    forget_key,
    forget_second_factor,
    prove,
)
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job

MOST: Final = 20
LONGEST_NAME: Final = 64
KIND: Final = "security key or passkey"


def finish_enrolment(
    session: Session, response: Mapping[str, Any], *, name: str, by: Actor, now: datetime
) -> tuple[SecurityKey, str]:
    """Enrol a key by the browser's answer; returns it and the session's new cookie value.

    The session has proven the key by that; all other sessions of the account end. Raises a KeyRefused,
    SecondFactorsMany, StepUpRequired.
    """
    asked = ceremonies.take(ceremonies.ENROL, session.public_id, response, now)
    if asked.user_id != session.user_id:
        raise KeyUnknown
    made = judge_new_key(asked, response, ceremonies.site(), now)
    user = session.user
    with transaction.atomic():
        actions.require(by, "second-factor.add", Thing("account", user.pk, user.username))
        User.objects.select_for_update().get(pk=user.pk)
        strength.require_strongest(by, user.pk, to_enrol=True)
        newness = judge(user, by=by, now=now)
        key = new_key(user, made, name=name, at=now)
        end_other_sessions(by, user.pk)
        told = properties_of(key)
        record("second-factor.add", by=by, about=thing_of(key), account_id=user.pk, details=told)
        emails.tell(user, letters.added(KIND, key.name, by=by, now=now), now=now)
        first_enrolment.follow(user, newness, by=by, now=now)
        value = prove(
            session,
            ["webauthn"],
            now=now,
            user_verified=made.user_verified,
            device_bound=not made.backup_eligible,
        )
    return key, value


def judge_new_key(asked: ceremonies.Asked, response: Mapping[str, Any], site: Site, now: datetime) -> NewKey:
    """Judge the answer to an enrolment, and who made the key where models are listed. Raises a KeyRefused.

    Reads a file, so outside of transactions.
    """
    made = rules.verify_registration(asked.options, response, site)
    models = find_models()
    if models is None:
        return made
    model = find_attested(made.aaguid, response, models, now)
    if model is not None:
        return replace(made, attested_model=model.name)
    if configuration.current().key_models_only == "on":
        raise KeyModelRefused
    return made


def new_key(user: User, made: NewKey, *, name: str = "", at: datetime) -> SecurityKey:
    """Write the row alone, for services that record the whole; raises SecondFactorsMany, KeyKnown."""
    count = SecurityKey.objects.filter(user=user).count()
    if count >= MOST:
        raise SecondFactorsMany
    require_unknown(made)
    default = "Passkey" if made.backup_eligible else "Security key"
    key = SecurityKey(
        user=user,
        name=name.strip()[:LONGEST_NAME] or (f"{default} {count + 1}" if count else default),
        credential_id=rules.encode(made.id),
        public_key=made.public_key,
        algorithm=made.algorithm,
        rp_id=ceremonies.site().rp_id,
        sign_count=made.sign_count,
        user_verified=made.user_verified,
        backup_eligible=made.backup_eligible,
        backup_state=made.backup_state,
        aaguid=made.aaguid,
        attested_model=made.attested_model,
        transports=list(made.transports),
        created_at=at,
    )
    try:
        with transaction.atomic():
            key.save(force_insert=True)
    except IntegrityError as error:  # somebody enrols it at this very moment
        raise KeyKnown from error
    return key


def require_unknown(made: NewKey) -> None:
    """Raise KeyKnown where somebody has enrolled this key already."""
    if SecurityKey.objects.filter(credential_id=rules.encode(made.id)).exists():
        raise KeyKnown


def thing_of(key: SecurityKey) -> Thing:
    """Return the key as the audit log names it."""
    return Thing("security-key", key.pk, key.name)


def find_key(response: Mapping[str, Any]) -> SecurityKey | None:
    """Return the usable key that an answer names, with its owner, or None; nothing is proven by that."""
    named = response.get("id")
    if not isinstance(named, str):
        return None
    usable = SecurityKey.usable(*ceremonies.names(clock.now()))
    return usable.select_related("user").filter(credential_id=rules.encode(rules.decode(named))).first()


def accept_answer(
    asked: ceremonies.Asked, response: Mapping[str, Any], *, needs_user_verified: bool = False, now: datetime
) -> tuple[SecurityKey, Assertion]:
    """Accept the answer of a known key in the caller's transaction, and keep its counter.

    Of two answers with one counter value, in any process, one wins. Raises a KeyRefused; the caller marks a KeyCloned
    by `mark_clone` after its rollback.
    """
    key, proof = judge_answer(asked, response, needs_user_verified=needs_user_verified)
    keep_answer(key, proof, now)
    return key, proof


def judge_answer(
    asked: ceremonies.Asked, response: Mapping[str, Any], *, needs_user_verified: bool = False
) -> tuple[SecurityKey, Assertion]:
    """Judge the answer of a known key, and write nothing; raises a KeyRefused."""
    key = find_key(response)
    if key is None or (asked.user_id is not None and key.user_id != asked.user_id):
        raise KeyUnknown
    handle = UserHandle.objects.filter(user_id=key.user_id).values_list("handle", flat=True).first()
    known = KnownKey(
        rules.decode(key.credential_id),
        bytes(key.public_key),
        rules.decode(handle or ""),
        key.sign_count,
        key.backup_eligible,
    )
    if asked.options.get("rpId") != key.rp_id:
        raise KeyUnknown
    site = replace(ceremonies.site(needs_user_verified=needs_user_verified), rp_id=key.rp_id)
    return key, rules.verify_assertion(asked.options, response, known, site)


def keep_answer(key: SecurityKey, proof: Assertion, now: datetime) -> None:
    """Keep the counter of a judged answer, in the caller's transaction; raises KeyCloned, KeyUnknown."""
    # a key without a counter always says zero (6.1.1)
    rises = Q(sign_count__lt=proof.sign_count) if proof.sign_count else Q(sign_count=0)
    kept = SecurityKey.objects.filter(rises, pk=key.pk, cloned_at=None).update(
        sign_count=proof.sign_count, backup_state=proof.backup_state, last_used_at=now
    )
    if not kept:  # gone meanwhile, or another answer with this counter or a later one was faster
        is_there = SecurityKey.objects.filter(pk=key.pk, cloned_at=None).exists()
        raise KeyCloned if is_there else KeyUnknown


def mark_clone(response: Mapping[str, Any], *, now: datetime) -> None:
    """Put a key aside whose counter did not rise, and end what keys of the account have opened; other factors go on.

    Which of the two was the copy can't be told, so nobody keeps a session by it.
    """
    key = find_key(response)
    if key is None:
        return
    with transaction.atomic():
        if SecurityKey.objects.filter(pk=key.pk, cloned_at=None).update(cloned_at=now):
            end_sessions_by_key(key.user_id)
            record(
                "second-factor.disable",
                by=job("second-factor"),
                about=thing_of(key),
                account_id=key.user_id,
                details={"reason": "its counter did not rise, so there may be a copy of it"},
            )
            emails.tell(key.user, letters.copied(key.name, now=now), now=now)


def remove_key(user_id: int, key_id: int, *, by: Actor) -> None:
    """Remove one key while another factor works; ends the other sessions of the account.

    Two parallel removals, of whatever factors, take turns at the lock of the account. Raises SecondFactorMissing,
    SecondFactorLast (recorded), StepUpRequired.
    """
    try:
        with transaction.atomic():
            actions.require(by, "second-factor.remove", Thing("account", user_id))
            user = User.objects.select_for_update().get(pk=user_id)
            strength.require_strongest(by, user_id)
            holds.require_free(user, by, clock.now())
            _remove(user, key_id, by)
    except SecondFactorLast as refusal:
        record_refusal(actions.REMOVE_LAST, by=by, code=refusal.code, account_id=user_id)
        raise


def _remove(user: User, key_id: int, by: Actor) -> None:
    found = SecurityKey.objects.filter(user_id=user.pk, pk=key_id).first()
    if found is None:
        raise SecondFactorMissing
    is_last = strength.require_another(user.pk, by, key_id=found.pk)
    about = thing_of(found)
    found.delete()
    end_other_sessions(by, user.pk)
    if is_last:
        forget_second_factor(by)
    elif not strength.has_usable_key(user.pk):
        forget_key(by)
    action = actions.REMOVE_LAST if is_last else "second-factor.remove"
    record(action, by=by, about=about, account_id=user.pk)
    now = clock.now()
    follow_removal(user, by=by, now=now)
    emails.tell(user, letters.removed(KIND, about.name, by=by, now=now), now=now)
