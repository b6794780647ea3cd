"""Every cell of the table of roles over HTTP: each project action, by each person, by GET and POST alike.

A cell that is allowed comes out as what it stands for: a page, or just that act in the audit log. One that is refused does
nothing. All is asked in the index in which there is one of everything, of its project alpha, and undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db.models import F
from tests.publishing.staging.conftest import seen
from tests.web.asked import Answer, Door, all_doors, come, encoded, undone
from tests.web.everything import GITHUB, NOBODY, TERMS, WITHOUT_FACTOR, Everything, open_everything

from keyhouse.audit.models import Record
from keyhouse.core import configuration
from keyhouse.core.actions import CATALOGUE
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mandate.models import DeletionAsk
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.life_cycle.models import Removal
from keyhouse.projects.models import Project
from keyhouse.projects.rules import INVITED, MAINTAINER, OWNER, ROLE_ACTIONS
from keyhouse.safety.quarantine.models import Quarantine

pytestmark = pytest.mark.django_db

# The one who is invited is a moderator, which is no role in a project either.
PEOPLE: Final = {
    OWNER: "ada",
    MAINTAINER: "own",
    INVITED: "mod",
    "stranger": "sam",
    "operator": "root",
    "anonymous": NOBODY,
}
ASKED = frozenset().union(*ROLE_ACTIONS.values())
BY_TOKEN = {"release.upload"}  # its door is no page: `tests/publishing`
OF_ONESELF: Final = ("/manage/projects/", "/manage/deleted/")  # lists of one's own
ELSEWHERE: Final = ("/account/publishers/", "/manage/organization/")  # one's own, and a matrix of its own
DOORS = [
    door
    for door in all_doors()
    if door.action in ASKED and door.route not in OF_ONESELF and not door.route.startswith(ELSEWHERE)
]
METHODS: Final = Counter(door.route for door in DOORS)
LONE = [door for door in DOORS if METHODS[door.route] == 1]
ALPHA: Final = "/manage/project/alpha/"
BELOW: Final = "/manage/project/<str:name>/"
VALUES: Final = {"name": "alpha", "username": "zoe"}
# What a form says, of each action that asks for something.
FORMS: Final[dict[str, dict[str, str]]] = {
    "collaborator.invite": {"invitee": "sam", "kind": MAINTAINER},
    "collaborator.hand-over": {"invitee": "sam"},
    "collaborator.change-role": {"kind": MAINTAINER},
    "project.archive": {"reason": "It is done."},
    "project.deprecate": {"reason": "Nobody keeps it.", "successor": "beta"},
    "project.delete": {"name": "alpha"},
    "project.move": {"organization": "acme"},
    "project.set-readers": {"reads": "teams", "teams": "keel", "confirmed": "on"},
    "project.set-staging": {"stages": "on"},
    "publisher.add": {"issuer": GITHUB, **TERMS, "repository": "second"},
    "release.delete": {"name": "1.0"},
    "release.publish": {"version": "2.0"},
    "release.yank": {"reason": "It is broken."},
    "file.delete": {"name": "alpha-1.0-py3-none-any.whl"},
    "robot-token.mint": {"description": "ci", "expires_in_days": "9"},
    "team-role.set": {"team": "keel", "kind": OWNER},
}
# Forms that are answered by a page; of each, why, and what was done.
SHOWN: Final[dict[str, tuple[str, list[str]]]] = {
    f"{BELOW}publishing/preview/": ("it shows the form again, with what it would come to", []),
    f"{BELOW}robot-tokens/new/": ("it shows the secret, once", ["robot-token.mint"]),
}
# What is done together with an action.
ALONG: Final = {
    "project.move": ["token.revoke"],  # of somebody without a right where it stands then
    "release.publish": ["release.upload"],  # of each file
}
PLAIN: Final = {"accept": "*/*"}  # a refusal is no whole page then, which costs less
UNKNOWN: Final = {"name": "not-here", "invitation_id": "987654"}


# ---- what must be so before


def archive(index: Everything) -> None:
    index.do("ada", f"{ALPHA}archive/")


def yank(index: Everything) -> None:
    index.do("ada", f"{ALPHA}release/1.0/yank/")


def delete_release(index: Everything) -> dict[str, str]:
    index.do("ada", f"{ALPHA}release/1.0/delete/", name="1.0")
    return {"removal_id": str(Removal.objects.latest("pk").pk)}


def wait_for_deletion(index: Everything) -> None:
    """Let the days pass for which the mandate holds the deletion, after the owner has asked for it."""
    held = Quarantine.objects.get()
    index.do(
        "root", f"/operator/quarantine/{held.pk}/lift/"
    )  # as no project with something in quarantine is deleted
    index.do("ada", "/mandate/deletion/alpha/")
    days = timedelta(days=30)
    Project.objects.filter(normalized_name="alpha").update(created_at=F("created_at") - 2 * days)
    DeletionAsk.objects.update(asked_at=F("asked_at") - days)


def own_alone(index: Everything) -> None:
    """Let the owner be the only one."""
    index.do("zoe", f"{ALPHA}people/leave/")


def remove_owner(index: Everything) -> None:
    """Remove another owner, which waits, as the project is critical."""
    index.do("ada", f"{ALPHA}people/zoe/remove/")


def join(index: Everything) -> None:
    """Move the project into an organization of the owner's."""
    index.do("ada", f"{ALPHA}organization/", organization="acme")


