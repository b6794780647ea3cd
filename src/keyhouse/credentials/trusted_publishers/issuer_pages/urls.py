"""Addresses of the pages of issuers."""

from __future__ import annotations

from django.urls import path

from keyhouse.credentials.trusted_publishers.issuer_pages import views

urlpatterns = [
    path("operator/issuers/", views.issuers),
    path("operator/issuers/add/", views.add),
    path("operator/issuers/remove/", views.remove),
    path("operator/issuers/test/", views.test),
]
