"""Forms of the console."""

from __future__ import annotations

from typing import ClassVar, Final

from django import forms

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.models import Announcement, User
from keyhouse.accounts.oversight.suspending import LONGEST_REASON
from keyhouse.core.actor import OFFICES
from keyhouse.organizations.rules import LONGEST_TEXT
from keyhouse.projects.limiting import MOST

_ANY: Final = ("", "any")
_STATES: Final = (
    _ANY,
    *((state, state.replace("-", " ")) for state in User.State.values),
)
LONGEST_SEARCH: Final = 254
MEGABYTE: Final = 1_000_000


class WhyForm(PageForm):
    """Why something is done; whom it concerns reads it."""

    reason = forms.CharField(
        label="Why",
        max_length=LONGEST_REASON,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Stands in the audit log; the person and all operators are told.",
    )
    field_of: ClassVar = {"why-": "reason"}


class ApplicantForm(PageForm):
    """What operators tell whoever applied for an organization: a reason, or a question."""

    text = forms.CharField(
        label="What you tell them",
        max_length=LONGEST_TEXT,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="One line. Whoever applied is mailed this; it stands in the audit log, too.",
    )
    field_of: ClassVar = {"organization-text-": "text"}


class OfficeForm(WhyForm):
    """Which office somebody is to get."""

    office = forms.ChoiceField(label="Office", choices=tuple((office, office) for office in OFFICES))
    field_order = ("office", "reason")
    field_of: ClassVar = {"why-": "reason", "office-": "office"}


class AddressForm(WhyForm):
    """Which address of somebody is to count as verified; the view knows which there are."""

    address = forms.TypedChoiceField(label="Address", coerce=int)
    field_order = ("address", "reason")
    field_of: ClassVar = {"why-": "reason", "address-": "address"}


class OwnerForm(WhyForm):
    """Who is to own a project."""

    username = forms.CharField(
        label="User name of the new owner",
        max_length=50,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    field_order = ("username", "reason")
    field_of: ClassVar = {"why-": "reason", "person-": "username"}


class LimitsForm(PageForm):
    """Limits of one project, in megabytes."""

    file_limit = forms.IntegerField(
        label="Biggest file, in MB", required=False, min_value=1, max_value=MOST // MEGABYTE
    )
    project_limit = forms.IntegerField(
        label="All files together, in MB", required=False, min_value=1, max_value=MOST // MEGABYTE
    )


class AnnouncementForm(PageForm):
    """A line for every page, from when to when (UTC)."""

    text = forms.CharField(label="What everybody shall know", max_length=300)
    severity = forms.ChoiceField(
        label="How urgent",
        choices=[(name, word) for name, word in Announcement.WORDS.items()],
    )
    begins_at = forms.DateTimeField(
        label="From (UTC)",
        required=False,
        help_text="Empty: now.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    ends_at = forms.DateTimeField(
        label="To (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


class ProjectFilterForm(forms.Form):
    """Which projects a list shows, and in which order."""

    q = forms.CharField(label="Name", required=False, max_length=200)
    only = forms.ChoiceField(
        label="Only",
        required=False,
        choices=(_ANY, ("ownerless", "without an owner"), ("limits", "with limits of their own")),
    )
    order = forms.ChoiceField(
        label="Order", required=False, choices=(("", "by name"), ("size", "biggest first"))
    )


class PeopleFilterForm(forms.Form):
    """Which people a list shows."""

    q = forms.CharField(label="Name or e-mail address", required=False, max_length=LONGEST_SEARCH, strip=True)
    state = forms.ChoiceField(label="State", required=False, choices=_STATES)
    office = forms.ChoiceField(
        label="Office", required=False, choices=(_ANY, *((office, office) for office in OFFICES))
    )
    factor = forms.ChoiceField(
        label="Second factor",
        required=False,
        choices=(_ANY, ("none", "none"), ("key", "security key or passkey"), ("app", "authenticator app")),
    )