def let_team_own(index: Everything) -> None:
    join(index)
    index.do("ada", f"{ALPHA}teams/", team="keel", kind=OWNER)


def end_team(index: Everything) -> None:
    """Take the role of a team away, which waits, as somebody owns the critical project by it alone."""
    let_team_own(index)
    index.do("ada", f"{ALPHA}teams/keel/end/")


def be_private(index: Everything) -> None:
    join(index)
    configuration.use(replace(configuration.current(), reads="private"))


def require_publishers(index: Everything) -> None:
    index.do("ada", f"{ALPHA}publishing/only/")


BEFORE: Final[dict[str, Callable[[Everything], dict[str, str] | None]]] = {
    "project.unarchive": archive,
    "project.delete": wait_for_deletion,
    "project.set-readers": be_private,
    "project.allow-tokens": require_publishers,
    "release.unyank": yank,
    "release.restore": delete_release,
    "collaborator.keep": remove_owner,
    "collaborator.lay-down": own_alone,
    "team-role.set": join,
    "team-role.end": let_team_own,
    "team-role.keep": end_team,
}


@pytest.fixture(autouse=True)
def wired() -> None:
    """Leave the index wired as it is: its mandates decide here, too."""


@pytest.fixture(scope="module")
def index(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Everything]:
    """Make the index once for all that is asked here."""
    with django_db_blocker.unblock(), open_everything(tmp_path_factory.mktemp("everything")) as made:
        complete(made)
        yield made


def complete(index: Everything) -> None:
    """Make what these doors need besides: a maintainer with a factor, and credentials that ask to be looked after."""
    index.do("ada", f"{ALPHA}people/", invitee="own", kind=MAINTAINER)
    index.do("own", f"/account/invitations/{ProjectInvitation.objects.latest('pk').pk}/accept/")
    index.do("root", "/operator/switches/new-projects/lift/")  # a move into an organization is stopped by it
    minted = come(
        index,
        "kim",
        "POST",
        f"{ALPHA}robot-tokens/new/",
        body=form_of({"description": "hers", "expires_in_days": "9"}),
    )
    assert minted.status == 200
    index.do("kim", f"{ALPHA}people/leave/")
    here = Publisher.objects.filter(project__normalized_name="alpha")
    assert here.update(seen_environment="release") == 1  # as an exchange writes it
    token = Token.objects.get(description="hers")
    index.name(f"{BELOW}robot-tokens/<uuid:token_id>/confirm/", "token_id", token.pk)
    fingerprint = seen(Project.objects.get(normalized_name="alpha"))
    index.name(f"{BELOW}staged/<str:version>/publish/", "field:seen", fingerprint)


