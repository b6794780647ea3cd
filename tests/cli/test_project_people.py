"""`keyhouse project people` and `new-owner`: the acts of the page, by the host, and all that holds for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.accounts.conftest import (
    Clock,
    configure,
    give_project,
    mailed,
    make_person,
    signed_in,
    time,
    wired,
)
from tests.projects.conftest import everything

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight.new_owners import SILENCE
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.cli import project as cli
from keyhouse.core import clock, configuration, standing
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal
from keyhouse.core.standing import Standing
from keyhouse.mail.models import Mail
from keyhouse.projects.collaborators import ending, services
from keyhouse.projects.models import Project, ProjectInvitation, Role, RoleChange

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
WHY = ("--reason", "Its owner has left.")


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def bob(db: None) -> User:
    return make_person("bob")


@pytest.fixture(autouse=True)
def alpha(ada: User) -> Project:
    """Return the project that ada owns; eve is a maintainer."""
    project = give_project(ada)
    eve = make_person("eve")
    Role.objects.create(project=project, user=eve, kind="maintainer", since_at=clock.now())
    return project


@dataclass
class Stakes:
    """Says that alpha is critical."""

    critical: set[str] = field(default_factory=lambda: {"alpha"})

    def of(self, user_id: int) -> Standing:
        return Standing(has_authority=bool(user_id))

    def speaks_for(self, user_id: int) -> frozenset[int]:
        return frozenset()

    def is_critical(self, normalized_name: str) -> bool:
        return normalized_name in self.critical


@pytest.fixture
def critical() -> Iterator[None]:
    before = list(standing._wired)
    standing.wire(Stakes())
    yield
    standing._wired[:] = before


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.command, words)


def printed(*words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def told(*words: str) -> Any:
    return json.loads(printed(*words, "--json"))


def stored() -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows; that a mailbox was nearly written to once more is counted, as of the page's tries."""
    return {table: rows for table, rows in everything().items() if table != "accounts.Attempt"}


def refused(*words: str) -> str:
    """Return the code of a refusal, after which nothing is stored and nothing mailed."""
    before, mails = stored(), Mail.objects.count()
    done = run(*words)
    assert isinstance(done.exception, Refusal), done.output
    assert stored() == before
    assert Mail.objects.count() == mails
    return done.exception.code


def roles() -> dict[str, str]:
    return dict(Role.objects.values_list("user__username", "kind"))


def mails() -> list[tuple[str, str]]:
    return sorted(Mail.objects.values_list("kind", "address"))


def acts() -> list[tuple[str, str]]:
    done = Record.objects.filter(action__startswith="collaborator.", outcome="done").order_by("pk")
    return list(done.values_list("action", "actor_kind"))


def actor(user: User, *methods: str) -> Actor:
    return actor_of(signed_in(user, *methods)[0])


def own_too(user: User) -> None:
    Role.objects.create(
        project=Project.objects.get(name="alpha"), user=user, kind="owner", since_at=clock.now()
    )


def test_people_are_listed_with_or_without_the_word_and_with_what_waits(critical: None, bob: User) -> None:
    own_too(bob)
    printed("people", "remove", "alpha", "bob")
    lines = [json.loads(line) for line in printed("people", "Alpha", "--json").splitlines()]
    assert [(one["username"], one["role"], one["becomes"]) for one in lines] == [
        ("ada", "owner", None),
        ("bob", "owner", "none"),
        ("eve", "maintainer", None),
    ]
    assert printed("people", "list", "alpha") == printed("people", "alpha")
    assert f"none from {lines[1]['changes_at']}" in printed("people", "alpha")
    assert refused("people", "beta") == "not-found"


def test_who_is_invited_has_nothing_before_they_accept_and_complies_to_accept(bob: User) -> None:
    row = told("people", "invite", "alpha", "bob", "--role", "owner")
    assert (row["whom"], row["role"], row["invited_by"], row["is_over"]) == ("bob", "owner", "host", False)
    assert "bob" not in roles()
    assert mails() == [
        ("project-invitation", "bob@example.org"),
        ("project-owner-invited", "ada@example.org"),
    ]
    listed = json.loads(printed("people", "invitations", "alpha", "--json"))
    assert listed == row
    assert refused("people", "invite", "alpha", "bob", "--role", "owner") == "already-invited"
    with pytest.raises(Refusal):
        services.accept(row["number"], by=actor(bob, "password"))
    assert "bob" not in roles()
    services.accept(row["number"], by=actor(bob))
    assert roles()["bob"] == "owner"
    assert refused("people", "invite", "alpha", "bob", "--role", "owner") == "already-collaborator"
    assert acts()[0] == ("collaborator.invite", "host")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("beta", "bob"), "project-not-found"),
        (("alpha", " "), "invitee-refused"),
        (("alpha", "no name!"), "username-refused"),
        (("alpha", "eve"), "already-collaborator"),
    ],
)
def test_an_invitation_that_makes_no_sense_is_refused(words: tuple[str, str], code: str) -> None:
    assert refused("people", "invite", *words) == code


