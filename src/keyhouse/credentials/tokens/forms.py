"""The form for a new API token."""

from __future__ import annotations

import uuid
from typing import Any, Final, TypedDict

from django import forms

from keyhouse.core import clock
from keyhouse.credentials.tokens import queries
from keyhouse.credentials.tokens.rules import DEFAULT_DAYS, MAX_DAYS, MAX_DESCRIPTION, MIN_DAYS

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


class MintTerms(TypedDict):
    """What `services.mint_token` takes from the form."""

    description: str
    project_ids: tuple[int, ...] | None
    expires_in_days: int
    actions: tuple[str, ...]
    reason: str
    token_id: uuid.UUID


class MintForm(forms.Form):
    """Asks for everything a token needs: the narrow choices are the easy ones."""

    form_id = forms.UUIDField(widget=forms.HiddenInput, required=False)
    description = forms.CharField(
        max_length=MAX_DESCRIPTION,
        help_text="Where it will be used, for example “release job of alpha”. You will know it by this.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    project = forms.ChoiceField(
        label="For which project?", error_messages={"invalid_choice": "Pick one of your projects."}
    )
    reason = forms.ChoiceField(
        label="Why for all projects?",
        required=False,
        help_text="Only for a token for all projects. If such a token leaks, everything you publish is at risk.",
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
        own = [(str(project.pk), project.name) for project in queries.projects_with_role(user_id)]
        project = self.fields["project"]
        if isinstance(project, forms.ChoiceField):
            project.choices = [("", "Choose…"), *own, (ALL_PROJECTS, "All my projects, and new ones")]

    def clean_description(self) -> str:
        """Refuse what is taken, before anything is made; the same form sent again is not its own obstacle."""
        description: str = self.cleaned_data["description"].strip()
        if not description.isprintable():
            raise forms.ValidationError("Leave out control characters.")
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
        return cleaned

    def terms(self) -> MintTerms:
        """Return what a valid form asks for."""
        data = self.cleaned_data
        is_for_all = data["project"] == ALL_PROJECTS
        return MintTerms(
            description=data["description"],
            project_ids=None if is_for_all else (int(data["project"]),),
            expires_in_days=data["expires_in_days"],
            actions=tuple(data["actions"]),
            reason=data["reason"] if is_for_all else "",
            token_id=data["form_id"] or uuid.uuid4(),
        )


def first_values(project_id: int | None = None) -> dict[str, object]:
    """Return what the form begins with: a fresh id, one project where it is known, uploading, 90 days."""
    return {
        "form_id": uuid.uuid4(),
        "project": project_id or "",
        "actions": ["upload"],
        "expires_in_days": DEFAULT_DAYS,
    }
