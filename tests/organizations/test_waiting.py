"""A15: an owner of an organization with a critical project isn't taken out unseen: it waits, and can be taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.organizations.conftest import everything, id_of, person, with_people
from tests.projects.test_invitations import moved as moved  # noqa: PLC0414 - a fixture

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import clock, standing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired
from keyhouse.mail.models import Mail
from keyhouse.organizations import membership
from keyhouse.organizations.belongings import BELONGINGS
from keyhouse.organizations.errors import MemberMissing, OrganizationOwnerLast
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects.organizing import create_project_in

pytestmark = pytest.mark.django_db
WEEKS = timedelta(days=30)


@pytest.fixture
def olga(ada: Actor, acme: Organization, monkeypatch: pytest.MonkeyPatch) -> Actor:
    """Return another owner of an organization that has a critical project."""
    create_project_in("acme", "alpha", by=ada)
    monkeypatch.setattr(standing, "is_critical", lambda name: name == "alpha")
    return with_people(acme, olga="owner", eve="member")["olga"]


def kinds() -> dict[str, str]:
    return dict(Membership.objects.values_list("user__username", "kind"))


@pytest.mark.parametrize("lowers", [True, False])
def test_it_waits_and_then_takes_effect(lowers: bool, ada: Actor, olga: Actor, moved: Any) -> None:
    for _ in range(2):
        if lowers:
            waiting = membership.change_kind("acme", "olga", "member", by=ada)
        else:
            found = membership.remove_member("acme", "olga", by=ada)
            assert found is not None
            waiting = found
        assert waiting.ends_at is not None
    assert kinds()["olga"] == "owner"
    told = Mail.objects.filter(kind="organization-owner-ends").values_list("address", flat=True)
    assert sorted(told) == ["ada@example.org", "olga@example.org"], "once, all owners"
    assert membership.carry_out_due(clock.now()) == 0
    moved(WEEKS)
    assert membership.carry_out_due(clock.now()) == 1
    assert membership.carry_out_due(clock.now()) == 0
    assert kinds().get("olga") == ("member" if lowers else None)
    assert not Membership.objects.exclude(ends_at=None, ends_as="", ends_asked_by=None).exists()


def test_any_owner_takes_it_back(ada: Actor, olga: Actor, moved: Any) -> None:
    membership.remove_member("acme", "olga", by=ada)
    eve = Actor(**{**vars_of(olga), "user_id": user_id("eve"), "name": "eve"})
    before = everything()
    for by in (person("sam"), eve):
        with pytest.raises(RoleRequired):
            membership.keep_member("acme", "olga", by=by)
    assert everything()["organizations.Membership"] == before["organizations.Membership"]
    with pytest.raises(MemberMissing):
        membership.keep_member("acme", "nobody", by=olga)
    assert membership.keep_member("acme", "olga", by=olga)
    assert not membership.keep_member("acme", "olga", by=olga)
    moved(WEEKS)
    assert membership.carry_out_due(clock.now()) == 0
    assert Record.objects.filter(action="organization.keep-member").count() == 1


def vars_of(actor: Actor) -> dict[str, Any]:
    return {name: getattr(actor, name) for name in Actor.__dataclass_fields__}


def user_id(name: str) -> int:
    return User.objects.get(username=name).pk


def test_it_rests_while_whoever_asked_is_in_doubt_and_ends_with_their_right(
    ada: Actor, olga: Actor, moved: Any
) -> None:
    membership.remove_member("acme", "olga", by=ada)
    User.objects.filter(pk=id_of(ada)).update(state=User.State.FROZEN)
    moved(WEEKS)
    assert membership.carry_out_due(clock.now()) == 0
    User.objects.filter(pk=id_of(ada)).update(state=User.State.ACTIVE)
    assert BELONGINGS.disown is not None
    BELONGINGS.disown(id_of(ada), clock.now(), clock.now())
    assert membership.carry_out_due(clock.now()) == 0
    assert kinds()["olga"] == "owner"
    membership.remove_member("acme", "olga", by=ada)
    membership.leave("acme", by=ada)
    moved(WEEKS)
    assert membership.carry_out_due(clock.now()) == 0
    assert kinds() == {"olga": "owner", "eve": "member"}


def test_the_last_one_stays(ada: Actor, olga: Actor, moved: Any) -> None:
    membership.remove_member("acme", "olga", by=ada)
    User.objects.filter(pk=id_of(ada)).update(state=User.State.PASSWORD_DISABLED)
    Membership.objects.filter(user_id=id_of(ada)).update(kind="member")
    moved(WEEKS)
    assert membership.carry_out_due(clock.now()) == 1
    assert kinds()["olga"] == "owner"
    with pytest.raises(OrganizationOwnerLast):
        membership.leave("acme", by=olga)


def test_members_and_ones_own_act_do_not_wait(ada: Actor, olga: Actor) -> None:
    assert membership.remove_member("acme", "eve", by=ada) is None
    membership.leave("acme", by=olga)
    assert kinds() == {"ada": "owner"}
