"""What happened in an organization and who of its people lacks what is asked, for its owners."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.mandate import nudging
from keyhouse.mandate.blockers import blocking_members
from keyhouse.organizations.models import Organization
from keyhouse.projects.visiting import page_of, pager, readable
from keyhouse.web.organization_pages.visiting import actor_of, context_of, organization_of, to

OVERSEE: Final = "organization.oversee"
_AT_ONCE: Final = 500


@actions.classified(GET="organization.oversee")
def activity(request: HttpRequest, name: str) -> HttpResponse:
    """Show what happened, newest first."""
    found = organization_of(request, OVERSEE, name)
    page = page_of(request, _records_of(found))
    lines = [(row, actions.CATALOGUE[row.action].summary) for row in page if row.action in actions.CATALOGUE]
    context = context_of(request, found, "activity") | {"lines": lines, "pages": pager(page)}
    return render(request, "organizations/activity.html", context)


@actions.classified(GET="organization.oversee")
def export(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer the same as JSON lines, oldest first."""
    found = organization_of(request, OVERSEE, name)
    answer = StreamingHttpResponse(_lines(found), content_type="application/jsonl")
    answer["Content-Disposition"] = f'attachment; filename="{found.normalized_name}-activity.jsonl"'
    return answer


@actions.classified(GET="organization.oversee")
def compliance(request: HttpRequest, name: str) -> HttpResponse:
    """List who lacks what."""
    found = organization_of(request, OVERSEE, name)
    context = context_of(request, found, "compliance") | {"blockers": blocking_members(found, clock.now())}
    return render(request, "organizations/compliance.html", context)


@actions.takes()
@actions.classified(POST="organization.nudge")
def nudge(request: HttpRequest, name: str, username: str) -> HttpResponse:
    """Remind a member of what they lack."""
    found = organization_of(request, nudging.NUDGE_MEMBER, name)
    nudging.nudge_member(found.name, readable(username), by=actor_of(request))
    return to(found, "compliance/")


def _records_of(found: Organization) -> QuerySet[Record]:
    told = Record.objects.filter(about_kind="organization", about_id=str(found.pk), outcome="done")
    return told.select_related("personal").order_by("-id")


def _lines(found: Organization) -> Iterator[str]:
    for row in _records_of(found).order_by("id").iterator(_AT_ONCE):
        yield json.dumps(_told(row)) + "\n"


def _told(row: Record) -> dict[str, Any]:
    """Return what owners may know; from where and with what somebody came is nobody's but their own."""
    return {
        "id": row.id,
        "at": clock.format_instant(row.at),
        "action": row.action,
        "by": {"kind": row.actor_kind, "name": row.personal.name},
        "organization": row.about_name,
        "details": row.details,
    }
