"""Who sees a project that is kept to some readers, on every face of a private index; for everybody else it isn't there."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from django.db import connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from tests.credentials.tokens.conftest import make_user, session_of
from tests.credentials.tokens.conftest import wired as wired  # noqa: PLC0414 - a fixture
from tests.credentials.trusted_publishers.runs import identity, know_issuer, publisher_of
from tests.index.conftest import Client, Index
from tests.index.conftest import index as index  # noqa: PLC0414 - a fixture
from tests.index.conftest import open_client as open_client  # noqa: PLC0414 - a fixture
from tests.index.test_integrity import BODY
from tests.safety.faces import ANSWERS, PAGES, READ_PLANE, Face

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import User
from keyhouse.accounts.sessions import start_session
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actor import Actor, host
from keyhouse.credentials.tokens import reader, robots, services
from keyhouse.credentials.tokens.reader import TokenReader
from keyhouse.credentials.trusted_publishers import minting
from keyhouse.credentials.trusted_publishers.minting import Wish
from keyhouse.index.keeper import Keeper
from keyhouse.mandate.by_organizations.models import Declaration
from keyhouse.mandate.declarations import DECLARED
from keyhouse.mandate.models import Change
from keyhouse.organizations import populating
from keyhouse.organizations import services as organizations
from keyhouse.organizations.models import Membership, Organization
from keyhouse.organizations.readers import set_readers
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.models import File, Project, Provenance, Role
from keyhouse.projects.readers import set_project_readers
from keyhouse.projects.search.rows import remove_row

pytestmark = pytest.mark.django_db(transaction=True)

FACES: Final = [face for faces in READ_PLANE.values() for face in faces]
PEOPLE: Final = ("ada", "eve", "tim", "rol", "out", "ope", "aud")
_CSRF: Final = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]+"')
DAY: Final = timedelta(days=1)
_OFFICES: Final = {"ope": {"is_operator": True}, "aud": {"is_auditor": True}}


@dataclass
class Shown:
    """An answer, as far as two can be alike."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def told(self, face: Face) -> bool:
        return self.status == 200 and (face.project == ANSWERS or face.project.encode() in self.body)

    def named(self, name: str) -> tuple[int, dict[str, str], bytes]:
        """Return it with another name in place of the project's, of the same length."""
        body = _CSRF.sub(b"", self.body).replace(b"alpha", name.encode())
        return self.status, {key: value.replace("alpha", name) for key, value in self.headers.items()}, body


@dataclass
class World:
    """An index with a project `alpha` of Acme's, and another one; Ada owns it, Eve and Tim belong to it, Tim to a team."""

    plane: Client
    users: dict[str, User]
    file: File
    other: File
    asked: TokenReader
    open: Callable[..., Client]

    def browse(self, who: str, address: str) -> Shown:
        _, value = start_session(self.users[who], ("password", "totp"))
        browser = Browser()
        browser.cookies[cookie_name()] = value
        answer = browser.get(address, HTTP_ACCEPT="*/*")
        headers = {name: value for name, value in answer.headers.items() if name != "Vary"}
        return Shown(answer.status_code, headers, answer.content)

    def read(self, headers: dict[str, str], face: Face, address: str = "") -> Shown:
        address = (address or face.address).replace("{file}", f"/files/{self.file.path}")
        answer = self.plane.ask(address, {"Accept": face.accept, **headers})
        return Shown(answer.status, answer.headers, answer.body)

    def cookie_of(self, who: str) -> dict[str, str]:
        _, value = start_session(self.users[who], ("password", "totp"))
        return {"Cookie": f"{cookie_name()}={value}"}

    def token_of(self, who: str, *acts: str) -> dict[str, str]:
        _, text = services.mint_token(
            self.users[who],
            description=f"{who} {secrets.token_hex(4)}",
            project_ids=None,
            reason="reads all of it",
            expires_in_days=30,
            actions=list(acts),
            by=session_of(self.users[who]),
        )
        return basic(text)


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"__token__:{text}".encode()).decode()}


def by(user: User) -> Actor:
    return session_of(user)


@pytest.fixture
def world(
    index: Index,
    open_client: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    monkeypatch.setattr(
        configuration, "_current", dataclasses.replace(configuration.current(), reads="private")
    )
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.0)
    asked = TokenReader()
    actions.wire(reader=asked)
    know_issuer()
    users = {name: make_user(name, **_OFFICES.get(name, {})) for name in PEOPLE}
    acme = organizations.create_organization("acme", by=by(users["ada"]))
    populating.add_members(acme, {users["eve"]: "member", users["tim"]: "member"}, by=host())
    populating.add_team(acme, "ci", [users["tim"]], by=host())
    other = index.publish("beta", "1.0")
    index.publish("alpha", "1.0")
    file = index.publish("alpha", "2.0")
    Provenance.objects.create(file=file, body=BODY)
    index.change_file(file, has_provenance=True)
    index.change(file.project, organization=acme, organization_since_at=clock.now())
    Role.objects.create(project=file.project, user=users["rol"], kind="maintainer", since_at=clock.now())
    Keeper(configuration.current()).settle()
    opened = partial(open_client, reads="private")
    yield World(opened(upstream="https://up.example.org/simple"), users, file, other, asked, opened)
    asked._uses.close()


