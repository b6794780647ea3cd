"""The outbox as operators see it, and the door for reports of mails that came back."""

from __future__ import annotations

import hmac
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.outbox import clear_bounces, retry_mails, take_bounces
from keyhouse.core import actions, clock, configuration
from keyhouse.core.errors import CredentialInvalid, NotFound
from keyhouse.mail import queries
from keyhouse.mail.errors import BounceMissing
from keyhouse.mail.reports import read_report

LIST: Final = "/operator/mail/"
MOST: Final = 100  # rows of each table; the command line lists all


@actions.classified(GET="mail.read-all")
def outbox(request: AskedRequest) -> HttpResponse:
    """Show what did not go out and why, what waits in each lane, and which addresses get no mails."""
    now = clock.now()
    context = {
        "is_off": queries.is_off(),
        "folder": configuration.current().mail_folder,
        "is_stuck": queries.is_stuck(now),
        "lanes": queries.waiting_by_lane(),
        "waiting": queries.waiting().filter(tries__gt=0)[:MOST],
        "failed": queries.failed()[:MOST],
        "bounces": queries.standing_bounces()[:MOST],
        "most": MOST,
        "kept_days": configuration.current().mail_keep_days,
    }
    return render(request, "site/mail.html", context)


@actions.takes()
@actions.classified(GET="mail.retry", POST="mail.retry")
def retry(request: AskedRequest) -> HttpResponse:
    """Ask once more, then let everything that waits be tried at once."""
    if request.method == "POST":
        retry_mails(by=request.actor)
        return HttpResponseRedirect(LIST, status=303)
    return render(request, "site/mail_retry.html", {"lanes": queries.waiting_by_lane()})


@actions.takes()
@actions.classified(GET="mail.clear-bounce", POST="mail.clear-bounce")
def clear(request: AskedRequest, bounce_id: int) -> HttpResponse:
    """Ask once more, then let mails go again to the address of a bounce."""
    bounce = queries.standing_bounces().filter(pk=bounce_id).first()
    if bounce is None:
        raise BounceMissing
    if request.method == "POST":
        clear_bounces(bounce.address, by=request.actor)
        return HttpResponseRedirect(LIST, status=303)
    return render(request, "site/mail_clear.html", {"bounce": bounce})


@csrf_exempt  # it takes no cookie: whoever reports shows the token
@actions.takes()
@actions.classified(POST="mail.report-bounces")
def bounces(request: HttpRequest) -> HttpResponse:
    """Keep a report. The answer is empty, whoever the addresses belong to."""
    _require_token(request)
    take_bounces(read_report(request.body))
    return HttpResponse(status=204, headers={"Cache-Control": "no-store"})


def _require_token(request: HttpRequest) -> None:
    """Raise unless the bearer token is the configured one; without one there is nothing here."""
    token = configuration.current().mail_bounce_token
    if not token:
        raise NotFound
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
        raise CredentialInvalid(fix="Send the token of KEYHOUSE_MAIL_BOUNCE_TOKEN as a bearer token.")
