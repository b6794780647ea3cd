"""`keyhouse mandate requests`: what people ask for is listed and answered at the host; an exemption is approved in pages alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.cli.peopled import Commands, acts
from tests.mandate.conftest import SetClock, set_clock, wired
from tests.mandate.exits.test_exits import NOW, WANTED, ada, clocked, mailed, ops, weak

from keyhouse.accounts.models import User
from keyhouse.cli import mandate_requests
from keyhouse.core.actor import Actor
from keyhouse.mandate import services
from keyhouse.mandate.exits import asking
from keyhouse.mandate.exits.asking import Wanted
from keyhouse.mandate.exits.models import Request
from keyhouse.mandate.models import Exemption

__all__ = ["ada", "clocked", "ops", "set_clock", "wired"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]
requests = Commands(mandate_requests.command)
WHY = ("--answer", "Your key has arrived.")


@pytest.fixture
def asked(ada: User, ops: tuple[Actor, Actor]) -> Request:
    """Return ada's request for an exemption."""
    return asking.ask(WANTED, by=weak(ada))


def test_what_waits_is_listed_and_shown(asked: Request) -> None:
    [row] = requests.lines("list")
    assert row == requests.told("show", str(asked.pk))
    assert (row["number"], row["user"], row["kind"], row["mandate"]) == (
        asked.pk,
        "ada",
        "exemption",
        "campaign",
    )
    assert (row["reason"], row["days"], row["state"]) == (WANTED.reason, WANTED.days, "waits")
    assert row["next"] == f"`keyhouse mandate requests propose {asked.pk}`, or `refuse`"
    assert "ada  an exemption from campaign" in requests.printed("list")
    shown = requests.printed("show", str(asked.pk)).splitlines()
    assert f"evidence: {WANTED.evidence}" in shown
    assert not [line for line in shown if line.startswith("answer")]


def test_an_exemption_is_proposed_and_two_operators_approve_it_in_pages(
    asked: Request, ops: tuple[Actor, Actor]
) -> None:
    made = requests.told("propose", str(asked.pk))
    assert (made["user"], made["proposed_by"], made["effective_at"]) == ("ada", "host", None)
    assert Exemption.objects.get().until == NOW + timedelta(days=WANTED.days)
    assert requests.refused("propose", str(asked.pk)) == "request-over", "once"
    assert requests.refused("refuse", str(asked.pk), *WHY) == "request-over", "what waits is withdrawn first"
    row = requests.told("show", str(asked.pk))
    assert row["state"] == "proposed"
    assert row["next"].endswith("/mandate/proposals/")
    assert requests.is_wrong("approve", str(asked.pk))
    services.approve_exemption(made["id"], by=ops[0])
    assert Exemption.objects.get().effective_at is None, "what the host proposes takes two"
    services.approve_exemption(made["id"], by=ops[1])
    assert Exemption.objects.get().effective_at is not None
    assert requests.told("show", str(asked.pk))["state"] == "granted"
    assert requests.printed("list") == ""
    assert [row["number"] for row in requests.lines("list", "--all")] == [asked.pk]
    assert ("exemption.propose", "host") in acts("exemption.")


def test_for_other_days_than_they_ask_for(asked: Request) -> None:
    for days in ("0", "91", "soon"):
        assert requests.is_wrong("propose", str(asked.pk), "--days", days)
    requests.printed("propose", str(asked.pk), "--days", "5")
    assert Exemption.objects.get().until == NOW + timedelta(days=5)


def test_a_request_is_refused_once_and_the_answer_mailed(asked: Request) -> None:
    assert requests.refused("give", str(asked.pk), *WHY) == "request-over", "an exemption is proposed"
    assert "Refused: an exemption from campaign, to ada." in requests.printed("refuse", str(asked.pk), *WHY)
    assert mailed("exit-answer") == ["ada@example.org"]
    row = requests.told("show", str(asked.pk))
    assert (row["state"], row["answer"], row["answered_by"], row["next"]) == ("refused", WHY[1], "host", None)
    for act in (("refuse", *WHY), ("propose",)):
        assert requests.refused(act[0], str(asked.pk), *act[1:]) == "request-over"
    assert acts("exemption.answer") == [("exemption.answer", "host")]


def test_a_key_is_given_and_never_proposed(ada: User) -> None:
    number = str(asking.ask(Wanted("I have no phone."), by=weak(ada)).pk)
    assert requests.told("show", number)["next"] == f"`keyhouse mandate requests give {number}`, or `refuse`"
    assert requests.refused("propose", number) == "request-over"
    assert requests.told("give", number, *WHY)["state"] == "granted"
    assert mailed("exit-answer") == ["ada@example.org"]


@pytest.mark.parametrize("act", [("show",), ("propose",), ("refuse", *WHY), ("give", *WHY)])
def test_what_isnt_there_is_named_so(act: tuple[str, ...], clocked: SetClock) -> None:
    assert requests.refused(act[0], "999", *act[1:]) == "request-missing"
    assert requests.is_wrong(act[0], "first", *act[1:])


@pytest.mark.parametrize("answer", [" ", "x" * 501, "a\x1b[2J", "two\nlines"])
def test_an_answer_is_one_line(asked: Request, answer: str) -> None:
    assert requests.refused("refuse", str(asked.pk), "--answer", answer) == "request-malformed"


def test_what_was_asked_for_is_over_once_it_is_taken_back(asked: Request, ada: User) -> None:
    asking.take_back(by=weak(ada))
    assert requests.printed("list") == ""
    for act in (("propose",), ("refuse", *WHY)):
        assert requests.refused(act[0], str(asked.pk), *act[1:]) == "request-over"