@pytest.mark.parametrize(
    "words",
    [
        ("invite", "alpha", "bob", "--role", "king"),
        ("invite", "alpha"),
        ("resend", "alpha", "0"),
        ("change-role", "alpha", "eve", "none"),
        ("hand-over", "alpha", "ada", "ADA"),
    ],
)
def test_wrong_use_is_told_apart(words: tuple[str, ...]) -> None:
    before = everything()
    assert run("people", *words).exit_code == 2
    assert everything() == before


def test_an_invitation_is_sent_again_and_taken_back(time: Clock) -> None:
    number = str(told("people", "invite", "alpha", "zoe@example.org")["number"])
    time.go(days=8)
    assert json.loads(printed("people", "invitations", "alpha", "--json"))["is_over"] is True
    assert told("people", "resend", "alpha", number)["is_over"] is False
    assert [kind for kind, _ in mails()] == ["project-invitation"] * 2
    for _ in range(2):
        printed("people", "revoke", "alpha", number)
    assert ProjectInvitation.objects.get().outcome == "revoked"
    assert [action for action, _ in acts()] == [
        "collaborator.invite",
        "collaborator.resend",
        "collaborator.revoke",
    ]
    assert refused("people", "resend", "alpha", number) == "invitation-missing"
    assert printed("people", "invitations", "alpha") == ""


def test_an_invitation_of_another_project_is_none_of_this_one(bob: User) -> None:
    give_project(bob, "beta")
    number = str(told("people", "invite", "beta", "zoe@example.org")["number"])
    for act in ("resend", "revoke"):
        assert refused("people", act, "alpha", number) == "invitation-missing"


def test_roles_go_down_at_once_and_up_by_an_invitation(bob: User) -> None:
    own_too(bob)
    for _ in range(2):
        assert told("people", "change-role", "alpha", "BOB", "maintainer")["waits_until"] is None
    assert roles()["bob"] == "maintainer"
    assert mails() == [
        ("project-role-ended", "ada@example.org"),
        ("project-role-ended", "bob@example.org"),
    ]
    row = told("people", "change-role", "alpha", "bob", "owner")
    assert roles()["bob"] == "maintainer"
    services.accept(row["number"], by=actor(bob))
    assert roles()["bob"] == "owner"
    assert refused("people", "change-role", "alpha", "zoe", "owner") == "collaborator-missing"


def test_the_only_owner_stays(bob: User) -> None:
    assert refused("people", "remove", "alpha", "ada") == "owner-last"
    assert refused("people", "change-role", "alpha", "ada", "maintainer") == "owner-last"
    assert refused("people", "remove", "alpha", "bob") == "collaborator-missing"
    own_too(bob)
    suspend_user(bob, "gone", by=host(), now=clock.now())
    assert refused("people", "remove", "alpha", "ada") == "owner-last", "who is suspended looks after nothing"


def test_somebody_is_removed_and_all_are_told() -> None:
    assert "has no role" in printed("people", "remove", "alpha", "eve")
    assert roles() == {"ada": "owner"}
    assert mails() == [
        ("project-role-ended", "ada@example.org"),
        ("project-role-ended", "eve@example.org"),
    ]
    assert acts() == [("collaborator.remove", "host")]
    assert refused("people", "remove", "alpha", "eve") == "collaborator-missing"


def test_mails_name_the_host_in_words(bob: User) -> None:
    own_too(bob)
    printed("people", "invite", "alpha", "zoe@example.org", "--role", "owner")
    printed("people", "remove", "alpha", "eve")
    texts = mailed("project-owner-invited", "project-invitation", "project-role-ended")
    assert len(texts) == 6
    assert all("Whoever runs this index" in text for text in texts)
    assert not [text for text in texts if "host " in text]


