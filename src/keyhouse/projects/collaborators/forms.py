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


def _invitee_field(hint: str) -> forms.CharField:
    return forms.CharField(
        max_length=LONGEST_INVITEE,
        label="User name or e-mail address",
        help_text=hint,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
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


class RoleForm(PageForm):
    """What somebody shall be."""

    field_of: ClassVar[Mapping[str, str]] = {"role-": "kind", "already-": "kind"}
    kind = forms.ChoiceField(choices=_KINDS, label="Role", widget=forms.RadioSelect)


class LeaveForm(PageForm):
    """What one stays as: nothing, or a maintainer."""

    kind = forms.ChoiceField(
        choices=(("", "No role at all"), (MAINTAINER, "Maintainer")),
        label="What you stay as",
        required=False,
        widget=forms.RadioSelect,
        initial="",
    )


class HandOverForm(PageForm):
    """Who owns the project next."""

    field_of: ClassVar[Mapping[str, str]] = InviteForm.field_of
    invitee = _invitee_field("Somebody with a second factor, or who is ready to set one up.")
