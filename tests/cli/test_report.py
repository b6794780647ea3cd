"""`keyhouse report`: reading and answering, by the host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.accounts.conftest import configure, give_project, make_person, signed_in, time, wired
from tests.projects.conftest import everything

from keyhouse.accounts.models import User
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.cli import report as cli
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.safety.reports.models import Report
from keyhouse.safety.reports.services import report_project

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
SECRET = "It sends my keys away."


@pytest.fixture(autouse=True)
def reports(db: None) -> tuple[str, str]:
    """Return the numbers of two reports about alpha, by eve and bob."""
    give_project(make_person("ada"))
    people = (make_person("eve"), make_person("bob"))
    first, second = (report_project("alpha", "malware", SECRET, by=actor(one)) for one in people)
    Mail.objects.all().delete()
    return str(first.pk), str(second.pk)


def actor(user: User) -> Any:
    return actor_of(signed_in(user)[0])


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.command, words)


def printed(*words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def lines(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed("list", *words, "--json").splitlines()]


def refused(*words: str) -> str:
    before, reports = everything(), list(Report.objects.values())
    done = run(*words)
    assert isinstance(done.exception, Refusal), done.output
    assert (everything(), list(Report.objects.values())) == (before, reports)
    return done.exception.code


def test_open_and_closed_ones_are_listed_apart(reports: tuple[str, str]) -> None:
    first, second = reports
    assert [one["number"] for one in lines()] == [int(second), int(first)]
    assert [one["number"] for one in lines("--limit", "1")] == [int(second)]
    printed("close", first, "dismissed")
    assert [one["reporter"] for one in lines("--state", "open")] == ["bob"]
    assert [(one["reporter"], one["outcome"]) for one in lines("--state", "closed")] == [("eve", "dismissed")]
    assert len(lines("--state", "all")) == 2
    assert "alpha  malware  open  by bob" in printed("list")
    assert run("list", "--state", "lost").exit_code == 2


def test_one_is_shown_with_what_else_was_said(reports: tuple[str, str]) -> None:
    told = json.loads(printed("show", reports[0], "--json"))
    assert (told["text"], told["reporter"], told["closed_at"]) == (SECRET, "eve", None)
    assert [one["reporter"] for one in told["others"]] == ["bob"]
    assert f"text: {SECRET}" in printed("show", reports[0])
    assert refused("show", "999999") == "report-missing"
    assert run("show", "first").exit_code == 2
    assert not Record.objects.filter(action="report.close").exists()


def test_one_is_closed_once_and_its_reporter_told(reports: tuple[str, str]) -> None:
    number = reports[0]
    for _ in range(2):
        told = json.loads(printed("close", number, "acted", "--note", "Taken out.", "--json"))
        assert (told["outcome"], told["note"], told["closed_by"]) == ("acted", "Taken out.", "host")
    assert [(mail.kind, mail.address) for mail in Mail.objects.all()] == [
        ("report-closed", "eve@example.org")
    ]
    record = Record.objects.get(action="report.close")
    assert (record.actor_kind, record.details["note"]) == ("host", "Taken out.")
    assert refused("close", number, "dismissed") == "report-closed"
    assert Mail.objects.count() == 1


def test_an_answer_that_makes_no_sense_is_refused(reports: tuple[str, str]) -> None:
    assert refused("close", "999999", "acted") == "report-missing"
    assert refused("close", reports[0], "acted", "--note", "x" * 501) == "report-refused"
    assert run("close", reports[0], "ignored").exit_code == 2
    assert run("close", reports[0]).exit_code == 2
    assert not Mail.objects.exists()
