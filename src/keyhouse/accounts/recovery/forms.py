"""Forms of the recovery pages."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

from keyhouse.accounts.forms import (
    CodeForm,
    PageForm,
    PasswordForm,
    RecoveryCodeForm,
    recovery_code_field,
)
from keyhouse.accounts.recovery.rules import LONGEST_REASON
from keyhouse.accounts.rules import LONGEST_ADDRESS, LONGEST_USERNAME

_NAME: dict[str, Any] = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}


class AskForm(PageForm):
    """Whose account it is."""

    identifier = forms.CharField(
        label="User name or e-mail address", max_length=LONGEST_ADDRESS, widget=forms.TextInput(attrs=_NAME)
    )


class FactorsForm(RecoveryCodeForm, CodeForm):
    """User name, recovery code and a code of the app, for whoever has neither password nor mailbox."""

    username = forms.CharField(
        label="User name", max_length=LONGEST_USERNAME, widget=forms.TextInput(attrs=_NAME)
    )
    field_order = ("username", "recovery_code", "code")
    field_of: ClassVar = {}


class KeyFactorsForm(FactorsForm):
    """The same where a security key takes the place of one of them; a script sends it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ask for one of the two."""
        super().__init__(*args, **{**kwargs, "auto_id": "id_key_%s"})
        self.fields["recovery_code"].required = self.fields["code"].required = False
        self.fields["code"].label = "Or a code of your authenticator app"
        self.fields["code"].help_text = "Leave it empty if you give a recovery code."


class BeginForm(PasswordForm):
    """The password or a recovery code, for whoever still has one."""

    recovery_code = recovery_code_field(
        "Recovery code",
        "If you have one and no password: it counts as a second proof, and is used up. Leave it empty otherwise.",
    )
    field_of: ClassVar = {**PasswordForm.field_of, "recovery-code": "recovery_code"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Leave the password open: without it others have to speak."""
        super().__init__(*args, **kwargs)
        self.fields["password"].required = self.fields["recovery_code"].required = False
        self.fields["password"].label = "Present password"
        self.fields[
            "password"
        ].help_text = "If you still know it: it counts as a second proof. Leave it empty otherwise."


def _reason(label: str, hint: str) -> forms.CharField:
    return forms.CharField(
        label=label, max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 3}), help_text=hint
    )


class VouchForm(PageForm):
    """How somebody knows that it is them."""

    reason = _reason(
        "How do you know that it is them?",
        "For example: “I called her at the number I have had for years.” Everybody concerned reads it.",
    )
    field_of: ClassVar = {"recovery-reason": "reason"}


class ReasonForm(PageForm):
    """Why an operator does it."""

    reason = _reason(
        "Why?", "What you looked at, and how. It is kept in the audit log and told to everybody concerned."
    )
    field_of: ClassVar = {"recovery-reason": "reason"}


class ProposeForm(ReasonForm):
    """For whom, why, and how the link gets to them."""

    username = forms.CharField(
        label="User name",
        max_length=LONGEST_USERNAME,
        widget=forms.TextInput(attrs={**_NAME, "autocomplete": "off"}),
    )
    hands_over = forms.BooleanField(
        label="Their mailbox is gone: the link is handed over",
        required=False,
        help_text="Otherwise it goes to a verified address of theirs, and you never see it.",
    )
    field_order = ("username", "reason", "hands_over")
    field_of: ClassVar = {"recovery-reason": "reason", "not-found": "username", "recovery-word": "username"}
