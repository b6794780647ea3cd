"""Addresses of the pages of trusted publishers."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.credentials.trusted_publishers import views

_PROJECT: Final = "manage/project/<str:name>/publishing/"
_ONE: Final = _PROJECT + "<int:publisher_id>/"
_MINE: Final = "account/publishers/"

urlpatterns = [
    path(_PROJECT, views.publishing, name="project-publishing"),
    path(_PROJECT + "add/", views.add, name="add-publisher"),
    path(_PROJECT + "preview/", views.preview, name="preview-publisher"),
    path(_PROJECT + "only/", views.require_publishers, name="require-publishers"),
    path(_PROJECT + "tokens-too/", views.allow_tokens, name="allow-tokens"),
    path(_ONE, views.publisher, name="publisher"),
    path(_ONE + "confirm/", views.confirm, name="confirm-publisher"),
    path(_ONE + "constrain/", views.constrain, name="constrain-publisher"),
    path(_ONE + "remove/", views.remove, name="remove-publisher"),
    path(_MINE, views.mine, name="publishers"),
    path(_MINE + "add/", views.add_pending, name="add-pending-publisher"),
    path(_MINE + "preview/", views.preview_pending, name="preview-pending-publisher"),
    path(_MINE + "<int:publisher_id>/", views.pending, name="pending-publisher"),
    path(_MINE + "<int:publisher_id>/remove/", views.remove_pending, name="remove-pending-publisher"),
]
