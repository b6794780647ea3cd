"""Reading the audit log."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q, QuerySet

from keyhouse.audit.models import Record


def records_of_person(user_id: int) -> QuerySet[Record]:
    """Return what a person did and what was done to their account, newest first."""
    return (
        Record.objects.filter(Q(actor_id=user_id) | Q(account_id=user_id))
        .select_related("personal")
        .order_by("-id")
    )


def midnight(day: date | None, days: int = 0) -> datetime | None:
    """Return the beginning of a day in UTC, or of a later one; days beyond the calendar count as its end."""
    if day is None:
        return None
    try:
        return datetime.combine(day + timedelta(days=days), time(), UTC)
    except OverflowError:
        return None


def records(  # noqa: PLR0913 - one keyword a filter
    *,
    action: str = "",
    about_kind: str = "",
    about_name: str = "",
    outcome: str = "",
    code: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Record]:
    """Return all records, newest first, narrowed by what is given."""
    found = Record.objects.select_related("personal").order_by("-id")
    if action:
        found = found.filter(action=action)
    told = {"about_kind": about_kind, "about_name": about_name, "outcome": outcome, "code": code}
    found = found.filter(**{name: value for name, value in told.items() if value})
    if since:
        found = found.filter(at__gte=since)
    return found.filter(at__lt=until) if until else found
