"""Every page takes anything that can be sent to it: a refusal or a page, never a defect, and nothing written."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import Email, OneTimeLink, User
from keyhouse.accounts.sessions import start_session
from keyhouse.core import clock
from keyhouse.core.actions import get_action

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]

HOSTILE = (
    "..",
    "...",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "a" * 5000,
    "'; DROP TABLE accounts_user; --",
    "<script>alert(1)</script>",
    "\u202e\u0000"[0:1],
    "\U0001f9ff" * 40,
    "\x01\x1f\x7f",
    "%",
    "%ZZ",
    "\\",
    "-1",
    "9" * 40,
    "NaN",
    "{{7*7}}",
)


def walk(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[tuple[str, dict[str, str]]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, path)
        else:
            yield path, getattr(pattern.callback, "actions", {})


ROUTES = list(walk(get_resolver().url_patterns))


def filled(route: str, value: str) -> str:
    """Put the value into the text parts of an address, something that fits into the others."""
    route = route.replace("<str:code>", "<str:x>")
    route = re.sub(r"<int:\w+>", "9223372036854775807", route)
    route = re.sub(r"<uuid:\w+>", str(uuid.UUID(int=7)), route)
    return re.sub(r"<str:\w+>", lambda _: value.replace("/", "%2F"), route)


def counts() -> dict[str, int]:
    """Return how many rows of each table there are; what is written about refused attempts is meant to be.

    So are links of nobody, which never worked: what is done for unknown names takes as long as for known ones.
    """
    noted = {"Attempt", "Session", "Record", "Personal", "OneTimeLink"}
    tables = [model._meta.db_table for model in apps.get_models() if model.__name__ not in noted]
    parts = (f"SELECT '{table}', COUNT(*) FROM \"{table}\"" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        found = dict(cursor.fetchall())
    assert len(found) == len(tables)
    return {**found, "links": OneTimeLink.objects.filter(expires_at__gt=clock.now()).count()}


@pytest.fixture
def signed_in() -> Client:
    """Return the browser of an operator who has just proven a second factor."""
    now = clock.now()
    user = User.objects.create(username="ada", joined_at=now, is_operator=True)
    address = {"address": "ada@example.org", "is_primary": True, "verified_at": now, "added_at": now}
    Email.objects.create(user=user, **address)
    _, cookie = start_session(user, {"password", "totp"}, at=now)
    client = Client(raise_request_exception=False)
    client.cookies[cookie_name()] = cookie
    return client


def is_for_somebody(ways: dict[str, str]) -> bool:
    """Whether the door sends a stranger to sign in, whatever was sent to it, before the page sees any of it."""
    return bool(ways) and all(get_action(name).needs_session for name in ways.values())


NUMBERED = [pytest.param(number, *route, id=route[0]) for number, route in enumerate(ROUTES)]
OF_PEOPLE = [pytest.param(*route, id=route[0]) for route in ROUTES if is_for_somebody(route[1])]


@pytest.mark.parametrize(("number", "route", "ways"), NUMBERED)
def test_a_stranger_breaks_no_page(number: int, route: str, ways: dict[str, str]) -> None:
    some = some_of(number) if is_for_somebody(ways) else HOSTILE
    require_whole(route, ways, some)


@pytest.mark.slow
@pytest.mark.parametrize(("route", "ways"), OF_PEOPLE)
def test_a_stranger_opens_no_page_of_people_by_anything(route: str, ways: dict[str, str]) -> None:
    require_whole(route, ways, HOSTILE)


@pytest.mark.parametrize(("number", "route", "ways"), NUMBERED)
def test_somebody_signed_in_breaks_no_page(
    number: int, route: str, ways: dict[str, str], signed_in: Client
) -> None:
    assert broken(signed_in, route, ways, some_of(number)) == []  # `test_no_500.py` sends more, by chance


@pytest.mark.slow
@pytest.mark.parametrize(("route", "ways"), [pytest.param(*route, id=route[0]) for route in ROUTES])
def test_somebody_signed_in_breaks_no_page_by_anything(
    route: str, ways: dict[str, str], signed_in: Client
) -> None:
    assert broken(signed_in, route, ways, HOSTILE) == []


def test_that_somebody_is_signed_in(signed_in: Client) -> None:
    assert signed_in.get("/account/").status_code == 200


def some_of(number: int) -> tuple[str, ...]:
    """Return every fourth of the values, of each page others; all of them meet every door in a whole run."""
    return HOSTILE[number % 4 :: 4]


def require_whole(route: str, ways: dict[str, str], values: tuple[str, ...]) -> None:
    """Send these values as nobody; nothing breaks, and nothing is written."""
    client = Client(raise_request_exception=False)
    before = counts()
    assert broken(client, route, ways, values) == []
    assert counts() == before


def broken(
    client: Client, route: str, ways: dict[str, str], values: tuple[str, ...]
) -> list[tuple[str, str, int]]:
    """Ask with each of these values, in address, query and form, and return what was answered as a defect."""
    found = []
    for value in values if "<str:" in route else values[:1]:
        path = filled(route, value)
        for method in ways:
            status = ask(client, method, path, value)
            if status >= 500:
                found.append((method, path[:200], status))
    for value in values:
        path = filled(route, "alpha")
        asked = {"q": value, "page": value, "next": value, "since": value}
        status = client.get(path, asked).status_code
        found += [("GET", f"{path}?q={value[:40]}", status)] if status >= 500 else []
        if "POST" in ways:
            status = ask(client, "POST", path, value)
            found += [("POST", f"{path} {value[:40]}", status)] if status >= 500 else []
    return found


FIELDS = (
    *(
        "username",
        "email",
        "address",
        "password",
        "code",
        "name",
        "reason",
        "description",
        "project",
        "projects",
    ),
    *(
        "expires_in_days",
        "next",
        "confirm",
        "session",
        "typed",
        "secret",
        "version",
        "days",
        "all",
        "old",
        "new",
    ),
)


def ask(client: Client, method: str, path: str, value: str) -> int:
    if method == "POST":
        return client.post(path, dict.fromkeys(FIELDS, value)).status_code
    return client.get(path, {"next": value, "page": value}).status_code
