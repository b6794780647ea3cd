"""Whatever is sent to whichever page by whomever: an answer, never a defect. The pages are those of the catalogue.

Each request goes to a small index in which there is one of everything, and is undone afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.accounts.conftest import PASSWORD
from tests.web.asked import FORM, WHO, Answer, Door, Pairs, all_doors, ask, encoded
from tests.web.everything import (
    BOUNCE_TOKEN,
    GITHUB,
    LIVE,
    NOBODY,
    Everything,
    open_everything,
    places_of,
)

from keyhouse.cli import dev_routes

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]
PEOPLE = (NOBODY, "eve", "bob", "ada", "mod", "aud", "root")
A_FEW, MANY = 20, 4000
# The catalogue's addresses beside the pages, and where they are tried by the same means.
BESIDE = {
    **dict.fromkeys(dev_routes.READS, "tests/index/test_no_500.py"),
    **dict.fromkeys(("/legacy/", "/legacy"), "tests/publishing/upload/test_fuzz.py"),
    **dict.fromkeys(
        ("/health/live", "/health/ready", "/health/seen", "/metrics"), "tests/web/test_health.py"
    ),
}
# What a form could mean; each field of the catalogue has a value.
MEANT: dict[str, bytes] = {
    **dict.fromkeys(("username", "person", "invitee", "people", "identifier"), b"eve"),
    **dict.fromkeys(("password", "current_password"), PASSWORD.encode()),
    **dict.fromkeys(("email", "address"), b"new@example.org"),
    **dict.fromkeys(("reason", "text", "note", "reply", "evidence", "control", "description"), b"Because."),
    **dict.fromkeys(("next",), b"/account/"),
    **dict.fromkeys(("project", "projects"), b"alpha"),
    **dict.fromkeys(
        ("days", "expires_in_days", "file_limit", "project_limit", "owner_id", "actor_id"), b"20"
    ),
    **dict.fromkeys(("url", "homepage"), b"https://there.example/x"),
    **dict.fromkeys(("code", "recovery_code"), b"123456"),
    **dict.fromkeys(("begins_at", "ends_at"), b"2024-05-07T09:00"),
    **dict.fromkeys(("from_on",), b"2024-09-02"),
    **dict.fromkeys(("since", "until"), b"2024-05-06T07:08:09Z"),
    **dict.fromkeys(("owner", "organization", "namespace"), b"acme"),
    **dict.fromkeys(
        ("confirmed", "hands_over", "may_be_private", "may_found", "without_password", "look"), b"on"
    ),
    **dict.fromkeys(("stages", "publishers_only", "grants", "send"), b"on"),
    **dict.fromkeys(("session", "browser", "form_id", "seen", "label", "title", "sub", "about"), b"x1"),
    "act": b"keep",
    "action": b"release.upload",
    "actions": b"upload",
    "claims": b'{"sub": "x"}',
    "environment": b"release",
    "filename": b"alpha-1.0.tar.gz",
    "format": b"csv",
    "issuer": GITHUB.encode(),
    "kind": b"maintainer",
    "lasts": b"1d",
    "level": b"any-factor",
    "mandate": LIVE.encode(),
    "method": b"app",
    "name": b"alpha",
    "networks": b"192.0.2.0/24",
    "office": b"auditor",
    "outcome": b"done",
    "project_name": b"later",
    "provider": b"gitlab",
    "reach": b"named",
    "reads": b"members",
    "repository": b"alpha",
    "response": b'{"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}}',
    "severity": b"warn",
    "successor": b"beta",
    "team": b"keel",
    "teams": b"keel",
    "version": b"1.0",
    "which": b"others",
    "workflow": b"release.yml",
}
HOSTILE = (
    *(b"", b" ", b"\x00", b"a\x00b", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\xa7\xbf", b"\xe2\x80\xae"),
    *(
        b"\xef\xbc\x91",
        b"a" * 300,
        b"9" * 400,
        b"-1",
        b"0",
        b"1e400",
        b"NaN",
        b"Infinity",
        b"9223372036854775808",
    ),
    *(b"\xd9\xa1", b"\xc2\xb2", b"%", b"%zz", b"..", b"/", b"\\", b"{}", b"[]", b'{"a": 1}', b"[[[", b"null"),
    *(
        b"'\"<b>",
        b"{{7*7}}",
        b"%s%n",
        b"\r\nX: y",
        b"\x1b[31m",
        b"() AND OR NEAR",
        b"//evil.example",
        b"*",
        b"_",
    ),
    *(
        b"0000-00-00",
        b"0001-01-01",
        b"9999-12-31T23:59",
        b"9999-99-99T99:99",
        b"10000-01-01",
        b"2!1.0+local.7",
    ),
    *(b"@", b"a@b", b"a@" + b"b" * 260, b"z" * 70_000),
)
COSTLY = ("launch", "guards", "guards.json", "rollback", "abandon")
# Doors that are shut in this index, and by what.
SHUT = {
    # nobody is asked for what these need: other hosts of this site, keys of those who report, passkeys of a former name
    "GET /.well-known/webauthn": "not-found",
    "POST /-/secrets/report": "not-found",
    "POST /_/github/disclose-token": "not-found",
    "POST /_/secrets/disclose-token": "not-found",
    "POST /account/sign-in/former-passkey/options/": "not-found",
    # the code of the form is a wrong one, and nothing else was proven
    "POST /account/step-up/": "step-up-required",
    "POST /account/recover/without-mail/go-on/": "recovery-missing",
    # the mandate that covers its people holds it for two weeks
    "GET /manage/project/<str:name>/delete/": "deletion-held",
    "POST /manage/project/<str:name>/delete/": "deletion-held",
    # what the index says: names are frozen, and operators decide about organizations
    "POST /manage/organization/<str:name>/projects/": "new-projects-frozen",
    "POST /manage/project/<str:name>/organization/": "new-projects-frozen",
    "POST /manage/organizations/new/": "organization-needs-approval",
}
IN_ADDRESS = tuple(value for value in HOSTILE if value and len(value) < 1000 and b"/" not in value)
IN_QUERY = ("next", "page", "q", "after", "since", "until", "old", "new", "sort", "state", "only", "order", "format",
            "which", "before", "issuer", "kind", "code", "person")  # fmt: skip
HUGE = b"m" * 1_000_000
DEEP = "[" * 100_000
HEADERS = {"/_/mail/bounces": {"authorization": f"Bearer {BOUNCE_TOKEN}"}}
JSON_NAMES = ("token", "type", "url", "source", "address", "at", "id", "rawId", "clientDataJSON", "publisher")
ODD_JSON: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    "",
    "\ud800",
    "\x00",
    [],
    [[]],
    {},
    {"a": {"b": [None]}},
    "x" * 9000,
)


@pytest.fixture(scope="module")
def index(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Everything]:
    """Make the index once for all that is asked here."""
    with django_db_blocker.unblock(), open_everything(tmp_path_factory.mktemp("everything")) as made:
        yield made


@pytest.fixture(scope="module")
def answers(index: Everything) -> dict[Door, Answer]:
    """Return what each door answers to a whole form of whoever it opens for; forms are sent twice."""
    return {
        door: send(
            index,
            door,
            encoded(whole(index, door)),
            times=2 if door.method == "POST" and not costs(door) else 1,
        )
        for door in all_doors()
    }


def costs(door: Door) -> bool:
    """Whether it compares all that mandates say with what they would say, which takes a second or so."""
    return door.route.startswith("/operator/mandates/<str:name>/") and door.route.rstrip("/").endswith(COSTLY)


def whole(index: Everything, door: Door) -> Pairs:
    """Return a form of which each field means something."""
    said = {name: index.named.get((door.route, f"field:{name}"), "").encode() for name in door.fields}
    return [(name, said[name] or MEANT[name]) for name in door.fields]


def send(
    index: Everything, door: Door, sent: str, *, kind: str = FORM, times: int = 1, path: str = ""
) -> Answer:
    """Ask at a door as whom it opens for."""
    path = path or index.fill(door.route)
    if door.method != "POST":
        return ask(index, door.who, door.method, path, query=sent)
    body, headers = sent.encode(errors="surrogateescape"), HEADERS.get(door.route, {})
    return ask(index, door.who, "POST", path, body=body, kind=kind, times=times, headers=headers)


# ---- what is there


def test_there_is_one_of_everything(index: Everything) -> None:
    """Also of what is made tomorrow: let a page or a work make it in `everything`, or name it in `BY_HAND` there."""
    empty = {model._meta.label for model in apps.get_models() if not model._default_manager.exists()}
    assert empty - {ContentType._meta.label} == set()


def test_the_whole_catalogue_is_asked() -> None:
    pages = {(door.method, door.route) for door in all_doors()}
    lines = [line for line in dev_routes.routes() if line["path"] not in BESIDE]
    assert len(lines) == len(pages)
    assert {line["path"] for line in dev_routes.routes()} >= set(BESIDE)
    assert {name for door in all_doors() for name in door.fields} <= set(MEANT)
    assert {start for start in WHO if not any(door.route.startswith(start) for door in all_doors())} == set()


# ---- what is sent


def test_whole_forms_are_answered_also_the_second_time(answers: dict[Door, Answer]) -> None:
    assert [f"{door}: {answer.defect}" for door, answer in answers.items() if answer.defect] == []


def test_doors_open_for_whom_they_are_asked_as(answers: dict[Door, Answer]) -> None:
    """Otherwise all else would end before the page has read any of it."""
    told = {str(door): answer.first for door, answer in answers.items()}
    assert {door: code for door, (status, code) in told.items() if status in {401, 403, 404, 410}} == SHUT


def test_each_door_takes_something_odd(index: Everything) -> None:
    """One attack after the other, of each door another one; `--all` tries all of them at each."""
    broken = []
    for number, door in enumerate(one for one in all_doors() if not costs(one)):
        attacks = list(attacks_on(index, door, number))
        name, attack = attacks[number % len(attacks)]
        broken += [f"{door} {name}: {defect}" for defect in [attack().defect] if defect]
    assert broken == []


def test_no_name_in_an_address_holds_what_a_database_refuses(index: Everything) -> None:
    broken = []
    for door in all_doors():
        for place in (one for one in places_of(door.route) if f"<str:{one}>" in door.route):
            path = index.fill(door.route, {place: "a%00b"})
            broken += [f"{path}: {defect}" for defect in [send(index, door, "", path=path).defect] if defect]
    assert broken == []


@pytest.mark.slow
def test_each_door_takes_everything_odd(index: Everything) -> None:
    broken = []
    for number, door in enumerate(all_doors()):
        for shift in range(4):
            for name, attack in attacks_on(index, door, number + shift * 13):
                broken += [f"{door} {name}: {defect}" for defect in [attack().defect] if defect]
    assert broken == []


def attacks_on(index: Everything, door: Door, number: int) -> Iterator[tuple[str, Any]]:
    """Yield the attacks on a door; `number` turns the wheel of what is hostile."""
    places = places_of(door.route)
    if places:
        value = IN_ADDRESS[number % len(IN_ADDRESS)]
        odd = index.fill(door.route, {places[number % len(places)]: quote_from_bytes(value, safe="")})
        yield f"at {odd[:200]}", partial(send, index, door, encoded(whole(index, door)), path=odd)
    if door.method != "POST":
        value = HOSTILE[number % len(HOSTILE)][:2000]
        yield (
            f"asked {value[:40]!r}",
            partial(send, index, door, encoded([(name, value) for name in IN_QUERY])),
        )
        return
    yield "with nothing", partial(send, index, door, "")
    yield "with deep JSON", partial(send, index, door, DEEP, kind="application/json")
    odd_body = {
        name: ODD_JSON[(number + at) % len(ODD_JSON)] for at, name in enumerate(JSON_NAMES + door.fields)
    }
    for body in (odd_body, [odd_body], ODD_JSON[number % len(ODD_JSON)]):
        yield (
            f"with JSON {type(body).__name__}",
            partial(send, index, door, json.dumps(body), kind="application/json"),
        )
    for at, (name, _) in enumerate(whole(index, door)):
        value = HOSTILE[(number + at * 7) % len(HOSTILE)]
        pairs = [(one, value if one == name else meant) for one, meant in whole(index, door)]
        yield f"{name}={value[:40]!r}", partial(send, index, door, encoded(pairs))
    if door.fields:
        yield "doubled, from behind", partial(send, index, door, encoded(doubled(index, door, number)))
        yield "huge", partial(send, index, door, encoded([*whole(index, door)[1:], (door.fields[0], HUGE)]))
        yield (
            "in parts",
            partial(send, index, door, in_parts(index, door, number), kind="multipart/form-data; boundary=x"),
        )


def doubled(index: Everything, door: Door, number: int) -> Pairs:
    """Return a form from behind, each field twice, first with something hostile."""
    value = HOSTILE[number % len(HOSTILE)]
    return [pair for name, meant in reversed(whole(index, door)) for pair in ((name, value), (name, meant))]


def in_parts(index: Everything, door: Door, number: int) -> str:
    """Return a form in parts: one hostile, one a file where none is asked for, and the end missing now and then."""
    value, whole_form = HOSTILE[number % len(HOSTILE)], whole(index, door)
    pairs = [(whole_form[0][0], value), *whole_form[1:]]
    parts = [part_of(name, given) for name, given in pairs]
    end = (b"--x--\r\n", b"", b"--x", b"--x\r\nContent-Disposition: form-data\r\n")[number % 4]
    body = b"".join(parts) + part_of(f'{whole_form[-1][0]}"; filename="a', value) + end
    return body.decode(errors="surrogateescape")


def part_of(name: str, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)


# ---- whatever comes

VALUES = st.one_of(
    st.sampled_from(sorted(set(MEANT.values()))),
    st.sampled_from(HOSTILE),
    st.binary(max_size=12),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
KINDS = (
    *(FORM, FORM, FORM, f"{FORM}; charset=utf-16", "application/json", "multipart/form-data"),
    *("multipart/form-data; boundary=x", "text/plain; charset=nonsense", ""),
)


@st.composite
def asks(draw: st.DrawFn) -> tuple[Door, dict[str, str], Pairs, str]:
    """Draw a door, what stands in some places of its address, fields, and of which kind they say they are."""
    door = draw(st.sampled_from(all_doors()))
    places = draw(st.dictionaries(st.sampled_from(places_of(door.route) or ["none"]), VALUES, max_size=1))
    odd = {place: quote_from_bytes(value[:6000], safe="") for place, value in places.items()}
    names = st.sampled_from([*door.fields, *door.fields, *IN_QUERY])
    pairs = draw(st.lists(st.tuples(names, VALUES), max_size=len(door.fields) + 3))
    if draw(st.booleans()):
        pairs = [(name, draw(VALUES)) for name in door.fields] + pairs[:1]
    return door, odd, pairs, draw(st.sampled_from(KINDS))


def attack(index: Everything, who: str, most: int) -> None:
    """Ask as somebody, again and again."""

    @settings(max_examples=most, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(asks())
    def ask_all(asked: tuple[Door, dict[str, str], Pairs, str]) -> None:
        door, odd, pairs, kind = asked
        path, sent = index.fill(door.route, odd), encoded(pairs)
        if door.method == "POST":
            answer = ask(index, who, "POST", path, body=sent.encode(), kind=kind)
        else:
            answer = ask(index, who, door.method, path, query=sent[:9000])
        assert not answer.defect

    ask_all()


@pytest.mark.parametrize("who", PEOPLE)
def test_nothing_that_is_sent_is_answered_by_a_defect(who: str, index: Everything) -> None:
    attack(index, who, A_FEW)


@pytest.mark.slow
@pytest.mark.parametrize("who", PEOPLE)
def test_nor_is_much_more_of_it(who: str, index: Everything) -> None:
    attack(index, who, MANY)