def form_of(fields: dict[str, str]) -> bytes:
    return encoded([(name, value.encode()) for name, value in fields.items()]).encode()


@contextmanager
def ready(index: Everything, door: Door) -> Iterator[dict[str, str]]:
    """Let be so what must be so before a door is of use, for a while; yields what its address names."""
    before = configuration.current()
    try:
        with undone():
            made = BEFORE[door.action](index) if door.action in BEFORE else None
            who = {"username": WITHOUT_FACTOR[0]} if door.action == "collaborator.nudge" else {}
            yield {**VALUES, **who, **(made or {})}
    finally:
        configuration.use(before)


def enter(
    index: Everything,
    door: Door,
    who: str,
    named: dict[str, str],
    *,
    method: str = "",
    form: Mapping[str, str] | None = None,
) -> tuple[Answer, list[str]]:
    """Come by a door with a whole form, and undo what it did; returns the answer, and what was done by the audit log."""
    fields = dict(FORMS.get(door.action, {}) if form is None else form)
    if (door.route, "field:seen") in index.named:
        fields["seen"] = index.value(door.route, "field:seen")
    body, query = form_of(fields), f"issuer={GITHUB}" if door.action == "publisher.add" else ""
    with undone():
        last = Record.objects.latest("pk").pk
        path = index.fill(door.route, named)
        answer = come(index, who, method or door.method, path, query=query, body=body, headers=PLAIN)
        if answer.defect:
            return answer, []  # the transaction may be broken
        done = Record.objects.filter(pk__gt=last, outcome="done").order_by("pk")
        return answer, list(done.values_list("action", flat=True))


def test_every_action_of_the_table_has_a_door_here() -> None:
    assert {door.action for door in DOORS} == ASKED - BY_TOKEN
    assert set(CATALOGUE) >= ASKED
    assert {door for door in all_doors() if door.route.startswith(BELOW)} <= set(DOORS)


def test_what_is_said_here_is_of_doors_that_are_there() -> None:
    routes, asking = {door.route for door in DOORS}, {door.action for door in DOORS if door.fields}
    assert set(SHOWN) <= routes
    assert set(FORMS) <= asking
    assert set(BEFORE) <= ASKED


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_each_person_gets_what_the_table_says(door: Door, index: Everything) -> None:
    with ready(index, door) as named:
        for who, name in PEOPLE.items():
            told, done = enter(index, door, name, named)
            unknown, _ = enter(index, door, name, named | UNKNOWN)
            cell = (who, told.told, done)
            if door.action in ROLE_ACTIONS.get(who, frozenset()):
                assert (told.code, told.defect) == ("", ""), cell
                assert (told.status in statuses(door), sorted(done)) == (True, acts(door)), cell
            else:
                assert (told.told, done) == (refusal(door, who), []), cell
            assert unknown.told == refusal(door, who), "what is not there is answered alike to all"


def statuses(door: Door) -> set[int]:
    """Return how a door may answer that opens."""
    return {200} if door.method == "GET" or door.route in SHOWN else {302, 303}


def acts(door: Door) -> list[str]:
    """Return what is done at a door that opens."""
    if door.method == "GET":
        return []
    return SHOWN[door.route][1] if door.route in SHOWN else sorted([door.action, *ALONG.get(door.action, [])])


def refusal(door: Door, who: str) -> tuple[int, str]:
    if who == "anonymous":
        return (302 if door.method == "GET" else 401), "sign-in-required"
    return (404, "invitation-missing") if door.action in ROLE_ACTIONS[INVITED] else (403, "role-required")


@pytest.mark.parametrize("door", LONE, ids=str)
def test_the_other_method_of_a_lone_door_is_none(door: Door, index: Everything) -> None:
    other = "POST" if door.method == "GET" else "GET"
    for name in PEOPLE.values():
        answer, done = enter(index, door, name, VALUES, method=other)
        assert (answer.status, done) == (405, []), (name, answer.told)
