"""Authenticator apps: enrol, accept a code once, count failures, remove."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F

from keyhouse.accounts import strength
from keyhouse.accounts.errors import (
    ClockOff,
    CodeRefused,
    CodeReplayed,
    CodeWrong,
    SecondFactorLast,
    SecondFactorMissing,
    SecondFactorsMany,
)
from keyhouse.accounts.models import Authenticator, User
from keyhouse.accounts.second_factors.totp import rules
from keyhouse.accounts.sessions import end_other_sessions, forget_second_factor
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, clock, keys
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job

PURPOSE: Final = "totp"  # what secrets are sealed for
MOST: Final = 10
LONGEST_NAME: Final = 64
DEFAULT_NAME: Final = "Authenticator app"
_TELLING: Final = (CodeReplayed, ClockOff, CodeWrong)  # of several refusals the one that helps most


def enrol_authenticator(  # noqa: PLR0913 - what, whose, by whom, from when on
    user: User,
    secret: bytes,
    *,
    by: Actor,
    name: str = "",
    last_step: int = 0,
    at: datetime | None = None,
) -> Authenticator:
    """Give a person an authenticator app, whose codes up to `last_step` count as used.

    Ends the other sessions of the account. Raises SecondFactorsMany, StepUpRequired.
    """
    with transaction.atomic():
        actions.require(by, "second-factor.add", Thing("account", user.pk, user.username))
        User.objects.select_for_update().get(pk=user.pk)
        strength.require_strongest(by, user.pk, to_enrol=True)
        authenticator = new_authenticator(user, secret, name=name, last_step=last_step, at=at)
        end_other_sessions(by, user.pk)
        record(
            "second-factor.add",
            by=by,
            about=Thing("authenticator", authenticator.pk, authenticator.name),
            account_id=user.pk,
        )
    return authenticator


def new_authenticator(
    user: User, secret: bytes, *, name: str = "", last_step: int = 0, at: datetime | None = None
) -> Authenticator:
    """Write the row alone, for services that record the whole; raises SecondFactorsMany."""
    count = Authenticator.objects.filter(user=user).count()
    if count >= MOST:
        raise SecondFactorsMany
    return Authenticator.objects.create(
        user=user,
        name=name.strip()[:LONGEST_NAME] or (f"{DEFAULT_NAME} {count + 1}" if count else DEFAULT_NAME),
        secret_sealed=keys.ring().seal(PURPOSE, secret),
        last_step=last_step,
        created_at=at or clock.now(),
    )


def accept_code(user_id: int, typed: str, *, now: datetime) -> Authenticator:
    """Accept a code of one of the person's apps, once, in the caller's transaction.

    Raises CodeReplayed, ClockOff or CodeWrong; the caller counts that with `count_failure` after its rollback.
    """
    refusals: list[CodeRefused] = []
    for authenticator in _held(user_id):
        try:
            return _accept_by(authenticator, typed, now)
        except CodeRefused as refusal:
            refusals.append(refusal)
    raise min(refusals or [CodeWrong()], key=lambda refusal: _TELLING.index(type(refusal)))


def _held(user_id: int) -> list[Authenticator]:
    """Return the person's apps with their rows' locks held, taken in one order so that nobody waits in a circle."""
    able = Authenticator.objects.filter(user_id=user_id, disabled_at=None)
    return list(able.select_for_update().order_by("pk"))


def _accept_by(authenticator: Authenticator, typed: str, now: datetime) -> Authenticator:
    """Win the step by one conditional update: of all who come with the same code, in any process, one does."""
    try:
        secret = keys.ring().open(PURPOSE, authenticator.secret_sealed)
    except keys.SealBrokenError as error:  # the key file was lost; the app is worth nothing any more
        raise CodeWrong from error
    accepted = rules.verify(secret, typed, now, authenticator.last_step)
    won = Authenticator.objects.filter(
        pk=authenticator.pk, disabled_at=None, last_step__lt=accepted.step
    ).update(last_step=accepted.step, last_used_at=now)
    if not won:
        raise CodeReplayed
    Authenticator.objects.filter(user_id=authenticator.user_id, disabled_at=None).update(failures=0)
    return authenticator


def count_failure(user_id: int, *, now: datetime) -> None:
    """Count a wrong or repeated code against the person's apps; a hundred in a row disable an app.

    Which app was meant can't be told, so all of them count it, and one right code clears them all.
    """
    with transaction.atomic():
        held = [authenticator.pk for authenticator in _held(user_id)]
        Authenticator.objects.filter(pk__in=held).update(failures=F("failures") + 1)
        for authenticator in Authenticator.objects.filter(pk__in=held, failures__gte=rules.FAILURES_ALLOWED):
            authenticator.disabled_at = now
            authenticator.save(update_fields=["disabled_at"])
            record(
                "second-factor.disable",
                by=job("second-factor"),
                about=Thing("authenticator", authenticator.pk, authenticator.name),
                account_id=user_id,
            )


def remove_authenticator(user_id: int, authenticator_id: int, *, by: Actor) -> None:
    """Remove one authenticator app; ends the other sessions of the account.

    The last one goes only where the gate lets it: never that of somebody whom a mandate covers. Two parallel removals
    take turns at the lock of the account, so that the second one is the last.
    Raises SecondFactorMissing, SecondFactorLast (recorded), StepUpRequired and what the gate raises.
    """
    try:
        with transaction.atomic():
            actions.require(by, "second-factor.remove", Thing("account", user_id))
            _remove(user_id, authenticator_id, by)
    except SecondFactorLast as refusal:
        record_refusal(actions.REMOVE_LAST, by=by, code=refusal.code, account_id=user_id)
        raise


def _remove(user_id: int, authenticator_id: int, by: Actor) -> None:
    User.objects.select_for_update().get(pk=user_id)
    strength.require_strongest(by, user_id)
    found = Authenticator.objects.filter(user_id=user_id, pk=authenticator_id).first()
    if found is None:
        raise SecondFactorMissing
    is_last = strength.require_another(user_id, by, app_id=found.pk)
    about = Thing("authenticator", found.pk, found.name)
    found.delete()
    end_other_sessions(by, user_id)
    if is_last:
        forget_second_factor(by)
    action = actions.REMOVE_LAST if is_last else "second-factor.remove"
    record(action, by=by, about=about, account_id=user_id)
