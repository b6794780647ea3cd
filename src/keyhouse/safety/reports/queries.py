"""Reading reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Q, QuerySet

from keyhouse.accounts.models import User
from keyhouse.safety.reports.models import Report

PAGE: Final = 50
_DIGITS: Final = 18  # so that it fits into the column


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of reports, the newest first, and the number before which the next page begins; empty at the end."""

    rows: list[Report]
    before: str


def open_reports() -> QuerySet[Report]:
    """Return what nobody has answered yet."""
    return Report.objects.filter(closed_at__isnull=True)


def who_answers(*, besides: int) -> list[int]:
    """Return the accounts of moderators and operators that are open, but for one."""
    people = User.objects.filter(Q(is_moderator=True) | Q(is_operator=True), state=User.State.ACTIVE)
    return list(people.exclude(pk=besides).order_by("pk").values_list("pk", flat=True))


def list_reports(*, is_open: bool, before: str = "") -> Listed:
    """Return a page of those that are open, or of those that are closed."""
    return _cut(Report.objects.filter(closed_at__isnull=is_open).select_related("reporter"), before)


def list_own(user_id: int, before: str = "") -> Listed:
    """Return a page of what somebody has reported."""
    return _cut(Report.objects.filter(reporter_id=user_id), before)


def _cut(found: QuerySet[Report], before: str) -> Listed:
    if before.isascii() and before.isdigit() and len(before) <= _DIGITS:
        found = found.filter(pk__lt=int(before))
    rows = list(found.order_by("-pk")[: PAGE + 1])
    return Listed(rows[:PAGE], str(rows[PAGE - 1].pk) if len(rows) > PAGE else "")


def find_report(report_id: int) -> Report | None:
    """Return one report with whoever made it, or None."""
    return Report.objects.filter(pk=report_id).select_related("reporter").first()


def others_about(report: Report) -> list[Report]:
    """Return the newest others about the same project, whoever made them."""
    found = Report.objects.filter(normalized_name=report.normalized_name).exclude(pk=report.pk)
    return list(found.select_related("reporter").order_by("-pk")[:20])
