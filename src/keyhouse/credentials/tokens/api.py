"""What scanners send: tokens that they found in the open. Refusals are problem+json (RFC 9457)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from keyhouse.core import actions
from keyhouse.credentials.tokens import leaks
from keyhouse.credentials.tokens.leak_rules import KEY_HEADER, SIGNATURE_HEADER


@csrf_exempt  # it takes no cookie: whoever reports signs the body
@actions.takes()
@actions.classified(POST="leak.report")
def report(request: HttpRequest) -> HttpResponse:
    """Take a signed report. The answer is empty, whatever became of the tokens."""
    leaks.take_report(
        request.body, request.headers.get(KEY_HEADER, ""), request.headers.get(SIGNATURE_HEADER, "")
    )
    return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
