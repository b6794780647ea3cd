"""Addresses of the exchange: CI systems and uploading clients know them by heart, at the root of the host."""

from __future__ import annotations

from django.urls import path

from keyhouse.credentials.trusted_publishers import api

urlpatterns = [
    path("_/oidc/audience", api.audience),
    path("_/oidc/mint-token", api.mint_token),
    path("_/oidc/github/mint-token", api.mint_token),
    path("_/oidc/burn-token", api.burn_token),
    path(".well-known/pytp", api.discovery),
]
