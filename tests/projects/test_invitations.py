"""Invitations into projects: what they give, to whom, and what they tell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.projects.conftest import StrengthGate, everything, give_role, id_of, make_person

from keyhouse.accounts.errors import AddressRefused, TooManyAttempts, UsernameRefused
from keyhouse.accounts.models import Email, User
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.errors import Refusal, RoleRequired, SecondFactorRequired
from keyhouse.mail.models import Mail
from keyhouse.projects import services as projects
from keyhouse.projects.collaborators import queries, services
from keyhouse.projects.collaborators.errors import (
    AlreadyCollaborator,
    AlreadyInvited,
    InvitationMissing,
    InvitationOver,
    InvitationRests,
    InviteeRefused,
    RoleUnknown,
)
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.errors import ProjectQuarantined
from keyhouse.projects.life_cycle.services import delete_project
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db


def with_address(actor: Actor, *addresses: str, verified: bool = True) -> Actor:
    for address in addresses or (f"{actor.name}@example.org",):
        Email.objects.create(
            user_id=id_of(actor),
            address=address,
            is_primary=not Email.objects.filter(user_id=id_of(actor)).exists(),
            verified_at=clock.now() if verified else None,
            added_at=clock.now(),
        )
    return actor


@pytest.fixture
def alpha(ada: Actor) -> Project:
    with_address(ada)
    return projects.create_project("alpha", [User.objects.get(pk=id_of(ada))], by=host())


def roles() -> dict[str, str]:
    return dict(Role.objects.values_list("user__username", "kind"))


def mails() -> list[tuple[str, str]]:
    return list(Mail.objects.order_by("pk").values_list("kind", "address"))


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Move the clock on by a time span."""
    shift = [timedelta()]
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + shift[0])
    return lambda span: shift.__setitem__(0, shift[0] + span)


# ---- the way it goes


def test_an_invitation_gives_nothing_until_it_is_accepted_and_then_its_role(
    alpha: Project, ada: Actor, bob: Actor
) -> None:
    with_address(bob)
    invitation = services.invite("alpha", "BOB", "maintainer", by=ada)

    assert roles() == {"ada": "owner"}
    assert mails() == [("project-invitation", "bob@example.org")]
    assert [one.pk for one in queries.invitations_of_person(id_of(bob), clock.now())] == [invitation.pk]

    services.accept(invitation.pk, by=bob)
    services.accept(invitation.pk, by=bob)

    assert roles() == {"ada": "owner", "bob": "maintainer"}
    assert mails()[1:] == [("project-joined", "ada@example.org")]
    assert not queries.invitations_of_person(id_of(bob), clock.now()).exists()
    assert list(Record.objects.filter(action__startswith="collab").values_list("action", flat=True)) == [
        "collaborator.invite",
        "collaborator.accept",
    ]


def test_an_address_is_invited_whoever_verifies_it_in_time(alpha: Project, ada: Actor, bob: Actor) -> None:
    invitation = services.invite("alpha", " Zoe@Example.ORG ", "owner", by=ada)
    assert mails() == [("project-invitation", "zoe@example.org")]
    with_address(bob)
    unproven = with_address(bob, "zoe@example.org", verified=False)
    with pytest.raises(InvitationMissing):
        services.accept(invitation.pk, by=unproven)

    Email.objects.filter(address="zoe@example.org").update(verified_at=clock.now(), address="ZOE@example.org")
    services.accept(invitation.pk, by=bob)

    assert roles() == {"ada": "owner", "bob": "owner"}


def test_the_host_invites_whoever_has_no_account_with_a_deadline_and_a_way_in(alpha: Project) -> None:
    until = clock.now() + timedelta(days=60)

    told = services.invite("alpha", "zoe@example.org", "owner", by=host(), until=until)
    silent = services.invite("alpha", "yan@example.org", "owner", by=host(), until=until, is_told=False)

    assert (told.expires_at, silent.expires_at) == (until, until)
    assert mails()[0] == ("project-invitation", "zoe@example.org")
    assert "yan@example.org" not in [address for _, address in mails()]


def test_other_owners_hear_of_an_invited_owner(alpha: Project, ada: Actor, bob: Actor) -> None:
    give_role("alpha", with_address(bob), "owner")

    services.invite("alpha", "zoe@example.org", "owner", by=ada)

    assert ("project-owner-invited", "bob@example.org") in mails()
    assert ("project-owner-invited", "ada@example.org") not in mails()


