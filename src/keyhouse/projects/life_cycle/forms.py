"""What owners type into the pages of their projects."""

from __future__ import annotations

from typing import Any

from django import forms

from keyhouse.projects.life_cycle.rules import LONGEST_NAME
from keyhouse.projects.rules import LONGEST_REASON


class ReasonForm(forms.Form):
    """A reason that everybody will read; it may be left out."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        required=False,
        label="Reason",
        help_text="Installers show it to everybody, so write what they should do instead.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class DeprecationForm(ReasonForm):
    """What takes the place of a project, where there is something."""

    successor = forms.CharField(
        max_length=LONGEST_NAME,
        required=False,
        label="Successor",
        help_text="The name of the project that people should install instead, here or elsewhere.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class ConfirmationForm(forms.Form):
    """The name of what is to be deleted, typed once more."""

    name = forms.CharField(
        label="Type its name", widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        """Take the name that must be typed."""
        super().__init__(*args, **kwargs)
        self._expected = expected
        self.fields["name"].help_text = f"To confirm, type: {expected}"

    def clean_name(self) -> str:
        """Compare what was typed with the name."""
        typed = str(self.cleaned_data["name"])
        if typed != self._expected:
            raise forms.ValidationError("This is not its name. Nothing was deleted.")
        return typed


class SimpleForm(forms.Form):
    """Nothing to type: the button is the answer."""
