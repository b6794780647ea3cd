"""Ways back in: the page that leads there, the mailed link, opening a frozen account, the proof before a first factor."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from keyhouse.accounts import links, queries, strength
from keyhouse.accounts.cookies import CEREMONY, NEWCOMER, RETURN, cookie_name, put_cookie
from keyhouse.accounts.errors import LinkUsed
from keyhouse.accounts.forms import CodeForm, PasswordChangeForm, RecoveryCodeForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import RecoveryCase, Session, User
from keyhouse.accounts.recovery import asking, by_factors, cases, first_enrolment, rules, thawing
from keyhouse.accounts.recovery.forms import AskForm, BeginForm, FactorsForm, KeyFactorsForm
from keyhouse.accounts.recovery.queries import stage_of, support_of
from keyhouse.accounts.second_factors.webauthn import ceremonies
from keyhouse.accounts.views.answers import (
    SeeOther,
    body_of,
    holder_of,
    response_in,
    session_of,
    show_form,
    text_in,
)
from keyhouse.accounts.visitor import visitor_of
from keyhouse.core import actions, clock
from keyhouse.mail.queries import is_off

SENT: Final = "/account/recover/sent/"
ADD_FACTOR: Final = "/account/second-factors/"
WITHOUT_MAIL: Final = "/account/recover/without-mail/"
SIGN_IN: Final = "/account/sign-in/"


@actions.takes(*AskForm.base_fields)
@actions.classified(GET="recovery.ask", POST="recovery.ask")
def recover(request: AskedRequest) -> HttpResponse:
    """Show all ways back, the quickest first; mail a link, with one answer for everybody."""
    form = AskForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(
            lambda: asking.ask_for_mail(form.cleaned_data["identifier"], visitor_of(request), clock.now())
        )
        if not form.errors:
            return SeeOther(SENT)
    return show_form(request, "accounts/recover.html", form, _codes_of(request.account_session))


def _codes_of(session: Session | None) -> dict[str, object]:
    """Tell people who are signed in whether they have codes, since when, how many (and nobody else)."""
    if session is None or not session.is_complete:
        return {"is_known": False}
    return {
        "is_known": True,
        "code_set": queries.find_code_set(session.user),
        "codes_left": strength.codes_left(session.user_id),
    }


@actions.classified(GET="recovery.ask")
def sent(request: AskedRequest) -> HttpResponse:
    """Say what was done, in words that are true for everybody."""
    context = {"life": links.LIFE[links.RECOVERY], "mail_is_off": is_off()}
    return render(request, "accounts/recover_sent.html", context)


def _browser(request: AskedRequest) -> str:
    return request.COOKIES.get(cookie_name(NEWCOMER), "")


@actions.takes(*BeginForm.base_fields)
@actions.classified(GET="recovery.open", POST="recovery.open")
def begin(request: AskedRequest, secret: str) -> HttpResponse:
    """Show what opening a case means, and open it; later show the browser that did how it stands."""
    now, browser = clock.now(), _browser(request)
    try:
        link = links.find_link(links.RECOVERY, secret, now)
    except LinkUsed:
        return _show_case(request, secret, browser)
    links.require_browser(link, browser)
    is_frozen = link.user is not None and link.user.state == User.State.FROZEN
    if is_frozen and request.method != "POST" and not request.GET.get("lost"):
        return SeeOther(f"/recovery/{secret}/password/")
    form = BeginForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        opened = form.carry_out(
            lambda: cases.open_by_mail(
                secret,
                browser,
                form.cleaned_data["password"],
                visitor_of(request),
                now,
                form.cleaned_data["recovery_code"],
            )
        )
        if opened is not None:
            response = SeeOther(request.path)
            put_cookie(response, opened[1], NEWCOMER)
            return response
    return show_form(request, "accounts/recovery_begin.html", form, {"person": link.username})


def _show_case(request: AskedRequest, secret: str, browser: str) -> HttpResponse:
    if not links.was_finished_here(links.RECOVERY, secret, browser):
        raise LinkUsed
    case = RecoveryCase.objects.filter(
        pk=links.find_link_even_used(links.RECOVERY, secret).data.get("case", 0)
    ).first()
    if case is None:  # a frozen account that was opened by this link
        return SeeOther(SIGN_IN)
    now = clock.now()
    support = support_of(case, now)
    context = {"case": case, "support": support, "stage": stage_of(case, support, now)}
    return render(request, "accounts/recovery_case.html", context)


# ---- without password and mailbox


@actions.takes(*FactorsForm.base_fields)
@actions.classified(GET="recovery.open", POST="recovery.open")
def without_mail(request: AskedRequest) -> HttpResponse:
    """Take two factors, and open a case that this browser alone goes on with; later show it how that stands."""
    now, context = clock.now(), {}
    case = by_factors.find_case(request.COOKIES.get(cookie_name(RETURN), ""))
    if case is not None:
        support = support_of(case, now)
        stage = stage_of(case, support, now)
        context = {"case": case, "support": support, "stage": stage, "is_here": True}
        context |= {"proofs": cases.begun_by(case)}
        if stage != "over" and request.method != "POST":
            return render(request, "accounts/recovery_case.html", context)
    form = FactorsForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        browser = form.carry_out(lambda: _begin_by_factors(form, request, now))
        if browser is not None:
            response = SeeOther(WITHOUT_MAIL)
            put_cookie(response, browser, RETURN, max_age=int(rules.LIFE.total_seconds()))
            return response
    context |= {"key_form": KeyFactorsForm()}
    return show_form(request, "accounts/recover_without_mail.html", form, context)


def _begin_by_factors(form: FactorsForm, request: AskedRequest, now: datetime) -> str:
    typed = form.cleaned_data
    proofs = by_factors.Proofs(typed["username"], typed["recovery_code"], typed["code"])
    return by_factors.begin(proofs, visitor_of(request), now)


@actions.takes("username")
@actions.classified(POST="recovery.open")
def without_mail_options(request: AskedRequest) -> HttpResponse:
    """Ask the browser for a security key of whoever has a user name; nothing tells whether anybody has it."""
    username = text_in(body_of(request), "username")
    options, kept = ceremonies.ask_by_name(username, holder_of(request), clock.now())
    response = JsonResponse(options)
    put_cookie(response, kept, CEREMONY, int(ceremonies.LIFE.total_seconds()))
    return response


@actions.takes("response", *KeyFactorsForm.base_fields)
@actions.classified(POST="recovery.open")
def without_mail_by_key(request: AskedRequest) -> HttpResponse:
    """Take a security key beside a recovery code or a code of the app, and open a case as the form does."""
    body, kept = body_of(request), request.COOKIES.get(cookie_name(CEREMONY), "")
    username, recovery_code, code = (text_in(body, name) for name in ("username", "recovery_code", "code"))
    key = by_factors.KeyAnswer(response_in(body), holder_of(request), kept)
    proofs = by_factors.Proofs(username, recovery_code, code, key)
    browser = by_factors.begin(proofs, visitor_of(request), clock.now())
    response = JsonResponse({"location": WITHOUT_MAIL})
    put_cookie(response, browser, RETURN, max_age=int(rules.LIFE.total_seconds()))
    return response


@actions.takes()
@actions.classified(POST="recovery.go-on")
def go_on(request: AskedRequest) -> HttpResponse:
    """Lead the browser that began a case to the steps that set everything anew."""
    path, bound = by_factors.go_on(
        request.COOKIES.get(cookie_name(RETURN), ""), visitor_of(request), clock.now()
    )
    response = SeeOther(path)
    put_cookie(response, bound, NEWCOMER)
    return response


# ---- opening a frozen account


@actions.takes("password")
@actions.classified(GET="account.thaw", POST="account.thaw")
def thaw_password(request: AskedRequest, secret: str) -> HttpResponse:
    """Take a new password for a frozen account."""
    browser, now = _browser(request), clock.now()
    link = thawing.find_frozen(secret, browser, now)
    form = PasswordChangeForm(
        request.POST if request.method == "POST" else None, username=link.username, has_password=False
    )
    if request.method == "POST":
        kept = form.carry_out(
            lambda: thawing.enter_password(secret, browser, form.cleaned_data["password"], now)
        )
        if kept is not None:
            response = SeeOther(f"/recovery/{secret}/factor/")
            put_cookie(response, kept, NEWCOMER)
            return response
    context = {"person": link.username, "secret": secret}
    return show_form(request, "accounts/thaw_password.html", form, context)


@actions.takes(*CodeForm.base_fields)
@actions.classified(GET="account.thaw", POST="account.thaw")
def thaw_factor(request: AskedRequest, secret: str) -> HttpResponse:
    """Take a second factor that the account had before, and open it again."""
    browser, now = _browser(request), clock.now()
    link = thawing.find_frozen(secret, browser, now)
    if not thawing.has_password(secret, browser, now):
        return SeeOther(f"/recovery/{secret}/password/")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(
            lambda: thawing.thaw_by_code(secret, browser, form.cleaned_data["code"], visitor_of(request), now)
        )
        if not form.errors:
            return SeeOther(SIGN_IN)
    context = {
        "secret": secret,
        "person": link.username,
        "finish": f"/recovery/{secret}/security-key/",
        "has_app": strength.has_usable_app(link.user_id or 0),
        "has_key": strength.has_usable_key(link.user_id or 0),
    }
    return show_form(request, "accounts/thaw_factor.html", form, context)


@actions.takes()
@actions.classified(POST="account.thaw")
def thaw_key_options(request: AskedRequest, secret: str) -> HttpResponse:
    """Ask the browser for a security key of the frozen account."""
    return JsonResponse(thawing.ask_for_key(secret, _browser(request), clock.now()))


@actions.takes("response")
@actions.classified(POST="account.thaw")
def thaw_key(request: AskedRequest, secret: str) -> HttpResponse:
    """Take the browser's answer, and open the account again."""
    response = response_in(body_of(request))
    thawing.thaw_by_key(secret, _browser(request), response, visitor_of(request), clock.now())
    return JsonResponse({"location": SIGN_IN})