def test_a_higher_role_is_kept_and_a_lower_one_raised(alpha: Project, ada: Actor, bob: Actor) -> None:
    with_address(ada, "ada@example.com")
    low = services.invite("alpha", "ada@example.com", "maintainer", by=host())
    services.accept(low.pk, by=ada)
    assert roles() == {"ada": "owner"}

    give_role("alpha", bob, "maintainer")
    services.accept(services.invite("alpha", "bob", "owner", by=ada).pk, by=bob)
    assert roles() == {"ada": "owner", "bob": "owner"}


# ---- the ways it ends


def test_declined_taken_back_and_too_old_ones_give_nothing(
    alpha: Project, ada: Actor, bob: Actor, moved: Any
) -> None:
    no = services.invite("alpha", "bob", "maintainer", by=ada)
    services.decline(no.pk, by=bob)
    services.decline(no.pk, by=bob)
    back = services.invite("alpha", "bob", "maintainer", by=ada)
    services.revoke("alpha", back.pk, by=ada)
    services.revoke("alpha", back.pk, by=ada)
    old = services.invite("alpha", "bob", "maintainer", by=ada)
    moved(timedelta(days=7))

    for one in (no, back, old):
        with pytest.raises(InvitationOver):
            services.accept(one.pk, by=bob)
    assert roles() == {"ada": "owner"}
    assert mails() == [("project-declined", "ada@example.org")]

    services.resend("alpha", old.pk, by=ada)
    services.accept(old.pk, by=bob)
    assert roles() == {"ada": "owner", "bob": "maintainer"}


def test_one_to_a_name_waits_at_a_time_and_an_old_one_is_replaced(
    alpha: Project, ada: Actor, bob: Actor, moved: Any
) -> None:
    first = services.invite("alpha", "bob", "maintainer", by=ada)
    with pytest.raises(AlreadyInvited):
        services.invite("alpha", "Bob", "owner", by=ada)
    moved(timedelta(days=8))

    second = services.invite("alpha", "bob", "owner", by=ada)

    with pytest.raises(InvitationOver):
        services.accept(first.pk, by=bob)
    assert services.accept(second.pk, by=bob).kind == "owner"


def test_whoever_has_the_role_is_not_invited_to_it(alpha: Project, ada: Actor, bob: Actor) -> None:
    give_role("alpha", bob, "maintainer")
    with pytest.raises(AlreadyCollaborator):
        services.invite("alpha", "bob", "maintainer", by=ada)
    with pytest.raises(AlreadyCollaborator):
        services.invite("alpha", "ada", "maintainer", by=ada)


def test_the_end_of_the_project_ends_its_invitations(alpha: Project, ada: Actor, bob: Actor) -> None:
    invitation = services.invite("alpha", "bob", "owner", by=ada)
    delete_project("alpha", by=ada)
    projects.create_project("alpha", [User.objects.get(username="ada")], by=host())

    with pytest.raises(InvitationMissing):
        services.accept(invitation.pk, by=bob)
    assert roles() == {"ada": "owner"}


def test_quarantine_stops_all_but_the_no_and_an_archive_nothing(
    alpha: Project, ada: Actor, bob: Actor
) -> None:
    waiting = services.invite("alpha", "bob", "owner", by=ada)
    Project.objects.update(status="quarantined")
    for act in (
        lambda: services.accept(waiting.pk, by=bob),
        lambda: services.invite("alpha", "zoe@example.org", "owner", by=ada),
        lambda: services.resend("alpha", waiting.pk, by=ada),
        lambda: services.revoke("alpha", waiting.pk, by=ada),
    ):
        with pytest.raises(ProjectQuarantined):
            act()
    Project.objects.update(status="archived")
    assert services.accept(waiting.pk, by=bob).kind == "owner"


@pytest.mark.parametrize("state", ["frozen", "held"])
def test_what_a_frozen_or_held_account_sent_rests(state: str, alpha: Project, ada: Actor, bob: Actor) -> None:
    waiting = services.invite("alpha", "bob", "owner", by=ada)
    User.objects.filter(username="ada").update(state=state)
    with pytest.raises(InvitationRests):
        services.accept(waiting.pk, by=bob)
    assert roles() == {"ada": "owner"}
    User.objects.filter(username="ada").update(state="active")
    assert services.accept(waiting.pk, by=bob).kind == "owner"


# ---- who may not, and what is told


