"""The audit log of the whole index: narrowed, and taken away as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from keyhouse.accounts import history, queries
from keyhouse.accounts.forms import AuditExportForm, AuditFilterForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.audit.exporting import as_csv, as_json_lines
from keyhouse.audit.models import Record
from keyhouse.audit.queries import midnight, records
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock

EXPORT: Final = "audit.export"
_AT_ONCE: Final = 500


@actions.classified(GET="audit.read-all")
def audit(request: AskedRequest) -> HttpResponse:
    """Show the audit log, narrowed by act, thing, person, outcome and days."""
    form = AuditFilterForm(request.GET)
    found = _narrowed(form.cleaned_data) if form.is_valid() else Record.objects.none()
    page = history.read_page(found, request.GET.get("before", ""))
    kept = {name: value for name, value in request.GET.items() if name in form.fields and value}
    context = {"form": form, "page": page, "kept": urlencode(kept), "filters": kept}
    return render(request, "accounts/audit.html", context)


_FORMS: Final[dict[str, tuple[Callable[[Iterable[Record]], Iterator[str]], str]]] = {
    "jsonl": (as_json_lines, "application/jsonl; charset=utf-8"),
    "csv": (as_csv, "text/csv; charset=utf-8"),
}


@actions.takes(*AuditExportForm.base_fields)
@actions.classified(GET="audit.export", POST="audit.export")
def export(request: AskedRequest) -> HttpResponseBase:
    """Ask for the form of the file, then stream the records that were chosen; that it was taken away is a record, too."""
    form = AuditExportForm(request.POST if request.method == "POST" else None, initial=request.GET.dict())
    if request.method != "POST" or not form.is_valid():
        status = 200 if request.method != "POST" else 400
        return render(request, "accounts/audit_export.html", {"form": form}, status=status)
    chosen = {name: str(value) for name, value in form.cleaned_data.items() if value}
    written, content_type = _FORMS[form.cleaned_data["format"]]
    last = _note_export(request, chosen)
    rows = _narrowed(form.cleaned_data).filter(pk__lt=last).order_by("id").iterator(chunk_size=_AT_ONCE)
    response = StreamingHttpResponse(written(rows), content_type=content_type)
    name = f"audit-{clock.now():%Y%m%dT%H%M%SZ}.{form.cleaned_data['format']}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _note_export(request: AskedRequest, chosen: dict[str, str]) -> int:
    """Write down who takes what away, before the first record leaves; returns the id of that record."""
    details: dict[str, Detail] = dict(chosen)
    with transaction.atomic():
        actions.require(request.actor, EXPORT)
        return record(EXPORT, by=request.actor, details=details).pk


def _narrowed(asked: dict[str, Any]) -> QuerySet[Record]:
    found = records(
        action=asked["action"],
        about_kind=asked["kind"],
        about_name=asked["about"],
        outcome=asked["outcome"],
        code=asked["code"],
        since=midnight(asked["since"]),
        until=midnight(asked["until"], days=1),
    )
    if not asked["person"]:
        return found
    user = queries.find_user(asked["person"])
    mine = Q(actor_id=user.pk) | Q(account_id=user.pk) if user else Q(pk__in=[])
    return found.filter(mine)
