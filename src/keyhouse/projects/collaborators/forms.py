"""What is typed into the page of a project's people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from django import forms

from keyhouse.accounts.forms import PageForm
from keyhouse.projects.rules import MAINTAINER, OWNER

LONGEST_INVITEE: Final = 254
_KINDS: Final = (
    (MAINTAINER, "Maintainer: uploads files"),
    (OWNER, "Owner: uploads, yanks, deletes, archives, and decides who has a role"),
)


class InviteForm(PageForm):
    """Whom to invite, and as what."""

    field_of: ClassVar[Mapping[str, str]] = {
        "invitee-": "invitee",
        "username-": "invitee",
        "address-": "invitee",
        "already-": "invitee",
        "role-": "kind",
    }
    invitee = forms.CharField(
        max_length=LONGEST_INVITEE,
        label="User name or e-mail address",
        help_text="An address may be of somebody who has no account here yet.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    kind = forms.ChoiceField(choices=_KINDS, label="Role", widget=forms.RadioSelect, initial=MAINTAINER)
