"""Addresses of shadows and snoozes."""

from __future__ import annotations

from django.urls import path

from keyhouse.mandate.shadow import views

urlpatterns = [
    path("operator/mandates/<str:name>/shadow/", views.report, name="mandate-shadow"),
    path("operator/mandates/<str:name>/shadow.json", views.report_data, name="mandate-shadow-json"),
    path("account/mandate/snooze/<str:name>/", views.snooze, name="mandate-snooze"),
]
