"""Whatever is sent to whichever route by whomever: an answer, never a defect. The routes are those of the catalogue.

Every example is one request on a small index in which everything exists, and is undone afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.accounts.conftest import configure, make_person, time, wired
from tests.web.rows import make_file, make_project, make_release

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import Announcement, User
from keyhouse.accounts.oversight.offices import propose_office
from keyhouse.accounts.sessions import start_session
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.projects.collaborators.services import invite
from keyhouse.projects.models import Role

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
WHO = ("nobody", "somebody", "maintainer", "owner", "moderator", "auditor", "operator")
A_FEW, MANY = 120, 4000
UNAVAILABLE = {"archive-unavailable"}  # the file of this index has rows and no bytes
_PLACE = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Ask:
    """One request: `path` and `query` are percent-encoded, so that they hold any bytes."""

    method: str
    path: str
    query: str
    body: bytes
    kind: str


def _walk(
    patterns: list[URLPattern | URLResolver], prefix: str = "/"
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
            continue
        view = pattern.callback
        fields = getattr(view, "fields", ())
        for method in getattr(view, "actions", {}):
            yield method, path, fields
        yield "GET", path, fields  # a form's fields in the address


ROUTES = sorted(set(_walk(get_resolver().url_patterns)))
# what somebody could mean, so that not everything ends at the first check
MEANT = (
    *("ada", "bob", "eve", "root", "alpha", "Alpha", "1.0", "1.0.0", "2!1.0+local.7", "alpha-1.0.tar.gz"),
    *(
        "1",
        "2",
        "3",
        "0",
        "on",
        "owner",
        "maintainer",
        "operator",
        "auditor",
        "uploads",
        "everything",
        "delete",
    ),
    *("eve@example.org", "new@example.org", "because", "2030-01-01T00:00", "0001-01-01", "9999-12-31T23:59"),
    *(
        "json",
        "csv",
        "list",
        "size",
        "held",
        "suspended",
        "key",
        "danger",
        "PT1H",
        "3 days",
        "yank",
        "upload",
        "alpha 1.0",
    ),
    *(
        "2024-05-06T07:08:09Z",
        "/account/",
        "//evil.example",
        "Framework :: Django",
        ">=3.8",
        "00000000-0000-0000-0000-000000000007",
    ),
)
HOSTILE = (
    *(
        b"",
        b" ",
        b"\x00",
        b"a\x00b",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xf0\x9f\xa7\xbf",
        b"\xe2\x80\xae",
        b"\xef\xbc\x91",
    ),
    *(
        b"a" * 300,
        b"9" * 400,
        b"-1",
        b"1e400",
        b"NaN",
        b"Infinity",
        b"9223372036854775808",
        b"\xd9\xa1",
        b"\xc2\xb2",
        b"%",
        b"%zz",
    ),
    *(
        b"..",
        b"/",
        b"\\",
        b"{}",
        b"[]",
        b'{"a": 1}',
        b"[[[",
        b"null",
        b"'\"<b>",
        b"{{7*7}}",
        b"%s%n",
        b"\r\nX: y",
        b"\x1b[31m",
    ),
    *(
        b"0000-00-00",
        b"9999-99-99T99:99",
        b"10000-01-01",
        b"@",
        b"a@b",
        b"a@" + b"b" * 260,
        b"*",
        b"_",
        b"() AND OR NEAR",
    ),
)
values = st.one_of(
    st.sampled_from([value.encode() for value in MEANT]),
    st.sampled_from([value.encode() for value in MEANT]),
    st.sampled_from(HOSTILE),
    st.binary(max_size=12),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"z" * 70_000]),
)
COMMON = (
    "next",
    "page",
    "q",
    "after",
    "since",
    "old",
    "new",
    "typed",
    "confirm",
    "sort",
    "state",
    "only",
    "order",
    "format",
)
KINDS = (
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/json",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/plain; charset=nonsense",
    "",
)


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    method, route, fields = draw(st.sampled_from(ROUTES))
    path = _PLACE.sub(lambda _: quote_from_bytes(draw(values)[:6000], safe=""), route)
    names = st.sampled_from([*fields, *fields, *COMMON])
    # missing, doubled, foreign: whatever comes
    pairs = draw(st.lists(st.tuples(names, values), max_size=len(fields) + 3))
    if draw(st.booleans()):
        pairs = [(name, draw(values)) for name in fields] + pairs[:1]
    encoded = "&".join(f"{quote(name)}={quote_from_bytes(value)}" for name, value in pairs)
    if method != "POST":
        return Ask(method, path, encoded[:9000], b"", "")
    kind = draw(st.one_of(st.just(KINDS[0]), st.just(KINDS[0]), st.just(KINDS[0]), st.sampled_from(KINDS)))
    body = encoded.encode()
    if kind.endswith("boundary=x"):
        parts = (
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
            for name, value in pairs
        )
        body = b"".join(parts) + draw(
            st.sampled_from([b"--x--\r\n", b"", b"--x", b"--x\r\nContent-Disposition: form-data\r\n"])
        )
    elif kind == "application/json":
        body = draw(st.one_of(st.sampled_from(HOSTILE), st.just(body)))
    return Ask(method, path, "", body, kind)


@pytest.fixture
def cookies(db: None) -> dict[str, str]:
    """Make the small index, and return the cookie of each who asks."""
    now = clock.now()
    people = {
        "somebody": make_person("eve"),
        "maintainer": make_person("bob"),
        "owner": make_person("ada"),
        "moderator": make_person("mod"),
        "auditor": make_person("aud"),
        "operator": make_person("root", is_operator=True),
    }
    for office in ("moderator", "auditor"):
        User.objects.filter(pk=people[office].pk).update(**{f"is_{office}": True})
    project = make_project()
    for who in ("owner", "maintainer"):
        Role.objects.create(project=project, user=people[who], kind=who, since_at=now)
    make_file(make_release(project))
    invite("alpha", "eve", "maintainer", by=host())
    propose_office(people["somebody"], "auditor", "why", by=host(), now=now)
    Announcement.objects.create(text="soon", begins_at=now, ends_at=now + timedelta(days=1), made_by="root")
    return {who: start_session(user, ("password", "totp"), at=now)[1] for who, user in people.items()}


def send(ask: Ask, cookie: str) -> tuple[int, str]:
    """Ask once, in a transaction that is undone; a defect is raised as it is. Returns status and code of the refusal."""
    client = Client()
    if cookie:
        client.cookies[cookie_name()] = cookie
    with transaction.atomic():
        answer = client.generic(
            ask.method,
            "/",
            ask.body,
            content_type=ask.kind,
            headers={"accept": "text/html"},
            PATH_INFO=unquote_to_bytes(ask.path).decode("latin-1"),
            QUERY_STRING=ask.query,
        )
        b"".join(answer)
        transaction.set_rollback(True)
    return answer.status_code, answer.headers.get("X-Refusal", "")


def attack(who: str, cookies: dict[str, str], most: int) -> None:
    """Ask as somebody, again and again."""

    @settings(max_examples=most, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(asks())
    def ask_all(ask: Ask) -> None:
        status, code = send(ask, cookies.get(who, ""))
        assert status < 500 or code in UNAVAILABLE

    ask_all()


@pytest.mark.parametrize("who", WHO)
def test_nothing_that_is_sent_is_answered_by_a_defect(who: str, cookies: dict[str, str]) -> None:
    attack(who, cookies, A_FEW)


@pytest.mark.slow
@pytest.mark.parametrize("who", WHO)
def test_nor_is_much_more_of_it(who: str, cookies: dict[str, str]) -> None:
    attack(who, cookies, MANY)
