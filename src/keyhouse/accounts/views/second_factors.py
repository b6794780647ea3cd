"""One's second factors: the list, adding one, removing one."""

from __future__ import annotations

from urllib.parse import urlsplit

import segno
from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import holds, queries, strength
from keyhouse.accounts.errors import SecondFactorLast, SecondFactorMissing
from keyhouse.accounts.forms import EnrolmentForm, RenameForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Authenticator, SecurityKey, Session, User
from keyhouse.accounts.recovery.newness import needs_proof
from keyhouse.accounts.recovery.queries import live_holds_of
from keyhouse.accounts.second_factors.totp import rules
from keyhouse.accounts.second_factors.totp.enrolment import begin_enrolment, finish_enrolment
from keyhouse.accounts.second_factors.totp.services import (
    enable_authenticator,
    remove_authenticator,
    rename_authenticator,
)
from keyhouse.accounts.second_factors.webauthn.key_models import find_unsafe
from keyhouse.accounts.views.answers import (
    HOME,
    SeeOther,
    next_of,
    session_of,
    show_form,
    with_next,
    with_session,
)
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actor import SECOND_FACTOR_METHODS
from keyhouse.core.foresight import find_foresight

NO_MODEL = (
    "00000000-0000-0000-0000-000000000000"  # what a key says that doesn't tell (WebAuthn Level 3, 6.5.1)
)
LIST = "/account/second-factors/"
CODES = "/account/recovery-codes/"
ADD_KEY = "/account/security-keys/add/"
ADD = "/account/second-factors/add/"
PROOF = "/account/second-factors/proof/"


@actions.classified(GET="account.read")
def second_factors(request: AskedRequest) -> HttpResponse:
    """List one's second factors."""
    session = session_of(request)
    authenticators = queries.authenticators_of(session.user)
    keys = queries.keys_of(session.user)
    now = clock.now()
    context = {
        "held": holds.find_wait(session.user, now),
        "holds": live_holds_of(session.user, now),
        "authenticators": authenticators,
        "keys": keys,
        "key_name": configuration.current().key_name,
        "no_model": NO_MODEL,
        "unsafe_models": find_unsafe(),
        "last_stays": _usable(authenticators, keys) == 1
        and not _may_remove_last(request, len(authenticators) + len(keys)),
        "codes_left": strength.codes_left(session.user_id),
        "code_set": queries.find_code_set(session.user),
        "by_recovery_code": "recovery_code" in session.methods
        and not SECOND_FACTOR_METHODS & set(session.methods),
        "add_address": with_next(ADD, next_of(request)),
        "add_key_address": with_next(ADD_KEY, next_of(request)),
    }
    return render(request, "accounts/second_factors.html", context)


def _usable(authenticators: list[Authenticator], keys: list[SecurityKey]) -> int:
    name = configuration.current().key_name
    working = [one for one in keys if one.cloned_at is None and one.rp_id == name]
    return sum(one.disabled_at is None for one in authenticators) + len(working)


def _may_remove_last(request: AskedRequest, count: int) -> bool:
    """Tell whether the one factor of this account may go: where no mandate covers its owner."""
    foresight = find_foresight()
    if foresight is None or count != 1:
        return False
    return foresight.refusal_code(request.actor, actions.REMOVE_LAST) != SecondFactorLast.code


@actions.takes(*EnrolmentForm.base_fields, "next")
@actions.classified(GET="second-factor.add", POST="second-factor.add")
def add_authenticator(request: AskedRequest) -> HttpResponse:
    """Show the secret of a new authenticator app and take its first code; then go on to where one was."""
    session, way_on = session_of(request), next_of(request)
    if request.method != "POST" and needs_proof(session.user, by=request.actor, now=clock.now()):
        return SeeOther(PROOF)
    form = EnrolmentForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        done = form.carry_out(
            lambda: finish_enrolment(
                session,
                form.cleaned_data["code"],
                name=form.cleaned_data["name"],
                by=request.actor,
                now=clock.now(),
            )
        )
        if done is not None:
            return with_session(SeeOther(after_enrolment(session.user_id, way_on)), done[1])
    context = enrolment_context(begin_enrolment(session), session.user.username) | {
        "next": way_on,
        "add_key_address": with_next(ADD_KEY, way_on),
    }
    return show_form(request, "accounts/add_authenticator.html", form, context)


def after_enrolment(user_id: int, way_on: str) -> str:
    """Return where to go on to: by recovery codes where there are none, and to no page that a hold has just closed."""
    if holds.effective_state(User.objects.get(pk=user_id), clock.now()) == User.State.HELD:
        way_on = HOME
    if not strength.codes_left(user_id):
        return with_next(CODES, way_on)
    return LIST if way_on == HOME else way_on


def enrolment_context(secret: bytes, username: str) -> dict[str, str]:
    """Return what a page shows of a new authenticator: QR code (SVG as data address), secret to type, app link."""
    parts = urlsplit(configuration.current().base_url)
    address = rules.enrolment_address(secret, username=username, issuer=f"Keyhouse ({parts.netloc})")
    text = rules.encode_secret(secret)
    return {
        "qr": segno.make(address, micro=False).svg_data_uri(scale=5, border=4, dark="#000", light="#fff"),
        "secret": " ".join(text[start : start + 4] for start in range(0, len(text), 4)),
        "address": address,
    }


@actions.takes()
@actions.classified(GET="second-factor.remove", POST="second-factor.remove")
def remove(request: AskedRequest, authenticator_id: int) -> HttpResponse:
    """Ask once more, then remove an authenticator app."""
    session = session_of(request)
    if request.method == "POST":
        remove_authenticator(session.user_id, authenticator_id, by=request.actor)
        return SeeOther(LIST)
    found = _found(session, authenticator_id)
    return render(request, "accounts/remove_authenticator.html", {"authenticator": found})


@actions.takes()
@actions.classified(GET="second-factor.enable", POST="second-factor.enable")
def enable(request: AskedRequest, authenticator_id: int) -> HttpResponse:
    """Ask once more, then switch an app on again that wrong codes had switched off."""
    session = session_of(request)
    if request.method == "POST":
        enable_authenticator(session.user_id, authenticator_id, by=request.actor)
        return SeeOther(LIST)
    found = _found(session, authenticator_id)
    if found.disabled_at is None:
        return SeeOther(LIST)
    return render(request, "accounts/enable_authenticator.html", {"authenticator": found})


@actions.takes(*RenameForm.base_fields)
@actions.classified(GET="second-factor.rename", POST="second-factor.rename")
def rename(request: AskedRequest, authenticator_id: int) -> HttpResponse:
    """Take another name for an app."""
    session = session_of(request)
    found = _found(session, authenticator_id)
    form = RenameForm(request.POST if request.method == "POST" else None, initial={"name": found.name})
    if request.method == "POST":
        form.carry_out(
            lambda: rename_authenticator(
                session.user_id, authenticator_id, form.cleaned_data["name"], by=request.actor
            )
        )
        if not form.errors:
            return SeeOther(LIST)
    return show_form(request, "accounts/rename_authenticator.html", form, {"authenticator": found})


def _found(session: Session, authenticator_id: int) -> Authenticator:
    found = [one for one in queries.authenticators_of(session.user) if one.pk == authenticator_id]
    if not found:
        raise SecondFactorMissing
    return found[0]
