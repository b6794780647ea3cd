"""Reporting a project, and answering a report: one transaction, one audit record.

The audit log names the report as what it is about, not the project: the history of a project tells nobody who
reported it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from keyhouse.accounts import limits
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import SignInRequired
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project
from keyhouse.projects.queries import find_release, lock_project
from keyhouse.safety.reports import letters, queries
from keyhouse.safety.reports.errors import ReportClosed, ReportMissing, ReportOpen, ReportRefused
from keyhouse.safety.reports.models import Report

LONGEST_TEXT = 2000
LONGEST_NOTE = 500


def report_project(name: str, kind: str, text: str, *, version: str = "", by: Actor) -> Report:
    """Tell the people who run the index that something is wrong with a project, or one release of it.

    `name` is normalised, `version` canonical. Raises ProjectNotFound, ReportOpen, ReportRefused, SignInRequired and
    TooManyAttempts.
    """
    now, text = clock.now(), text.strip()
    person = _require_person(name, by)
    if kind not in Report.Kind.values or not 0 < len(text) <= LONGEST_TEXT or "\x00" in text:
        raise ReportRefused
    counted = limits.count_attempt(
        now=now, limit=limits.REPORT, subject=f"account:{person}", network=by.network
    )
    try:
        return _file(Report(kind=kind, text=text, reporter_id=person, reported_at=now), name, version, by)
    except (ProjectNotFound, ReportOpen):
        counted.give_back()
        raise


def _file(report: Report, name: str, version: str, by: Actor) -> Report:
    with transaction.atomic():
        _require_person(name, by)
        project = _get_project(name, version)
        if queries.open_reports().filter(reporter_id=report.reporter_id, normalized_name=name).exists():
            raise ReportOpen
        report.normalized_name, report.version = project.normalized_name, version
        is_first = not queries.open_reports().filter(normalized_name=name).exists()
        report.save(force_insert=True)
        if is_first:
            who = queries.who_answers(besides=report.reporter_id or 0)
            tell_others(who, letters.filed(report), report.reported_at)
        record("report.file", by=by, about=_thing(report), details={"version": version, "kind": report.kind})
        faults.reach("report.rows-written")
    return report


def _require_person(name: str, by: Actor) -> int:
    actions.require(by, "report.file", Thing("report", None, name))
    if by.user_id is None:
        raise SignInRequired
    return by.user_id


def _get_project(name: str, version: str) -> Project:
    project = lock_project(name)
    if project is None:
        raise ProjectNotFound
    if version and find_release(project, version) is None:
        raise ProjectNotFound("The project has no such release.")
    return project


def close_report(report_id: int, outcome: str, note: str = "", *, by: Actor) -> Report:
    """Answer a report, and tell whoever made it; once more with the same answer changes nothing.

    Raises ReportMissing, ReportClosed, ReportRefused, RoleRequired and what the gate raises.
    """
    now, note = clock.now(), note.strip()
    with transaction.atomic():
        actions.require(by, "report.close", Thing("report", report_id))
        report = Report.objects.select_for_update().filter(pk=report_id).first()
        if report is None:
            raise ReportMissing
        if outcome not in Report.Outcome.values or len(note) > LONGEST_NOTE or not note.isprintable():
            raise ReportRefused
        if report.closed_at is None:
            _close(report, outcome, note, now, by)
        elif (report.outcome, report.note) != (outcome, note):
            raise ReportClosed
    return report


def _close(report: Report, outcome: str, note: str, now: datetime, by: Actor) -> None:
    report.outcome, report.note, report.closed_at, report.closed_by = outcome, note, now, by.name[:150]
    report.save(update_fields=["outcome", "note", "closed_at", "closed_by"])
    record("report.close", by=by, about=_thing(report), details={"outcome": outcome, "note": note})
    if report.reporter_id is not None:
        tell_others([report.reporter_id], letters.closed(report), now)
    faults.reach("report.rows-written")


def _thing(report: Report) -> Thing:
    return Thing("report", report.pk, report.normalized_name)