# ---- before a first second factor


@actions.takes()
@actions.classified(GET="enrolment-proof.ask", POST="enrolment-proof.ask")
def ask_for_proof(request: AskedRequest) -> HttpResponse:
    """Say why a mail comes first, and send it."""
    session, address, is_sent = session_of(request), "", False
    if request.method == "POST":
        address = first_enrolment.ask_for_proof(session, by=request.actor, now=clock.now())
        is_sent = bool(address)
    context = {"is_sent": is_sent, "address": address, "is_asked": request.method == "POST"}
    return render(request, "accounts/enrolment_proof.html", context)


@actions.takes()
@actions.classified(GET="enrolment-proof.give", POST="enrolment-proof.give")
def give_proof(request: AskedRequest, secret: str) -> HttpResponse:
    """Take the mailed link in the session that asked for it, once its button is pressed."""
    session, now = session_of(request), clock.now()
    if request.method == "POST":
        first_enrolment.give_proof(session, secret, by=request.actor, now=now)
        return SeeOther(ADD_FACTOR)
    first_enrolment.find_proof(session, secret, now)
    return render(request, "accounts/enrolment_proof_given.html")


@actions.takes(*RecoveryCodeForm.base_fields)
@actions.classified(GET="enrolment-proof.give", POST="enrolment-proof.give")
def prove_by_code(request: AskedRequest) -> HttpResponse:
    """Take a recovery code in place of the mailed link."""
    session = session_of(request)
    form = RecoveryCodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(
            lambda: first_enrolment.prove_by_code(
                session,
                form.cleaned_data["recovery_code"],
                visitor_of(request),
                by=request.actor,
                now=clock.now(),
            )
        )
        if not form.errors:
            return SeeOther(ADD_FACTOR)
    return show_form(request, "accounts/enrolment_proof_code.html", form)
