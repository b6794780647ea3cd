"""What is typed into the page that approves somebody."""

from __future__ import annotations

from django import forms

from keyhouse.accounts.forms import PageForm


class ApproveForm(PageForm):
    """Whom."""

    username = forms.CharField(
        label="User name",
        max_length=50,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
