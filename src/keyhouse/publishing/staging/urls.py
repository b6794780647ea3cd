"""Addresses of the pages of staged releases."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.publishing.staging import views

_PROJECT: Final = "manage/project/<str:name>/"

urlpatterns = [
    path(_PROJECT + "staged/", views.staged, name="staged-releases"),
    path(_PROJECT + "staged/<str:version>/publish/", views.publish, name="publish-staged-release"),
    path(_PROJECT + "staged/<str:version>/discard/", views.discard, name="discard-staged-release"),
    path(_PROJECT + "staging/", views.staging, name="project-staging"),
]
