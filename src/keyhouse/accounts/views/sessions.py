"""The sessions of a person and the browsers they signed in with: seen, ended, forgotten."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import services, session_list
from keyhouse.accounts.cookies import drop_cookie
from keyhouse.accounts.errors import BrowserMissing
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Session
from keyhouse.accounts.views.answers import SeeOther, session_of
from keyhouse.accounts.views.paging import page_of, pager
from keyhouse.accounts.visitor import visitor_of
from keyhouse.core import actions, clock, configuration

LIST: Final = "/account/sessions/"
BROWSERS: Final = "browsers"
SIGN_IN: Final = "/account/sign-in/"
LINES: Final = 20  # of each of two lists with forms in every line
LONGEST_PUBLIC_ID: Final = 22
_DIGITS: Final = 18


@actions.takes("session", "which")
@actions.classified(GET="session.list", POST="session.revoke")
def sessions(request: AskedRequest) -> HttpResponse:
    """List one's sessions; end one (`session`), all (`which=all`), or all others."""
    session = session_of(request)
    if request.method == "POST":
        return _end(request, session)
    settings, now = configuration.current(), clock.now()
    lines = session_list.sessions_for(session.user, session.public_id, now)
    known = session_list.browsers_for(session.user, visitor_of(request), now)
    page, browsers = page_of(request, lines, LINES), page_of(request, known, LINES, BROWSERS)
    context = {
        "lines": page,
        "pages": pager(page, **{BROWSERS: browsers}),
        "has_others": len(lines) > 1,
        "browsers": browsers,
        "browser_pages": pager(browsers, BROWSERS, page=page),
        "first_is_trusted": session.user.first_browser_at is None,
        "idle_minutes": settings.session_idle_minutes,
        "hours": settings.session_hours,
    }
    return render(request, "accounts/sessions.html", context)


def _end(request: AskedRequest, session: Session) -> HttpResponse:
    public_id = request.POST.get("session", "")
    if public_id:
        services.end_session(session.user, public_id[:LONGEST_PUBLIC_ID], by=request.actor)
        return _left() if public_id == session.public_id else SeeOther(LIST)
    if request.POST.get("which") == "all":
        services.end_every_session(session.user, by=request.actor)
        return _left()
    services.end_sessions_elsewhere(session.user, by=request.actor)
    return SeeOther(LIST)


def _left() -> HttpResponse:
    response = SeeOther(SIGN_IN)
    drop_cookie(response)
    return response


@actions.takes("browser", "which")
@actions.classified(POST="browser.forget")
def forget_browsers(request: AskedRequest) -> HttpResponse:
    """Forget one browser (`browser`), or all (`which=all`)."""
    user = session_of(request).user
    typed = request.POST.get("browser", "")
    if request.POST.get("which") == "all" and not typed:
        services.forget_browsers(user, by=request.actor, now=clock.now())
    elif typed.isascii() and typed.isdigit() and len(typed) <= _DIGITS:
        services.forget_browser(user, int(typed), by=request.actor, now=clock.now())
    else:
        raise BrowserMissing
    return SeeOther(LIST)
