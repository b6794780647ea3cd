"""Reading about ways out: what people ask for, who is stranded and who holds others up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet

from keyhouse.mandate.exits.errors import RequestMissing
from keyhouse.mandate.exits.models import Request
from keyhouse.mandate.exits.stranding import MOST, blocked, stranded

__all__ = [
    "MOST",
    "all_requests",
    "answered_requests",
    "blocked",
    "find_open_request",
    "get_request",
    "last_answered",
    "open_request_rows",
    "open_requests",
    "requests_of",
    "stranded",
]

MOST_SHOWN: Final = 100
LATELY: Final = timedelta(days=30)


def open_request_rows() -> QuerySet[Request]:
    """Return what waits for an answer."""
    return Request.objects.filter(ended_at=None)


def all_requests() -> QuerySet[Request]:
    """Return what people ask and asked for, the oldest first."""
    return Request.objects.select_related("user", "exemption").order_by("asked_at", "pk")


def open_requests() -> list[Request]:
    """Return what waits for an answer, the oldest first."""
    return list(all_requests().filter(ended_at=None)[:MOST_SHOWN])


def answered_requests() -> list[Request]:
    """Return what was answered or taken back last."""
    rows = all_requests().exclude(ended_at=None)
    return list(rows.order_by("-ended_at", "-pk")[:MOST_SHOWN])


def get_request(request_id: int) -> Request:
    """Return a request, open or not; raises RequestMissing."""
    row = all_requests().filter(pk=request_id).first()
    if row is None:
        raise RequestMissing
    return row


def find_open_request(user_id: int) -> Request | None:
    """Return what somebody asks for, or None."""
    return requests_of(user_id).filter(ended_at=None).select_related("exemption").first()


def last_answered(user_id: int, now: datetime) -> Request | None:
    """Return what was answered to somebody lately, or None."""
    lately = requests_of(user_id).filter(ended_at__gt=now - LATELY).exclude(answered_by="")
    return lately.select_related("exemption").order_by("-ended_at").first()


def requests_of(user_id: int) -> QuerySet[Request]:
    """Return what somebody asked for, the oldest first."""
    return Request.objects.filter(user_id=user_id).order_by("pk")
