"""One's e-mail addresses: the list, adding, verifying, making primary, removing; and putting former ones back."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import emails, holds
from keyhouse.accounts.addresses import queries, reverting, services
from keyhouse.accounts.addresses.services import Change
from keyhouse.accounts.forms import AddressCodeForm, AddressForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, session_of, show_form
from keyhouse.accounts.visitor import visitor_of
from keyhouse.core import actions, clock

LIST = "/account/emails/"


def _change(request: AskedRequest) -> Change:
    return Change(session_of(request).user, request.actor, clock.now())


@actions.classified(GET="account.read")
def addresses(request: AskedRequest) -> HttpResponse:
    """List one's addresses with their states."""
    user = session_of(request).user
    context = {
        "standings": queries.standings_of(user),
        "check_phrase": emails.shown_check_phrase(user),
        "held": holds.find_wait(user, clock.now()),
        "has_primary": queries.has_verified_primary(user),
    }
    return render(request, "accounts/addresses.html", context)


@actions.takes(*AddressForm.base_fields)
@actions.classified(GET="email.add", POST="email.add")
def add(request: AskedRequest) -> HttpResponse:
    """Take an address and send the mail that verifies it."""
    change = _change(request)
    form = AddressForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        added = form.carry_out(lambda: services.add_address(change, form.cleaned_data["email"]))
        if added is not None:
            return SeeOther(f"{LIST}{added.pk}/")
    return show_form(request, "accounts/add_address.html", form)


@actions.takes(*AddressCodeForm.base_fields, "send")
@actions.classified(GET="account.read", POST="email.verify")
def address(request: AskedRequest, email_id: int) -> HttpResponse:
    """Take the code that was mailed to an address, or (`send`) mail a new one."""
    change = _change(request)
    email = services.get_address(change.user, email_id)
    is_code = request.method == "POST" and "send" not in request.POST
    form = AddressCodeForm(request.POST if is_code else None)
    if is_code:
        form.carry_out(lambda: services.verify_by_code(change, email_id, form.cleaned_data["code"]))
        if not form.errors:
            return SeeOther(LIST)
    elif request.method == "POST":
        services.send_again(change, email_id)
        return SeeOther(request.path)
    elif email.verified_at:
        return SeeOther(LIST)
    return show_form(request, "accounts/verify_address.html", form, {"email": email})


@actions.takes()
@actions.classified(GET="email.verify", POST="email.verify")
def verify(request: AskedRequest, secret: str) -> HttpResponse:
    """Ask once more (scanners of mail follow links), then verify the address that a link was mailed to."""
    change = _change(request)
    if request.method == "POST":
        services.verify_by_link(change, secret)
        return SeeOther(LIST)
    found = services.look_at_proof(change.user, secret, change.now)
    return render(request, "accounts/verify_address_by_link.html", {"address": found})


@actions.takes()
@actions.classified(GET="email.make-primary", POST="email.make-primary")
def make_primary(request: AskedRequest, email_id: int) -> HttpResponse:
    """Ask once more, then make an address the primary one."""
    change = _change(request)
    if request.method == "POST":
        services.make_primary(change, email_id)
        return SeeOther(LIST)
    email = services.get_address(change.user, email_id)
    context = {"email": email, "hold": holds.length_for(change.user.pk)}
    return render(request, "accounts/make_address_primary.html", context)


@actions.takes()
@actions.classified(GET="email.remove", POST="email.remove")
def remove(request: AskedRequest, email_id: int) -> HttpResponse:
    """Ask once more, then take an address off the account."""
    change = _change(request)
    if request.method == "POST":
        services.remove_address(change, email_id)
        return SeeOther(LIST)
    return render(
        request, "accounts/remove_address.html", {"email": services.get_address(change.user, email_id)}
    )


@actions.takes()
@actions.classified(GET="email.revert", POST="email.revert")
def revert(request: AskedRequest, secret: str) -> HttpResponse:
    """Show what a link puts back, then put it back. Nobody needs to be signed in."""
    if request.method == "POST":
        user = reverting.revert_addresses(secret, visitor_of(request), clock.now())
        return render(request, "accounts/addresses_reverted.html", {"person": user})
    outlook = reverting.look_at_revert(secret, clock.now())
    return render(request, "accounts/revert_addresses.html", {"outlook": outlook})
