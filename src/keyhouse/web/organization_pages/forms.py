"""What is typed into the pages of organizations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from django import forms

from keyhouse.accounts.forms import PageForm
from keyhouse.organizations import rules
from keyhouse.projects import rules as projects

_PLAIN: Final = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
_LONGEST_INVITEE: Final = 254
_LONGEST_PROJECT: Final = 100
_KINDS: Final = (
    (rules.MEMBER, "Member: belongs to teams, and may do in projects what these may"),
    (rules.MANAGER, "Manager: makes teams and projects, too"),
    (rules.OWNER, "Owner: decides about people, and owns every project of the organization"),
)
_PROJECT_KINDS: Final = (
    (projects.MAINTAINER, "Maintainer: uploads files"),
    (projects.OWNER, "Owner: uploads, yanks, deletes, archives, and decides who has a role"),
)


def _name(label: str, hint: str = "", longest: int = rules.LONGEST_NAME) -> forms.CharField:
    return forms.CharField(
        max_length=longest, label=label, help_text=hint, widget=forms.TextInput(attrs=dict(_PLAIN))
    )


class FoundForm(PageForm):
    """What a new organization is called."""

    field_of: ClassVar[Mapping[str, str]] = {"organization-name-": "name", "organization-text-": "title"}
    name = _name("Name", "Letters, digits and inner . _ - only. It is part of addresses.")
    title = forms.CharField(max_length=rules.LONGEST_TITLE, label="Title", required=False)


class ApplyForm(FoundForm):
    """For which organization somebody applies, and why."""

    field_of: ClassVar[Mapping[str, str]] = {"organization-name-": "name", "organization-text-": "reason"}
    reason = forms.CharField(
        max_length=rules.LONGEST_TEXT,
        label="Why",
        help_text="One line for the operators of this index: who you are together, and what you publish.",
    )


class ReplyForm(PageForm):
    """What the operators asked about an application."""

    field_of: ClassVar[Mapping[str, str]] = {"organization-text-": "reply"}
    reply = forms.CharField(max_length=rules.LONGEST_TEXT, label="Your reply", help_text="One line.")


class ProfileForm(PageForm):
    """What everybody reads about an organization."""

    field_of: ClassVar[Mapping[str, str]] = {"organization-text-": "description"}
    title = forms.CharField(max_length=rules.LONGEST_TITLE, label="Title", required=False)
    description = forms.CharField(
        max_length=rules.LONGEST_TEXT, label="Description", required=False, help_text="One line."
    )


class NewNameForm(PageForm):
    """Another name, of an organization or a team."""

    field_of: ClassVar[Mapping[str, str]] = {"organization-name-": "name", "team-name-": "name"}
    name = _name("New name", "Letters, digits and inner . _ - only.")


class NewTeamForm(PageForm):
    """What a new team is called."""

    field_of: ClassVar[Mapping[str, str]] = NewNameForm.field_of
    name = _name("Name of the team", "Letters, digits and inner . _ - only.")


class NewProjectForm(PageForm):
    """What a new project is called."""

    field_of: ClassVar[Mapping[str, str]] = {"name-": "name"}
    name = _name("Name of the project", longest=_LONGEST_PROJECT)


class HandOverForm(PageForm):
    """Who shall own an organization in one's place."""

    field_of: ClassVar[Mapping[str, str]] = {
        "offer": "invitee",
        "username-": "invitee",
        "address-": "invitee",
        "already-": "invitee",
    }
    invitee = _name(
        "User name or e-mail address",
        "An address may be of somebody who has no account here yet.",
        _LONGEST_INVITEE,
    )


class InviteForm(HandOverForm):
    """Whom to invite, and as what."""

    field_of: ClassVar[Mapping[str, str]] = {**HandOverForm.field_of, "membership-": "kind"}
    kind = forms.ChoiceField(choices=_KINDS, label="Role", widget=forms.RadioSelect, initial=rules.MEMBER)


class KindForm(PageForm):
    """What a member shall be."""

    field_of: ClassVar[Mapping[str, str]] = {"membership-": "kind"}
    kind = forms.ChoiceField(choices=_KINDS, label="Role", widget=forms.RadioSelect)


class TeamMemberForm(PageForm):
    """Who of the organization is put into a team."""

    field_of: ClassVar[Mapping[str, str]] = {"member-": "username"}
    username = _name("User name", "Somebody who belongs to the organization.", _LONGEST_INVITEE)


class TeamRoleForm(PageForm):
    """Which team gets which role in a project."""

    field_of: ClassVar[Mapping[str, str]] = {"team-": "team", "role-": "kind"}
    team = forms.ChoiceField(label="Team")
    kind = forms.ChoiceField(
        choices=_PROJECT_KINDS, label="Role", widget=forms.RadioSelect, initial=projects.MAINTAINER
    )

    def offer(self, names: Iterable[tuple[str, str]]) -> TeamRoleForm:
        """Let these be chosen; returns the form."""
        self.fields["team"] = forms.ChoiceField(label="Team", choices=list(names))
        return self


class ReadersForm(PageForm):
    """Who reads, and which teams."""

    field_of: ClassVar[Mapping[str, str]] = {"readers-": "reads", "team-": "teams"}
    reads = forms.ChoiceField(label="Who reads", required=False, widget=forms.RadioSelect)
    teams = forms.MultipleChoiceField(
        label="Teams",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Of matter for the answer that names teams.",
    )
    confirmed = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def offer(self, choices: Iterable[tuple[str, str]], names: Iterable[tuple[str, str]] = ()) -> ReadersForm:
        """Let these be chosen; returns the form."""
        for field, offered in (("reads", choices), ("teams", names)):
            chosen: Any = self.fields[field]
            chosen.choices = list(offered)
        if not self.fields["teams"].choices:  # type: ignore[attr-defined]  # a field of choices
            self.fields["teams"].widget = forms.MultipleHiddenInput()
        return self

    @property
    def team_names(self) -> list[str]:
        """Return the teams that count: without the answer that names them, none."""
        return list(self.cleaned_data["teams"]) if self.cleaned_data["reads"] == rules.TEAMS else []


class MoveForm(PageForm):
    """Where a project shall stand."""

    field_of: ClassVar[Mapping[str, str]] = {"project-move-": "organization"}
    organization = forms.ChoiceField(label="Organization", required=False)

    def offer(self, names: Iterable[tuple[str, str]]) -> MoveForm:
        """Let these be chosen, and none; returns the form."""
        choices = [("", "None: it belongs to people only"), *names]
        self.fields["organization"] = forms.ChoiceField(
            label="Organization", choices=choices, required=False, initial=self.initial.get("organization")
        )
        return self


class ActivityForm(forms.Form):
    """Which of an organization's records to show or to take away."""

    action = forms.ChoiceField(label="Act", required=False)
    person = forms.CharField(label="By", required=False, max_length=150)
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, acts: Iterable[tuple[str, str]], **more: Any) -> None:
        """Offer the acts that there are records of."""
        super().__init__(*args, **more)
        action = self.fields["action"]
        if isinstance(action, forms.ChoiceField):
            action.choices = [("", "any"), *acts]
