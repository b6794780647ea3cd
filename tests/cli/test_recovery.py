"""`keyhouse recovery`: cases are listed at the host with who may act, and refused; nobody is let in by it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from tests.accounts.conftest import Clock, configure, mailed, make_person, signed_in, time, wired
from tests.projects.conftest import everything

from keyhouse.accounts import holds, links
from keyhouse.accounts.models import Hold, OneTimeLink, RecoveryCase, User
from keyhouse.accounts.recovering import make_enrolment_link
from keyhouse.accounts.recovery import confirming, words
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.cli import recovery as cli
from keyhouse.core import clock
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
REASON = "She came to my desk with her badge."
WHY = ("--reason", "she called: it was not her")


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def operators(db: None) -> list[Actor]:
    people = [make_person(name, is_operator=True) for name in ("one", "two")]
    return [actor_of(signed_in(one)[0]) for one in people]


@pytest.fixture
def case(ada: User, operators: list[Actor]) -> RecoveryCase:
    """Return the case that an operator opened for ada."""
    made = words.propose("ada", REASON, hands_over=True, by=operators[0], now=clock.now())
    Mail.objects.all().delete()
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.command, arguments)


def told(*arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*arguments: str) -> str:
    """Return the code of a refusal, of which the log alone may tell, and after which nothing is mailed."""
    before, mails, log = everything(), Mail.objects.count(), Record.objects.filter(outcome="done").count()
    done = run(*arguments)
    assert isinstance(done.exception, Refusal), done.output
    after = everything()
    assert {table for table in after if after[table] != before[table]} <= {"audit.Record", "audit.Personal"}
    assert (Mail.objects.count(), Record.objects.filter(outcome="done").count()) == (mails, log)
    return done.exception.code


def test_a_case_is_listed_with_what_was_said_and_who_approves_it_where(case: RecoveryCase) -> None:
    [row] = told("list")
    assert (row["number"], row["user"], row["begun_by"], row["stage"]) == (
        case.pk,
        "ada",
        "operators",
        "waits for words",
    )
    assert [one["by"] for one in row["said"]] == ["one"]
    assert row["can_approve"] == ["two"]
    assert f"can approve: two, at http://localhost:8400/operator/recovery/{case.pk}/" in run("list").stdout


def test_nobody_asks() -> None:
    assert told("list") == []
    assert "Nobody asks" in run("list").stdout


def test_the_host_approves_nothing_and_makes_no_link(case: RecoveryCase) -> None:
    for act in ("approve", "hand-over", "link"):
        assert run(act, str(case.pk), *WHY).exit_code == 2
    assert [one["by"] for one in told("list")[0]["said"]] == ["one"]


def test_a_case_is_refused_once_and_everybody_told(case: RecoveryCase, operators: list[Actor]) -> None:
    row = told("refuse", str(case.pk), *WHY)
    assert (row["ended_as"], row["closed_by"], row["can_approve"]) == ("refused", "host", [])
    assert "ada@example.org" in {mail.address for mail in Mail.objects.all()}
    record = Record.objects.get(action="recovery.refuse")
    assert (record.actor_kind, record.details["reason"]) == ("host", WHY[1])
    assert refused("refuse", str(case.pk), *WHY) == "recovery-over"
    with pytest.raises(Refusal):
        words.approve(case.pk, REASON, by=operators[1], now=clock.now())
    assert told("list") == []
    assert [one["number"] for one in told("list", "--all")] == [case.pk]


def test_a_case_that_is_over_is_told_as_it_was_refused_and_asks_nothing_more(
    case: RecoveryCase, operators: list[Actor], django_assert_num_queries: DjangoAssertNumQueries, time: Clock
) -> None:
    refusing = told("refuse", str(case.pk), *WHY)
    assert told("list", "--all") == [refusing]
    with CaptureQueriesContext(connection) as asked:
        told("list", "--all")
    for number in range(3):
        words.propose(
            make_person(f"late-{number}").username, REASON, hands_over=True, by=operators[0], now=clock.now()
        )
    time.go(days=60)
    with django_assert_num_queries(len(asked)):
        rows = told("list", "--all")
    assert [(row["user"], row["stage"], row["ended_as"], row["can_approve"]) for row in rows] == [
        ("late-2", "over", None, []),
        ("late-1", "over", None, []),
        ("late-0", "over", None, []),
        ("ada", "over", "refused", []),
    ]
    assert [[one["by"] for one in row["said"]] for row in rows] == [["one"]] * 4


def test_the_link_that_was_made_at_the_host_dies_with_its_case(ada: User, operators: list[Actor]) -> None:
    make_enrolment_link(ada, by=host())
    [row] = told("list")
    assert (row["begun_by"], row["stage"], row["can_approve"]) == ("host", "ready", [])
    assert OneTimeLink.objects.filter(username="ada", purpose=links.ENROLMENT).exists()
    assert "Refused: ada" in run("refuse", str(row["number"]), *WHY).stdout
    assert not OneTimeLink.objects.filter(username="ada", purpose=links.ENROLMENT, used_at=None).exists()


def test_what_can_not_be_refused_is_left(case: RecoveryCase, time: Clock) -> None:
    assert refused("refuse", "999999", *WHY) == "recovery-missing"
    assert refused("refuse", str(case.pk), "--reason", "no") == "recovery-reason-missing"
    assert run("refuse", str(case.pk)).exit_code == 2
    assert run("refuse", "first", *WHY).exit_code == 2
    time.go(days=60)
    assert refused("refuse", str(case.pk), *WHY) == "recovery-over"
    assert told("list") == []


# ---- holds

ENROLLED = ("--reason", "she enrolled it at my desk")


def hold(name: str, reason: str, *, until: datetime | None = None, **facts: Any) -> Hold:
    user, now = make_person(name, **facts), clock.now()
    return holds.place_hold(user, reason, now=now, until=until or now + holds.SHORT)


def test_holds_are_listed_with_whose_word_ends_them(time: Clock, db: None) -> None:
    over = hold("old", Hold.Reason.EMAIL_CHANGE)
    time.go(days=2)
    made = [
        hold("eve", Hold.Reason.FIRST_ENROLMENT),
        hold("omar", Hold.Reason.FIRST_ENROLMENT, is_operator=True),
        hold("cy", Hold.Reason.RECOVERY_CODE),
        hold("zoe", Hold.Reason.PASSWORD_RESET, until=holds.FOR_EVER),
    ]
    rows = [json.loads(line) for line in run("holds", "--json").stdout.splitlines()]
    assert over.pk not in [row["number"] for row in rows]
    assert [(row["number"], row["user"], row["ended_by"]) for row in rows] == [
        (made[0].pk, "eve", ["a co-owner", "an operator", "the host"]),
        (made[1].pk, "omar", ["a co-owner", "an operator"]),
        (made[2].pk, "cy", ["a co-owner"]),
        (made[3].pk, "zoe", []),
    ]
    assert [row["until"] is None for row in rows] == [False, False, False, True]
    lines = run("holds").stdout.splitlines()
    assert lines[0].endswith("ended early by a co-owner or an operator or the host")
    assert lines[3].endswith("until it is ended")


def test_the_hold_after_a_first_factor_is_ended_and_everybody_told(db: None) -> None:
    number = str(hold("eve", Hold.Reason.FIRST_ENROLMENT).pk)
    assert told("release", number, *ENROLLED) == {"number": int(number), "user": "eve"}
    assert User.objects.get(username="eve").held_until is None
    assert Hold.objects.get().ended_by == "host"
    record = Record.objects.get(action="hold.release", outcome="done")
    assert (record.actor_kind, record.details["reason"]) == ("host", ENROLLED[1])
    [text] = mailed("hold.ended")
    assert "Whoever runs this index confirmed that it was you" in text
    assert refused("release", number, *ENROLLED) == "recovery-missing"


@pytest.mark.parametrize("reason", [one for one in Hold.Reason if one != Hold.Reason.FIRST_ENROLMENT])
def test_no_other_hold_is_ended_by_the_host(reason: str, db: None) -> None:
    number = str(hold("eve", reason).pk)
    assert refused("release", number, *ENROLLED) == "recovery-missing"
    assert Record.objects.filter(action="hold.release", outcome="refused", actor_kind="host").exists()


def test_nor_that_of_an_operator_who_may_be_the_host(db: None) -> None:
    number = hold("omar", Hold.Reason.FIRST_ENROLMENT, is_operator=True).pk
    assert refused("release", str(number), *ENROLLED) == "recovery-missing"
    olga = actor_of(signed_in(make_person("olga", is_operator=True))[0])
    confirming.release_hold(number, ENROLLED[1], by=olga, now=clock.now())
    assert Hold.objects.get().ended_by == "operator"


def test_a_hold_that_is_over_or_without_a_reason_is_left(db: None, time: Clock) -> None:
    number = str(hold("eve", Hold.Reason.FIRST_ENROLMENT).pk)
    assert refused("release", number, "--reason", "no") == "recovery-reason-missing"
    assert run("release", number).exit_code == 2
    time.go(days=2)
    for wrong in (number, "999999"):
        assert refused("release", wrong, *ENROLLED) == "recovery-missing"
