"""Whatever an address names that is somebody else's is answered as what was never there: 403 or 404, and the same.

Each address is asked in an index in which there is one of everything: by whoever has no part in it, by nobody, and by the
owner of another project and another organization, below their own.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pytest
from tests.web.asked import Answer, Door, all_doors, ask, encoded
from tests.web.everything import Everything, open_everything, places_of

pytestmark = pytest.mark.django_db
UNKNOWN: Final = {
    "token_id": str(uuid.UUID(int=77)),
    "digest": "9" * 64,
    **dict.fromkeys(("name", "team_name", "username", "filename"), "nothing-of-this-name"),
    "version": "7.7.7",
}
NUMBER: Final = "987654"
# What everybody may see, so that what is there differs from what isn't; of each, why.
_READ, _SECRET = "everybody reads projects and organizations here", "who holds the secret may do it"
_HELP, _NOTICE = "the same for everybody", "mandates and their wordings are public"
PUBLIC: Final = {
    "/project/<": _READ,
    "/organization/<": _READ,
    "/mandate/projects/<": _READ,
    "/mandate/notices/<": _NOTICE,
    "/help/codes/": _HELP,
    "/operator/starting-points/": _HELP,
    "/account/mandate/snooze/<": _NOTICE,
    **{
        f"/{purpose}/<": _SECRET
        for purpose in (
            *("confirm-sign-in", "enrolment", "enrolment-proof", "invitation", "keep-account", "not-me"),
            *("password-reset", "recovery", "revert-addresses", "setup", "sign-up", "verify-address"),
        )
    },
}
# What is answered neither by 403 nor by 404, and yet alike whatever there is; of each, why.
_TEAM: Final = "a project's own page says that no team of its organization has a role there"
_GONE: Final = "a form that is sent again: whatever isn't there is taken away already"
ALIKE: Final = {
    "/account/publishers/<int:publisher_id>/remove/": _GONE,
    "/manage/project/<str:name>/teams/<str:team_name>/end/": _TEAM,
    "/manage/project/<str:name>/teams/<str:team_name>/keep/": _TEAM,
}
OWN: Final = {"/manage/project/<": "gamma", "/manage/organization/<": "other"}
SHORT: Final = 3  # letters; so short a name or number stands for much else on a page, too
SIZES: Final = {"Content-Length", "ETag"}
MARK: Final = re.compile(rb'name="csrfmiddlewaretoken" value="\w+"')


@pytest.fixture(scope="module")
def index(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Everything]:
    """Make the index once for all that is asked here."""
    with django_db_blocker.unblock(), open_everything(tmp_path_factory.mktemp("everything")) as made:
        yield made


def doors() -> list[Door]:
    """Return the doors whose addresses name something that not everybody may see."""
    return [
        door for door in all_doors() if places_of(door.route) and not door.route.startswith(tuple(PUBLIC))
    ]


def test_what_is_there_is_as_what_is_not(index: Everything) -> None:
    """Each place of each address in turn, by somebody without any part in anything."""
    wrong = []
    for door in doors():
        for place in places_of(door.route):
            unknown = {place: unknown_at(door, place)}
            wrong += compare(index, door, "sam", {}, unknown)
    assert wrong == []


def test_below_ones_own_the_same_holds(index: Everything) -> None:
    """Whoever manages a project or an organization gets at nothing of another one's by its number or name."""
    wrong = []
    for door in doors():
        own = next((name for start, name in OWN.items() if door.route.startswith(start)), None)
        for place in places_of(door.route)[1:] if own else ():
            here = {"name": own or ""}
            unknown = here | {place: unknown_at(door, place)}
            wrong += compare(index, door, "own", here, unknown)
    assert wrong == []


def test_exceptions_are_of_addresses_that_are_there() -> None:
    routes = [door.route for door in all_doors()]
    assert {start for start in PUBLIC if not any(route.startswith(start) for route in routes)} == set()
    assert set(ALIKE) <= set(routes)


def unknown_at(door: Door, place: str) -> str:
    """Return what names nothing there."""
    return NUMBER if re.search(rf"<(int|number):{place}>", door.route) else UNKNOWN[place]


def enter(index: Everything, door: Door, who: str, named: dict[str, str]) -> Answer:
    """Come by a door, with a form in which little means anything."""
    sent = encoded([(name, b"1") for name in door.fields]) if door.method == "POST" else ""
    return ask(index, who, door.method, index.fill(door.route, named), body=sent.encode())


def compare(
    index: Everything, door: Door, who: str, here: dict[str, str], unknown: dict[str, str]
) -> list[str]:
    """Return what tells what is there from what isn't, apart from what the address itself says."""
    there, other = enter(index, door, who, here), enter(index, door, who, unknown)
    kept, made_up = (plain(index, door, one, named) for one, named in ((there, here), (other, unknown)))
    if there.told != other.told:
        return [f"{door} {unknown}: {there.told}, and {other.told} where there is nothing"]
    if kept != made_up:
        return [f"{door} {unknown}: {there.told} reads otherwise where there is nothing"]
    is_shut = (
        door.route in ALIKE
        or there.status in {401, 403, 404}
        or (there.status, there.code) == (302, "sign-in-required")
    )
    return [] if is_shut else [f"{door} {unknown}: {there.told}"]


def plain(index: Everything, door: Door, answer: Answer, named: dict[str, str]) -> tuple[Any, ...]:
    """Return what an answer says, without its address."""
    path = index.fill(door.route, named)
    values = [named.get(place) or index.value(door.route, place) for place in places_of(door.route)]
    told = [path, quote(path), quote(path, safe=""), *(value for value in values if len(value) > SHORT)]
    texts = [MARK.sub(b"", answer.body)]
    texts += [f"{name}: {value}".encode() for name, value in answer.headers.items() if name not in SIZES]
    for text in sorted(told, key=len, reverse=True):
        texts = [one.replace(text.encode(), b"...") for one in texts]
    return tuple(texts)