def test_a_stranger_a_maintainer_and_a_weak_session_invite_nobody(
    alpha: Project, ada: Actor, bob: Actor
) -> None:
    eve = make_person("eve")
    give_role("alpha", bob, "maintainer")
    weak = Actor(**{**_fields(ada), "strength": Strength(frozenset({"password"}), clock.now())})
    before = everything()
    for by, refusal in ((eve, RoleRequired), (bob, RoleRequired), (weak, SecondFactorRequired)):
        for name in ("alpha", "not-here"):
            with pytest.raises(RoleRequired if name == "not-here" else refusal):
                services.invite(name, "zoe@example.org", "owner", by=by)
    changed = {name for name, rows in everything().items() if rows != before[name]}
    assert changed <= {"accounts.Attempt"}
    assert not mails()


def _fields(actor: Actor) -> dict[str, Any]:
    return {name: getattr(actor, name) for name in actor.__slots__}


def test_accepting_asks_the_gate_about_that_very_project(
    alpha: Project, ada: Actor, bob: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    class Gate(StrengthGate):
        def require(self, actor: Any, action: Any, thing: Any) -> None:
            asked.append((action.name, thing.name))
            super().require(actor, action, thing)

    invitation = services.invite("alpha", "bob", "owner", by=ada)
    actions.wire(gate=Gate())
    weak = Actor(**{**_fields(bob), "strength": Strength(frozenset({"password"}), clock.now())})
    with pytest.raises(SecondFactorRequired):
        services.accept(invitation.pk, by=weak)

    assert asked == [("collaborator.accept", "alpha")]
    assert roles() == {"ada": "owner"}
    services.decline(invitation.pk, by=weak)


def test_somebody_elses_invitation_is_as_one_that_is_not_there(
    alpha: Project, ada: Actor, bob: Actor
) -> None:
    eve = make_person("eve")
    theirs = services.invite("alpha", "bob", "owner", by=ada)
    unknown = theirs.pk + 1000
    told = set()
    for number in (theirs.pk, unknown, 2**70):
        for act in (services.accept, services.decline):
            with pytest.raises(InvitationMissing) as refused:
                act(number, by=eve)
            told.add(refused.value.line)
    assert len(told) == 1
    projects.create_project("beta", [User.objects.get(username="eve")], by=host())
    for number in (theirs.pk, unknown):
        with pytest.raises(InvitationMissing):
            services.resend("beta", number, by=eve)
        with pytest.raises(InvitationMissing):
            services.revoke("beta", number, by=eve)
    assert ProjectInvitation.objects.get(pk=theirs.pk).ended_at is None


def test_nobody_learns_who_has_an_account(alpha: Project, ada: Actor, bob: Actor) -> None:
    with_address(bob)
    told = [
        services.invite("alpha", whom, "maintainer", by=ada)
        for whom in ("bob@example.org", "nobody@example.org", "no-such-name")
    ]
    assert {(one.kind, one.outcome, one.ended_at) for one in told} == {("maintainer", "", None)}
    assert len(queries.open_invitations_of(alpha)) == 3

    squatter = with_address(make_person("no-such-name"))
    with pytest.raises(InvitationMissing):
        services.accept(told[2].pk, by=squatter)


@pytest.mark.parametrize(
    ("whom", "kind", "refusal"),
    [
        ("", "owner", InviteeRefused),
        ("\x00", "owner", InviteeRefused),
        ("a b", "owner", UsernameRefused),
        ("a@", "owner", AddressRefused),
        ("bob", "admin", RoleUnknown),
        ("bob", "invited", RoleUnknown),
        ("bob", "", RoleUnknown),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_kept(
    whom: str, kind: str, refusal: type[Refusal], alpha: Project, ada: Actor
) -> None:
    before = everything()
    with pytest.raises(refusal):
        services.invite("alpha", whom, kind, by=ada)
    assert everything() == before


def test_nobody_floods_mailboxes(alpha: Project, ada: Actor) -> None:
    for number in range(30):
        services.invite("alpha", f"p{number}@example.org", "maintainer", by=ada)
    with pytest.raises(TooManyAttempts):
        services.invite("alpha", "one-more@example.org", "maintainer", by=ada)
    assert len(mails()) == 30

    again = services.invite("alpha", "zoe@example.org", "maintainer", by=host())
    for _ in range(3):
        services.resend("alpha", again.pk, by=host())
    with pytest.raises(TooManyAttempts):
        services.resend("alpha", again.pk, by=host())
    assert mails().count(("project-invitation", "zoe@example.org")) == 3
