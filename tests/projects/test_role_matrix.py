"""Every cell of the table of roles over HTTP: each project action, by each person, by GET and by POST alike."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from tests.projects.conftest import give_role, make_file, make_person
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, post

from keyhouse.core.actions import CATALOGUE
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.projects import services
from keyhouse.projects.collaborators import services as collaborators
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.rules import INVITED, MAINTAINER, OWNER, ROLE_ACTIONS

pytestmark = pytest.mark.django_db

PERSONS = (OWNER, MAINTAINER, INVITED, "stranger", "anonymous")
ASKED = frozenset().union(*ROLE_ACTIONS.values())
BY_TOKEN = {"release.upload"}  # its door is no page: `tests/publishing`
VALUES = {
    "name": "alpha-beta",
    "version": "1.0",
    "filename": "alpha_beta-1.0-py3-none-any.whl",
    "username": "mia",
    "team_name": "core",
    "removal_id": "1",
    "publisher_id": "1",
    "token_id": "00000000-0000-4000-8000-000000000000",
}


def walk(patterns: Any, path: str = "/") -> Any:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, path + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            named = getattr(pattern.callback, "actions", {})
            if "project" in path + str(pattern.pattern) or ASKED & set(named.values()):
                yield path + str(pattern.pattern), named


DOORS = [
    (path, method, name)
    for path, named in walk(get_resolver().url_patterns)
    for method, name in named.items()
    if name in ASKED
    and path not in {"/manage/projects/", "/manage/deleted/"}
    and not path.startswith("/account/publishers/")  # one's own that wait for a project
    and not path.startswith("/manage/organization/")  # those have a matrix of their own
]


@pytest.fixture
def people() -> dict[str, Actor]:
    """Make a project with one of each kind of person about it."""
    made = {OWNER: make_person("olga"), MAINTAINER: make_person("mia"), INVITED: make_person("ida")}
    made |= {"stranger": make_person("sam"), "anonymous": NOBODY}
    services.publish_file(make_file(), by=made[OWNER])
    give_role("alpha-beta", made[MAINTAINER], MAINTAINER)
    give_role("alpha-beta", make_person("other"), OWNER)
    collaborators.invite("alpha-beta", "ida", MAINTAINER, by=made[OWNER])
    return made


def address(path: str, name: str = "alpha-beta") -> str:
    values = VALUES | {"name": name, "invitation_id": str(ProjectInvitation.objects.get().pk)}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], path)


def test_every_action_of_the_table_has_a_door_here() -> None:
    assert {name for _, _, name in DOORS} == ASKED - BY_TOKEN
    assert set(CATALOGUE) >= ASKED


@pytest.mark.parametrize(("path", "method", "name"), DOORS, ids=str)
def test_each_person_gets_what_the_table_says(
    path: str, method: str, name: str, people: dict[str, Actor]
) -> None:
    told = {who: answer_to(path, method, actor) for who, actor in people.items()}
    unknown = {who: answer_to(path, method, actor, "not-here") for who, actor in people.items()}
    for who in PERSONS:
        allowed = name in ROLE_ACTIONS.get(who, frozenset())
        code, status = told[who]
        if who == "anonymous":
            assert status == (302 if method == "GET" else 401), who
        elif allowed:
            assert status in {200, 302, 303, 400, 404, 409}, (who, code)
            assert code not in {"role-required", "invitation-missing"}, who
        elif name in ROLE_ACTIONS[INVITED]:
            assert (code, status) == ("invitation-missing", 404), who
        else:
            assert (code, status) == ("role-required", 403), who
        if not allowed and name not in ROLE_ACTIONS[INVITED]:
            assert told[who] == unknown[who], "a project that is not there is answered alike"


@pytest.mark.parametrize(("path", "method", "name"), DOORS, ids=str)
def test_the_other_method_is_another_door_or_none(
    path: str, method: str, name: str, people: dict[str, Actor]
) -> None:
    other = "POST" if method == "GET" else "GET"
    if any((path, other) == door[:2] for door in DOORS):
        return  # it has a case of its own above
    for actor in people.values():
        code, status = answer_to(path, other, actor)
        assert status in {405, 302, 401, 403}, (code, status)


def answer_to(path: str, method: str, actor: Actor, name: str = "alpha-beta") -> tuple[str, int]:
    """Return code and status; whatever was changed is undone."""
    with transaction.atomic():
        ask = get if method == "GET" else post
        answer = ask(address(path, name), actor)
        transaction.set_rollback(True)
    return str(answer.headers.get("X-Refusal", "")), answer.status_code
