"""Who may do what, by the real doors: every action of an organization, by everybody, by GET and POST alike.

One world with one of each kind of person in it, each with a session of their own; whatever a request does is undone. A door
or an action that stands in no table here fails the test. The doors of a project for whoever has a right by an organization
or a team: `tests/projects/test_rights_matrix.py`.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import URLResolver, get_resolver
from tests.accounts.conftest import configure as configure  # noqa: PLC0414 - a fixture
from tests.accounts.conftest import make_person, signed_in
from tests.accounts.conftest import time as time  # noqa: PLC0414 - a fixture
from tests.accounts.conftest import wired as wired  # noqa: PLC0414 - a fixture
from tests.projects.conftest import make_file

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import User
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actor import Strength, host
from keyhouse.credentials.tokens.robots import mint_organization_token
from keyhouse.credentials.tokens.rules import Reach
from keyhouse.credentials.trusted_publishers.of_organizations import add_organization_publisher
from keyhouse.credentials.trusted_publishers.services import Told
from keyhouse.organizations import inviting, membership, populating, rules, services
from keyhouse.organizations.models import Membership, OrganizationInvitation
from keyhouse.projects import services as projects
from keyhouse.projects.organizing import create_project_in, set_team_role

pytestmark = pytest.mark.django_db

# The table. By whom each action of an organization is done; `invited` is whoever an invitation is for.
TABLE = {
    "organization.manage": "owner manager member",
    "organization.leave": "owner manager member",
    "team.keep-member": "owner manager member",
    "organization.add-project": "owner manager",
    "team.create": "owner manager",
    "team.rename": "owner manager",
    "team.delete": "owner manager",
    "team.add-member": "owner manager",
    "team.remove-member": "owner manager",
    "organization.move-project": "owner",
    "organization.oversee": "owner",
    "organization.describe": "owner",
    "organization.rename": "owner",
    "organization.set-readers": "owner",
    "organization.see-readers": "owner",
    "organization.delete": "owner",
    "organization.invite": "owner",
    "organization.hand-over": "owner",
    "organization.resend": "owner",
    "organization.revoke": "owner",
    "organization.change-role": "owner",
    "organization.remove-member": "owner",
    "organization.keep-member": "owner",
    "organization.nudge": "owner",
    "organization.lay-down": "owner",
    "organization.declare-mandate": "owner",
    "organization.loosen-mandate": "owner",
    "organization.approve-mandate": "owner",
    "organization.keep-mandate": "owner",
    "robot-token.mint": "owner",
    "robot-token.revoke": "owner",
    "robot-token.confirm": "owner",
    "publisher.read": "owner",
    "publisher.add": "owner",
    "publisher.remove": "owner",
    "publisher.confirm": "owner",
    "publisher.constrain": "owner",
    "publisher.add-pending": "owner",
    "publisher.remove-pending": "owner",
    "organization.accept": "invited",
    "organization.decline": "invited",
}
# Asked inside the door of another action: the moving of a project; giving up a publisher that waits.
INSIDE = {"organization.move-project", "publisher.remove-pending"}
RUN = {
    "issuer": "https://token.actions.githubusercontent.com",
    "owner": "harbour",
    "repository": "mast",
    "workflow": "release.yml",
}
# A whole form of every door that takes one, and what it is answered with: 303, but for what says so.
FORMS: dict[str, dict[str, str]] = {
    "organization.invite": {"invitee": "newcomer", "kind": "member"},
    "organization.hand-over": {"invitee": "newcomer"},
    "organization.resend": {},
    "organization.revoke": {},
    "organization.change-role": {"kind": "manager"},
    "organization.remove-member": {},
    "organization.keep-member": {},
    "organization.nudge": {},
    "organization.leave": {},
    "organization.lay-down": {},
    "organization.describe": {"title": "T", "description": "D"},
    "organization.rename": {"name": "emca"},
    "organization.set-readers": {"reads": "members"},
    "organization.delete": {},
    "organization.add-project": {"name": "fresh"},
    "organization.accept": {},
    "organization.decline": {},
    "organization.declare-mandate": {"level": "any-factor", "from_on": "2001-01-01"},
    "organization.loosen-mandate": {},
    "organization.approve-mandate": {},
    "organization.keep-mandate": {},
    "robot-token.mint": {
        "description": "ci",
        "expires_in_days": "9",
        "reach": "named",
        "projects": "alpha",
    },
    "robot-token.revoke": {},
    "robot-token.confirm": {},
    "publisher.add": {**RUN, "reach": "named", "projects": "alpha"},
    "publisher.add-pending": {**RUN, "project_name": "fresh"},
    "publisher.remove": {},
    "publisher.confirm": {},
    "publisher.constrain": {},
    "team.create": {"name": "extra"},
    "team.rename": {"name": "hull"},
    "team.delete": {},
    "team.add-member": {"username": "tia"},
    "team.remove-member": {},
    "team.keep-member": {},
}
DONE = (303, "")
OTHERWISE = {
    "organization.delete": (400, "organization-not-empty"),
    "organization.set-readers": (400, "readers-public"),
    "organization.lay-down": (400, "owned-by-others"),
    "organization.nudge": (409, "nothing-lacking"),
    "organization.add-project": (302, ""),
    "robot-token.mint": (200, ""),
    "robot-token.confirm": (409, "robot-token-not-resting"),
    "publisher.constrain": (400, "publisher-environment-unseen"),
    "organization.declare-mandate": (400, "declaration-too-soon"),
    "organization.loosen-mandate": (400, "declaration-nothing"),
    "organization.approve-mandate": (400, "declaration-over"),
    "organization.keep-mandate": (409, "declaration-over"),
}
# Members take back what waits for themselves; this is asked about another one.
NOT_FOR_OTHERS = ("member by team", "team.keep-member")
BELOW = (
    "/manage/organization/<",
    "/account/invitations/organization/<",
    "/account/mandate/exits/organization/<",
)
OWN_LIST = "/manage/organizations/"  # everybody's own, whether there is one or not


@dataclass(frozen=True)
class Door:
    path: str
    method: str
    action: str

    @property
    def is_inbox(self) -> bool:
        return self.path.startswith("/account/invitations/")

    def at(self, **named: str) -> str:
        values = defaultdict(lambda: "1", named)
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], self.path)


def all_doors(patterns: Any = None, path: str = "/") -> Iterator[Door]:
    """Yield each method of every page of the index."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        here = path + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from all_doors(pattern.url_patterns, here)
        else:
            for method, action in getattr(pattern.callback, "actions", {}).items():
                yield Door(here, method, action)


