"""Roles that change and end: by whom, when, and that a project always has an owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.projects.conftest import everything, give_role, id_of, make_person
from tests.projects.test_invitations import mails, roles, with_address
from tests.projects.test_invitations import moved as moved  # noqa: PLC0414 - a fixture
from tests.projects.test_races import at_once

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import clock, standing
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.errors import RoleRequired, SecondFactorRequired
from keyhouse.core.standing import Standing
from keyhouse.projects import belongings
from keyhouse.projects import services as projects
from keyhouse.projects.collaborators import ending, keeping, services
from keyhouse.projects.collaborators.disowning import disown
from keyhouse.projects.collaborators.errors import CollaboratorMissing, OwnerLast, RoleUnknown
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation, RoleChange
from keyhouse.projects.errors import ProjectQuarantined
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@dataclass
class Stakes:
    """Says which projects are critical."""

    critical: set[str] = field(default_factory=set)

    def of(self, user_id: int) -> Standing:
        return Standing(has_authority=bool(user_id))

    def speaks_for(self, user_id: int) -> frozenset[int]:
        return frozenset()

    def is_critical(self, normalized_name: str) -> bool:
        return normalized_name in self.critical


@pytest.fixture(autouse=True)
def stakes() -> Iterator[Stakes]:
    before = list(standing._wired)
    made = Stakes()
    standing.wire(made)
    yield made
    standing._wired[:] = before


@pytest.fixture
def alpha(ada: Actor, bob: Actor) -> Project:
    """Return a project that ada and bob own, and in which eve is a maintainer."""
    with_address(ada)
    with_address(bob)
    owners = [User.objects.get(pk=id_of(one)) for one in (ada, bob)]
    return projects.create_project("alpha", owners, by=host())


@pytest.fixture
def eve(alpha: Project) -> Actor:
    person = with_address(make_person("eve"))
    give_role("alpha", person, "maintainer")
    return person


def acts() -> list[str]:
    return list(
        Record.objects.filter(action__startswith="collab").order_by("pk").values_list("action", flat=True)
    )


# ---- an ordinary project


def test_an_owner_is_removed_at_once_and_everybody_told(alpha: Project, ada: Actor, bob: Actor) -> None:
    given = services.invite("alpha", "zoe@example.org", "owner", by=bob)

    assert ending.remove_role("alpha", "BOB", by=ada) is None

    assert roles() == {"ada": "owner"}
    assert sorted(mails()[-2:]) == [
        ("project-role-ended", "ada@example.org"),
        ("project-role-ended", "bob@example.org"),
    ]
    former = FormerRole.objects.get()
    assert (former.user.username, former.kind, former.how, former.lineage) == (
        "bob",
        "owner",
        "removed",
        alpha.lineage,
    )
    given.refresh_from_db()
    assert given.outcome == "revoked", "what somebody gave out who was removed ends with their role"
    with pytest.raises(CollaboratorMissing):
        ending.remove_role("alpha", "bob", by=ada)
    assert acts() == ["collaborator.invite", "collaborator.remove"]


def test_an_owner_becomes_a_maintainer_and_is_asked_to_come_back(
    alpha: Project, ada: Actor, bob: Actor
) -> None:
    ending.lower_role("alpha", "bob", by=ada)
    ending.lower_role("alpha", "bob", by=ada)
    assert roles() == {"ada": "owner", "bob": "maintainer"}

    offered = services.raise_role("alpha", "bob", by=ada)
    assert roles()["bob"] == "maintainer"
    services.accept(offered.pk, by=bob)
    assert roles()["bob"] == "owner"
    assert acts() == ["collaborator.change-role", "collaborator.change-role", "collaborator.accept"]


def test_the_last_owner_stays_whatever_is_tried(alpha: Project, ada: Actor, bob: Actor, eve: Actor) -> None:
    ending.leave("alpha", by=bob)
    before = everything()
    tries: list[Callable[[], object]] = [
        lambda: ending.remove_role("alpha", "ada", by=ada),
        lambda: ending.lower_role("alpha", "ada", by=ada),
        lambda: ending.leave("alpha", by=ada),
        lambda: ending.leave("alpha", "maintainer", by=ada),
        lambda: ending.remove_role("alpha", "ada", by=host()),
    ]
    for act in tries:
        with pytest.raises(OwnerLast):
            act()
    assert everything() == before
    ending.leave("alpha", by=eve)
    assert roles() == {"ada": "owner"}


def test_an_owner_who_is_suspended_is_no_other_owner(alpha: Project, ada: Actor, bob: Actor) -> None:
    User.objects.filter(pk=id_of(bob)).update(state="suspended")
    before = everything()
    for kind in ("", "maintainer"):
        with pytest.raises(OwnerLast):
            ending.leave("alpha", kind, by=ada)
    assert everything() == before
    ending.remove_role("alpha", "bob", by=ada)
    assert roles() == {"ada": "owner"}


def test_who_steps_down_needs_no_factor_and_is_stopped_by_no_quarantine(
    alpha: Project, ada: Actor, bob: Actor
) -> None:
    weak = Actor(**_fields(bob) | {"strength": Strength(frozenset({"password"}), clock.now())})
    Project.objects.update(status="quarantined")
    with pytest.raises(SecondFactorRequired):
        ending.remove_role("alpha", "ada", by=weak)
    with pytest.raises(ProjectQuarantined):
        ending.remove_role("alpha", "ada", by=bob)

    ending.leave("alpha", "maintainer", by=weak)
    ending.leave("alpha", "maintainer", by=weak)
    assert roles() == {"ada": "owner", "bob": "maintainer"}
    ending.leave("alpha", by=weak)
    assert roles() == {"ada": "owner"}
    with pytest.raises(RoleRequired):
        ending.leave("alpha", by=weak)
    with pytest.raises(RoleUnknown):
        ending.leave("alpha", "owner", by=ada)
    assert mails()[-1] == ("project-left", "ada@example.org")


def _fields(actor: Actor) -> dict[str, Any]:
    return {name: getattr(actor, name) for name in actor.__slots__}


def test_handing_over_ends_with_the_new_owners_yes(
    alpha: Project, ada: Actor, bob: Actor, eve: Actor
) -> None:
    ending.leave("alpha", by=bob)
    offered = services.hand_over("alpha", "eve", by=ada)
    assert roles() == {"ada": "owner", "eve": "maintainer"}

    services.accept(offered.pk, by=eve)
    services.accept(offered.pk, by=eve)

    assert roles() == {"eve": "owner"}
    assert acts().count("collaborator.accept") == 1
    assert belongings.owned_alone(id_of(ada)).count() == 0


def test_roles_are_no_business_of_maintainers_and_strangers(
    alpha: Project, ada: Actor, bob: Actor, eve: Actor
) -> None:
    kim = make_person("kim")
    for by in (eve, kim):
        for act in (
            lambda by=by: ending.remove_role("alpha", "bob", by=by),
            lambda by=by: ending.lower_role("alpha", "bob", by=by),
            lambda by=by: ending.keep_role("alpha", "bob", by=by),
            lambda by=by: services.raise_role("alpha", "eve", by=by),
            lambda by=by: services.hand_over("alpha", "kim", by=by),
        ):
            with pytest.raises(RoleRequired):
                act()
    assert roles() == {"ada": "owner", "bob": "owner", "eve": "maintainer"}


# ---- a critical one (A15)


def test_a15_an_owner_of_a_critical_project_goes_after_a_wait_that_any_owner_ends(
    alpha: Project, ada: Actor, bob: Actor, stakes: Stakes, moved: Any
) -> None:
    stakes.critical = {"alpha"}
    waiting = ending.remove_role("alpha", "bob", by=ada)
    assert waiting is not None
    assert ending.remove_role("alpha", "bob", by=ada) == waiting, (
        "asked again, it waits no longer and no shorter"
    )
    assert roles()["bob"] == "owner"
    assert sorted(mails()) == [("project-owner-ends", f"{who}@example.org") for who in ("ada", "bob")]
    moved(7 * DAY - timedelta(seconds=5))
    assert keeping.keep(clock.now())["roles_ended"] == 0
    assert ending.keep_role("alpha", "bob", by=bob)
    assert not ending.keep_role("alpha", "bob", by=bob)
    moved(DAY)
    assert keeping.keep(clock.now())["roles_ended"] == 0
    assert roles()["bob"] == "owner"

    ending.lower_role("alpha", "bob", by=ada)
    moved(7 * DAY)
    assert keeping.keep(clock.now())["roles_ended"] == 1
    assert keeping.keep(clock.now())["roles_ended"] == 0
    assert roles() == {"ada": "owner", "bob": "maintainer"}
    assert ending.remove_role("alpha", "bob", by=ada) is None, "a maintainer goes at once"


def test_a15_a_thief_adds_a_puppet_and_gets_rid_of_nobody_unseen(
    alpha: Project, ada: Actor, bob: Actor, stakes: Stakes, moved: Any
) -> None:
    stakes.critical = {"alpha"}
    puppet = with_address(make_person("puppet"))
    services.accept(services.hand_over("alpha", "puppet", by=ada).pk, by=puppet)
    ending.remove_role("alpha", "bob", by=puppet)
    assert roles() == {"ada": "owner", "bob": "owner", "puppet": "owner"}
    assert RoleChange.objects.count() == 2

    User.objects.filter(pk=id_of(puppet)).update(state="frozen")
    moved(8 * DAY)
    assert keeping.keep(clock.now())["roles_ended"] == 1, "what a frozen account asked for waits on"
    assert set(roles()) == {"bob", "puppet"}


def test_what_a_suspended_account_asked_for_waits_on_until_somebody_else_asks(
    alpha: Project, ada: Actor, bob: Actor, stakes: Stakes, moved: Any
) -> None:
    stakes.critical = {"alpha"}
    kim = with_address(make_person("kim"))
    give_role("alpha", kim, "owner")
    asked = ending.remove_role("alpha", "bob", by=ada)
    assert asked is not None
    User.objects.filter(pk=id_of(ada)).update(state="suspended")
    moved(8 * DAY)
    assert keeping.keep(clock.now())["roles_ended"] == 0
    assert roles()["bob"] == "owner"

    anew = ending.remove_role("alpha", "bob", by=kim)
    assert anew is not None
    assert (anew.asked_by_name, anew.due_at - asked.due_at >= DAY) == ("kim", True)
    assert keeping.keep(clock.now())["roles_ended"] == 0
    moved(8 * DAY)
    assert keeping.keep(clock.now())["roles_ended"] == 1
    assert "bob" not in roles()


def test_of_two_owners_who_remove_each_other_one_stays(
    alpha: Project, ada: Actor, bob: Actor, stakes: Stakes, moved: Any
) -> None:
    stakes.critical = {"alpha"}
    ending.remove_role("alpha", "bob", by=ada)
    ending.remove_role("alpha", "ada", by=bob)
    moved(8 * DAY)

    keeping.keep(clock.now())

    assert len(roles()) == 1
    assert not RoleChange.objects.exists()


def test_what_waits_for_who_is_the_last_owner_by_then_comes_to_nothing(
    alpha: Project, ada: Actor, bob: Actor, stakes: Stakes, moved: Any
) -> None:
    stakes.critical = {"alpha"}
    ending.remove_role("alpha", "bob", by=ada)
    ending.leave("alpha", by=ada)
    moved(8 * DAY)

    assert keeping.keep(clock.now())["roles_ended"] == 1

    assert roles() == {"bob": "owner"}
    assert mails()[-1] == ("project-owner-stays", "bob@example.org")
    assert Record.objects.filter(action="collaborator.remove", code="owner-last").count() == 1


# ---- at once


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "one",
    [
        lambda by, of: ending.remove_role("alpha", of.name, by=by),
        lambda by, of: ending.lower_role("alpha", of.name, by=by),
        lambda by, of: ending.leave("alpha", by=by),
        lambda by, of: ending.leave("alpha", "maintainer", by=by),
    ],
    ids=["remove", "lower", "leave", "step down"],
)
def test_two_owners_at_once_leave_one(
    one: Callable[[Actor, Actor], Any], alpha: Project, ada: Actor, bob: Actor
) -> None:
    outcomes = at_once(lambda: one(ada, bob), lambda: one(bob, ada))

    assert list(roles().values()).count("owner") == 1
    assert sum(isinstance(outcome, OwnerLast | RoleRequired) for outcome in outcomes) == 1
    assert sum(outcome is None for outcome in outcomes) == 1


@pytest.mark.django_db(transaction=True)
def test_one_invitation_is_taken_up_once_by_two_at_once(alpha: Project, ada: Actor) -> None:
    kim, lea = (with_address(make_person(name)) for name in ("kim", "lea"))
    offered = services.invite("alpha", "kim", "maintainer", by=ada)
    outcomes = at_once(*(lambda: services.accept(offered.pk, by=kim) for _ in range(3)))
    assert {type(one) for one in outcomes} == {Role}
    assert Record.objects.filter(action="collaborator.accept").count() == 1

    offered = services.invite("alpha", "lea", "maintainer", by=ada)
    at_once(
        lambda: services.revoke("alpha", offered.pk, by=ada),
        lambda: services.accept(offered.pk, by=lea),
    )
    offered.refresh_from_db()
    assert (offered.outcome == "accepted") is ("lea" in roles())
    assert Record.objects.filter(about_kind="project").count() >= 4


# ---- recovery


def test_what_a_thief_gave_out_ends_at_recovery_and_what_was_before_stays(  # noqa: PLR0917 - four people and a clock
    alpha: Project, ada: Actor, bob: Actor, eve: Actor, stakes: Stakes, moved: Any
) -> None:
    old = with_address(make_person("old"))
    services.accept(services.invite("alpha", "old", "owner", by=ada).pk, by=old)
    moved(DAY)
    since = clock.now()
    puppet = with_address(make_person("puppet"))
    services.accept(services.invite("alpha", "puppet", "owner", by=ada).pk, by=puppet)
    services.accept(services.raise_role("alpha", "eve", by=ada).pk, by=eve)
    waiting = services.invite("alpha", "zoe@example.org", "owner", by=ada)
    stakes.critical = {"alpha"}
    ending.remove_role("alpha", "bob", by=ada)
    moved(DAY)

    assert disown(id_of(ada), since, clock.now()) == 4
    assert disown(id_of(ada), since, clock.now()) == 0

    assert roles() == {"ada": "owner", "bob": "owner", "old": "owner", "eve": "maintainer"}
    waiting.refresh_from_db()
    assert waiting.outcome == "revoked"
    assert not RoleChange.objects.exists()


def test_a_project_that_a_thief_gave_away_comes_back_and_is_never_ownerless(
    alpha: Project, ada: Actor, bob: Actor
) -> None:
    ending.leave("alpha", by=bob)
    since = clock.now()
    puppet = with_address(make_person("puppet"))
    services.accept(services.hand_over("alpha", "puppet", by=ada).pk, by=puppet)
    assert roles() == {"puppet": "owner"}

    assert disown(id_of(ada), since, clock.now()) == 1
    assert roles() == {"ada": "owner"}

    # one that was given away before stays with whom it was given to
    services.accept(services.hand_over("alpha", "bob", by=ada).pk, by=bob)
    assert disown(id_of(ada), clock.now(), clock.now()) == 0
    assert roles() == {"bob": "owner"}


# ---- the end of an account, and of old invitations


def test_a_deleted_account_leaves_its_roles_behind_as_former_ones(
    alpha: Project, ada: Actor, bob: Actor
) -> None:
    services.invite("alpha", "bob2", "owner", by=bob)
    give_up = belongings.BELONGINGS.give_up
    assert give_up is not None

    give_up(id_of(bob), clock.now())

    assert roles() == {"ada": "owner"}
    assert FormerRole.objects.get().how == "account-deleted"
    assert not ProjectInvitation.objects.filter(ended_at=None).exists()


def test_old_invitations_are_forgotten(alpha: Project, ada: Actor, bob: Actor, moved: Any) -> None:
    services.invite("alpha", "zoe@example.org", "owner", by=ada)
    back = services.invite("alpha", "yan@example.org", "owner", by=ada)
    services.revoke("alpha", back.pk, by=ada)
    moved(30 * DAY)
    assert keeping.keep(clock.now())["old_invitations"] == 1
    moved(7 * DAY)
    assert keeping.keep(clock.now())["old_invitations"] == 1
    assert not ProjectInvitation.objects.exists()
