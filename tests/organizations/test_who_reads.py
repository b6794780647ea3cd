"""The page and the command that say who reads what, by which right, and to whom."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tests.organizations.conftest import everything, person, user_of
from tests.organizations.test_readers_pages import people as people  # noqa: PLC0414 - a fixture
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, text_of

from keyhouse.cli.project_readers import command
from keyhouse.core.actor import Actor, host
from keyhouse.organizations.readers import set_readers
from keyhouse.projects.readers import set_project_readers
from keyhouse.projects.services import create_project

pytestmark = pytest.mark.django_db
PAGE = "/manage/organization/acme/who-reads/"


def test_every_right_is_named_and_a_stranger_is_told_like_nobody(people: dict[str, Actor]) -> None:
    ada = people["ada"]
    assert "everybody who reads this index" in text_of(get(PAGE, ada))
    set_project_readers("alpha", "teams", ["keel"], by=ada)
    before = everything()
    shown = text_of(get(PAGE, ada))
    assert "they own its organization" in shown
    assert "the team keel, which reads it" in shown
    assert "the team keel, which reads it" in text_of(get(f"{PAGE}?person=mo&project=alpha", ada))
    answers = [text_of(get(f"{PAGE}?person={name}&project=alpha", ada)) for name in ("out", "nobody", "mona")]
    for name, answer in zip(("out", "nobody", "mona"), answers, strict=True):
        assert "doesn\u2019t read" in answer
        assert name in answer
    assert everything() == before


def test_only_owners_ask_and_of_their_own_projects(people: dict[str, Actor]) -> None:
    set_readers("acme", "members", [], by=people["ada"])
    for name in ("mona", "mo", "out"):
        for query in ("", "?person=mo&project=alpha"):
            assert get(PAGE + query, people[name]).status_code == 403, name
    assert get("/manage/organization/nowhere/who-reads/", people["ada"]).status_code == 403
    create_project("theirs", by=host(), owners=[user_of(person("olga"))])
    for query in ("?person=mo&project=theirs", "?person=mo", "?project=alpha", "?person=%00&project=alpha"):
        assert get(PAGE + query, people["ada"]).status_code == 400, query


def test_the_host_asks_by_a_command(people: dict[str, Actor]) -> None:
    set_project_readers("alpha", "teams", ["keel"], by=people["ada"])
    told = json.loads(CliRunner().invoke(command, ["alpha", "--json"]).output)
    assert told["everybody"] is None
    assert {"username": "mo", "by": ["the team keel, which reads it"]} in told["readers"]
    yes = CliRunner().invoke(command, ["alpha", "--person", "mo"])
    no = CliRunner().invoke(command, ["alpha", "--person", "out", "--json"])
    assert (yes.exit_code, no.exit_code) == (0, 1)
    assert json.loads(no.output)["reads"] is False
    assert CliRunner().invoke(command, ["nothing"]).exit_code != 0
    assert host().kind == "host"
