"""Announcements: a line on every page for people, with a beginning and an end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import DateTimeField, QuerySet

from keyhouse.accounts.models import Announcement, User
from keyhouse.accounts.oversight.errors import AnnouncementMalformed, AnnouncementMissing
from keyhouse.audit.compiled import Asked, Compiled
from keyhouse.audit.services import record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

PUBLISH: Final = "announcement.publish"
END: Final = "announcement.end"
MOST_AT_ONCE: Final = 3  # on a page
LONGEST: Final = timedelta(days=90)
LONGEST_TEXT: Final = 300


def live_announcements(now: datetime) -> list[Announcement]:
    """Return what pages show now, what began last first."""
    return _LIVE.rows(now)


def _live() -> QuerySet[Announcement]:
    now = Asked(0, DateTimeField())
    live = Announcement.objects.filter(begins_at__lte=now, ends_at__gt=now)
    return live.order_by("-begins_at", "-pk")[:MOST_AT_ONCE]


_LIVE: Final = Compiled(_live)  # every page asks it


def coming_announcements(now: datetime) -> list[Announcement]:
    """Return all that isn't over, what begins first first."""
    return list(Announcement.objects.filter(ends_at__gt=now).order_by("begins_at", "pk"))


def publish_announcement(  # noqa: PLR0913 - what an announcement is, one keyword each
    text: str, severity: str, *, begins_at: datetime, ends_at: datetime, by: Actor, now: datetime
) -> Announcement:
    """Announce a line; the same once more, while that is not over, changes nothing.

    Raises AnnouncementMalformed and what the gate raises.
    """
    text = " ".join(text.split())
    actions.require(by, PUBLISH)
    if not text or len(text) > LONGEST_TEXT or not text.isprintable():
        raise AnnouncementMalformed("An announcement is one line of plain text.")
    if severity not in Announcement.Severity.values:
        raise AnnouncementMalformed("An announcement is an info, a warning or a danger.")
    if not now < ends_at or not begins_at < ends_at or ends_at - begins_at > LONGEST:
        raise AnnouncementMalformed
    told = {"text": text, "severity": severity, "ends_at": ends_at}
    with transaction.atomic():
        actions.require(by, PUBLISH)
        # a form that is sent twice, by one operator or by two, would take two of the few places on each page
        list(User.objects.select_for_update(no_key=True).filter(is_operator=True).order_by("pk"))
        same = Announcement.objects.filter(**told, begins_at__lte=max(begins_at, now)).first()
        if same is not None:
            return same
        row = Announcement.objects.create(**told, begins_at=begins_at, made_by=by.name)
        details = {"severity": severity, "text": text, "until": clock.format_instant(ends_at)}
        record(PUBLISH, by=by, about=Thing("announcement", row.pk), details=details)
    return row


def end_announcement(announcement_id: int, *, by: Actor, now: datetime) -> None:
    """End it now, or before it began; one that is over already stays as it is. Raises AnnouncementMissing."""
    actions.require(by, END)
    with transaction.atomic():
        row = Announcement.objects.select_for_update().filter(pk=announcement_id).first()
        actions.require(by, END)
        if row is None:
            raise AnnouncementMissing
        if row.ends_at <= now:
            return
        row.ends_at, row.ended_by = now, by.name
        row.save(update_fields=["ends_at", "ended_by"])
        record(END, by=by, about=Thing("announcement", row.pk), details={"text": row.text})
