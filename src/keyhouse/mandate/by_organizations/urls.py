"""Addresses of what operators see of organizations' own mandates; owners have theirs among the pages of organizations."""

from __future__ import annotations

from django.urls import path

from keyhouse.mandate.by_organizations import views

urlpatterns = [
    path("operator/mandates/organizations/", views.organizations, name="mandates-of-organizations"),
]
