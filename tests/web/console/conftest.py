"""People as the tests of accounts have them, and somebody of each office signed in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.accounts.conftest import Browser, ada, configure, make_person, signed_in, time, wired

__all__ = ["ada", "configure", "time", "wired"]

InOffice = Callable[[str], Browser]


@pytest.fixture
def in_office(db: None) -> InOffice:
    """Sign in somebody who holds the office; `nobody` is a person without one."""

    def browse(office: str) -> Browser:
        facts = {} if office == "nobody" else {f"is_{office}": True}
        user = make_person(f"the-{office}")
        type(user).objects.filter(pk=user.pk).update(**facts)
        user.refresh_from_db()
        return signed_in(user)[1]

    return browse
