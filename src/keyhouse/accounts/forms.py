"""Forms of the account pages. What a service refuses and people can mend is shown in the form again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final, TypeVar

from django import forms
from django.utils.html import format_html

from keyhouse.accounts.rules import LONGEST_ADDRESS, LONGEST_PASSWORD, LONGEST_USERNAME
from keyhouse.core import actions, configuration
from keyhouse.core.errors import Refusal, Situation

T = TypeVar("T")
MENDABLE: Final = frozenset({Situation.INVALID, Situation.UNAUTHENTICATED, Situation.CONFLICT})
LONGEST_CODE: Final = 64
LONGEST_NAME: Final = 64
WITHOUT_PASSWORD: Final = "without_password"  # noqa: S105 - the button of whoever wants none


class PageForm(forms.Form):
    """A form whose service may refuse: `field_of` names the field a code belongs to (by the code's beginning)."""

    refusal: Refusal | None = None
    field_of: ClassVar[Mapping[str, str]] = {}

    def carry_out(self, act: Callable[[], T]) -> T | None:
        """Act, where the form is whole; a refusal that can be mended goes into the form, and None comes back."""
        if not self.is_valid():
            return None
        try:
            return act()
        except Refusal as refusal:
            if refusal.situation not in MENDABLE:
                raise
            self._show(refusal)
            return None

    def _show(self, refusal: Refusal) -> None:
        self.refusal = refusal
        text = format_html(
            '{} {} <a href="/help/codes/{}/">What this means</a>', refusal.sentence, refusal.fix, refusal.code
        )
        field = next((name for start, name in self.field_of.items() if refusal.code.startswith(start)), None)
        self.add_error(field, forms.ValidationError(text, code=refusal.code))


def _password_field(label: str, autocomplete: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete, "data-reveal": ""})
    return forms.CharField(label=label, strip=False, max_length=LONGEST_PASSWORD, widget=widget)


def _code_field(label: str, hint: str = "") -> forms.CharField:
    """Return the field for six digits, as phones and password managers fill it in."""
    attrs = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
    return forms.CharField(
        label=label, max_length=LONGEST_CODE, widget=forms.TextInput(attrs=attrs), help_text=hint
    )


def recovery_code_field(label: str, hint: str = "") -> forms.CharField:
    """Return the field for a recovery code."""
    attrs = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
    return forms.CharField(
        label=label, max_length=LONGEST_CODE, widget=forms.TextInput(attrs=attrs), help_text=hint
    )


