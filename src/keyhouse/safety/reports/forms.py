"""What is typed into the pages of reports."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from packaging.version import InvalidVersion, Version

from keyhouse.accounts.forms import PageForm
from keyhouse.safety.reports.models import Report
from keyhouse.safety.reports.services import LONGEST_NOTE, LONGEST_TEXT


class ReportForm(PageForm):
    """What is wrong with a project."""

    kind = forms.ChoiceField(
        label="What is wrong", choices=Report.Kind.choices, widget=forms.RadioSelect, initial=None
    )
    version = forms.CharField(
        max_length=200,
        required=False,
        label="Release",
        help_text="Empty: the whole project.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    text = forms.CharField(
        max_length=LONGEST_TEXT,
        label="What you saw",
        help_text="What happens, in which file, and how you noticed. Up to 2,000 characters.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    field_of: ClassVar = {"project-not-found": "version"}

    def clean_version(self) -> str:
        """Return the canonical version, or nothing."""
        typed = str(self.cleaned_data["version"])
        try:
            return str(Version(typed)) if typed else ""
        except InvalidVersion as error:
            message = "This is no version."
            raise forms.ValidationError(message) from error


class CloseForm(PageForm):
    """How a report is answered."""

    outcome = forms.ChoiceField(label="Outcome", choices=(("acted", "Acted on"), ("dismissed", "Dismissed")))
    note = forms.CharField(
        max_length=LONGEST_NOTE,
        required=False,
        label="Note",
        help_text="Whoever reported it is mailed this.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
