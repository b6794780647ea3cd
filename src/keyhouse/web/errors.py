"""From a refusal to a page: the one table of the browser's edge."""

from __future__ import annotations

import errno
import logging
import sys
from datetime import datetime, timedelta
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from keyhouse.accounts.middleware import comes_from_own_page
from keyhouse.core import clock
from keyhouse.core.actor import NOBODY
from keyhouse.core.errors import GateUnavailable, NotFound, Refusal, RoleRequired, Situation
from keyhouse.mandate import denials
from keyhouse.mandate.documents import DocumentInvalid
from keyhouse.mandate.shown import mandates_of
from keyhouse.web import metrics, notices, problems, ways_on

STATUS: Final = {
    Situation.INVALID: 400,
    Situation.UNAUTHENTICATED: 401,
    Situation.FORBIDDEN: 403,
    Situation.MISSING: 404,
    Situation.CONFLICT: 409,
    Situation.GONE: 410,
    Situation.TOO_LARGE: 413,
    Situation.TOO_MANY: 429,
    Situation.UNAVAILABLE: 503,
}
RETRY_SECONDS: Final = 30
COUNTED_SECONDS: Final = 120
_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}
_logger = logging.getLogger("keyhouse.web")
_refusals = logging.getLogger("keyhouse.refusals")


class RequestMalformed(Refusal):
    """The request can't be read, so nobody can tell what it asks for."""

    code = "request-malformed"
    sentence = "This request can't be read."
    fix = "Go back to the page and send the form again."


class MethodNotAllowed(Refusal):
    """The address exists, and doesn't take this method."""

    code = "method-not-allowed"
    sentence = "This address doesn't take that method."
    fix = "Open it as a page, or send the form that is on it."


class FormRefused(Refusal):
    """The form didn't come from a page of this site in this session (ASVS 3.5.1)."""

    code = "form-refused"
    situation = Situation.FORBIDDEN
    sentence = "This form didn't come from this site, or its page is too old."
    fix = "Open the page again and send it from there. If you were signed out meanwhile, sign in first."


class Forbidden(Refusal):
    """Not allowed, and there is nothing more exact to say."""

    code = "forbidden"
    situation = Situation.FORBIDDEN
    sentence = "This is not allowed."


_NOTED: Final = frozenset({RoleRequired.code, FormRefused.code, RequestMalformed.code, Forbidden.code})


class WritingImpossible(Refusal):
    """The disk is full or read-only, or the database doesn't answer; what only reads goes on where it can."""

    code = "unavailable"
    situation = Situation.UNAVAILABLE
    sentence = (
        "The index can't do this right now: its disk is full or read-only, or its database doesn't answer."
    )
    fix = "Try again later; its operators see the reason at /health/ready."


def refusal_of(error: BaseException | None) -> Refusal | None:
    """Return the refusal that an exception is, or that it means; None for a defect of ours."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, DocumentInvalid):
        _logger.error("the ledger of mandates can't be read", exc_info=error)
        return GateUnavailable()
    is_away = isinstance(error, OperationalError | InterfaceError)
    if is_away or (isinstance(error, OSError) and error.errno in _DISK):
        _logger.error("the disk or the database refuses", exc_info=error)
        return WritingImpossible(retry_after=RETRY_SECONDS)
    return None


def answer(request: HttpRequest, refusal: Refusal, status: int | None = None) -> HttpResponse:
    """Return the answer that tells a refusal: status, `code`, sentence, fix; `Retry-After` where waiting helps.

    People get a page, programs that take JSON a problem, others one plain line.
    """
    status = status or STATUS[refusal.situation]
    metrics.count_refusal("pages", refusal.code)
    _note(request, refusal)
    response = _form_of(request, refusal, status)
    response["X-Refusal"] = refusal.code
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def _note(request: HttpRequest, refusal: Refusal) -> None:
    """Write down who asked for what they have no right to, or tried to get round a check (ASVS 16.3.2, 16.3.3)."""
    if refusal.code not in _NOTED:
        return
    actor = getattr(request, "actor", NOBODY)
    _refusals.warning(
        "%s: %s %s by %s %s",
        refusal.code,
        request.method,
        request.path[:300],
        actor.kind,
        actor.user_id or "",
        extra={"code": refusal.code, "account": actor.user_id, "client": request.META.get("REMOTE_ADDR", "")},
    )


def _form_of(request: HttpRequest, refusal: Refusal, status: int) -> HttpResponse:
    accepted = request.headers.get("Accept", "*/*")
    if problems.is_wanted(request.path, accepted):
        return _problem(refusal, status)
    if "html" in accepted:
        return _page(request, refusal, status)
    line = f"{refusal.line} {refusal.fix}".rstrip()
    return HttpResponse(line + "\n", status=status, content_type="text/plain; charset=utf-8")


def _problem(refusal: Refusal, status: int) -> HttpResponse:
    body = problems.problem_of(refusal, status)
    response = JsonResponse(body, status=status, content_type=problems.CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    if status == STATUS[Situation.UNAUTHENTICATED]:
        response["WWW-Authenticate"] = problems.CHALLENGE
    return response


def _page(request: HttpRequest, refusal: Refusal, status: int) -> HttpResponse:
    context = {
        "status": status,
        "code": refusal.code,
        "sentence": denials.sentence_of(refusal),
        "fix": refusal.fix,
        "retry_after": refusal.retry_after,
        "retry_at": _retry_at(refusal.retry_after),
        "way_on": ways_on.find_way_on(request, refusal),
        "snooze": ways_on.find_snooze(request, refusal),
        "mandate": denials.label_of(refusal),
        "since": denials.since_of(refusal),
        "is_from_the_beginning": denials.is_from_the_beginning(refusal),
    }
    response = render(request, "errors/refusal.html", context, status=status)
    notices.show_denial(request, mandates_of(refusal))
    return response


def _retry_at(seconds: int | None) -> datetime | None:
    """Return the minute after which another try is worth it; for what is near a person counts seconds."""
    if seconds is None or seconds < COUNTED_SECONDS:
        return None
    at = clock.now() + timedelta(seconds=seconds)
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that didn't come from our own page, or came from one of an earlier session."""
    del reason
    return answer(request, _form_refused(request))


def _form_refused(request: HttpRequest) -> FormRefused:
    """Return why a form isn't taken; most often a session ended while somebody was typing."""
    if not comes_from_own_page(request):
        return FormRefused()
    if ways_on.lacks_session(request):
        return FormRefused(
            "You were signed out after this page was opened, so its form was not taken.",
            fix="Sign in: that leads back to the page. Then send the form once more.",
        )
    return FormRefused(
        "This page was opened before you signed in or out, so its form was not taken.",
        fix="Open it again and send it from there. Cookies must be allowed for this site.",
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django couldn't read (`handler400`)."""
    del exception
    return answer(request, RequestMalformed())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer `PermissionDenied` (`handler403`)."""
    del exception
    return answer(request, Forbidden())


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that leads nowhere (`handler404`)."""
    del exception
    return answer(request, NotFound())


def broken(request: HttpRequest) -> HttpResponse:
    """Answer a defect of ours (`handler500`); a refusal that was raised outside of a view is no defect."""
    refusal = refusal_of(sys.exc_info()[1])
    if refusal is not None:
        return answer(request, refusal)
    return HttpResponse(render_to_string("500.html"), status=500)
