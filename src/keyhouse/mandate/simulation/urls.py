"""Addresses of what operators see of simulations."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.mandate.simulation import sides, views

_SIMULATION: Final = "operator/mandates/<str:name>/simulation"

urlpatterns = [
    path(_SIMULATION + "/", views.page, name="simulation"),
    path(_SIMULATION + "/<number:number>/", views.kept, name="simulation-kept"),
    path("operator/mandates/<str:name>/compare/", sides.page, name="mandate-compare"),
    path(_SIMULATION + ".json", views.data, name="simulation-json"),
]
