"""Setting up the first operator, accepting an invitation, setting an account up anew: the same three steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final

from django.http import HttpResponse, JsonResponse

from keyhouse.accounts import links, newcomers
from keyhouse.accounts.cookies import NEWCOMER, cookie_name, put_cookie
from keyhouse.accounts.errors import LinkUsed, StepMissing
from keyhouse.accounts.forms import (
    WITHOUT_PASSWORD,
    NewAccountForm,
    NewcomerCodeForm,
    PageForm,
    TypedBackForm,
)
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.newcomers import Door, Draft
from keyhouse.accounts.second_factors.totp import rules as totp_rules
from keyhouse.accounts.signing_in import leave
from keyhouse.accounts.views.answers import SeeOther, body_of, response_in, show_form, with_session
from keyhouse.accounts.views.recovery_codes import codes_context
from keyhouse.accounts.views.second_factors import enrolment_context
from keyhouse.accounts.visitor import remember_browser, visitor_of
from keyhouse.core import actions, clock, configuration

ARRIVED: Final = "/help/clients/"
STEPS: Final = (
    ("account", "Account"),
    ("authenticator", "Second factor"),
    ("recovery-codes", "Recovery codes"),
)
StepView = Callable[[AskedRequest, Door], HttpResponse]


def _at_door(purpose: str, view: StepView) -> Callable[..., HttpResponse]:
    """Let a step's view see the link as this browser holds it; who has finished with it here is shown on."""

    @wraps(view)
    def answer(request: AskedRequest, secret: str) -> HttpResponse:
        door = Door(purpose, secret, request.COOKIES.get(cookie_name(NEWCOMER), ""))
        try:
            return view(request, door)
        except LinkUsed:
            if not links.was_finished_here(purpose, secret, door.browser):
                raise
            return SeeOther(f"/account/sign-in/?next={ARRIVED}")

    return answer


def _path(door: Door, step: str) -> str:
    return f"/{door.purpose}/{door.secret}/{step}/"


def _begin(request: AskedRequest, door: Door) -> HttpResponse:
    """Lead to the step that is next."""
    del request
    _, draft = newcomers.look(door, clock.now())
    return SeeOther(_path(door, draft.next_step))


def _account(request: AskedRequest, door: Door) -> HttpResponse:
    link, draft = newcomers.look(door, clock.now())
    form = NewAccountForm(
        request.POST if request.method == "POST" else None,
        entered={"username": draft.username, "email": draft.address},
        settled=newcomers.settled_by(link),
    )
    if request.method == "POST":
        browser = form.carry_out(lambda: _enter_account(form, door))
        if browser is not None:
            response = SeeOther(_path(door, "authenticator"))
            put_cookie(response, browser, NEWCOMER)
            return response
    return show_form(request, "accounts/newcomer_account.html", form, _context(door, "account"))


def _enter_account(form: NewAccountForm, door: Door) -> str:
    data = form.cleaned_data
    password = None if WITHOUT_PASSWORD in form.data else data["password"]
    return newcomers.enter_account(door, data["username"], data.get("email", ""), password, clock.now())


def _authenticator(request: AskedRequest, door: Door) -> HttpResponse:
    draft = _draft_at(door, "authenticator")
    if draft.next_step != "authenticator":
        return SeeOther(_path(door, draft.next_step))
    form = NewcomerCodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(lambda: newcomers.enter_code(door, form.cleaned_data["code"], clock.now()))
        if not form.errors:
            return SeeOther(_path(door, "recovery-codes"))
    shown = enrolment_context(totp_rules.decode_secret(draft.totp_secret), draft.username)
    context = _context(door, "authenticator") | shown
    context |= {
        "finish": _path(door, "security-key"),
        "is_local": configuration.current().host == "localhost",
        "without_password": draft.without_password,
    }
    return show_form(request, "accounts/newcomer_authenticator.html", form, context)


def _key_options(request: AskedRequest, door: Door) -> HttpResponse:
    """Begin the enrolment of a security key instead of an app."""
    del request
    return JsonResponse(newcomers.ask_for_key(door, clock.now()))


def _key(request: AskedRequest, door: Door) -> HttpResponse:
    """Take the browser's answer for a security key."""
    newcomers.enter_key(door, response_in(body_of(request)), clock.now())
    return JsonResponse({"location": _path(door, "recovery-codes")})


