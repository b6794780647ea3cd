from __future__ import annotations

from keyhouse.index.model import version_key
from keyhouse.index.routes import find_target

DIGITS = "1" * 5000


def test_a_version_of_thousands_of_digits_is_some_text_and_no_defect() -> None:
    target = find_target(f"/pypi/alpha/{DIGITS}/json")
    assert target is None or target.name == f"alpha/{DIGITS}"
    assert version_key(DIGITS) == (0, DIGITS)
