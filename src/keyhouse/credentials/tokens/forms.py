"""The form for a new API token."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypedDict

from django import forms
from django.http import QueryDict

from keyhouse.accounts.forms import PageForm
from keyhouse.core import clock
from keyhouse.credentials.tokens import queries
from keyhouse.credentials.tokens.leak_rules import MAX_URL
from keyhouse.credentials.tokens.rules import (
    DEFAULT_DAYS,
    MAX_DAYS,
    MAX_DESCRIPTION,
    MAX_NETWORKS,
    MAX_ROBOT_DAYS,
    MAX_VERSION,
    MIN_DAYS,
    Reach,
    canonical_network,
    canonical_version,
)
from keyhouse.projects.queries import projects_of_person

LONGEST_NETWORKS: Final = 1000
LONGEST_PASTE: Final = 100_000
LONGEST_NAMES: Final = 5_000
NAMED: Final = "named"
NOW: Final = "now"
LATER: Final = "later"
REACHES: Final = (
    (NAMED, "Those that I name here"),
    (NOW, "All that it has now"),
    (LATER, "All, also later ones"),
)
ALL_PROJECTS: Final = "all"
REASONS: Final = (
    ("publishes a new project for the first time", "It publishes a new project for the first time"),
    ("publishes several projects", "It publishes several projects"),
    ("reads the whole index", "It reads the whole index (private indexes)"),
    ("several purposes", "Several purposes"),
)
# tokens can carry `yank`, too; it is offered once programs have a door for it
ACTION_CHOICES: Final = (
    ("upload", "Upload files"),
    ("read", "Read, where the index is private"),
)


class NarrowTerms(TypedDict):
    """What both kinds of tokens take from their forms."""

    description: str
    expires_in_days: int
    version: str
    networks: tuple[str, ...]
    token_id: uuid.UUID


class MintTerms(NarrowTerms):
    """What `services.mint_token` takes from the form."""

    project_ids: tuple[int, ...] | None
    actions: tuple[str, ...]
    reason: str


class NarrowForm(PageForm):
    """What both kinds of tokens are asked to be: how they are known, and how far they reach."""

    form_id = forms.UUIDField(widget=forms.HiddenInput, required=False)
    description = forms.CharField(
        max_length=MAX_DESCRIPTION,
        help_text="Where it will be used, for example “release job of alpha”. You will know it by this.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    version = forms.CharField(
        label="Only for one release?",
        required=False,
        max_length=MAX_VERSION,
        help_text="Its version, for example 1.4.0; leave it empty for all releases.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    networks = forms.CharField(
        label="Only from these networks?",
        required=False,
        max_length=LONGEST_NETWORKS,
        help_text="Such as 192.0.2.0/24 or 2001:db8::7, separated by spaces; leave it empty for everywhere.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_description(self) -> str:
        """Refuse what can't be seen."""
        description: str = self.cleaned_data["description"].strip()
        if not description.isprintable():
            raise forms.ValidationError("Leave out control characters.")
        return description

    def clean_version(self) -> str:
        """Return the version in canonical spelling."""
        text = self.cleaned_data["version"].strip()
        version = canonical_version(text) if text else ""
        if version is None:
            raise forms.ValidationError("Write a version such as 1.4.0.")
        return version

    def clean_networks(self) -> tuple[str, ...]:
        """Return the networks, each in canonical spelling and once."""
        words = self.cleaned_data["networks"].replace(",", " ").split()
        found = [canonical_network(word) for word in words]
        if None in found:
            wrong = words[found.index(None)]
            raise forms.ValidationError(f"“{wrong}” is no network. Write it like 192.0.2.0/24.")
        if len(found) > MAX_NETWORKS:
            raise forms.ValidationError(f"Name at most {MAX_NETWORKS} networks.")
        return tuple(dict.fromkeys(one for one in found if one))

    def narrow_terms(self) -> NarrowTerms:
        """Return what a valid form asks for."""
        data = self.cleaned_data
        return NarrowTerms(
            description=data["description"],
            expires_in_days=data["expires_in_days"],
            version=data["version"],
            networks=data["networks"],
            token_id=data["form_id"] or uuid.uuid4(),
        )


