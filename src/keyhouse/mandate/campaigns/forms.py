"""What operators fill in when they change the course of a campaign."""

from __future__ import annotations

from typing import ClassVar, Final

from django import forms

from keyhouse.accounts.forms import PageForm

LONGEST: Final = 500
_HINT: Final = "It is kept in the audit log, and everybody can read it where the mandate is about everybody."


class ReasonForm(PageForm):
    """Why it is done."""

    reason = forms.CharField(
        label="Why?", max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 3}), help_text=_HINT
    )
    field_of: ClassVar = {"word-missing": "reason"}


class FreeReasonForm(PageForm):
    """Why it is done, if there is something to say."""

    reason = forms.CharField(
        label="Why?",
        max_length=LONGEST,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_HINT,
    )
    field_of: ClassVar = {"word-missing": "reason"}


class LaunchForm(FreeReasonForm):
    """The same, and which draft was looked at, so that no other one is launched by it."""

    version = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
