"""`keyhouse job`: how works beside requests are doing, and a round begun by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.accounts.conftest import Clock, configure, make_person, time, wired

from keyhouse.accounts.oversight.offices import propose_office
from keyhouse.audit.models import Record, WorkRound
from keyhouse.cli import job as cli
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.web.console import works
from keyhouse.web.console.works import KINDS

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.command, words)


def told(*words: str) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def went(name: str, error: str = "", **ago: float) -> None:
    at = clock.now() - timedelta(**ago)
    WorkRound.objects.create(
        name=name, ended_at=at, error=error, failed_at=at if error else None, last_error=error
    )


def runs() -> list[tuple[str, str]]:
    found = Record.objects.filter(action=works.RUN).order_by("pk")
    return list(found.values_list("actor_kind", "about_name"))


def test_every_job_is_listed_as_the_page_shows_it() -> None:
    went("account-keeper", "OSError: the disk is full")
    went("token-keeper", days=1)
    went("staging-keeper")
    rows = {row["name"]: row for row in told("list")}
    assert list(rows) == [kind.name for kind in KINDS if kind.name != "cdn-purge"]  # no CDN is told of here
    states = {
        name: rows[name]["state"]
        for name in ("account-keeper", "token-keeper", "staging-keeper", "mail-bulk")
    }
    assert states == {
        "account-keeper": "failing",
        "token-keeper": "late",
        "staging-keeper": "well",
        "mail-bulk": "not seen yet",
    }
    assert (rows["account-keeper"]["failure"], rows["mail-bulk"]["can_run"]) == (
        "OSError: the disk is full",
        False,
    )
    assert [row["name"] for row in told("list", "--troubled")] == ["account-keeper", "token-keeper"]
    assert "OSError: the disk is full" in run("list").stdout


def test_a_round_does_what_is_due_and_a_second_one_nothing(time: Clock) -> None:
    ada = make_person("ada")
    make_person("root", is_operator=True)
    propose_office(ada, "auditor", "yearly audit", by=host(), now=clock.now())
    time.go(hours=25)
    first, second = (told("run", "account-keeper") for _ in range(2))
    assert (first["done"]["offices"], first["is_busy"], first["failure"]) == (1, False, None)
    assert "offices" not in second["done"]
    ada.refresh_from_db()
    assert ada.is_auditor
    assert runs() == [("host", "account-keeper")] * 2


@pytest.mark.parametrize("name", [kind.name for kind in KINDS if kind.is_by_hand])
def test_every_job_that_can_be_begun_by_hand_is(name: str) -> None:
    assert told("run", name)["failure"] is None


@pytest.mark.parametrize("name", ["mail-bulk", "nothing", ""])
def test_what_can_not_be_begun_by_hand_is_wrong_use(name: str) -> None:
    assert run("run", name).exit_code == 2
    assert not runs()


def test_what_fails_or_is_late_is_tried_again_each_by_itself(time: Clock) -> None:
    assert told("retry") == []
    assert "No job" in run("retry").stdout
    went("token-keeper", "OSError: it was full")
    went("staging-keeper")
    went("mail-bulk", "OSError: it was full")
    assert [one["name"] for one in told("retry")] == ["token-keeper"]
    assert runs() == [("host", "token-keeper")]


def test_one_that_fails_again_is_told_and_the_others_are_tried_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(now: datetime) -> None:
        raise OSError(f"the disk is full at {now}")

    broken = replace(works.get_kind("account-keeper"), begin=full)
    monkeypatch.setattr(works, "_BY_NAME", {**works._BY_NAME, "account-keeper": broken})
    went("account-keeper", "OSError: it was full")
    went("token-keeper", "OSError: it was full")
    done, plain = run("retry", "--json"), run("retry")
    assert (done.exit_code, plain.exit_code) == (1, 1)
    assert [(one["name"], bool(one["failure"])) for one in json.loads(done.stdout)] == [
        ("account-keeper", True),
        ("token-keeper", False),
    ]
    assert "account-keeper: failed again: OSError: the disk is full" in plain.stdout
    assert "token-keeper: done." in plain.stdout
    assert isinstance(run("run", "account-keeper").exception, OSError)
