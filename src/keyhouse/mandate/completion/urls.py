"""Addresses of completion and of starting points."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.mandate.completion import views

_COMPLETION: Final = "operator/mandates/<str:name>/completion"

urlpatterns = [
    path(f"{_COMPLETION}/", views.page, name="mandate-completion"),
    path(f"{_COMPLETION}.json", views.data, name="mandate-completion-json"),
    path("operator/starting-points/", views.starting, name="mandate-starting"),
    path("operator/starting-points/<str:name>.toml", views.starting_file, name="mandate-starting-file"),
]