class SignInForm(PageForm):
    """Name and password."""

    username = forms.CharField(
        label="User name or e-mail address",
        max_length=LONGEST_ADDRESS,
        widget=forms.TextInput(
            attrs={"autocomplete": "username webauthn", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = _password_field("Password", "current-password")


class CodeForm(PageForm):
    """The code of an authenticator app."""

    code = _code_field("Code", "The six digits that your authenticator app shows for this index.")
    field_of: ClassVar = {"code-": "code", "clock-": "code"}


class RecoveryCodeForm(PageForm):
    """One of the recovery codes."""

    recovery_code = recovery_code_field(
        "Recovery code", "One of the ten you saved. It is used up by this. Case and dashes don't matter."
    )
    field_of: ClassVar = {"recovery-": "recovery_code"}


class AddressForm(PageForm):
    """An e-mail address to add."""

    email = forms.CharField(
        label="E-mail address",
        max_length=LONGEST_ADDRESS,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text="A mail with a link and a code goes there. Nothing counts before one of them was used here.",
    )
    field_of: ClassVar = {"address-": "email", "addresses-": "email"}


class AddressCodeForm(PageForm):
    """The code that was mailed to an address."""

    code = forms.CharField(
        label="Code",
        max_length=LONGEST_CODE,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        ),
        help_text="The eight signs in the mail. Case and dashes don't matter.",
    )
    field_of: ClassVar = {"address-code": "code", "verification-": "code"}


class PasswordForm(PageForm):
    """The password once more, for accounts that have nothing stronger."""

    password = _password_field("Password", "current-password")
    field_of: ClassVar = {"password-": "password"}


class EnrolmentForm(PageForm):
    """The first code of a new authenticator app."""

    name = forms.CharField(
        label="Name of the app or device",
        required=False,
        max_length=LONGEST_NAME,
        help_text="So that you can tell it from another one later.",
    )
    code = _code_field("Code", "The six digits that the app shows now.")
    field_of: ClassVar = {"code-": "code", "clock-": "code"}


class RenameForm(PageForm):
    """Another name for an authenticator app."""

    name = forms.CharField(
        label="Name of the app or device",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Only you see it.",
    )
    field_of: ClassVar = {"second-factor-unnamed": "name"}


class LostMethodForm(PageForm):
    """Which second factor its owner can't use any more, by its kind and number."""

    method = forms.RegexField(regex=r"\A(?:app|key):[0-9]{1,18}\Z", max_length=LONGEST_CODE)


class NewcomerCodeForm(PageForm):
    """The first code of the first authenticator app."""

    code = _code_field("Code", "The six digits that the app shows now.")
    field_of: ClassVar = {"code-": "code", "clock-": "code"}


class TypedBackForm(PageForm):
    """One of the shown recovery codes, typed back to prove that they were saved."""

    recovery_code = recovery_code_field(
        "One of the codes", "Type any of the ten back, from where you saved them. It isn't used up by this."
    )
    field_of: ClassVar = {"recovery-": "recovery_code"}


def _new_password_hint() -> str:
    least = configuration.current().password_length
    return f"At least {least} characters. Spaces and any script are fine. A password manager's, or five random words."


class NewAccountForm(PageForm):
    """Who the new account is for, and its password. A link may fix name and address."""

    username = forms.CharField(
        label="User name",
        max_length=LONGEST_USERNAME,
        help_text="Letters, digits, dots, dashes, underscores. It is public on the pages of your projects.",
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    email = forms.CharField(
        label="E-mail address",
        max_length=LONGEST_ADDRESS,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text="For notices about your account. It is not public.",
    )
    password = _password_field("Password", "new-password")
    field_of: ClassVar = {"username-": "username", "address-": "email", "password-": "password"}

    def __init__(
        self, data: Mapping[str, Any] | None, *, entered: Mapping[str, str], settled: Collection[str] = ()
    ) -> None:
        """Take what was entered before; `settled` names what the link has settled of name and address."""
        super().__init__(data, initial=dict(entered))
        self.fields["password"].help_text = _new_password_hint()
        self.fields["password"].required = WITHOUT_PASSWORD not in (data or {})
        for name in settled:
            self.fields[name].disabled = True
        if "email" in settled and not entered["email"]:  # an account that never had one
            del self.fields["email"]


class ForgottenForm(PageForm):
    """Who forgot a password."""

    username = forms.CharField(
        label="User name or e-mail address",
        max_length=LONGEST_ADDRESS,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


class ResetForm(PageForm):
    """The new password; `username` tells password managers whose it is."""

    username = forms.CharField(
        label="User name",
        disabled=True,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "username"}),
    )
    password = _password_field("New password", "new-password")
    field_of: ClassVar = {"password-": "password"}

    def __init__(self, data: Mapping[str, Any] | None, *, username: str) -> None:
        """Say whose password it is."""
        super().__init__(data, initial={"username": username})
        self.fields["password"].help_text = _new_password_hint()


class RemovePasswordForm(PageForm):
    """Nothing but the wish."""


class PasswordChangeForm(PageForm):
    """The present password and the new one; `username` tells password managers whose it is."""

    username = forms.CharField(
        label="User name",
        disabled=True,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "username"}),
    )
    current_password = _password_field("Present password", "current-password")
    password = _password_field("New password", "new-password")
    field_of: ClassVar = {"password-wrong": "current_password", "password-": "password"}

    def __init__(self, data: Mapping[str, Any] | None, *, username: str, has_password: bool) -> None:
        """Leave the present password out where there is none."""
        super().__init__(data, initial={"username": username})
        self.fields["password"].help_text = _new_password_hint()
        if not has_password:
            del self.fields["current_password"]


class SignUpForm(PageForm):
    """The address of whoever wants an account, and a field that people don't see and programs fill in."""

    email = forms.CharField(
        label="E-mail address",
        max_length=LONGEST_ADDRESS,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text="For the link, and for notices about your account. It is not public.",
    )
    homepage = forms.CharField(
        label="Leave this empty",
        required=False,
        max_length=LONGEST_ADDRESS,
        widget=forms.TextInput(attrs={"autocomplete": "off", "tabindex": "-1"}),
    )
    field_of: ClassVar = {"address-": "email"}


class DeletionForm(PageForm):
    """The name of one's account, typed once more."""

    name = forms.CharField(
        label="Type your user name",
        max_length=LONGEST_USERNAME,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    field_of: ClassVar = {"name-": "name"}

    def __init__(self, data: Mapping[str, Any] | None, *, username: str) -> None:
        """Say which name is meant."""
        super().__init__(data)
        self.fields["name"].help_text = f"To confirm, type: {username}"


def _action_choices() -> list[tuple[str, str]]:
    return [("", "Everything"), *((name, name) for name in sorted(actions.CATALOGUE))]


class AuditFilterForm(forms.Form):
    """Which records of the audit log to show."""

    action = forms.ChoiceField(label="Act", required=False, choices=_action_choices)
    about = forms.CharField(label="About", required=False, max_length=300)
    person = forms.CharField(label="Person", required=False, max_length=LONGEST_USERNAME)
    kind = forms.CharField(label="Kind of thing", required=False, max_length=32)
    outcome = forms.ChoiceField(
        label="Outcome", required=False, choices=(("", "any"), ("done", "done"), ("refused", "refused"))
    )
    code = forms.CharField(label="Code of a refusal", required=False, max_length=64)
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


class AuditExportForm(AuditFilterForm):
    """Which records of the audit log to take away, and in which form."""

    format = forms.ChoiceField(
        label="As", choices=(("jsonl", "JSON lines"), ("csv", "CSV, for spreadsheets")), initial="jsonl"
    )
