"""Addresses of the public pages."""

from __future__ import annotations

from django.urls import path

import keyhouse.mandate.urls  # noqa: F401 - it registers the converter `number`
from keyhouse.web.views import audit_head, home, mail, project, styleguide
from keyhouse.web.views import help as help_

urlpatterns = [
    path("", home.home, name="home"),
    path("search/", home.search, name="search"),
    path("project/<str:name>/", project.project, name="project"),
    path("project/<str:name>/releases/", project.releases, name="project-releases"),
    path("project/<str:name>/<str:version>/", project.project, name="release"),
    path("project/<str:name>/<str:version>/files/", project.files, name="release-files"),
    path("project/<str:name>/<str:version>/description/", project.description, name="release-description"),
    path("audit/head", audit_head.head, name="audit-head"),
    path("operator/mail/", mail.outbox, name="mail"),
    path("operator/mail/retry/", mail.retry, name="mail-retry"),
    path("operator/mail/clear/<number:bounce_id>/", mail.clear, name="mail-clear"),
    path("_/mail/bounces", mail.bounces, name="mail-bounces"),
    path("-/styleguide", styleguide.styleguide, name="styleguide"),
    path("help/", help_.index, name="help"),
    path("help/clients/", help_.clients, name="help-clients"),
    path("help/codes/", help_.codes, name="help-codes"),
    path("help/codes/<str:code>/", help_.code, name="help-code"),
]
