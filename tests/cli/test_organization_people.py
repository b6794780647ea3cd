"""`keyhouse organization people`: the acts of the page, by the host, and all that holds for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.accounts.conftest import Clock, configure, mailed, make_person, time, wired
from tests.cli.test_project_people import Stakes, actor, mails, stored

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.new_owners import SILENCE
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.audit.models import Record
from keyhouse.cli import organization as cli
from keyhouse.core import clock, configuration, standing
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.organizations import inviting, membership, populating, services
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation
from keyhouse.projects.organizing import create_project_in

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def bob(db: None) -> User:
    return make_person("bob")


@pytest.fixture(autouse=True)
def acme(ada: User) -> Organization:
    """Return the organization that ada owns, with a project; eve is a member."""
    made = services.create_organization("Acme", owners=[ada], by=host())
    populating.add_members(made, {make_person("eve"): "member"}, by=host())
    create_project_in("acme", "alpha", by=host())
    Mail.objects.all().delete()
    return made


@pytest.fixture
def critical() -> Iterator[None]:
    before = list(standing._wired)
    standing.wire(Stakes())
    yield
    standing._wired[:] = before


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.command, ["people", *words])


def printed(*words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def told(*words: str) -> Any:
    return json.loads(printed(*words, "--json"))


def refused(*words: str) -> str:
    """Return the code of a refusal, after which nothing is stored and nothing mailed."""
    before, count = stored(), Mail.objects.count()
    done = run(*words)
    assert isinstance(done.exception, Refusal), done.output
    assert stored() == before
    assert Mail.objects.count() == count
    return done.exception.code


def kinds() -> dict[str, str]:
    return dict(Membership.objects.values_list("user__username", "kind"))


def acts() -> list[tuple[str, str]]:
    wanted = ("invite", "resend", "revoke", "change-role", "remove-member", "keep-member")
    done = Record.objects.filter(action__in=[f"organization.{one}" for one in wanted], outcome="done")
    return [
        (action.removeprefix("organization."), kind)
        for action, kind in done.order_by("pk").values_list("action", "actor_kind")
    ]


def own_too(acme: Organization, user: User) -> None:
    populating.add_members(acme, {user: "owner"}, by=host())


def test_members_are_listed_with_or_without_the_word_and_with_what_waits(
    critical: None, acme: Organization, bob: User
) -> None:
    own_too(acme, bob)
    printed("remove", "acme", "bob")
    lines = [json.loads(line) for line in printed("Acme", "--json").splitlines()]
    assert [(one["username"], one["role"], one["becomes"]) for one in lines] == [
        ("ada", "owner", None),
        ("bob", "owner", "none"),
        ("eve", "member", None),
    ]
    assert printed("list", "acme") == printed("acme")
    assert f"none from {lines[1]['changes_at']}" in printed("acme")


@pytest.mark.parametrize(
    "words",
    [
        ("list", "nowhere"),
        ("invitations", "nowhere"),
        ("invite", "nowhere", "bob"),
        ("resend", "nowhere", "7"),
        ("revoke", "nowhere", "7"),
        ("change-role", "nowhere", "eve", "owner"),
        ("remove", "nowhere", "eve"),
        ("keep", "nowhere", "eve"),
        ("list", "no name!"),
    ],
)
def test_an_organization_that_isnt_there_is_named_so(words: tuple[str, ...]) -> None:
    missing = {"resend": "offer-missing"}
    assert refused(*words) == missing.get(words[0], "organization-missing")


def test_who_is_invited_has_nothing_before_they_accept_and_complies_to_accept(bob: User) -> None:
    row = told("invite", "acme", "bob", "--role", "owner")
    assert (row["whom"], row["role"], row["invited_by"], row["is_over"]) == ("bob", "owner", "host", False)
    assert "bob" not in kinds()
    assert mails() == [
        ("organization-invitation", "bob@example.org"),
        ("organization-owner-invited", "ada@example.org"),
    ]
    assert json.loads(printed("invitations", "acme", "--json")) == row
    assert printed("invitations", "acme").startswith(f"{row['number']}  bob  owner  by host  until ")
    assert refused("invite", "acme", "bob", "--role", "owner") == "offered-already"
    with pytest.raises(Refusal):
        inviting.accept(row["number"], by=actor(bob, "password"))
    assert "bob" not in kinds()
    inviting.accept(row["number"], by=actor(bob))
    assert kinds()["bob"] == "owner"
    assert refused("invite", "acme", "bob", "--role", "owner") == "already-member"
    assert acts() == [("invite", "host")]


@pytest.mark.parametrize(
    ("whom", "code"),
    [
        (" ", "offer-target-refused"),
        ("no name!", "username-refused"),
        ("no@address@at.all", "address-refused"),
        ("eve", "already-member"),
    ],
)
def test_an_invitation_that_makes_no_sense_is_refused(whom: str, code: str) -> None:
    assert refused("invite", "acme", whom) == code


@pytest.mark.parametrize(
    "words",
    [
        ("invite", "acme", "bob", "--role", "king"),
        ("invite", "acme"),
        ("resend", "acme", "0"),
        ("change-role", "acme", "eve", "none"),
        ("remove", "acme"),
    ],
)
def test_wrong_use_is_told_apart(words: tuple[str, ...]) -> None:
    before = stored()
    assert run(*words).exit_code == 2
    assert stored() == before


def test_an_invitation_is_sent_again_and_taken_back(time: Clock) -> None:
    number = str(told("invite", "acme", "zoe@example.org")["number"])
    time.go(days=8)
    assert json.loads(printed("invitations", "acme", "--json"))["is_over"] is True
    assert told("resend", "acme", number)["is_over"] is False
    assert [kind for kind, _ in mails()] == ["organization-invitation"] * 2
    for _ in range(2):
        assert printed("revoke", "acme", number) == f"Invitation {number} is taken back.\n"
    assert OrganizationInvitation.objects.get().outcome == "revoked"
    assert acts() == [("invite", "host"), ("resend", "host"), ("revoke", "host")]
    assert refused("resend", "acme", number) == "offer-missing"
    assert printed("invitations", "acme") == ""


def test_an_invitation_of_another_organization_is_none_of_this_one(bob: User) -> None:
    services.create_organization("other", owners=[bob], by=host())
    number = str(told("invite", "other", "zoe@example.org")["number"])
    for act in ("resend", "revoke"):
        assert refused(act, "acme", number) == "offer-missing"


def test_roles_change_at_once_where_nothing_is_critical(acme: Organization) -> None:
    for _ in range(2):
        assert told("change-role", "acme", "EVE", "owner")["waits_until"] is None
    assert kinds()["eve"] == "owner"
    assert {kind for kind, _ in mails()} == {"organization-role-changed"}
    assert printed("change-role", "acme", "ada", "manager") == "ada is manager of acme.\n"
    assert kinds() == {"ada": "manager", "eve": "owner"}
    assert acts() == [("change-role", "host")] * 2


def test_the_only_owner_stays(acme: Organization, bob: User) -> None:
    assert refused("remove", "acme", "ada") == "organization-owner-last"
    assert refused("change-role", "acme", "ada", "member") == "organization-owner-last"
    own_too(acme, bob)
    suspend_user(bob, "gone", by=host(), now=clock.now())
    assert refused("remove", "acme", "ada") == "organization-owner-last", (
        "who is suspended looks after nothing"
    )


@pytest.mark.parametrize("words", [("remove",), ("keep",), ("change-role", "manager")])
def test_who_is_no_member_is_named_so(words: tuple[str, ...], bob: User) -> None:
    act, *role = words
    for name in ("bob", "nobody-like-that", "no name!"):
        assert refused(act, "acme", name, *role) == "member-missing"


def test_somebody_is_removed_and_all_are_told() -> None:
    assert printed("remove", "acme", "eve") == "eve is no member of acme.\n"
    assert kinds() == {"ada": "owner"}
    assert mails() == [
        ("organization-member-removed", "ada@example.org"),
        ("organization-member-removed", "eve@example.org"),
    ]
    assert acts() == [("remove-member", "host")]
    assert refused("remove", "acme", "eve") == "member-missing"


def test_mails_name_the_host_in_words(acme: Organization, critical: None, bob: User) -> None:
    own_too(acme, bob)
    printed("invite", "acme", "zoe@example.org", "--role", "owner")
    printed("change-role", "acme", "eve", "manager")
    printed("remove", "acme", "eve")
    printed("remove", "acme", "bob")
    printed("keep", "acme", "bob")
    texts = mailed(*{kind for kind, _ in mails()})
    assert len(texts) == len(mails()) > 9
    assert all("hoever runs this index" in text for text in texts)
    assert not [text for text in texts if re.search(r"\bhost\b", text)]


def test_an_owner_of_a_critical_project_goes_after_a_wait_in_which_owners_take_it_back(
    acme: Organization, critical: None, bob: User, time: Clock
) -> None:
    own_too(acme, bob)
    days = configuration.current().owner_removal_days
    until = clock.format_instant(clock.now() + timedelta(days=days))
    for _ in range(2):
        assert told("remove", "acme", "bob")["waits_until"] == until
    assert kinds()["bob"] == "owner"
    assert [address for _, address in mails()] == ["ada@example.org", "bob@example.org"]
    assert acts() == [("remove-member", "host")]
    membership.keep_member("acme", "bob", by=actor(bob))
    assert f"is member of acme from {until} on" in printed("change-role", "acme", "bob", "member")
    assert printed("keep", "acme", "bob") == "bob stays what they are in acme.\n"
    assert printed("keep", "acme", "bob") == "Nothing waited.\n"
    told("remove", "acme", "bob")
    assert membership.carry_out_due(time.go(days=days - 1)) == 0
    assert membership.carry_out_due(time.go(days=1)) == 1
    assert kinds() == {"ada": "owner", "eve": "member"}


def test_the_host_alone_gives_nobody_an_organization_whose_owners_are_gone(ada: User, bob: User) -> None:
    number = str(told("invite", "acme", "zoe@example.org")["number"])
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    acts = (("invite", "acme", "bob"), ("resend", "acme", number), ("change-role", "acme", "eve", "owner"))
    for words in acts:
        assert refused(*words) == "organization-left"
    printed("revoke", "acme", number)
    printed("remove", "acme", "eve")


def test_nor_one_whose_owners_have_been_silent_for_long(bob: User, time: Clock) -> None:
    User.objects.update(last_seen_at=clock.now())
    assert told("invite", "acme", "bob")["whom"] == "bob"
    time.go(days=SILENCE.days + 1)
    assert refused("change-role", "acme", "eve", "manager") == "organization-left"
    assert told("change-role", "acme", "eve", "member")["waits_until"] is None, (
        "what they are changes nothing"
    )
