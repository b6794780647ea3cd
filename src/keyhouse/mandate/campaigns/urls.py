"""Addresses of one campaign, for operators."""

from __future__ import annotations

from django.urls import path

from keyhouse.mandate.campaigns import views

urlpatterns = [
    path("operator/mandates/<str:name>/timeline/", views.timeline, name="mandate-timeline"),
    path("operator/mandates/<str:name>/timeline.json", views.timeline_json, name="mandate-timeline-json"),
    path("operator/mandates/<str:name>/guards/", views.launch_guards, name="mandate-guards"),
    path("operator/mandates/<str:name>/guards.json", views.launch_guards_json, name="mandate-guards-json"),
]
