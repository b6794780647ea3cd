"""Authenticator apps: enrol, rename, accept a code once, count failures, switch off and on, remove."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts import emails, holds, strength
from keyhouse.accounts.errors import (
    ClockOff,
    CodeRefused,
    CodeReplayed,
    CodeWrong,
    SecondFactorLast,
    SecondFactorMissing,
    SecondFactorsMany,
    SecondFactorUnnamed,
)
from keyhouse.accounts.models import Authenticator, User
from keyhouse.accounts.recovery import first_enrolment
from keyhouse.accounts.recovery.code_use import follow_removal
from keyhouse.accounts.recovery.newness import judge
from keyhouse.accounts.second_factors import letters
from keyhouse.accounts.second_factors.totp import rules
from keyhouse.accounts.sessions import end_other_sessions, forget_second_factor
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, clock, keys
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job

PURPOSE: Final = "totp"  # what secrets are sealed for
MOST: Final = 10
DEFAULT_NAME: Final = "Authenticator app"
KIND: Final = "authenticator app"
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
        newness = judge(user, by=by, now=at or clock.now())
        authenticator = new_authenticator(user, secret, name=name, last_step=last_step, at=at)
        end_other_sessions(by, user.pk)
        record("second-factor.add", by=by, about=thing_of(authenticator), account_id=user.pk)
        if by.kind != "host":  # which fills accounts that nobody has used yet
            now = clock.now()
            emails.tell(user, letters.added(KIND, authenticator.name, by=by, now=now), now=now)
        first_enrolment.follow(user, newness, by=by, now=at or clock.now())
    return authenticator


def thing_of(authenticator: Authenticator) -> Thing:
    """Return the app as the audit log names it."""
    return Thing("authenticator", authenticator.pk, authenticator.name)


def new_authenticator(
    user: User, secret: bytes, *, name: str = "", last_step: int = 0, at: datetime | None = None
) -> Authenticator:
    """Write the row alone, for services that record the whole; raises SecondFactorsMany."""
    count = Authenticator.objects.filter(user=user).count()
    if count >= MOST:
        raise SecondFactorsMany
    return Authenticator.objects.create(
        user=user,
        name=rules.tidy_name(name) or (f"{DEFAULT_NAME} {count + 1}" if count else DEFAULT_NAME),
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
            refusal.meant = authenticator.pk if not isinstance(refusal, CodeWrong) else None
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


def count_failure(user_id: int, refusal: CodeRefused | None = None, *, now: datetime) -> None:
    """Count a refused code against one of the person's apps; a hundred in a row switch that one off, and no other.

    A code that was used, or is right at another time, tells which app it belongs to. A wrong one tells nothing: it counts
    against the app that was used last, which is the one that was meant if it was the person. So somebody who has the
    password and guesses switches off one app after the other, in days, and the owner is told at the first. One right
    code of any app ends the row of all of them.
    """
    with transaction.atomic():
        app = _meant(_held(user_id), refusal.meant if refusal else None)
        if app is None:
            return
        app.failures += 1
        app.disabled_at = now if app.failures >= rules.FAILURES_ALLOWED else None
        app.save(update_fields=["failures", "disabled_at"])
        if app.disabled_at:
            _tell_of_switching_off(app, now)


def _meant(apps: list[Authenticator], meant: int | None) -> Authenticator | None:
    """Return the app that a refused code counts against, or None where none takes codes."""
    named = [app for app in apps if app.pk == meant]
    used = [app for app in apps if app.last_used_at is not None]
    return max(
        named or used or apps, key=lambda app: (app.last_used_at or app.created_at, app.pk), default=None
    )


def _tell_of_switching_off(app: Authenticator, now: datetime) -> None:
    record(
        "second-factor.disable",
        by=job("second-factor"),
        about=thing_of(app),
        account_id=app.user_id,
        details={"reason": f"{app.failures} wrong codes in a row"},
    )
    emails.tell(app.user, letters.switched_off(app.name, app.failures, now=now), now=now)


def enable_authenticator(user_id: int, authenticator_id: int, *, by: Actor) -> None:
    """Switch an app on again that wrong codes had switched off; a second click changes nothing.

    That takes a fresh proof by another second factor: whoever has none left adds the app anew after a recovery code.
    Ends the other sessions of the account. Raises SecondFactorMissing, StepUpRequired.
    """
    with transaction.atomic():
        actions.require(by, "second-factor.enable", Thing("account", user_id))
        user = User.objects.select_for_update().get(pk=user_id)
        strength.require_strongest(by, user_id)
        app = _own(user_id, authenticator_id)
        if app.disabled_at is None:
            return
        Authenticator.objects.filter(pk=app.pk).update(disabled_at=None, failures=0)
        end_other_sessions(by, user_id)
        record("second-factor.enable", by=by, about=thing_of(app), account_id=user_id)
        now = clock.now()
        emails.tell(user, letters.switched_on(app.name, by=by, now=now), now=now)


def rename_authenticator(user_id: int, authenticator_id: int, name: str, *, by: Actor) -> None:
    """Give an app another name; raises SecondFactorMissing, SecondFactorUnnamed."""
    with transaction.atomic():
        actions.require(by, "second-factor.rename", Thing("account", user_id))
        User.objects.select_for_update().get(pk=user_id)
        app = _own(user_id, authenticator_id)
        before, app.name = app.name, rules.tidy_name(name)
        if not app.name:
            raise SecondFactorUnnamed
        if app.name == before:
            return
        app.save(update_fields=["name"])
        record(
            "second-factor.rename", by=by, about=thing_of(app), account_id=user_id, details={"before": before}
        )


def _own(user_id: int, authenticator_id: int) -> Authenticator:
    found = Authenticator.objects.filter(user_id=user_id, pk=authenticator_id).first()
    if found is None:
        raise SecondFactorMissing
    return found


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
    user = User.objects.select_for_update().get(pk=user_id)
    strength.require_strongest(by, user_id)
    holds.require_free(user, by, clock.now())
    found = _own(user_id, authenticator_id)
    is_last = strength.require_another(user_id, by, app_id=found.pk)
    about = thing_of(found)
    found.delete()
    end_other_sessions(by, user_id)
    if is_last:
        forget_second_factor(by)
    action = actions.REMOVE_LAST if is_last else "second-factor.remove"
    record(action, by=by, about=about, account_id=user_id)
    now = clock.now()
    follow_removal(user, by=by, now=now)
    emails.tell(user, letters.removed(KIND, about.name, by=by, now=now), now=now)
