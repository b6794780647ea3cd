"""What happened in an organization and who of its people lacks what is asked, for its owners."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.audit.exporting import as_table
from keyhouse.audit.models import Record
from keyhouse.audit.queries import midnight
from keyhouse.core import actions, clock
from keyhouse.mandate import nudging
from keyhouse.mandate.blockers import PUBLISHERS, blocking_members, weak_publishers_in
from keyhouse.organizations.models import Organization
from keyhouse.projects.visiting import readable
from keyhouse.web.organization_pages.forms import ActivityForm
from keyhouse.web.organization_pages.visiting import actor_of, context_of, organization_of, to

OVERSEE: Final = "organization.oversee"
_AT_ONCE: Final = 500


@actions.classified(GET="organization.oversee")
def activity(request: HttpRequest, name: str) -> HttpResponse:
    """Show what happened, newest first, narrowed by act, person and days."""
    found = organization_of(request, OVERSEE, name)
    return _page(request, found, ActivityForm(request.GET, acts=_acts_of(found)))


@actions.classified(GET="organization.oversee")
def export(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer the same as JSON lines, oldest first."""
    return _file(request, name, "jsonl")


@actions.classified(GET="organization.oversee")
def export_table(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer the same as a table for spreadsheets."""
    return _file(request, name, "csv")


def _page(request: HttpRequest, found: Organization, form: ActivityForm) -> HttpResponse:
    is_right = form.is_valid()
    page = page_of(request, _narrowed(found, form.cleaned_data) if is_right else Record.objects.none())
    kept = {name: value for name, value in request.GET.items() if name in form.fields and value}
    context = {
        "form": form,
        "lines": [(row, _summary_of(row.action), _details_of(row)) for row in page],
        "pages": pager(page),
        "kept": urlencode(kept),
    }
    shown = context_of(request, found, "activity") | context
    return render(request, "organizations/activity.html", shown, status=200 if is_right else 400)


def _file(request: HttpRequest, name: str, kind: str) -> HttpResponseBase:
    found = organization_of(request, OVERSEE, name)
    form = ActivityForm(request.GET, acts=_acts_of(found))
    if not form.is_valid():
        return _page(request, found, form)
    written, content_type = _FORMS[kind]
    rows = _narrowed(found, form.cleaned_data).order_by("id").iterator(_AT_ONCE)
    answer = StreamingHttpResponse(written(rows), content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{found.normalized_name}-activity.{kind}"'
    return answer


@actions.classified(GET="organization.oversee")
def compliance(request: HttpRequest, name: str) -> HttpResponse:
    """List who lacks what."""
    found = organization_of(request, OVERSEE, name)
    page = page_of(request, blocking_members(found, clock.now()), LINES_WITH_ACTS)
    lines = page_of(request, weak_publishers_in(found), LINES_WITH_ACTS, PUBLISHERS)
    lacking = {
        "blockers": page,
        "pages": pager(page, **{PUBLISHERS: lines}),
        "publishers": lines,
        "publisher_pages": pager(lines, PUBLISHERS, page=page),
    }
    context = context_of(request, found, "compliance") | lacking
    return render(request, "organizations/compliance.html", context)


@actions.takes()
@actions.classified(POST="organization.nudge")
def nudge(request: HttpRequest, name: str, username: str) -> HttpResponse:
    """Remind a member of what they lack."""
    found = organization_of(request, nudging.NUDGE_MEMBER, name)
    nudging.nudge_member(found.name, readable(username), by=actor_of(request))
    return to(found, "compliance/")


def _records_of(found: Organization) -> QuerySet[Record]:
    """Return what was done to an organization and to its robot tokens."""
    tokens = [key.hex for key in found.robot_tokens.values_list("pk", flat=True)]
    about = Q(about_kind="organization", about_id=str(found.pk))
    about |= Q(about_kind="token", about_id__in=tokens)
    told = Record.objects.filter(about, outcome="done")
    return told.select_related("personal").order_by("-id")


def _acts_of(found: Organization) -> list[tuple[str, str]]:
    """Return which acts there are records of, with what each is."""
    names = _records_of(found).order_by("action").values_list("action", flat=True).distinct()
    return [(name, _summary_of(name)) for name in names]


def _summary_of(action: str) -> str:
    known = actions.CATALOGUE.get(action)
    return known.summary if known else action


def _details_of(row: Record) -> str:
    """Return in words what a record says beside what was done."""
    return "; ".join(f"{key}: {_in_words(value)}" for key, value in row.details.items() if value != "")


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _narrowed(found: Organization, asked: Mapping[str, Any]) -> QuerySet[Record]:
    told = _records_of(found)
    since, until = midnight(asked["since"]), midnight(asked["until"], days=1)
    if asked["action"]:
        told = told.filter(action=asked["action"])
    if asked["person"]:
        told = told.filter(personal__name__iexact=asked["person"])
    if since:
        told = told.filter(at__gte=since)
    return told.filter(at__lt=until) if until else told


def _as_json_lines(rows: Iterable[Record]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(_told(row)) + "\n"


def _as_csv(rows: Iterable[Record]) -> Iterator[str]:
    return as_table(_COLUMNS, map(_cells, rows))


def _cells(row: Record) -> tuple[object, ...]:
    by = (row.actor_kind, row.personal.name)
    return (row.id, clock.format_instant(row.at), row.action, *by, row.about_name, json.dumps(row.details))


_COLUMNS: Final = ("id", "at", "action", "by_kind", "by", "about", "details")
_FORMS: Final[Mapping[str, tuple[Callable[[Iterable[Record]], Iterator[str]], str]]] = {
    "jsonl": (_as_json_lines, "application/jsonl"),
    "csv": (_as_csv, "text/csv; charset=utf-8"),
}


def _told(row: Record) -> dict[str, Any]:
    """Return what owners may know; from where and with what somebody came is nobody's but their own."""
    return {
        "id": row.id,
        "at": clock.format_instant(row.at),
        "action": row.action,
        "by": {"kind": row.actor_kind, "name": row.personal.name},
        "organization": row.about_name if row.about_kind == "organization" else None,
        "token": row.about_name if row.about_kind == "token" else None,
        "details": row.details,
    }