def ghost(face: Face) -> str:
    """Return the same address of what isn't there."""
    suffix = face.address.removeprefix("{file}")
    if suffix != face.address:
        return f"/files/aa/bb/{'c' * 60}/omega-2.0-py3-none-any.whl{suffix}"
    return face.address.replace("alpha", "omega")


def require_seen(world: World, headers: dict[str, str]) -> None:
    for face in FACES:
        if face.project:
            assert world.read(headers, face).told(face), face


def require_unseen(world: World, headers: dict[str, str]) -> None:
    """See that each face answers as it does for a name that isn't there, and that lists leave it out."""
    for face in FACES:
        found = world.read(headers, face)
        assert not found.told(face), (face, found)
        assert b"alpha" not in found.body or "alpha" in face.address, face
        if "alpha" not in face.address and face.address != "{file}" and not face.address.startswith("{"):
            continue
        nothing = world.read(headers, face, ghost(face))
        if face.address == "/simple/alpha/" and nothing.status == 302:
            # a name that was never here may be led to the other index; one that is here never is
            assert (found.status, "location" in found.headers) == (404, False)
            continue
        assert found.named("omega") == nothing.named("omega"), face


def require_pages(world: World, who: str, *, seen: bool) -> None:
    for face in PAGES.values():
        found = world.browse(who, face.address)
        if face.project and seen:
            assert found.told(face), (who, face, found)
        if seen or not face.project:
            continue
        assert not found.told(face), (who, face)
        assert b"alpha" not in found.body.replace(b"q=alpha", b"").replace(b'value="alpha"', b"") or (
            "alpha" in face.address
        ), (who, face)
        if face.address.startswith("/project/"):
            nothing = world.browse(who, face.address.replace("alpha", "omega"))
            assert found.named("omega") == nothing.named("omega"), (who, face)
            assert found.status == 404


def everywhere(world: World, seeing: set[str]) -> None:
    for who in PEOPLE:
        look = require_seen if who in seeing else require_unseen
        look(world, world.cookie_of(who))
        look(world, world.token_of(who, "read"))
        require_pages(world, who, seen=who in seeing)


def robot_of(world: World) -> dict[str, str]:
    _, text = robots.mint_robot_token(
        "alpha", description="robot", expires_in_days=30, by=by(world.users["ada"])
    )
    return basic(text)


def minted(world: World, project: Project, who: str, **claims: Any) -> dict[str, str]:
    publisher_of(project, world.users[who], **claims)
    return basic(minting.mint(identity(), wish=Wish("read", project=project.normalized_name)).text)


def test_without_a_word_about_readers_everybody_who_reads_sees_it(world: World) -> None:
    everywhere(world, set(PEOPLE))
    assert world.asked._verdicts._state.is_restricted is False


def test_a_project_of_members_is_there_for_them_and_for_whoever_has_a_role(world: World) -> None:
    set_readers("acme", "members", by=by(world.users["ada"]))
    everywhere(world, {"ada", "eve", "tim", "rol"})
    # nobody at all, and what was given to machines
    for face in FACES:
        closed = world.read({}, face)
        assert (closed.status, b"alpha" in closed.body) == (401, False)
    own, beta = minted(world, world.file.project, "ada"), world.other.project
    Role.objects.create(project=beta, user=world.users["out"], kind="owner", since_at=clock.now())
    others = minted(world, beta, "out")
    for headers in (own, robot_of(world)):
        assert world.read(headers, READ_PLANE["simple"][0]).told(READ_PLANE["simple"][0])
        assert world.read(headers, READ_PLANE["file"][0]).told(READ_PLANE["file"][0])
        assert world.read(headers, READ_PLANE["root"][0]).status == 401
    require_unseen(world, others)
    require_unseen(world, world.token_of("out", "upload"))  # which may make a project of any free name
    require_seen_alone(world, world.token_of("rol", "upload"))


def require_seen_alone(world: World, headers: dict[str, str]) -> None:
    """See what an upload token shows: the project, and no list."""
    assert world.read(headers, READ_PLANE["simple"][0]).told(READ_PLANE["simple"][0])
    assert world.read(headers, READ_PLANE["root"][0]).status == 401


