"""`keyhouse proposal`: what operators decide about together is listed and withdrawn at the host, and never approved there."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.accounts.conftest import Clock, configure, give_project, make_person, signed_in, time, wired
from tests.projects.conftest import everything

from keyhouse.accounts.keeping import keep
from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.errors import ApprovalRefused
from keyhouse.accounts.oversight.offices import OFFICE, propose_office
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.cli import organization
from keyhouse.cli import proposal as cli
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.organizations.models import Membership
from keyhouse.organizations.services import create_organization
from keyhouse.projects.ownership import propose_owner

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
WHY = ("--reason", "made for the wrong person")


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture(autouse=True)
def operators(db: None) -> list[User]:
    return [make_person(name, is_operator=True) for name in ("one", "two", "three")]


def propose(user: User, office: str = "auditor") -> Proposal:
    return propose_office(user, office, "yearly audit", by=host(), now=clock.now())


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.command, words)


def printed(*words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def told(*words: str) -> Any:
    return json.loads(printed(*words, "--json"))


def refused(*words: str, command: Any = cli.command) -> str:
    """Return the code of a refusal, after which nothing is stored and nothing mailed."""
    before, mails = everything(), Mail.objects.count()
    done = CliRunner().invoke(command, words)
    assert isinstance(done.exception, Refusal), done.output
    assert (everything(), Mail.objects.count()) == (before, mails)
    return done.exception.code


def test_the_list_says_what_each_would_do_and_who_approves_it_where(ada: User) -> None:
    assert "No proposal" in printed("list")
    row = propose(ada)
    [listed] = told("list")
    assert (listed["number"], listed["kind"], listed["user"], listed["state"]) == (
        row.pk,
        "office",
        "ada",
        "waits for approval",
    )
    assert listed["what"] == "ada becomes auditor of this index"
    assert listed["next"].startswith("To be approved by 2 of: one, three, two.")
    assert listed["next"].endswith("/operator/proposals/")
    assert listed["next"] in printed("list")


def test_the_host_approves_nothing(ada: User) -> None:
    row = propose(ada)
    assert run("approve", str(row.pk)).exit_code == 2
    with pytest.raises(ApprovalRefused):
        proposals.approve(OFFICE, row.pk, by=host(), now=clock.now())
    row.refresh_from_db()
    assert row.approved_by == []


def test_one_is_withdrawn_once_and_all_are_told(ada: User) -> None:
    row = propose(ada)
    Mail.objects.all().delete()
    done = told("withdraw", str(row.pk), *WHY)
    assert (done["state"], done["ended_why"], done["next"]) == (
        "ended",
        "withdrawn by host: made for the wrong person",
        None,
    )
    assert {mail.address for mail in Mail.objects.all()} == {
        f"{name}@example.org" for name in ("ada", "one", "two", "three")
    }
    record = Record.objects.get(action="proposal.withdraw")
    assert (record.actor_kind, record.details["reason"]) == ("host", "made for the wrong person")
    assert refused("withdraw", str(row.pk), *WHY) == "proposal-over"
    assert told("list") == []
    assert [one["number"] for one in told("list", "--all")] == [row.pk]
    assert propose(ada).pk != row.pk


def test_what_waits_for_its_instant_is_withdrawn_before_it(
    ada: User, operators: list[User], time: Clock
) -> None:
    for one in operators[1:]:
        suspend_user(one, "gone", by=host(), now=clock.now())
    row = propose(ada)
    [listed] = told("list")
    assert listed["effective_at"] == clock.format_instant(clock.now() + timedelta(hours=24))
    assert listed["state"] == "waits for its instant"
    assert "Withdrawn: ada becomes auditor" in printed("withdraw", str(row.pk), *WHY)
    keep(time.go(hours=25))
    ada.refresh_from_db()
    assert not ada.is_auditor


def test_what_can_not_be_withdrawn_is_refused(ada: User) -> None:
    row = propose(ada)
    assert refused("withdraw", "999999", *WHY) == "proposal-missing"
    assert refused("withdraw", str(row.pk), "--reason", "  ") == "why-missing"
    assert run("withdraw", str(row.pk)).exit_code == 2
    assert run("withdraw", "first", *WHY).exit_code == 2


def test_every_kind_is_withdrawn_by_the_same_words(ada: User) -> None:
    owner = make_person("owner")
    alpha = give_project(owner)
    suspend_user(owner, "gone", by=host(), now=clock.now())
    row = propose_owner(alpha, ada, "its owner is gone", by=host(), now=clock.now())
    assert told("list")[0]["what"] == "ada becomes an owner of alpha"
    assert told("withdraw", str(row.pk), *WHY)["state"] == "ended"


def test_a_new_owner_of_an_organization_is_proposed(ada: User) -> None:
    owner = make_person("owner")
    create_organization("acme", owners=[owner], by=host())
    words = ("new-owner", "Acme", "ada", "--reason", "its owner is gone")
    assert refused(*words, command=organization.command) == "organization-owned"
    suspend_user(owner, "gone", by=host(), now=clock.now())
    assert refused("new-owner", "acme", "zoe", *WHY, command=organization.command) == "person-missing"
    assert (
        refused("new-owner", "nowhere", "ada", *WHY, command=organization.command) == "organization-missing"
    )
    done = CliRunner().invoke(organization.command, [*words, "--json"])
    assert json.loads(done.stdout)["proposal"] == Proposal.objects.get().pk
    assert "ada" in told("list")[0]["what"]
    assert refused(*words, command=organization.command) == "proposal-open"
    assert Membership.objects.get().user == owner


def test_an_approval_by_a_page_is_in_the_list(ada: User, operators: list[User]) -> None:
    row = propose(ada)
    proposals.approve(OFFICE, row.pk, by=actor_of(signed_in(operators[0])[0]), now=clock.now())
    assert told("list")[0]["approved_by"] == ["one"]
    assert "Approved by one. To be approved by one more of: three, two." in printed("list")
