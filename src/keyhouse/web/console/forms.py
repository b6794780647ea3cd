"""Forms of the console."""

from __future__ import annotations

from typing import ClassVar, Final

from django import forms

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.suspending import LONGEST_REASON
from keyhouse.core.actor import OFFICES

_ANY: Final = ("", "any")
_STATES: Final = (
    _ANY,
    *((state, state.replace("-", " ")) for state in User.State.values),
)
LONGEST_SEARCH: Final = 254


class WhyForm(PageForm):
    """Why something is done; whom it concerns reads it."""

    reason = forms.CharField(
        label="Why",
        max_length=LONGEST_REASON,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Stands in the audit log; the person and all operators are told.",
    )
    field_of: ClassVar = {"why-": "reason"}


class PeopleFilterForm(forms.Form):
    """Which people a list shows."""

    q = forms.CharField(label="Name or e-mail address", required=False, max_length=LONGEST_SEARCH, strip=True)
    state = forms.ChoiceField(label="State", required=False, choices=_STATES)
    office = forms.ChoiceField(
        label="Office", required=False, choices=(_ANY, *((office, office) for office in OFFICES))
    )
    factor = forms.ChoiceField(
        label="Second factor",
        required=False,
        choices=(_ANY, ("none", "none"), ("key", "security key or passkey"), ("app", "authenticator app")),
    )
