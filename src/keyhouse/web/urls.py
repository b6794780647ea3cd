"""All addresses of the pages: each feature brings its own."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("keyhouse.accounts.urls")),
    path("", include("keyhouse.credentials.tokens.urls")),
    path("", include("keyhouse.credentials.trusted_publishers.issuer_pages.urls")),
    path("", include("keyhouse.credentials.trusted_publishers.exchange_urls")),
    path("", include("keyhouse.credentials.trusted_publishers.urls")),
    path("", include("keyhouse.projects.urls")),
    path("", include("keyhouse.publishing.staging.urls")),
    path("", include("keyhouse.mandate.urls")),
    path("", include("keyhouse.web.organization_pages.urls")),
    path("", include("keyhouse.web.console.urls")),
    path("", include("keyhouse.safety.urls")),
    path("", include("keyhouse.web.site_urls")),
]

handler400 = "keyhouse.web.errors.bad_request"
handler403 = "keyhouse.web.errors.forbidden"
handler404 = "keyhouse.web.errors.missing"
handler500 = "keyhouse.web.errors.broken"
