"""Announcements: those that stand, are to come, and were."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Announcement
from keyhouse.accounts.oversight import announcing
from keyhouse.accounts.oversight.errors import AnnouncementMissing
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, clock
from keyhouse.web.console.forms import AnnouncementForm

LIST: Final = "/operator/announcements/"
MOST: Final = 100


@actions.classified(GET="announcement.read")
def announcements(request: AskedRequest) -> HttpResponse:
    """Show what is announced, and what was."""
    now = clock.now()
    context = {
        "open": Announcement.objects.filter(ends_at__gt=now).order_by("begins_at", "pk")[:MOST],
        "over": Announcement.objects.filter(ends_at__lte=now).order_by("-ends_at", "-pk")[:MOST],
        "now": now,
    }
    return render(request, "console/announcements.html", context)


@actions.takes(*AnnouncementForm.base_fields)
@actions.classified(GET="announcement.publish", POST="announcement.publish")
def publish(request: AskedRequest) -> HttpResponse:
    """Announce something."""
    form, now = AnnouncementForm(request.POST if request.method == "POST" else None), clock.now()
    if request.method == "POST":
        told = form.cleaned_data if form.is_valid() else {}
        done = form.carry_out(
            lambda: announcing.publish_announcement(
                told["text"],
                told["severity"],
                begins_at=_in_utc(told["begins_at"]) or now,
                ends_at=_in_utc(told["ends_at"]) or now,
                by=request.actor,
                now=now,
            )
        )
        if done is not None:
            return SeeOther(LIST)
    return show_form(request, "console/announcement_publish.html", form)


def _in_utc(typed: datetime | None) -> datetime | None:
    """Read what was typed as UTC, as the label says."""
    return None if typed is None else typed.replace(tzinfo=UTC)


@actions.takes()
@actions.classified(GET="announcement.end", POST="announcement.end")
def end(request: AskedRequest, announcement_id: int) -> HttpResponse:
    """Ask once more, then end it."""
    if request.method == "POST":
        announcing.end_announcement(announcement_id, by=request.actor, now=clock.now())
        return SeeOther(LIST)
    row = Announcement.objects.filter(pk=announcement_id).first()
    if row is None:
        raise AnnouncementMissing
    return render(request, "console/announcement_end.html", {"one": row})
