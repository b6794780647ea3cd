"""A new face of the index fails here until `tests/safety/faces.py` says what of a quarantine must be gone from it."""

from __future__ import annotations

from typing import get_args

from tests.house_rules.test_gate_census import ROUTES
from tests.safety.faces import NO_FACES, PAGES, READ_PLANE

from keyhouse.core import actions
from keyhouse.index.routes import Kind

# by which people read something of a project, without a role in it
READING = {"site.read", "index.read"}


def test_every_address_of_the_read_plane_stands_in_the_list() -> None:
    assert set(READ_PLANE) == set(get_args(Kind))
    assert all(READ_PLANE.values())


def test_every_page_that_anybody_may_read_stands_in_the_list_or_shows_no_project() -> None:
    assert set(actions.CATALOGUE) >= READING
    read = {route.path for route in ROUTES if READING & set(route.actions.values())}
    assert read == set(PAGES) | NO_FACES
    assert not set(PAGES) & NO_FACES