def test_an_owner_of_a_critical_project_goes_after_a_wait_in_which_owners_take_it_back(
    critical: None, bob: User, time: Clock
) -> None:
    own_too(bob)
    days = configuration.current().owner_removal_days
    until = clock.format_instant(clock.now() + timedelta(days=days))
    for _ in range(2):
        assert told("people", "remove", "alpha", "bob")["waits_until"] == until
    assert roles()["bob"] == "owner"
    assert mails() == [("project-owner-ends", "ada@example.org"), ("project-owner-ends", "bob@example.org")]
    assert acts() == [("collaborator.remove", "host")]
    ending.keep_role("alpha", "bob", by=actor(bob))
    assert not RoleChange.objects.exists()
    told("people", "change-role", "alpha", "bob", "maintainer")
    assert "stays what they are" in printed("people", "keep", "alpha", "bob")
    assert printed("people", "keep", "alpha", "bob") == "Nothing waited.\n"
    told("people", "remove", "alpha", "bob")
    assert ending.carry_out_due(time.go(days=days - 1)) == 0
    assert ending.carry_out_due(time.go(days=1)) == 1
    assert roles() == {"ada": "owner", "eve": "maintainer"}


def test_a_project_is_handed_over_in_two_runs(bob: User) -> None:
    first = run("people", "hand-over", "alpha", "ada", "bob@example.org", "--json")
    assert "Run this again" in first.stderr
    assert roles()["ada"] == "owner"
    assert refused("people", "hand-over", "alpha", "ada", "bob@example.org") == "already-invited"
    services.accept(json.loads(first.stdout)["number"], by=actor(bob))
    for _ in range(2):
        assert told("people", "hand-over", "alpha", "ada", "bob@example.org")["waits_until"] is None
        assert roles() == {"bob": "owner", "eve": "maintainer"}
    assert [action for action, _ in acts()] == [
        "collaborator.invite",
        "collaborator.accept",
        "collaborator.remove",
    ]
    for owner in ("eve", "nobody-like-that"):
        for whom in ("ada", "bob"):
            assert refused("people", "hand-over", "alpha", owner, whom) == "collaborator-missing"
    assert roles() == {"bob": "owner", "eve": "maintainer"}


def test_the_host_alone_gives_nobody_a_project_whose_owners_are_gone(
    ada: User, bob: User, time: Clock
) -> None:
    number = str(told("people", "invite", "alpha", "zoe@example.org")["number"])
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    Mail.objects.all().delete()
    acts = (("invite", "alpha", "bob"), ("resend", "alpha", number), ("change-role", "alpha", "eve", "owner"))
    for words in acts:
        assert refused("people", *words) == "project-left"
    assert [
        json.loads(line)["name"] for line in printed("list", "--without-owner", "--json").splitlines()
    ] == ["alpha"]
    Role.objects.filter(user=ada).delete()
    assert told("people", "invite", "alpha", "bob")["whom"] == "bob", "one that never had an owner isn't left"


def test_nor_one_whose_owners_have_been_silent_for_long(bob: User, time: Clock) -> None:
    User.objects.update(last_seen_at=clock.now())
    assert told("people", "invite", "alpha", "bob")["whom"] == "bob"
    time.go(days=SILENCE.days + 1)
    assert refused("people", "invite", "alpha", "bob", "--role", "owner") == "project-left"


def test_nor_one_that_its_owner_was_taken_from(ada: User, bob: User) -> None:
    own_too(bob)
    printed("people", "remove", "alpha", "ada")
    Role.objects.filter(user=bob).delete()
    assert refused("people", "invite", "alpha", "ada") == "project-left"


def test_a_new_owner_is_proposed_and_two_operators_are_asked(ada: User, bob: User) -> None:
    for name in ("one", "two", "three"):
        make_person(name, is_operator=True)
    assert refused("new-owner", "alpha", "bob", *WHY) == "project-owned"
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    assert refused("new-owner", "alpha", "nobody", *WHY) == "person-missing"
    assert refused("new-owner", "beta", "bob", *WHY) == "not-found"
    assert refused("new-owner", "alpha", "bob", "--reason", " ") == "why-missing"
    assert run("new-owner", "alpha", "bob").exit_code == 2
    row = told("new-owner", "alpha", "bob", *WHY)
    assert row == {"user": "bob", "proposal": Proposal.objects.get().pk, "effective_at": None}
    assert "bob" not in roles()
    assert refused("new-owner", "alpha", "bob", *WHY) == "proposal-open"


def test_with_one_operator_a_new_owner_waits_a_day(ada: User, bob: User) -> None:
    make_person("one", is_operator=True)
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    at = clock.format_instant(clock.now() + timedelta(hours=24))
    assert f"takes effect at {at}" in printed("new-owner", "alpha", "bob", *WHY)
    assert "bob" not in roles()
