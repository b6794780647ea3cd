"""Addresses of the console."""

from __future__ import annotations

from typing import Final

from django.urls import URLPattern, URLResolver, path

import keyhouse.mandate.urls  # noqa: F401 - it registers the converter `number`
from keyhouse.web.console.views import (
    announcements,
    applications,
    machine,
    mandates,
    overview,
    people,
    projects,
    proposals,
)

_APPLICATION: Final = "operator/applications/<number:application_id>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("operator/", overview.overview, name="console"),
    path("operator/people/", people.people, name="people"),
    path("operator/people/<str:username>/", people.person, name="person"),
    path("operator/people/<str:username>/suspend/", people.suspend, name="person-suspend"),
    path("operator/people/<str:username>/reinstate/", people.reinstate, name="person-reinstate"),
    path("operator/people/<str:username>/off-board/", people.off_board, name="person-off-board"),
    path("operator/people/<str:username>/end-sessions/", people.end_sessions, name="person-end-sessions"),
    path("operator/people/<str:username>/grant-office/", people.grant_office, name="person-grant-office"),
    path("operator/people/<str:username>/revoke-office/", people.revoke_office, name="person-revoke-office"),
    path("operator/people/<str:username>/verify-address/", people.verify_address, name="person-address"),
    path("operator/proposals/", proposals.all_proposals, name="console-proposals"),
    path("operator/proposals/<number:proposal_id>/approve/", proposals.approve, name="console-approve"),
    path("operator/proposals/<number:proposal_id>/withdraw/", proposals.withdraw, name="console-withdraw"),
    path("operator/projects/", projects.projects, name="console-projects"),
    path("operator/projects/<str:name>/", projects.project, name="console-project"),
    path("operator/projects/<str:name>/limits/", projects.limits, name="console-project-limits"),
    path("operator/projects/<str:name>/new-owner/", projects.new_owner, name="console-project-owner"),
    path("operator/applications/", applications.applications, name="applications"),
    path(_APPLICATION, applications.application, name="one-application"),
    path(_APPLICATION + "approve/", applications.approve, name="application-approve"),
    path(_APPLICATION + "ask/", applications.ask, name="application-ask"),
    path(_APPLICATION + "decline/", applications.decline, name="application-decline"),
    path("operator/mandates/", mandates.mandates, name="console-mandates"),
    path("operator/mandates.json", mandates.mandates_json, name="console-mandates-json"),
    path("operator/mandates/<str:name>/", mandates.mandate, name="console-mandate"),
    path("operator/mandates/<str:name>/people/", mandates.mandate_people, name="console-mandate-people"),
    path(
        "operator/mandates/<str:name>/people.json",
        mandates.mandate_people_json,
        name="console-mandate-people-json",
    ),
    path("operator/mandates/<str:name>.json", mandates.mandate_json, name="console-mandate-json"),
    path("operator/settings/", machine.settings, name="console-settings"),
    path("operator/jobs/", machine.jobs, name="console-jobs"),
    path("operator/jobs/<str:name>/run/", machine.run, name="console-job-run"),
    path("operator/announcements/", announcements.announcements, name="announcements"),
    path("operator/announcements/new/", announcements.publish, name="announcement-publish"),
    path("operator/announcements/<number:announcement_id>/end/", announcements.end, name="announcement-end"),
]
