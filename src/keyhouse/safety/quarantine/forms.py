"""What is typed into the page that takes something out of the index."""

from __future__ import annotations

from django import forms
from packaging.version import InvalidVersion, Version

from keyhouse.distfiles.names import normalise

_PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class QuarantineForm(forms.Form):
    """What is taken out, and why."""

    project = forms.CharField(max_length=200, label="Project", widget=forms.TextInput(attrs=_PLAIN))
    version = forms.CharField(
        max_length=200,
        required=False,
        label="Release",
        help_text="Empty: the whole project.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    filename = forms.CharField(
        max_length=250,
        required=False,
        label="File",
        help_text="Only this file. Its release need not be named.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    reason = forms.CharField(
        max_length=300,
        label="Reason",
        help_text="Everybody who asks for it reads this, and the people of the project are mailed it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_project(self) -> str:
        """Return the normalised name."""
        return normalise(str(self.cleaned_data["project"]))

    def clean_version(self) -> str:
        """Return the canonical version, or nothing."""
        typed = str(self.cleaned_data["version"])
        try:
            return str(Version(typed)) if typed else ""
        except InvalidVersion as error:
            message = "This is no version."
            raise forms.ValidationError(message) from error