def _recovery_codes(request: AskedRequest, door: Door) -> HttpResponse:
    draft = _draft_at(door, "recovery-codes")
    form = TypedBackForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        visitor = visitor_of(request)
        done = form.carry_out(
            lambda: newcomers.finish(door, form.cleaned_data["recovery_code"], visitor, clock.now())
        )
        if done is not None:
            leave(request.account_session)
            response = SeeOther(ARRIVED)
            remember_browser(response, visitor, done[0].user_id)
            return with_session(response, done[1])
    shown = codes_context(draft.codes)
    return show_form(
        request, "accounts/newcomer_recovery_codes.html", form, _context(door, "recovery-codes") | shown
    )


def _draft_at(door: Door, step: str) -> Draft:
    """Return what was entered; raises StepMissing where a step before this one is not done."""
    _, draft = newcomers.look(door, clock.now())
    names = [name for name, _ in STEPS]
    if names.index(draft.next_step) < names.index(step):
        raise StepMissing
    return draft


def _context(door: Door, step: str) -> dict[str, object]:
    names = [name for name, _ in STEPS]
    at = names.index(step)
    steps = [
        {"title": title, "is_done": names.index(name) < at, "is_here": name == step} for name, title in STEPS
    ]
    return {
        "steps": steps,
        "is_setup": door.purpose == links.SETUP,
        "is_anew": door.purpose == links.ENROLMENT,
        "is_sign_up": door.purpose == links.SIGN_UP,
    }


FORMS: Final[dict[StepView, type[PageForm]]] = {
    _account: NewAccountForm,
    _authenticator: NewcomerCodeForm,
    _recovery_codes: TypedBackForm,
}


FIELDS: Final[dict[StepView, tuple[str, ...]]] = {
    **{view: tuple(form.base_fields) for view, form in FORMS.items()},
    _account: (*NewAccountForm.base_fields, WITHOUT_PASSWORD),
    _key: ("response",),
    _key_options: (),
}


# one view for each address, so that each carries its own class
def _view(purpose: str, step: StepView, *methods: str) -> Callable[..., HttpResponse]:
    action = newcomers.ACTION[purpose]
    answer = actions.classified(**dict.fromkeys(methods, action))(_at_door(purpose, step))
    fields = FIELDS.get(step)
    return answer if fields is None else actions.takes(*fields)(answer)


setup_begin = _view(links.SETUP, _begin, "GET")
setup_account = _view(links.SETUP, _account, "GET", "POST")
setup_authenticator = _view(links.SETUP, _authenticator, "GET", "POST")
setup_key = _view(links.SETUP, _key, "POST")
setup_key_options = _view(links.SETUP, _key_options, "POST")
setup_recovery_codes = _view(links.SETUP, _recovery_codes, "GET", "POST")
invitation_begin = _view(links.INVITATION, _begin, "GET")
invitation_account = _view(links.INVITATION, _account, "GET", "POST")
invitation_authenticator = _view(links.INVITATION, _authenticator, "GET", "POST")
invitation_key = _view(links.INVITATION, _key, "POST")
invitation_key_options = _view(links.INVITATION, _key_options, "POST")
invitation_recovery_codes = _view(links.INVITATION, _recovery_codes, "GET", "POST")
sign_up_begin = _view(links.SIGN_UP, _begin, "GET")
sign_up_account = _view(links.SIGN_UP, _account, "GET", "POST")
sign_up_authenticator = _view(links.SIGN_UP, _authenticator, "GET", "POST")
sign_up_key = _view(links.SIGN_UP, _key, "POST")
sign_up_key_options = _view(links.SIGN_UP, _key_options, "POST")
sign_up_recovery_codes = _view(links.SIGN_UP, _recovery_codes, "GET", "POST")
enrolment_begin = _view(links.ENROLMENT, _begin, "GET")
enrolment_account = _view(links.ENROLMENT, _account, "GET", "POST")
enrolment_authenticator = _view(links.ENROLMENT, _authenticator, "GET", "POST")
enrolment_key = _view(links.ENROLMENT, _key, "POST")
enrolment_key_options = _view(links.ENROLMENT, _key_options, "POST")
enrolment_recovery_codes = _view(links.ENROLMENT, _recovery_codes, "GET", "POST")
