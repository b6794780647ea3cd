from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyhouse.audit.models import Record
from keyhouse.cli import token
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import clock
from keyhouse.core.errors import CredentialInvalid, NotFound
from keyhouse.credentials.tokens.authentication import identify
from keyhouse.credentials.tokens.models import Token
from keyhouse.web.wiring import wire_all

pytestmark = pytest.mark.django_db

DOCUMENT = {
    "users": [{"username": "ada"}, {"username": "bob"}],
    "projects": [{"name": "alpha", "owners": ["ada"]}],
    "tokens": [
        {"user": "ada", "projects": ["alpha"], "description": "for alpha", "actions": ["upload"]},
        {"user": "bob", "description": "for all"},
        {"user": "bob", "description": "of long ago", "minted_at": "2020-01-01T00:00:00Z"},
    ],
}


@pytest.fixture(autouse=True)
def made(db: None) -> list[dict[str, Any]]:
    wire_all()
    return sow(read_document(json.dumps(DOCUMENT).encode()))["tokens"]


def run(*words: str) -> Result:
    return CliRunner().invoke(token.command, words, catch_exceptions=True)


def listed(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("list", "--json", *words).stdout.splitlines()]


def test_tokens_that_work_are_listed_without_what_opens_anything(made: list[dict[str, Any]]) -> None:
    alpha, everything = sorted(listed(), key=lambda one: str(one["user"]))
    assert (alpha["user"], alpha["projects"], alpha["actions"]) == ("ada", ["alpha"], ["upload"])
    assert (everything["projects"], everything["minted_with"]) == ("all", ["password", "totp"])
    text = run("list").stdout
    assert len(text.splitlines()) == 2
    assert made[0]["token"] not in text + json.dumps([alpha, everything])


def test_the_list_is_narrowed_by_person_and_widened_to_ended_ones() -> None:
    assert [one["description"] for one in listed("--user", "BOB")] == ["for all"]
    assert [one["alive"] for one in listed("--user", "bob", "--all")] == [False, True]
    assert isinstance(run("list", "--user", "eve").exception, NotFound)


def test_a_revoked_token_is_dead_at_once_and_twice_is_fine(made: list[dict[str, Any]]) -> None:
    first = run("revoke", made[0]["id"], "--reason", "leaked")
    assert (first.exit_code, first.stdout) == (0, "Revoked.\n")
    with pytest.raises(CredentialInvalid):
        identify(f"Bearer {made[0]['token']}", network="", user_agent="", now=clock.now())
    assert run("revoke", made[0]["id"]).stdout.startswith("It was revoked at")
    assert Record.objects.filter(action="token.revoke").count() == 1
    assert [one["description"] for one in listed()] == ["for all"]


def test_a_token_that_is_not_there_is_refused() -> None:
    assert isinstance(run("revoke", "0" * 32).exception, NotFound)
    assert run("revoke", "nonsense").exit_code == 2
    assert not Record.objects.filter(action="token.revoke").exists()


def test_the_list_tells_how_tokens_were_made_and_when_a_mandate_refuses_them() -> None:
    alpha, everything = sorted(listed(), key=lambda one: str(one["user"]))
    assert (alpha["minted_under"], alpha["weak"], alpha["refused_from"]) == (["default@1"], False, None)
    Token.objects.filter(user__username="ada").update(minted_methods=["password"])
    weak, other = sorted(listed(), key=lambda one: str(one["user"]))
    assert (weak["weak"], weak["refused_by"]) == (True, "default@1")
    assert weak["refused_from"] == "2000-01-01T00:00:00Z"
    assert other == everything
    line = next(one for one in run("list").stdout.splitlines() if "for alpha" in one)
    assert "made with password" in line
    assert "until 2000-01-01T00:00:00Z by default@1" in line
