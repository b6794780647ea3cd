"""Every page for people is looked at, or says why not."""

from __future__ import annotations

import re

from tests.house_rules.test_gate_census import ROUTES
from tests.looks.looks import LEFT_OUT, LOOKS

PAGES = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path) for route in ROUTES if "GET" in route.actions}


def test_every_page_for_people_is_looked_at_or_left_out_for_a_reason() -> None:
    """Mend it in tests/looks/looks.py: who looks, and at which address; `./run pictures --only WORD` shows it."""
    assert PAGES - LOOKS.keys() - LEFT_OUT.keys() == set()


def test_nothing_is_looked_at_that_is_no_page() -> None:
    assert (LOOKS.keys() | LEFT_OUT.keys()) - PAGES == set()
    assert not LOOKS.keys() & LEFT_OUT.keys()
