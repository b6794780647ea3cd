"""Addresses of the pages of a project."""

from __future__ import annotations

from django.urls import path

from keyhouse.web.views import project, project_compare, project_file, project_statistics

_RELEASE = "project/<str:name>/<str:version>/"

urlpatterns = [
    path("project/<str:name>/", project.project, name="project"),
    path("project/<str:name>/releases/", project.releases, name="project-releases"),
    path("project/<str:name>/compare/", project_compare.choose, name="project-compare"),
    path("project/<str:name>/compare/<str:before>/<str:after>/", project_compare.compare_two, name="compare"),
    path("project/<str:name>/statistics/", project_statistics.page, name="project-statistics"),
    path("project/<str:name>/statistics.json", project_statistics.document, name="project-statistics-json"),
    path(_RELEASE, project.project, name="release"),
    path(_RELEASE + "files/", project.files, name="release-files"),
    path(_RELEASE + "files/<str:filename>/", project_file.file, name="file"),
    path(_RELEASE + "requirements.txt", project.requirements, name="release-requirements"),
    path(_RELEASE + "publications.json", project.publications, name="release-publications"),
    path(_RELEASE + "description/", project.description, name="release-description"),
]
