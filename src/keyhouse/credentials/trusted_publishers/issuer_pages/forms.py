"""What is typed into the page that adds an issuer."""

from __future__ import annotations

from typing import ClassVar, Final

from django import forms

from keyhouse.accounts.forms import PageForm
from keyhouse.credentials.trusted_publishers import issuers
from keyhouse.credentials.trusted_publishers.models import Provider

_PLAIN: Final = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
_NAMES: Final = {
    Provider.GITHUB: "GitHub Enterprise",
    Provider.GITLAB: "GitLab, self-managed",
    "kubernetes": "Kubernetes service accounts",
    "jenkins": "Jenkins",
    "forgejo": "Forgejo",
    "gitea": "Gitea",
    Provider.CUSTOM: "Another one, by the claims named below",
    Provider.GOOGLE: "Google (after its removal)",
    Provider.ACTIVESTATE: "ActiveState (after its removal)",
}
_LONGEST_LIST: Final = issuers.MOST_CLAIMS * (issuers.LONGEST_CLAIM + 2)


class AddForm(PageForm):
    """Which issuer, of what kind."""

    field_of: ClassVar = {"issuer-url": "url", "issuer-taken": "url"}

    provider = forms.ChoiceField(label="Kind", choices=list(_NAMES.items()))
    url = forms.CharField(
        label="Address",
        max_length=issuers.LONGEST_URL,
        help_text="Exactly what its tokens have as iss, for example https://gitlab.example.com.",
        widget=forms.URLInput(attrs={**_PLAIN, "inputmode": "url"}),
        strip=True,
    )
    label = forms.CharField(
        label="Name on pages",
        required=False,
        max_length=issuers.LONGEST_LABEL,
        help_text="For example of the team that runs it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    claims = forms.CharField(
        label="Claims",
        required=False,
        max_length=_LONGEST_LIST,
        help_text="Names of the claims that each publisher must fix, separated by spaces. Empty: those that are usual "
        "for this kind. Not for GitHub and GitLab.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    may_be_private = forms.BooleanField(
        label="It may be at an address in a private network",
        required=False,
        help_text="Without this, only addresses of the public internet are asked.",
    )

    def terms(self) -> tuple[str, list[str]]:
        """Return the provider and the claims that were chosen, with those of a preset where none are named."""
        provider, claims = self.cleaned_data["provider"], self.cleaned_data["claims"].split()
        if provider in issuers.PRESETS:
            return Provider.CUSTOM, claims or list(issuers.PRESETS[provider])
        return provider, claims


class IssuerForm(PageForm):
    """Which issuer of the list."""

    issuer = forms.CharField(max_length=issuers.LONGEST_URL, widget=forms.HiddenInput)
