"""Addresses of the answers to abuse."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.safety.quarantine import views as quarantine
from keyhouse.safety.reports import views as reports
from keyhouse.safety.switches import views as switches

_SWITCH: Final = "operator/switches/<str:name>/"

urlpatterns = [
    path("operator/switches/", switches.switches, name="switches"),
    path(_SWITCH + "freeze/", switches.freeze, name="switch-freeze"),
    path(_SWITCH + "lift/", switches.lift, name="switch-lift"),
    path("operator/quarantine/", quarantine.quarantines, name="quarantines"),
    path("operator/quarantine/place/", quarantine.place, name="quarantine-place"),
    path("operator/quarantine/<number:quarantine_id>/lift/", quarantine.lift, name="quarantine-lift"),
    path("project/<str:name>/report/", reports.report, name="report"),
    path("account/reports/", reports.own_reports, name="own-reports"),
    path("operator/reports/", reports.reports, name="reports"),
    path("operator/reports/<number:report_id>/", reports.one_report, name="one-report"),
    path("operator/reports/<number:report_id>/close/", reports.close, name="report-close"),
]