@dataclass
class World:
    clients: dict[str, Client]
    here: dict[str, str]  # what addresses name
    elsewhere: dict[str, str]  # the same of another organization
    nowhere: dict[str, str]  # what was never there

    def enter(self, door: Door, who: str, **values: str) -> Answer:
        """Come by a door, with a whole form where it takes one."""
        return self.ask(who, door.method, door.at(**values), FORMS.get(door.action, {}))

    def ask(self, who: str, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        """Ask and undo; returns what came back and which tables were written."""
        written: set[str] = set()

        def watch(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
            found = re.match(
                r'\s*(?:INSERT\s+(?:OR \w+ )?INTO|UPDATE|DELETE\s+FROM)\s+"?(\w+)', sql, re.IGNORECASE
            )
            written.update([found[1]] if found else [])
            return execute(sql, params, many, context)

        client = self.clients[who]
        cookies = copy.deepcopy(client.cookies)
        with transaction.atomic():
            with connection.execute_wrapper(watch):
                send = client.get if method == "GET" else client.post
                data = form if method == "POST" else None
                answer: Any = send(path, data=data or {}, headers={"accept": "text/html"})
                body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            transaction.set_rollback(True)
        client.cookies = cookies
        return Answer(answer.status_code, answer.headers.get("X-Refusal", ""), body.decode(), written)


@dataclass
class Answer:
    status: int
    code: str
    body: str
    written: set[str]

    @property
    def told(self) -> tuple[int, str]:
        return self.status, self.code


@pytest.fixture
def world(db: None) -> World:
    names = ("ada", "otto", "mona", "mo", "tia", "ida", "exa", "olaf", "sam", "suse")
    people = {name: make_person(name) for name in names}
    acting = {name: _client(people[name]) for name in names}
    acme = services.create_organization(
        "acme", by=host(), owners=[people["ada"], people["otto"], people["suse"]]
    )
    kinds = {"mona": "manager", "mo": "member", "tia": "member", "exa": "owner"}
    populating.add_members(acme, {people[name]: kind for name, kind in kinds.items()}, by=host())
    populating.add_team(acme, "keel", [people["mo"]], by=host())
    populating.add_team(acme, "mast", [people["tia"], people["exa"]], by=host())
    create_project_in("acme", "alpha", by=host())
    projects.publish_file(make_file("alpha"), by=host())
    set_team_role("alpha", "keel", "maintainer", by=host())
    set_team_role("alpha", "mast", "owner", by=host())
    membership.remove_member("acme", "exa", by=host())
    other = services.create_organization("other", by=host(), owners=[people["olaf"]])
    populating.add_team(other, "stern", [people["olaf"]], by=host())
    create_project_in("other", "beta", by=host())
    mine = inviting.invite("acme", "ida", "member", by=host())
    theirs = inviting.invite("other", "zoe", "owner", by=host())
    assert acting["suse"].get("/manage/organization/acme/").status_code == 200
    User.objects.filter(username="suse").update(state=User.State.SUSPENDED)
    here = {"name": "acme", "username": "mo", "team_name": "keel", "invitation_id": str(mine.pk)}
    here |= _credentials("acme", people["ada"], "alpha")
    elsewhere = {**here, "username": "olaf", "team_name": "stern", "invitation_id": str(theirs.pk)}
    elsewhere |= _credentials("other", people["olaf"], "beta")
    nowhere = {**here, "username": "nobody", "team_name": "nothing", "invitation_id": "987654"}
    nowhere |= {"token_id": "00000000-0000-4000-8000-000000000000", "publisher_id": "987654"}
    clients = {
        "owner": acting["ada"],
        "manager": acting["mona"],
        "member": acting["mo"],
        "member by team": acting["tia"],
        "invited": acting["ida"],
        "ex-member": acting["exa"],
        "owner of another": acting["olaf"],
        "outsider": acting["sam"],
        "suspended": acting["suse"],
        "anonymous": Client(),
    }
    return World(clients, here, elsewhere, nowhere)


def _credentials(organization: str, owner: User, project: str) -> dict[str, str]:
    """Make a robot token and a publisher of an organization; return what addresses name of them."""
    keys.ensure_ring(configuration.current().key_file)
    strength, reach = Strength(frozenset({"password", "totp"}), clock.now()), Reach((project,))
    token, _ = mint_organization_token(
        organization,
        description="old",
        reach=reach,
        expires_in_days=9,
        by=host(),
        owner=owner,
        strength=strength,
    )
    fields = {name: value for name, value in RUN.items() if name != "issuer"} | {"repository": "keel"}
    told = Told(owner, strength, clock.now())
    publisher = add_organization_publisher(
        organization, "github", "", fields, reach=reach, by=host(), told=told
    )
    return {"token_id": str(token.pk), "publisher_id": str(publisher.pk)}


def _client(user: User) -> Client:
    client = Client()
    client.cookies[cookie_name()] = signed_in(user)[1].cookie
    return client


# Whoever has no business with an organization learns nothing of it.
OUTSIDE = {"invited", "ex-member", "owner of another", "outsider", "anonymous", "suspended"}


def role_of(who: str) -> str:
    return {"member by team": "member"}.get(who, who)


def may(who: str, action: str) -> bool:
    return role_of(who) in TABLE[action].split()


# What a request may write whatever it is answered with: when somebody was last seen, and attempts that are counted.
ALWAYS = {"accounts_session", "accounts_user", "accounts_attempt"}


def test_the_table_is_that_of_the_rules_and_has_every_door() -> None:
    roles = {role for whom in TABLE.values() for role in whom.split()}
    assert {role: {name for name, whom in TABLE.items() if role in whom.split()} for role in roles} == {
        role: set(names) for role, names in rules.ROLE_ACTIONS.items()
    }
    doors = [door for door in all_doors() if door.path.startswith(BELOW)]
    assert {door.action for door in all_doors()} >= set(TABLE) - INSIDE, "an action without a door"
    assert {door.action for door in doors} == set(TABLE) - INSIDE, "a door whose action is in no role"
    assert {door.action for door in doors if door.method == "POST"} == set(FORMS), (
        "a form that nothing here fills in"
    )
    beside = {door.path for door in all_doors() if door.action in TABLE} - {door.path for door in doors}
    of_others = ("/manage/project/<", "/account/publishers/")  # where projects and people have the same
    assert {path for path in beside if not path.startswith(of_others)} == {OWN_LIST}, (
        "a door of an organization that stands elsewhere"
    )


def test_every_cell(world: World) -> None:
    """By everybody, by GET and POST alike; whoever is refused gets the answer of an organization that was never there."""
    wrong: list[str] = []
    for door in (one for one in all_doors() if one.path.startswith(BELOW)):
        for who in world.clients:
            answer, expected = world.enter(door, who, **world.here), expect(door, who)
            cell = f"{door.action} {door.method} {door.path} by {who}: {answer.told}, expected {expected}"
            if answer.told != expected:
                wrong.append(cell)
            if expected != allowed(door) and answer.written - ALWAYS:
                wrong.append(f"{cell}, wrote {answer.written}")
            if who in OUTSIDE and expected != allowed(door):
                wrong.extend(differences(world, door, who, answer))
    assert not wrong, "\n".join(wrong)


def differences(world: World, door: Door, who: str, answer: Answer) -> list[str]:
    """Return what tells an organization, or an invitation, from one that was never there."""
    unknown = world.nowhere if door.is_inbox else world.here | {"name": "nothing-here"}
    other = world.enter(door, who, **unknown)
    told = other.body.replace("nothing-here", "acme").replace(
        unknown["invitation_id"], world.here["invitation_id"]
    )
    is_alike = answer.told == other.told and without_mark(answer.body) == without_mark(told)
    return (
        [] if is_alike else [f"{door.method} {door.path} by {who} tells it from an unknown one: {other.told}"]
    )


def without_mark(body: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", body)


def allowed(door: Door) -> tuple[int, str]:
    if door.path.endswith("/preview/"):
        return 200, ""  # the same page again
    if door.method == "GET" and door.path.endswith(("/publishing/add/", "/publishing/new/add/")):
        return 404, "issuer-missing"  # which one is told by the address
    return (200, "") if door.method == "GET" else OTHERWISE.get(door.action, DONE)


def expect(door: Door, who: str) -> tuple[int, str]:
    if who in {"anonymous", "suspended"}:
        return (302 if door.method == "GET" else 401), "sign-in-required"
    if may(who, door.action) and (who, door.action) != NOT_FOR_OTHERS:
        return allowed(door)
    return (404, "offer-missing") if door.is_inbox else (403, "role-required")


def test_r9_ways_out_lead_to_handing_over(world: World) -> None:
    """From where people leave, and from where they delete an account that an organization hangs on (R9)."""
    link = "/manage/organization/acme/hand-over/"
    assert link in world.ask("owner", "GET", "/account/mandate/exits/").body
    assert link not in world.ask("manager", "GET", "/account/mandate/exits/").body
    assert (
        "/manage/organization/other/hand-over/"
        in world.ask("owner of another", "GET", "/account/delete/").body
    )
    assert link not in world.ask("owner", "GET", "/account/delete/").body, "another owner is there"


def test_ids_of_another_organization_are_as_unknown_ones(world: World) -> None:
    """In every address of an organization that names something in it."""
    wrong = []
    for door in (one for one in all_doors() if one.path.startswith(BELOW)):
        who = "invited" if door.is_inbox else "owner"
        for key in ("username", "team_name", "invitation_id", "token_id", "publisher_id"):
            if f":{key}>" not in door.path:
                continue
            told = []
            for values in (world.elsewhere, world.nowhere):
                answer = world.enter(door, who, **world.here | {key: values[key]})
                told.append((*answer.told, frozenset(answer.written - ALWAYS)))
            if told[0] != told[1] or told[0][0] != 404 or told[0][2]:
                wrong.append(f"{door.method} {door.path} {key}: {told}")
    assert not wrong, "\n".join(wrong)


ODD = ("x" * 6000, "\u0430cme", "acme\x00", "../acme", "a\ncme", "%00", "\u202eacme", "-acme-", " ")


_TEXT = ("\u0430cme", "../acme", "%00", "-acme-", " ")
MAY_BE = {"title": _TEXT, "description": _TEXT, "repository": ("-acme-",)}  # what may say that


def test_odd_names_and_texts_are_refused_without_a_trace(world: World) -> None:
    wrong = []
    for door in (one for one in all_doors() if one.path.startswith(BELOW[0])):
        form = FORMS.get(door.action, {}) if door.method == "POST" else {}
        for odd in ODD[:5]:
            answer = world.enter(door, "owner", **world.here | {"name": quote(odd, safe="")})
            if answer.status not in {400, 403, 404, 414} or answer.written - ALWAYS:
                wrong.append(f"{door.method} {door.path} {odd[:9]!r}: {answer.told} {answer.written}")
        for field in form:
            for odd in ODD:
                if odd in MAY_BE.get(field, ()):
                    continue
                answer = world.ask("owner", door.method, door.at(**world.here), {**form, field: odd})
                # a form that is shown again may say anything
                statuses = {200, 400, 404} if door.path.endswith("/preview/") else {400, 404}
                if answer.status not in statuses or answer.written - ALWAYS:
                    wrong.append(f"{door.action} {field}={odd[:9]!r}: {answer.told} {answer.written}")
        if form and door.action != "organization.describe":
            answer = world.ask("owner", door.method, door.at(**world.here))
            statuses = {200, 400, 404} if door.path.endswith("/preview/") else {400, 404}
            if answer.status not in statuses or answer.written - ALWAYS:
                wrong.append(f"{door.action} empty: {answer.told}")
    assert not wrong, "\n".join(wrong)


def test_a_form_sent_twice_does_it_once_and_never_fails(world: World) -> None:
    for door in (one for one in all_doors() if one.path.startswith(BELOW) and one.method == "POST"):
        client = world.clients["invited" if door.is_inbox else "owner"]
        with transaction.atomic():
            path, form = door.at(**world.here), FORMS[door.action]
            first = client.post(path, form)
            rows = Membership.objects.count(), OrganizationInvitation.objects.count()
            second = client.post(path, form)
            assert first.status_code == allowed(door)[0], (door, first.content[:400])
            again = {302, 303, 400, 403, 404, 409, 410} | ({200} if first.status_code == 200 else set())
            assert second.status_code in again, door
            assert rows == (Membership.objects.count(), OrganizationInvitation.objects.count()), door
            transaction.set_rollback(True)
