"""`keyhouse user`: what operators do about people, from the host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.cli.places import ADA

from keyhouse.accounts.addresses.errors import AddressMissing, AddressVerified
from keyhouse.accounts.errors import AddressTaken
from keyhouse.accounts.models import Email, Proposal, User
from keyhouse.accounts.oversight.errors import NotSuspended, OperatorNeeded, WhyMissing
from keyhouse.audit.models import Record
from keyhouse.cli import user
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import clock
from keyhouse.core.errors import NotFound
from keyhouse.web.wiring import wire_all

pytestmark = pytest.mark.django_db
WHY = ("--reason", "laptop stolen")
DOCUMENT = {
    "users": [ADA, {"username": "root", "operator": True}],
    "projects": [{"name": "alpha", "owners": ["ada"]}],
}


@pytest.fixture(autouse=True)
def sown(db: None) -> None:
    wire_all()
    sow(read_document(json.dumps(DOCUMENT).encode()))


def run(*words: str) -> Result:
    return CliRunner().invoke(user.command, words, catch_exceptions=True)


def told(*words: str) -> dict[str, Any]:
    done: dict[str, Any] = json.loads(run(*words, "--json").stdout)
    return done


def test_an_account_is_closed_shown_and_opened_again() -> None:
    assert told("suspend", "ada", *WHY) == {
        "username": "ada",
        "done": "suspended",
        "only_owner_of": ["alpha"],
        "only_owner_of_organizations": [],
    }
    assert told("suspend", "ada", *WHY)["done"] == "was suspended already"
    shown = told("show", "ada")
    assert (shown["state"], shown["suspended_for"]) == ("suspended", "laptop stolen")
    assert shown["only_owner_of"] == ["alpha"]
    assert "suspended for: laptop stolen" in run("show", "ada").stdout
    assert told("off-board", "ada", *WHY)["done"] == "off-boarded"
    assert told("show", "ada")["has_left"] is True
    assert told("reinstate", "ada", *WHY)["done"] == "reinstated"
    assert told("show", "ada")["state"] == "active"
    acts = Record.objects.filter(action__startswith="person.").order_by("id")
    assert [(one.action, one.actor_kind) for one in acts] == [
        ("person.suspend", "host"),
        ("person.off-board", "host"),
        ("person.reinstate", "host"),
    ]


def test_sessions_are_ended_and_counted() -> None:
    assert told("end-sessions", "ada", *WHY)["sessions"] == 0
    assert "0 sessions ended" in run("end-sessions", "ada", *WHY).stdout


def test_an_office_is_proposed_and_not_given() -> None:
    done = told("grant-office", "ada", "auditor", *WHY)
    row = Proposal.objects.get()
    assert (done["proposal"], row.proposed_by, row.about) == (row.pk, "host", "auditor")
    assert not User.objects.get(username="ada").is_auditor


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("suspend", "ghost", *WHY), NotFound),
        (("show", "ghost"), NotFound),
        (("suspend", "root", *WHY), OperatorNeeded),
        (("revoke-office", "root", "operator", *WHY), OperatorNeeded),
        (("reinstate", "ada", *WHY), NotSuspended),
        (("off-board", "ada", "--reason", " "), WhyMissing),
    ],
)
def test_refusals_are_said_and_change_nothing(words: tuple[str, ...], refusal: type[Exception]) -> None:
    before = Record.objects.count()
    assert isinstance(run(*words).exception, refusal)
    assert Record.objects.count() == before
    assert not User.objects.filter(state="suspended").exists()


def test_a_reason_is_asked_for() -> None:
    assert run("suspend", "ada").exit_code == 2
    assert not User.objects.filter(state="suspended").exists()


def test_a_long_list_is_read_in_pages() -> None:
    names = [
        json.loads(line)["username"] for line in run("list", "--json", "--limit", "1").stdout.splitlines()
    ]
    assert names == ["ada"]
    assert run("list", "--after", "ada", "--limit", "1").stdout.startswith("root  active operator")
    assert not run("list", "--after", "root").stdout
    assert run("list", "--named", "OO").stdout.startswith("root")
    assert not run("list", "--state", "suspended").stdout
    assert run("list", "--limit", "0").exit_code == 2


def test_the_host_verifies_an_address_by_hand_once_and_the_log_says_how() -> None:
    ada = User.objects.get(username="ada")
    ada.emails.update(verified_at=None, verified_by="")
    address = ada.emails.get().address
    assert run("verify-address", "ada", "--reason", "short").exit_code == 1
    assert ada.emails.get().verified_at is None
    why = ("--reason", "came to my desk with her badge")
    assert told("verify-address", "ada", *why)["address"] == address
    email = ada.emails.get()
    assert (email.verified_by, email.is_primary, bool(email.verified_at)) == ("host", True, True)
    row = Record.objects.get(action="email.verify")
    assert (row.actor_kind, row.account_id, row.details["by"]) == ("host", ada.pk, "host")
    assert "badge" in str(row.details["reason"])
    again = run("verify-address", "ada", *why)
    assert isinstance(again.exception, AddressVerified)
    other = run("verify-address", "ada", "--address", "no@example.org", *why)
    assert isinstance(other.exception, AddressMissing)
    assert Record.objects.filter(action="email.verify").count() == 1


def test_an_address_that_is_somebody_elses_is_not_verified_by_hand() -> None:
    ada, root = (User.objects.get(username=name) for name in ("ada", "root"))
    address = ada.emails.get().address
    root.emails.all().delete()
    Email.objects.create(user=root, address=address, is_primary=True, added_at=clock.now())
    done = run("verify-address", "root", "--reason", "came to my desk with his badge")
    assert isinstance(done.exception, AddressTaken)
    assert root.emails.get().verified_at is None
