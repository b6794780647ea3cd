"""The audit log of the whole index, for operators."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import history, queries
from keyhouse.accounts.forms import AuditFilterForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.audit.models import Record
from keyhouse.audit.queries import records
from keyhouse.core import actions


@actions.classified(GET="audit.read-all")
def audit(request: AskedRequest) -> HttpResponse:
    """Show the audit log, narrowed by act, thing, person and days."""
    form = AuditFilterForm(request.GET)
    found = _narrowed(form.cleaned_data) if form.is_valid() else Record.objects.none()
    page = history.read_page(found, request.GET.get("before", ""))
    kept = {name: value for name, value in request.GET.items() if name in form.fields and value}
    context = {"form": form, "page": page, "kept": urlencode(kept)}
    return render(request, "accounts/audit.html", context)


def _narrowed(asked: dict[str, Any]) -> QuerySet[Record]:
    found = records(
        action=asked["action"],
        about_name=asked["about"],
        since=_midnight(asked["since"]),
        until=_midnight(asked["until"], days=1),
    )
    if not asked["person"]:
        return found
    user = queries.find_user(asked["person"])
    mine = Q(actor_id=user.pk) | Q(account_id=user.pk) if user else Q(pk__in=[])
    return found.filter(mine)


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    """Return the beginning of a day in UTC, or of a later one; days beyond the calendar count as its end."""
    if day is None:
        return None
    try:
        return datetime.combine(day + timedelta(days=days), time(), UTC)
    except OverflowError:
        return None
