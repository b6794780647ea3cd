"""Addresses of the answers to abuse."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.safety.switches import views as switches

_SWITCH: Final = "operator/switches/<str:name>/"

urlpatterns = [
    path("operator/switches/", switches.switches, name="switches"),
    path(_SWITCH + "freeze/", switches.freeze, name="switch-freeze"),
    path(_SWITCH + "lift/", switches.lift, name="switch-lift"),
]
