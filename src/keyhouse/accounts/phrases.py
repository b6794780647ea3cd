"""Made-up words that can be said aloud: the check phrase of an account."""

from __future__ import annotations

import secrets
from typing import Final

_CONSONANTS: Final = "bdfghklmnprstvz"
_VOWELS: Final = "aeiou"
_SYLLABLES: Final = 3
_WORDS: Final = 2


def new_phrase() -> str:
    """Return two made-up words."""
    return " ".join(
        "".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(_SYLLABLES))
        for _ in range(_WORDS)
    )
