"""The pages of the issuers that are believed."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions
from keyhouse.credentials.trusted_publishers import issuers as services
from keyhouse.credentials.trusted_publishers.errors import IssuerMissing
from keyhouse.credentials.trusted_publishers.issuer_pages.forms import AddForm, IssuerForm
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher

LIST: Final = "/operator/issuers/"


@actions.classified(GET="issuer.read-all")
def issuers(request: AskedRequest) -> HttpResponse:
    """Show who is believed, and when their keys were fetched last."""
    rows = [(one, services.PROVIDER_NAMES[one.provider]) for one in services.all_issuers()]
    return render(request, "publishers/issuers.html", {"issuers": rows})


@actions.takes(*AddForm.base_fields)
@actions.classified(GET="issuer.add", POST="issuer.add")
def add(request: AskedRequest) -> HttpResponse:
    """Ask which one, then believe it."""
    form = AddForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        provider, claims = form.terms()
        told = form.cleaned_data
        done = form.carry_out(
            lambda: services.add_issuer(
                told["url"],
                provider,
                label=told["label"],
                required_claims=claims,
                may_be_private=told["may_be_private"],
                by=request.actor,
            )
        )
        if done is not None:
            return SeeOther(LIST)
    return show_form(request, "publishers/issuer_add.html", form)


@actions.takes(*IssuerForm.base_fields)
@actions.classified(GET="issuer.remove", POST="issuer.remove")
def remove(request: AskedRequest) -> HttpResponse:
    """Ask once more, then believe it no longer."""
    form, issuer = _asked_about(request)
    if request.method == "POST":
        services.remove_issuer(issuer.url, by=request.actor)
        return SeeOther(LIST)
    count = Publisher.objects.filter(issuer_url=issuer.url).count()
    context = {"form": form, "issuer": issuer, "publishers": count}
    return render(request, "publishers/issuer_remove.html", context)


@actions.takes(*IssuerForm.base_fields)
@actions.classified(GET="issuer.test", POST="issuer.test")
def test(request: AskedRequest) -> HttpResponse:
    """Ask an issuer for its keys, and show what came."""
    form, issuer = _asked_about(request)
    trial = services.try_issuer(issuer, by=request.actor) if request.method == "POST" else None
    return render(request, "publishers/issuer_test.html", {"form": form, "issuer": issuer, "trial": trial})


def _asked_about(request: AskedRequest) -> tuple[IssuerForm, Issuer]:
    """Return the issuer that the address or the form names; raises IssuerMissing."""
    form = IssuerForm(request.POST if request.method == "POST" else request.GET)
    issuer = services.find_issuer(form.cleaned_data["issuer"]) if form.is_valid() else None
    if issuer is None:
        raise IssuerMissing
    return form, issuer
