"""What is typed into the page of a switch."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django import forms

from keyhouse.safety.switches.rules import LONGEST_REASON

FOREVER: Final = "until-lifted"
SPANS: Final = {
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
USUAL: Final = SPANS["4h"]  # of a command that says nothing else, as of the form
_CHOICES: Final = (
    ("1h", "an hour"),
    ("4h", "four hours"),
    ("1d", "a day"),
    ("7d", "a week"),
    (FOREVER, "until somebody lifts it"),
)


class FreezeForm(forms.Form):
    """Why, and for how long."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        label="Reason",
        help_text="Everybody who is refused reads it, also in the output of twine and uv; of everything, each page tells it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    lasts = forms.ChoiceField(
        choices=_CHOICES,
        initial="4h",
        label="For",
        help_text="It lifts itself then. Longer than a day asks for a fresh proof.",
    )

    @property
    def span(self) -> timedelta | None:
        """Return for how long; None: until it is lifted."""
        return SPANS.get(str(self.cleaned_data["lasts"]))
