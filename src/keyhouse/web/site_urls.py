"""Addresses of the public pages."""

from __future__ import annotations

from django.urls import path

import keyhouse.mandate.urls  # noqa: F401 - it registers the converter `number`
from keyhouse.web import project_urls
from keyhouse.web.views import audit_head, home, mail, search, styleguide
from keyhouse.web.views import help as help_

urlpatterns = [
    path("", home.home, name="home"),
    path("search/", search.search, name="search"),
    path("search.json", search.search_json, name="search-json"),
    path("browse/", search.browse, name="browse"),
    *project_urls.urlpatterns,
    path("audit/head", audit_head.head, name="audit-head"),
    path("operator/mail/", mail.outbox, name="mail"),
    path("operator/mail/retry/", mail.retry, name="mail-retry"),
    path("operator/mail/clear/<number:bounce_id>/", mail.clear, name="mail-clear"),
    path("_/mail/bounces", mail.bounces, name="mail-bounces"),
    path("-/styleguide", styleguide.styleguide, name="styleguide"),
    path("help/", help_.index, name="help"),
    path("help/clients/", help_.clients, name="help-clients"),
    path("help/codes/", help_.codes, name="help-codes"),
    path("help/codes/topic/<slug:slug>/", help_.topic, name="help-topic"),
    path("help/codes/<str:code>/", help_.code, name="help-code"),
]
