"""What people send from the pages of staged releases."""

from __future__ import annotations

from typing import Any

from django import forms


class PublishForm(forms.Form):
    """The version typed once more, and the digest of the files that the page showed."""

    version = forms.CharField(
        label="Type the version",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        """Take the version that must be typed."""
        super().__init__(*args, **kwargs)
        self._expected = expected
        self.fields["version"].help_text = f"To confirm, type: {expected}"

    def clean_version(self) -> str:
        """Compare what was typed with the version."""
        typed = str(self.cleaned_data["version"])
        if typed != self._expected:
            raise forms.ValidationError("This is not its version. Nothing was published.")
        return typed


class StagingForm(forms.Form):
    """Whether uploads wait."""

    stages = forms.BooleanField(required=False, label="Every upload waits until a person publishes it")


class SimpleForm(forms.Form):
    """Nothing to type: the button is the answer."""