class MintForm(NarrowForm):
    """Asks for everything a token needs: the narrow choices are the easy ones."""

    field_order = (
        "form_id",
        "description",
        "project",
        "reason",
        "actions",
        "expires_in_days",
        "version",
        "networks",
    )
    project = forms.ChoiceField(
        label="For which project?",
        help_text="The first upload of a new name needs a token for all of them; one for that project alone can take its place afterwards.",
        error_messages={"invalid_choice": "Pick one of your projects."},
    )
    reason = forms.ChoiceField(
        label="Why for all projects?",
        label_suffix="for such a token only",
        required=False,
        help_text="If a token for all projects leaks, everything you publish is at risk.",
        choices=[("", "Choose…"), *REASONS],
    )
    actions = forms.MultipleChoiceField(
        label="What may it do?",
        choices=ACTION_CHOICES,
        widget=forms.CheckboxSelectMultiple,
        help_text="Yanking and deleting need you in person, in the pages.",
    )
    expires_in_days = forms.IntegerField(
        label="Ends after how many days?",
        min_value=MIN_DAYS,
        max_value=MAX_DAYS,
        help_text=f"{MIN_DAYS} to {MAX_DAYS}; the shorter the better.",
    )

    def __init__(self, *args: Any, user_id: int, **more: Any) -> None:
        """Offer the projects of this person only."""
        super().__init__(*args, **more)
        self._user_id = user_id
        own = [(str(project.pk), project.name) for project in projects_of_person(user_id)]
        project = self.fields["project"]
        if isinstance(project, forms.ChoiceField):
            project.choices = [("", "Choose…"), *own, (ALL_PROJECTS, "All my projects, and new ones")]

    def clean_description(self) -> str:
        """Refuse what is taken, before anything is made; the same form sent again is not its own obstacle."""
        description = super().clean_description()
        if queries.is_description_used(
            self._user_id, description, clock.now(), besides=self.cleaned_data.get("form_id")
        ):
            raise forms.ValidationError("You have a token with this description already; choose another one.")
        return description

    def clean(self) -> dict[str, Any]:
        """Ask for a reason where the token is for all projects."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if (
            cleaned.get("project") == ALL_PROJECTS
            and not cleaned.get("reason")
            and "reason" not in self.errors
        ):
            self.add_error("reason", "Pick why this token is for all projects, or pick one project.")
        if cleaned.get("project") == ALL_PROJECTS and cleaned.get("version"):
            self.add_error("version", "A release belongs to one project: pick it, or leave this empty.")
        return cleaned

    def terms(self) -> MintTerms:
        """Return what a valid form asks for."""
        data = self.cleaned_data
        is_for_all = data["project"] == ALL_PROJECTS
        return MintTerms(
            **self.narrow_terms(),
            project_ids=None if is_for_all else (int(data["project"]),),
            actions=tuple(data["actions"]),
            reason=data["reason"] if is_for_all else "",
        )


class RobotForm(NarrowForm):
    """Asks for a robot token: its project is known, and it only ever uploads."""

    field_of: ClassVar[Mapping[str, str]] = {"token-description-": "description"}
    expires_in_days = forms.IntegerField(
        label="Ends after how many days?",
        min_value=MIN_DAYS,
        max_value=MAX_ROBOT_DAYS,
        help_text=f"{MIN_DAYS} to {MAX_ROBOT_DAYS}; owners are reminded before.",
    )
    field_order: tuple[str, ...] = (
        "form_id",
        "description",
        "expires_in_days",
        "version",
        "networks",
    )


class ReachFields(PageForm):
    """Asks for which of an organization's projects something is: the narrower choice comes first."""

    reach = forms.ChoiceField(
        label="For which projects of the organization?",
        choices=REACHES,
        help_text="A project that leaves the organization is out at once, whatever you choose.",
    )
    projects = forms.CharField(
        label="Their names",
        required=False,
        max_length=LONGEST_NAMES,
        help_text="Separated by spaces; only where you name them.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for names where they are to be named, and for none where all are meant."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        is_named, typed = cleaned.get("reach") == NAMED, cleaned.get("projects", "").split()
        if is_named and not typed and not cleaned.get("may_found"):
            self.add_error("projects", "Name at least one project.")
        if typed and not is_named and "reach" in cleaned:
            self.add_error("projects", "Leave this empty, or choose to name them.")
        return cleaned

    def reach_of(self) -> Reach:
        """Return what a valid form asks for."""
        chosen, names = self.cleaned_data["reach"], self.cleaned_data["projects"].replace(",", " ")
        return Reach(tuple(names.split()), is_all_now=chosen == NOW, is_also_later=chosen == LATER)


class OrganizationRobotForm(ReachFields, RobotForm):
    """Asks for a robot token of an organization: for which of its projects, and whether it may make more of them."""

    field_of: ClassVar[Mapping[str, str]] = {**RobotForm.field_of, "reach-": "projects"}
    may_found = forms.BooleanField(
        label="It may make new projects in the organization",
        required=False,
        help_text="By a first upload to a name that nobody has. It reaches what it made.",
    )
    field_order = (
        "form_id",
        "description",
        "reach",
        "projects",
        "may_found",
        "expires_in_days",
        "version",
        "networks",
    )


class LeakForm(PageForm):
    """Asks for what was found, and where."""

    text = forms.CharField(
        label="The token, or the text that it stands in",
        max_length=LONGEST_PASTE,
        widget=forms.Textarea(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Every token of this index in it is revoked. Nothing of the text is kept.",
    )
    url = forms.CharField(
        label="Where was it found?",
        required=False,
        max_length=MAX_URL,
        help_text="An address of the web, if there is one. The token's owner is told.",
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )


def kept_of(form: type[PageForm]) -> tuple[str, ...]:
    """Return the fields that a step-up on the way brings back: all but the id, which is nobody else's to choose."""
    return tuple(name for name in form.base_fields if name != "form_id")


def typed_before(given: QueryDict, form: type[PageForm]) -> dict[str, object]:
    """Return what somebody had typed into a form when they were asked to prove themselves first."""
    if "expires_in_days" not in given:
        return {}  # a link that names a project, or nothing
    return {
        name: given.getlist(name) if isinstance(field, forms.MultipleChoiceField) else given.get(name, "")
        for name, field in form.base_fields.items()
        if name != "form_id"
    }


def first_values(project_id: int | None = None) -> dict[str, object]:
    """Return what the form begins with: a fresh id, one project where it is known, uploading, 90 days."""
    return {
        "form_id": uuid.uuid4(),
        "project": project_id or "",
        "actions": ["upload"],
        "expires_in_days": DEFAULT_DAYS,
    }
