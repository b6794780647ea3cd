"""Addresses of ways out."""

from __future__ import annotations

from typing import Final

from django.urls import path

from keyhouse.mandate.exits import views

_OWN: Final = "account/mandate/exits/"
_PROJECT: Final = _OWN + "project/<str:name>/"
_ORGANIZATION: Final = _OWN + "organization/<str:name>/"
_REQUESTS: Final = "operator/mandates/requests/"
_STRANDED: Final = "operator/mandates/stranded/"

# the converter `number` is registered by keyhouse.mandate.urls, which holds these
urlpatterns = [
    path(_OWN, views.page, name="exits"),
    path(_PROJECT + "step-down/", views.leave_project, name="exit-project"),
    path(_PROJECT + "lay-down/", views.lay_down_project, name="lay-down-project"),
    path(_ORGANIZATION + "leave/", views.leave_organization, name="exit-organization"),
    path(_ORGANIZATION + "lay-down/", views.lay_down_organization, name="lay-down-organization"),
    path(_OWN + "exemption/", views.ask_exemption, name="ask-exemption"),
    path(_OWN + "key/", views.ask_key, name="ask-key"),
    path(_OWN + "take-back/", views.take_back, name="take-request-back"),
    path("help/without-a-phone/", views.without_phone, name="without-a-phone"),
    path(_REQUESTS, views.requests, name="mandate-requests"),
    path(_REQUESTS + "<number:request_id>/propose/", views.propose, name="propose-request"),
    path(_REQUESTS + "<number:request_id>/answer/", views.answer, name="answer-request"),
    path(_STRANDED, views.stranded, name="stranded"),
    path(
        _STRANDED + "organization/<str:name>/new-owner/",
        views.new_organization_owner,
        name="new-organization-owner",
    ),
]
