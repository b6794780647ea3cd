"""All components of the pages in all their states, for whoever builds pages; only in the test environment."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.core import actions, clock, configuration
from keyhouse.core.errors import NotFound
from keyhouse.web.pages import Pages

TONES: Final = ("", "ok", "warn", "danger")
COLOURS: Final = (
    "paper",
    "surface",
    "sunken",
    "ink",
    "ink-soft",
    "accent",
    "brass",
    "warn",
    "danger",
    "door",
)
_SENT: Final = {"name": "", "reason": "because", "scope": "all"}


class SampleForm(forms.Form):
    """One field of each kind that pages use."""

    name = forms.CharField(label="Name", help_text="As it stands in the metadata.")
    code = forms.CharField(
        label="Code", widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"})
    )
    reason = forms.CharField(label="Reason", required=False, widget=forms.Textarea)
    kind = forms.ChoiceField(label="Kind", choices=[("wheel", "Wheel"), ("sdist", "Source")])
    scope = forms.ChoiceField(
        label="For what?", widget=forms.RadioSelect, choices=[("one", "One project"), ("all", "All projects")]
    )
    understood = forms.BooleanField(label="I know that this can't be taken back")


@actions.classified(GET="site.read-styleguide")
def styleguide(request: HttpRequest) -> HttpResponse:
    """Show every component; where real people are, there is no such page."""
    if not configuration.current().is_test:
        raise NotFound
    now = clock.now()
    context = {
        "tones": TONES,
        "colours": COLOURS,
        "blank": SampleForm(auto_id="blank_%s"),
        "sent": SampleForm(_SENT, auto_id="sent_%s"),
        "now": now,
        "past": now - timedelta(days=3),
        "future": now + timedelta(hours=5),
        "pages": Pages(2, 60, 20),
        "days": [(day, 8 + day * 7 % 31) for day in range(30)],
    }
    return render(request, "site/styleguide.html", context)
