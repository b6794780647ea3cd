"""Addresses of what people and programs see of mandates."""

from __future__ import annotations

from typing import Final

from django.urls import include, path, register_converter
from django.urls.converters import IntConverter

from keyhouse.mandate import api
from keyhouse.mandate.views import operator, own, projects, public


class NumberConverter(IntConverter):
    """A number that every database takes."""

    regex = "[0-9]{1,9}"


register_converter(NumberConverter, "number")

_PROPOSAL: Final = "mandate/proposals/<str:name>/<number:version>/"
_EXEMPTION: Final = "mandate/exemptions/<number:exemption_id>/"

urlpatterns = [
    path("mandate/", public.page, name="mandates"),
    path("mandate.json", public.data, name="mandates-json"),
    path("mandate/check", api.check, name="mandate-check"),
    path("mandate/projects/<str:name>.json", public.project, name="mandate-project-json"),
    path("mandate/project/<str:name>/", projects.blockers, name="mandate-project"),
    path("mandate/project/<str:name>/nudge/<str:username>/", projects.nudge, name="nudge"),
    path("mandate/deletion/<str:name>/", projects.deletion, name="mandate-deletion"),
    path("mandate/proposals/", operator.proposals, name="mandate-proposals"),
    path(_PROPOSAL + "approve/", operator.approve, name="mandate-approve"),
    path(_PROPOSAL + "withdraw/", operator.withdraw, name="mandate-withdraw"),
    path(_EXEMPTION + "approve/", operator.approve_exemption, name="exemption-approve"),
    path(_EXEMPTION + "withdraw/", operator.withdraw_exemption, name="exemption-withdraw"),
    path("", include("keyhouse.mandate.completion.urls")),
    path("", include("keyhouse.mandate.campaigns.urls")),
    path("", include("keyhouse.mandate.notices.urls")),
    path("", include("keyhouse.mandate.simulation.urls")),
    path("account/mandate/", own.page, name="own-mandate"),
    path("account/mandate.json", own.data, name="own-mandate-json"),
    path("", include("keyhouse.mandate.shadow.urls")),
    path("", include("keyhouse.mandate.exits.urls")),
    path("", include("keyhouse.mandate.by_organizations.urls")),
]
