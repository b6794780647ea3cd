"""Addresses of notices, their public texts, and feeds."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from keyhouse.mandate.notices import views


class DigestConverter(StringConverter):
    """SHA-256, hex."""

    regex = "[0-9a-f]{64}"


register_converter(DigestConverter, "sha256")

urlpatterns = [
    path("account/notices/", views.page, name="notices"),
    path("account/notices.json", views.data, name="notices-json"),
    path("mandate/notices/", views.archive, name="notice-archive"),
    path("mandate/notices.json", views.archive_data, name="notice-archive-json"),
    path("mandate/notices/<sha256:digest>.txt", views.archived, name="notice-text"),
    path("mandate/feed.json", views.feed, name="mandate-feed"),
    path("mandate/feed.ics", views.calendar, name="mandate-calendar"),
]
