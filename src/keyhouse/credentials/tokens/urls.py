"""Addresses of the pages of API tokens."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.credentials.tokens import api, robot_views, views

_ROBOTS: Final = "manage/project/<str:name>/robot-tokens/"

urlpatterns = [
    path("account/tokens/", views.tokens),
    path("account/tokens/new/", views.mint),
    path("account/tokens/report-leak/", views.report_leak),
    path("account/tokens/<uuid:token_id>/revoke/", views.revoke),
    path(_ROBOTS, robot_views.robots, name="robot-tokens"),
    path(_ROBOTS + "new/", robot_views.mint, name="mint-robot-token"),
    path(_ROBOTS + "<uuid:token_id>/revoke/", robot_views.revoke, name="revoke-robot-token"),
    path(_ROBOTS + "<uuid:token_id>/confirm/", robot_views.confirm, name="confirm-robot-token"),
    # where the scanners of public repositories send what they find, by the address and by theirs
    path("-/secrets/report", api.report),
    path("_/secrets/disclose-token", api.report),
    path("_/github/disclose-token", api.report),
]
