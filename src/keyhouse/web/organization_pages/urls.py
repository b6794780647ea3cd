"""Addresses of the pages of organizations."""

from __future__ import annotations

from typing import Final

from django.urls import path

import keyhouse.mandate.urls  # noqa: F401 - it registers the converter `number`
from keyhouse.web.organization_pages import (
    activity,
    applications,
    invitations,
    people,
    projects,
    public,
    publishing,
    readers,
    robots,
    second_factors,
    settings,
    teams,
    who_reads,
)

_ONE: Final = "manage/organization/<str:name>/"
_APPLICATION: Final = "manage/organizations/applications/<number:application_id>/"
_INVITATION: Final = _ONE + "invitation/<number:invitation_id>/"
_PERSON: Final = _ONE + "person/<str:username>/"
_TEAM: Final = _ONE + "teams/<str:team_name>/"
_PUBLISHING: Final = _ONE + "publishing/"
_PUBLISHER: Final = _PUBLISHING + "<number:publisher_id>/"
_ROBOTS: Final = _ONE + "robot-tokens/"
_INBOX: Final = "account/invitations/organization/<number:invitation_id>/"
_PROJECT: Final = "manage/project/<str:name>/"

urlpatterns = [
    path("organization/<str:name>/", public.organization, name="organization"),
    path("manage/organizations/", settings.own, name="organizations"),
    path("manage/organizations/new/", settings.found_one, name="new-organization"),
    path("manage/organizations/apply/", applications.apply, name="apply-for-organization"),
    path(_APPLICATION, applications.application, name="application"),
    path(_APPLICATION + "withdraw/", applications.withdraw, name="withdraw-application"),
    path(_ONE, people.people, name="organization-people"),
    path(_INVITATION + "resend/", people.resend, name="resend-offer"),
    path(_INVITATION + "revoke/", people.revoke, name="revoke-offer"),
    path(_PERSON + "role/", people.change_role, name="change-member"),
    path(_PERSON + "remove/", people.remove, name="remove-member"),
    path(_PERSON + "keep/", people.keep, name="keep-member"),
    path(_ONE + "hand-over/", people.hand_over, name="hand-over-organization"),
    path(_ONE + "leave/", people.leave, name="leave-organization"),
    path(_ONE + "teams/", teams.listing, name="teams"),
    path(_TEAM, teams.team, name="team"),
    path(_TEAM + "rename/", teams.rename, name="rename-team"),
    path(_TEAM + "delete/", teams.delete, name="delete-team"),
    path(_TEAM + "person/<str:username>/remove/", teams.remove, name="remove-from-team"),
    path(_TEAM + "person/<str:username>/keep/", teams.keep, name="keep-in-team"),
    path(_ONE + "projects/", projects.listing, name="organization-projects"),
    path(_ONE + "settings/", settings.profile, name="organization-settings"),
    path(_ONE + "readers/", readers.of_organization, name="organization-readers"),
    path(_ONE + "who-reads/", who_reads.who_reads, name="organization-who-reads"),
    path(_ONE + "rename/", settings.rename, name="rename-organization"),
    path(_ONE + "delete/", settings.delete, name="delete-organization"),
    path(_ONE + "activity/", activity.activity, name="organization-activity"),
    path(_ONE + "activity.jsonl", activity.export, name="organization-activity-export"),
    path(_ONE + "second-factors/", second_factors.second_factors, name="organization-mandate"),
    path(_ONE + "second-factors.csv", second_factors.export, name="organization-mandate-export"),
    path(_ONE + "second-factors/lift/", second_factors.lift, name="lift-organization-mandate"),
    path(_ONE + "second-factors/approve/", second_factors.approve, name="approve-organization-mandate"),
    path(_ONE + "second-factors/keep/", second_factors.keep, name="keep-organization-mandate"),
    path(_ONE + "activity.csv", activity.export_table, name="organization-activity-table"),
    path(_ONE + "compliance/", activity.compliance, name="organization-compliance"),
    path(_PERSON + "nudge/", activity.nudge, name="nudge-member"),
    path(_PUBLISHING, publishing.publishing, name="organization-publishing"),
    path(_PUBLISHING + "add/", publishing.add, name="add-organization-publisher"),
    path(_PUBLISHING + "preview/", publishing.preview, name="preview-organization-publisher"),
    path(_PUBLISHING + "new/add/", publishing.add_pending, name="add-organization-pending"),
    path(_PUBLISHING + "new/preview/", publishing.preview_pending, name="preview-organization-pending"),
    path(_PUBLISHER, publishing.publisher, name="organization-publisher"),
    path(_PUBLISHER + "confirm/", publishing.confirm, name="confirm-organization-publisher"),
    path(_PUBLISHER + "constrain/", publishing.constrain, name="constrain-organization-publisher"),
    path(_PUBLISHER + "remove/", publishing.remove, name="remove-organization-publisher"),
    path(_ROBOTS, robots.robots, name="organization-robot-tokens"),
    path(_ROBOTS + "new/", robots.mint, name="mint-organization-token"),
    path(_ROBOTS + "<uuid:token_id>/revoke/", robots.revoke, name="revoke-organization-token"),
    path(_ROBOTS + "<uuid:token_id>/confirm/", robots.confirm, name="confirm-organization-token"),
    path(_INBOX + "accept/", invitations.accept, name="accept-offer"),
    path(_INBOX + "decline/", invitations.decline, name="decline-offer"),
    path(_PROJECT + "organization/", projects.move, name="move-project"),
    path(_PROJECT + "readers/", readers.of_project, name="project-readers"),
    path(_PROJECT + "teams/", projects.team_roles, name="project-teams"),
    path(_PROJECT + "teams/<str:team_name>/end/", projects.end_team_role, name="end-team-role"),
    path(_PROJECT + "teams/<str:team_name>/keep/", projects.keep_team_role, name="keep-team-role"),
]
