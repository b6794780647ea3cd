"""Addresses of the console."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from keyhouse.web.console.views import overview, people

urlpatterns: list[URLPattern | URLResolver] = [
    path("operator/", overview.overview, name="console"),
    path("operator/people/", people.people, name="people"),
    path("operator/people/<str:username>/", people.person, name="person"),
    path("operator/people/<str:username>/suspend/", people.suspend, name="person-suspend"),
    path("operator/people/<str:username>/reinstate/", people.reinstate, name="person-reinstate"),
    path("operator/people/<str:username>/off-board/", people.off_board, name="person-off-board"),
    path("operator/people/<str:username>/end-sessions/", people.end_sessions, name="person-end-sessions"),
]
