"""Addresses of one campaign, for operators."""

from __future__ import annotations

from django.urls import path

from keyhouse.mandate.campaigns import acts, views

_ONE = "operator/mandates/<str:name>/"

urlpatterns = [
    path(_ONE + "launch/", acts.launch, name="mandate-launch"),
    path(_ONE + "pause/", acts.pause, name="mandate-pause"),
    path(_ONE + "confirm-pause/", acts.confirm_pause, name="mandate-confirm-pause"),
    path(_ONE + "resume/", acts.resume, name="mandate-resume"),
    path(_ONE + "rollback/", acts.rollback, name="mandate-rollback"),
    path(_ONE + "abandon/", acts.abandon, name="mandate-abandon"),
    path("operator/mandates/<str:name>/timeline/", views.timeline, name="mandate-timeline"),
    path("operator/mandates/<str:name>/timeline.json", views.timeline_json, name="mandate-timeline-json"),
    path("operator/mandates/<str:name>/guards/", views.launch_guards, name="mandate-guards"),
    path("operator/mandates/<str:name>/guards.json", views.launch_guards_json, name="mandate-guards-json"),
]
