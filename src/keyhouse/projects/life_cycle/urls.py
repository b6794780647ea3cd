"""Addresses of the pages on which owners yank, archive, deprecate, delete and bring back."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.projects.life_cycle import views

_PROJECT: Final = "manage/project/<str:name>/"
_RELEASE: Final = _PROJECT + "release/<str:version>/"

urlpatterns = [
    path(_PROJECT + "archive/", views.archive, name="archive-project"),
    path(_PROJECT + "unarchive/", views.unarchive, name="unarchive-project"),
    path(_PROJECT + "deprecate/", views.deprecate, name="deprecate-project"),
    path(_PROJECT + "undeprecate/", views.undeprecate, name="undeprecate-project"),
    path(_PROJECT + "delete/", views.delete_project, name="delete-project"),
    path(_RELEASE + "yank/", views.yank, name="yank-release"),
    path(_RELEASE + "unyank/", views.unyank, name="unyank-release"),
    path(_RELEASE + "delete/", views.delete_release, name="delete-release"),
    path(_RELEASE + "file/<str:filename>/delete/", views.delete_file, name="delete-file"),
    path("manage/deleted/", views.deleted_projects, name="deleted-projects"),
    path("manage/deleted/<int:removal_id>/restore/", views.restore_project, name="restore-project"),
    path(
        _PROJECT + "deleted/<int:removal_id>/restore-release/", views.restore_release, name="restore-release"
    ),
    path(_PROJECT + "deleted/<int:removal_id>/restore-file/", views.restore_file, name="restore-file"),
]
