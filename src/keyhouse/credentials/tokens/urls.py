"""Addresses of the pages of API tokens."""

from __future__ import annotations

from django.urls import path

from keyhouse.credentials.tokens import views

urlpatterns = [
    path("account/tokens/", views.tokens),
    path("account/tokens/new/", views.mint),
    path("account/tokens/<uuid:token_id>/revoke/", views.revoke),
]
