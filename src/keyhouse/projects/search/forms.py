"""What may be asked of the search, by the page and by programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django import forms

from keyhouse.projects.search.rules import LONGEST_CLASSIFIER, LONGEST_QUERY, PYTHONS, Wanted

_LONGEST_USERNAME: Final = 50
_PYTHONS: Final = [("", "Any"), *((version, version) for version in reversed(PYTHONS))]
_AGES: Final = [
    ("", "Any time"),
    ("30", "In the last 30 days"),
    ("180", "In the last half year"),
    ("365", "In the last year"),
    ("1095", "In the last three years"),
]


class SearchForm(forms.Form):
    """A text and filters, all of them optional."""

    q = forms.CharField(label="Text", required=False, max_length=LONGEST_QUERY, widget=forms.HiddenInput)
    classifier = forms.CharField(
        label="Classifier",
        required=False,
        max_length=LONGEST_CLASSIFIER,
        widget=forms.TextInput(attrs={"list": "classifiers", "autocomplete": "off"}),
    )
    python = forms.ChoiceField(label="Works on Python", required=False, choices=_PYTHONS)
    maintainer = forms.CharField(
        label="Owner, maintainer or organization",
        required=False,
        max_length=_LONGEST_USERNAME,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    age = forms.ChoiceField(label="Latest release", required=False, choices=_AGES)
    publisher = forms.BooleanField(label="Latest release has a file by a trusted publisher", required=False)

    def wanted(self, now: datetime, reader_id: int | None) -> Wanted:
        """Return what the form asks for, looked for by this person; where something in it is wrong, nothing."""
        if not self.is_valid():
            return Wanted()
        asked = self.cleaned_data
        return Wanted(
            text=asked["q"],
            classifier=asked["classifier"],
            python=asked["python"],
            maintainer=asked["maintainer"],
            is_from_publisher=asked["publisher"],
            reader_id=reader_id,
            released_since=now - timedelta(days=int(asked["age"])) if asked["age"] else None,
        )

    @property
    def has_filters(self) -> bool:
        """Whether more is asked for than a text."""
        return any(value for name, value in self.cleaned_data.items() if name != "q")

    @property
    def asked(self) -> dict[str, str]:
        """Return what is asked for, by the names of the fields; a box that is ticked is `1`."""
        found = {name: value for name, value in self.cleaned_data.items() if value}
        return {name: "1" if value is True else str(value) for name, value in found.items()}

    @property
    def filters(self) -> str:
        """Return the filters alone as a part of an address."""
        return urlencode({name: value for name, value in self.asked.items() if name != "q"})

    @property
    def address(self) -> str:
        """Return the same question as a part of an address."""
        return urlencode(self.asked)
