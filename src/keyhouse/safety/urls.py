"""Addresses of the answers to abuse."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.safety.creators import views as creators
from keyhouse.safety.names import views as names
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
    path("operator/names/", names.names, name="reserved-names"),
    path("operator/names/reserve/", names.reserve, name="name-reserve"),
    path("operator/names/<number:name_id>/release/", names.release, name="name-release"),
    path("operator/creators/", creators.creators, name="creators"),
    path("operator/creators/approve/", creators.approve, name="creator-approve"),
    path("operator/creators/<number:creator_id>/revoke/", creators.revoke, name="creator-revoke"),
    path("project/<str:name>/report/", reports.report, name="report"),
    path("account/reports/", reports.own_reports, name="own-reports"),
    path("operator/reports/", reports.reports, name="reports"),
    path("operator/reports/<number:report_id>/", reports.one_report, name="one-report"),
    path("operator/reports/<number:report_id>/close/", reports.close, name="report-close"),
]
