"""What is typed into the page that reserves a name."""

from __future__ import annotations

import re

from django import forms

from keyhouse.accounts.forms import PageForm
from keyhouse.safety.names.services import LONGEST_REASON

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class ReserveForm(PageForm):
    """What is kept, for whom, and why."""

    name = forms.CharField(
        max_length=202,
        label="Name",
        help_text="A name, or a prefix: acme-* keeps acme and every name that begins with acme-.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    people = forms.CharField(
        max_length=1000,
        required=False,
        label="Who may use it",
        help_text="User names, separated by spaces. Empty: nobody.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        required=False,
        label="Reason",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_people(self) -> list[str]:
        """Return the names."""
        return [name for name in re.split(r"[\s,]+", str(self.cleaned_data["people"])) if name]