def test_a_project_of_teams_and_what_a_project_says_itself(world: World) -> None:
    ada = by(world.users["ada"])
    set_readers("acme", "teams", ["ci"], by=ada)
    everywhere(world, {"ada", "tim", "rol"})
    set_project_readers("alpha", "roles", by=ada)
    require_unseen(world, world.cookie_of("tim"))
    require_pages(world, "tim", seen=False)
    require_seen(world, world.cookie_of("rol"))
    set_project_readers("alpha", "members", by=ada)
    require_seen(world, world.cookie_of("eve"))
    require_unseen(world, world.cookie_of("out"))
    set_project_readers("alpha", "everybody", by=ada)
    require_seen(world, world.cookie_of("out"))
    require_pages(world, "out", seen=True)


def test_whoever_leaves_reads_nothing_with_the_next_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = by(world.users["ada"])
    set_readers("acme", "members", by=ada)
    eve = world.cookie_of("eve")
    require_seen(world, eve)
    Membership.objects.filter(user=world.users["eve"]).delete()
    require_unseen(world, eve)
    require_pages(world, "eve", seen=False)
    # a verdict that is kept counts for a tenth of a second at most
    tim = world.cookie_of("tim")
    monkeypatch.setattr(reader, "LOOK_SECONDS", 3600.0)
    assert world.read(tim, READ_PLANE["simple"][0]).status == 200
    Membership.objects.filter(user=world.users["tim"]).delete()
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.0)
    assert world.read(tim, READ_PLANE["simple"][0]).status == 404


def test_lists_are_held_by_what_is_hidden_and_follow_changes(world: World, index: Index) -> None:
    set_readers("acme", "members", by=by(world.users["ada"]))
    out, eve = world.cookie_of("out"), world.cookie_of("eve")
    face = READ_PLANE["root"][0]
    first = world.read(out, face)
    tag = first.headers["etag"]
    assert world.read({**out, "If-None-Match": tag}, face).status == 304
    assert (
        world.read({**eve, "If-None-Match": tag}, face).status == 200
    )  # another list, under the same address
    assert first.headers["cache-control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(first.headers["vary"].split(", "))
    index.publish("gamma")
    Keeper(configuration.current()).settle()
    world.plane.catch_up()
    assert b"gamma" in world.read(out, face).body
    assert b"alpha" not in world.read(out, face).body
    held = world.plane.plane._holdings
    assert {len(addresses) for addresses in held._filtered.values()} <= {1}


def test_who_cannot_read_learns_nothing_by_other_doors(world: World) -> None:
    set_readers("acme", "members", by=by(world.users["ada"]))
    browse = world.browse
    for address in ("/report/{}/", "/mandate/projects/{}.json", "/manage/project/{}/"):
        found = browse("out", address.format("alpha"))
        assert found.named("omega") == browse("out", address.format("omega")).named("omega"), address
    Project.objects.filter(normalized_name="beta").update(status="deprecated", successor="alpha")
    assert b'href="/project/alpha/"' in browse("eve", "/project/beta/").body
    assert b'href="/project/alpha/"' not in browse("out", "/project/beta/").body


def test_numbers_and_classifiers_leave_out_what_is_hidden(world: World, index: Index) -> None:
    release = world.file.release
    release.metadata = {"classifiers": ["Topic :: Secret :: Very"]}
    release.save()
    with transaction.atomic():
        remove_row(world.file.project_id)
    index.change(world.file.project)
    set_readers("acme", "members", by=by(world.users["ada"]))
    for address in ("/browse/?classifier=Topic", "/search/?q=beta", "/browse/"):
        seen, unseen = world.browse("eve", address), world.browse("out", address)
        assert b"Topic" in seen.body
        assert b"Topic ::" not in unseen.body
        assert unseen.status == (404 if "=Topic" in address else 200)
    assert world.browse("out", "/browse/?classifier=Topic+%3A%3A+Secret").status == 404
    for who in ("eve", "out"):  # whatever somebody may read, the first page has no numbers
        assert b'class="figures"' not in world.browse(who, "/").body
    stats = world.read(world.cookie_of("out"), READ_PLANE["stats"][0]).body
    assert b'"projects":1,' in stats.replace(b" ", b"")


def test_asking_beforehand_tells_no_more_than_the_doors(world: World) -> None:
    set_readers("acme", "members", by=by(world.users["ada"]))
    asked = {"out": world.token_of("out", "upload"), "both": world.token_of("out", "read", "upload")}
    for who, headers in asked.items():
        for act in ("index.read", "index.read-private", "release.yank", "project.manage"):
            found, nothing = (
                Browser().get(f"/mandate/check?action={act}&project={name}", headers=headers).content
                for name in ("alpha", "omega")
            )
            assert (found, b"verdict" in found) == (nothing, True), (who, act)


def test_asking_beforehand_does_not_tell_what_an_organization_asks_in_what_is_hidden(world: World) -> None:
    set_readers("acme", "members", by=by(world.users["ada"]))
    now, acme = clock.now(), Organization.objects.get(normalized_name="acme")
    Declaration.objects.create(
        organization=acme, version=1, demand="phishing-resistant", declared_at=now - 30 * DAY,
        declared_by="ada", announced_at=now - 30 * DAY, from_at=now - 10 * DAY, begins_at=now - 30 * DAY,
    )  # fmt: skip
    Change.objects.update_or_create(pk=DECLARED, defaults={"value": 1})

    def asked(name: str) -> dict[str, Any]:
        answer: dict[str, dict[str, Any]] = json.loads(
            world.browse("out", f"/mandate/check?project={name}").body
        )
        return answer["decisions"]

    found, nothing = asked("alpha"), asked("omega")
    assert {act for act in found if found[act] != nothing[act]} == {"release.upload"}, "the name is taken"
    ProjectInvitation.objects.create(
        project=Project.objects.get(normalized_name="alpha"), kind="maintainer", user=world.users["out"],
        invited_by_name="ada", invited_at=now, sent_at=now, expires_at=now + DAY,
    )  # fmt: skip
    assert asked("alpha")["collaborator.accept"]["mandate"] == "organization:acme", "who is invited is told"


ODD: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("/simple/Alpha", {}),
    ("/simple/alpha/?format=application/vnd.pypi.simple.v1%2Bhtml", {}),
    ("/simple/alpha/?format=none", {}),
    ("/simple/alpha/", {"Accept": "image/png"}),
    ("/simple/alpha/", {"If-None-Match": "*"}),
    ("/simple/alpha/", {"Accept-Encoding": "zstd, gzip"}),
    ("/pypi/Alpha/json", {}),
    ("/pypi/alpha/2/json", {}),  # equal to 2.0, whose page it would lead to
    ("/pypi/alpha/9/json", {}),
    ("/integrity/alpha/2/alpha-2.0-py3-none-any.whl/provenance", {}),
    ("{file}", {"Range": "bytes=0-1"}),
    ("{file}", {"If-None-Match": "*"}),
    ("{file}.metadata", {"Range": "bytes=99999-"}),
)


