"""The head of the audit chain, for whoever keeps it elsewhere."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from keyhouse.audit.chain import BEGINNING
from keyhouse.audit.sealing import find_head
from keyhouse.core import actions, clock


@actions.classified(GET="site.read")
def head(request: HttpRequest) -> JsonResponse:
    """Tell how many audit records are chained, what they commit to, and since when."""
    del request
    found = find_head()
    body = {
        "position": found.position if found else 0,
        "chain": found.chain if found else BEGINNING,
        "sealed_at": clock.format_instant(found.sealed_at) if found and found.sealed_at else None,
    }
    return JsonResponse(body, headers={"Cache-Control": "no-cache"})
