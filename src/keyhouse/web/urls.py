"""All addresses of the pages: each feature brings its own."""

from __future__ import annotations

import importlib.util

from django.urls import URLPattern, URLResolver, include, path

_FEATURES = (
    "keyhouse.accounts.urls",
    "keyhouse.credentials.tokens.urls",
    "keyhouse.projects.urls",
    "keyhouse.web.site_urls",
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(name)) for name in _FEATURES if importlib.util.find_spec(name)
]

handler400 = "keyhouse.web.errors.bad_request"
handler403 = "keyhouse.web.errors.forbidden"
handler404 = "keyhouse.web.errors.missing"
handler500 = "keyhouse.web.errors.broken"