def test_no_odd_way_of_asking_tells_them_apart(world: World) -> None:
    set_readers("acme", "members", by=by(world.users["ada"]))
    world.plane = world.open(upstream="")
    out = world.cookie_of("out")
    for is_whole in (True, False):
        for address, headers in ODD:
            for method in ("GET", "HEAD"):
                asked = [
                    world.plane.ask(
                        one.replace("{file}", f"/files/{world.file.path}"), {**out, **headers}, method
                    )
                    for one in (address, ghost(Face(address)))
                ]
                found, nothing = (Shown(one.status, one.headers, one.body) for one in asked)
                assert found.named("omega") == nothing.named("omega"), (address, headers, method, is_whole)
        # nor is it told that the bytes of a hidden file are gone
        (configuration.current().files_folder / world.file.path).unlink(missing_ok=True)
        world.plane = world.open(upstream="")
    for address in ("/project/Alpha/", "/project/alpha/2/", "/project/alpha/compare/?from=1.0&to=2.0"):
        found, nothing = (
            world.browse("out", one)
            for one in (address, address.replace("lpha", "mega").replace("A", "O").replace("/a", "/o"))
        )
        assert (found.status, len(found.body)) == (nothing.status, len(nothing.body)), address


def test_as_many_questions_are_asked_about_a_hidden_name_as_about_none(world: World) -> None:
    set_readers("acme", "members", by=by(world.users["ada"]))
    for headers in (world.cookie_of("out"), world.token_of("out", "read"), world.token_of("out", "upload")):
        credential = headers.get("Authorization", ""), headers.get("Cookie", "")
        counts = []
        for name in ("warming", "alpha", "omega"):
            with CaptureQueriesContext(connection) as asked:
                world.asked._judge(*credential, name, "192.0.2.7")
            counts.append(len(asked))
        assert counts[1] == counts[2], counts


def test_where_nothing_is_kept_a_kept_verdict_asks_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = world.cookie_of("out")["Cookie"]
    assert world.asked._judge("", cookie, "alpha", "192.0.2.7") == actions.EVERYTHING
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.1)
    world.asked._judge("", cookie, "alpha", "192.0.2.7")
    with CaptureQueriesContext(connection) as asked:
        for _ in range(20):
            world.asked._judge("", cookie, "alpha", "192.0.2.7")
    assert len(asked) <= 4  # the counter and whether anything is kept, each tenth of a second
