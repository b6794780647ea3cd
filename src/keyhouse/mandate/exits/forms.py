"""Forms of ways out."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from keyhouse.accounts.forms import PageForm
from keyhouse.mandate.exits.asking import LONGEST_DAYS, LONGEST_TEXT


def _line(label: str, hint: str = "") -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, max_length=LONGEST_TEXT, widget=widget, help_text=hint)


class ExemptionForm(PageForm):
    """What makes an exemption accountable."""

    mandate = forms.ChoiceField(label="From which mandate")
    reason = _line("Why you can't have what it asks for, or not in time")
    evidence = _line(
        "What shows it",
        "Such as the number of an order, or who of the operators knows. Nothing medical: that you say so is enough.",
    )
    control = _line(
        "What protects your account meanwhile",
        "Such as: releases come from a trusted publisher only; the password is long and used nowhere else.",
    )
    days = forms.IntegerField(label="For how many days", min_value=1, max_value=LONGEST_DAYS, initial=30)
    field_of: ClassVar = {}

    def __init__(self, *args: object, mandates: tuple[tuple[str, str], ...] = (), **kwargs: object) -> None:
        """Offer the mandates that ask for something one lacks."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed through
        self.fields["mandate"].choices = mandates  # type: ignore[attr-defined]  # a ChoiceField


class KeyForm(PageForm):
    """Why somebody can't get a key by themselves."""

    reason = _line("Why you can't get one by yourself", "A sentence is enough; the operators read it.")


class ProposeForm(PageForm):
    """For how long somebody shall be exempt."""

    days = forms.IntegerField(label="For how many days from now", min_value=1, max_value=LONGEST_DAYS)


class AnswerForm(PageForm):
    """What whoever asked is told."""

    reply = _line("Your answer", "It is mailed, and stands on the page of whoever asked.")


class NewOwnerForm(PageForm):
    """Who is to own an organization, and why."""

    username = forms.CharField(
        label="User name of the new owner",
        max_length=50,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    reason = _line(
        "Why", "Stands in the audit log; everybody in the organization and all operators are told."
    )
    field_of: ClassVar = {"why-": "reason", "person-": "username"}
