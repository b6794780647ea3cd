"""The forms of publishers: what a provider asks for, as its file in `providers/` lists it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.http import QueryDict

from keyhouse.accounts.forms import PageForm
from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.forms import ReachFields
from keyhouse.credentials.trusted_publishers import providers
from keyhouse.credentials.trusted_publishers.models import Issuer, Provider
from keyhouse.credentials.trusted_publishers.providers.custom import CLAIMS
from keyhouse.credentials.trusted_publishers.providers.rules import Configured, Field
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherInvalid

NAME: Final = "project_name"
LONGEST_NAME: Final = 200
_LONGEST_CLAIMS: Final = 4000
_LONGEST_URL: Final = 300
_LONGEST_TYPED: Final = 300
_PLAIN: Final = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
_HINTS: Final = {
    "owner_id": "Keeps out whoever gets the name of the owner later. Left empty, it is learned from the first run.",
    "sub": "Left empty, it is learned from the first use.",
    "environment": "Name one that asks for approval or takes tags only, and nothing else can publish.",
}
# of every form there may be: the names of what is sent
FIELDS: Final = tuple(
    dict.fromkeys(
        ("issuer", NAME, CLAIMS, *(field.name for rules in providers.ALL.values() for field in rules.fields))
    )
)


class PublisherForm(PageForm):
    """What an issuer's provider asks for; `for_name`: the name of a project to come, besides."""

    field_of: ClassVar[Mapping[str, str]] = {"name-": NAME}

    def __init__(
        self,
        data: QueryDict | None,
        *,
        issuer: Issuer,
        initial: Mapping[str, Any] | None = None,
        for_name: bool = False,
    ) -> None:
        """Lay the fields out for one issuer."""
        super().__init__(data, initial={**_first_values(issuer), **(initial or {}), "issuer": issuer.url})
        self.issuer = issuer
        self.fields["issuer"] = forms.CharField(widget=forms.HiddenInput, max_length=_LONGEST_URL)
        if for_name:
            self.fields[NAME] = _name_field()
        rules = providers.get(issuer.provider)
        for field in rules.fields:
            self.fields[field.name] = _field(field)
        if issuer.provider == Provider.CUSTOM:
            self.fields[CLAIMS] = _claims_field(issuer)

    def typed(self) -> dict[str, Any]:
        """Return what was typed in, as the provider's rules read it; raises PublisherInvalid."""
        return self._values(self.cleaned_data)

    def preview(self) -> Configured:
        """Return what the form comes to as it stands, filled in or not; raises PublisherInvalid."""
        given = {name: self[name].value() or "" for name in self.fields}
        return providers.get(self.issuer.provider).read(self._values(given))

    def _values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if self.issuer.provider == Provider.CUSTOM:
            return {CLAIMS: read_claims(str(given.get(CLAIMS, "")))}
        names = (field.name for field in providers.get(self.issuer.provider).fields)
        return {name: str(given.get(name, "")) for name in names}

    def _show(self, refusal: Refusal) -> None:
        """Show at its field what the provider's rules refuse."""
        if isinstance(refusal, PublisherInvalid) and refusal.field in self.fields:
            self.refusal = refusal
            sentence = refusal.sentence.removeprefix(f"{self.fields[refusal.field].label}: ")
            self.add_error(refusal.field, forms.ValidationError(sentence[:1].upper() + sentence[1:]))
        else:
            super()._show(refusal)


REACH_FIELDS: Final = tuple(ReachFields.base_fields)


class OrganizationPublisherForm(ReachFields, PublisherForm):
    """What an issuer's provider asks for, and for which of an organization's projects it shall be."""

    field_of: ClassVar[Mapping[str, str]] = {"reach-": "projects"}


class SimpleForm(PageForm):
    """Nothing but the wish."""


def read_claims(text: str) -> dict[str, str]:
    """Read lines of `name: value`; raises PublisherInvalid for one that is none, and for a name that comes twice."""
    found: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            raise PublisherInvalid(CLAIMS, f"“{line[:60]}” is no line of the form name: value.")
        if name in found:
            raise PublisherInvalid(CLAIMS, f"The claim {name[:60]} stands there twice.")
        found[name] = value
    return found


def _first_values(issuer: Issuer) -> dict[str, str]:
    return {CLAIMS: "".join(f"{name}: \n" for name in issuer.required_claims)}


def _field(field: Field) -> forms.CharField:
    hint = _HINTS.get(field.name) or f"{field.told[:1].upper()}{field.told[1:]}."
    return forms.CharField(
        label=field.label,
        required=field.is_required,
        max_length=_LONGEST_TYPED,
        help_text=hint,
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": field.example}),
    )


def _name_field() -> forms.CharField:
    return forms.CharField(
        label="Name of the new project",
        max_length=LONGEST_NAME,
        help_text="It isn't reserved by this: whoever uploads first gets it, and you are told.",
        widget=forms.TextInput(attrs=_PLAIN),
    )


def _claims_field(issuer: Issuer) -> forms.CharField:
    needed = ", ".join(issuer.required_claims)
    hint = "One claim a line, as name: value. All of them must be exactly so in an identity."
    return forms.CharField(
        label="What its identities must claim",
        max_length=_LONGEST_CLAIMS,
        help_text=f"{hint} This issuer asks for {needed}." if needed else hint,
        widget=forms.Textarea(attrs={**_PLAIN, "rows": 4}),
    )
