"""Addresses of the pages on which people look after their projects."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.projects import views
from keyhouse.projects.collaborators.urls import urlpatterns as collaborators
from keyhouse.projects.life_cycle.urls import urlpatterns as life_cycle

_PROJECT: Final = "manage/project/<str:name>/"
_RELEASE: Final = _PROJECT + "release/<str:version>/"

urlpatterns = [
    path("manage/projects/", views.projects, name="manage-projects"),
    path(_PROJECT, views.project, name="manage-project"),
    path(_RELEASE, views.release, name="manage-release"),
    *collaborators,
    *life_cycle,
]
