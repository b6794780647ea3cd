"""Handing an organization over in one act: offered to somebody, who accepts; then the former owner goes (S6, R9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.organizations.conftest import everything, id_of, person, user_of, with_people
from tests.projects.test_invitations import moved as moved  # noqa: PLC0414 - a fixture
from tests.projects.test_races import at_once
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, post, text_of

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import clock, standing
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal, RoleRequired, SignInRequired
from keyhouse.mail.models import Mail
from keyhouse.organizations import inviting, membership, services
from keyhouse.organizations.errors import AlreadyMember, OfferOver, OfferRests, OrganizationOwnerLast
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation
from keyhouse.projects.organizing import create_project_in
from keyhouse.projects.rights import owners_of

pytestmark = pytest.mark.django_db
BASE = "/manage/organization/acme/"


def kinds() -> dict[str, str]:
    return dict(Membership.objects.values_list("user__username", "kind"))


def refused_by(act: Any) -> type[Refusal]:
    with pytest.raises(Refusal) as told:
        act()
    return type(told.value)


def test_s6_the_last_owner_hands_over_and_goes_as_the_new_one_accepts(ada: Actor, acme: Organization) -> None:
    bob, project = person("bob"), create_project_in("acme", "alpha", by=ada)
    assert refused_by(lambda: membership.leave("acme", by=ada)) is OrganizationOwnerLast
    offer = inviting.hand_over("acme", "bob", by=ada)
    assert (kinds(), owners_of(project.pk)) == ({"ada": "owner"}, [id_of(ada)]), (
        "nothing before it is accepted"
    )
    before = OrganizationInvitation.objects.count()
    inviting.accept(offer.pk, by=bob)
    inviting.accept(offer.pk, by=bob)
    assert (kinds(), owners_of(project.pk)) == ({"bob": "owner"}, [id_of(bob)])
    told = Mail.objects.filter(kind="organization-handed-over").values_list("address", flat=True)
    assert sorted(told) == ["ada@example.org", "bob@example.org"]
    acts = ["organization.hand-over", "organization.accept"]
    assert list(Record.objects.order_by("pk").values_list("action", flat=True))[-2:] == acts
    assert Record.objects.latest("pk").details["hands_over"] is True
    assert OrganizationInvitation.objects.count() == before
    assert refused_by(lambda: inviting.hand_over("acme", "eve", by=ada)) is RoleRequired


def test_a15_where_many_depend_on_a_project_it_waits(
    ada: Actor, acme: Organization, moved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, eve = person("bob"), person("eve")
    create_project_in("acme", "alpha", by=ada)
    monkeypatch.setattr(standing, "is_critical", lambda name: name == "alpha")
    inviting.accept(inviting.hand_over("acme", "bob", by=ada).pk, by=bob)
    assert kinds() == {"ada": "owner", "bob": "owner"}
    told = Mail.objects.filter(kind="organization-owner-ends").values_list("address", flat=True)
    assert sorted(told) == ["ada@example.org", "bob@example.org"]
    assert membership.carry_out_due(clock.now()) == 0
    assert membership.keep_member("acme", "ada", by=bob), "each owner can keep them"
    moved(timedelta(days=30))
    assert membership.carry_out_due(clock.now()) == 0
    inviting.accept(inviting.hand_over("acme", "eve", by=ada).pk, by=eve)
    User.objects.filter(username="ada").update(state=User.State.FROZEN)
    moved(timedelta(days=30))
    assert membership.carry_out_due(clock.now()) == 0, "somebody finds out first whether it was her"
    User.objects.filter(username="ada").update(state=User.State.ACTIVE)
    assert membership.carry_out_due(clock.now()) == 1
    assert kinds() == {"bob": "owner", "eve": "owner"}


def test_what_is_refused_taken_back_or_declined_changes_no_role(ada: Actor, acme: Organization) -> None:
    people = with_people(acme, mona="manager", mo="member", otto="owner")
    bob = person("bob")
    before = everything()
    for act, expected in (
        (lambda: inviting.hand_over("acme", "bob", by=people["mona"]), RoleRequired),
        (lambda: inviting.hand_over("acme", "bob", by=people["mo"]), RoleRequired),
        (lambda: inviting.hand_over("acme", "bob", by=bob), RoleRequired),
        (lambda: inviting.hand_over("acme", "bob", by=host()), SignInRequired),
        (lambda: inviting.hand_over("acme", "ada", by=ada), AlreadyMember),
        (lambda: inviting.hand_over("acme", "otto", by=ada), AlreadyMember),
    ):
        assert refused_by(act) is expected
        assert everything() == before
    taken_back = inviting.hand_over("acme", "bob", by=ada)
    inviting.revoke("acme", taken_back.pk, by=people["otto"])
    assert refused_by(lambda: inviting.accept(taken_back.pk, by=bob)) is OfferOver
    declined = inviting.hand_over("acme", "bob", by=ada)
    inviting.decline(declined.pk, by=bob)
    resting = inviting.hand_over("acme", "bob", by=ada)
    User.objects.filter(username="ada").update(state=User.State.FROZEN)
    told = refused_by(lambda: inviting.accept(resting.pk, by=bob))
    assert told is OfferRests, "a thief may have offered it"
    User.objects.filter(username="ada").update(state=User.State.ACTIVE)
    membership.change_kind("acme", "ada", "member", by=people["otto"])
    told = refused_by(lambda: inviting.accept(resting.pk, by=bob))
    assert told is OfferOver, "it is not hers to give any more"
    assert kinds() == {"ada": "member", "mona": "manager", "mo": "member", "otto": "owner"}


def test_a_manager_takes_it_on_and_pages_lead_there(ada: Actor, acme: Organization) -> None:
    mona = with_people(acme, mona="manager")["mona"]
    for page in (BASE + "settings/", BASE + "leave/"):
        assert f"{BASE}hand-over/" in text_of(get(page, ada)), page
    assert "You are the only owner" in text_of(get(BASE + "leave/", ada))
    assert "only owner" not in text_of(get(BASE + "leave/", mona))
    assert post(BASE + "hand-over/", ada, {"invitee": "mona"})["Location"] == BASE
    assert post(BASE + "hand-over/", ada, {"invitee": "mona"}).status_code == 400, "sent twice"
    assert post(BASE + "hand-over/", ada, {}).status_code == 400
    assert "in the place of ada" in text_of(get(BASE, ada))
    offer = OrganizationInvitation.objects.get()
    accept = f"/account/invitations/organization/{offer.pk}/accept/"
    assert "ada hands it over to you" in text_of(get(accept, mona))
    assert post(accept, mona)["Location"] == BASE
    assert kinds() == {"mona": "owner"}
    assert get(BASE, ada).status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["leave", "remove", "accept"])
def test_at_once_with_other_ends_an_owner_stays(way: str, db: None) -> None:
    ada, bob, eve = person("ada"), person("bob"), person("eve")
    services.create_organization("acme", by=host(), owners=[user_of(ada), user_of(bob)])
    offer = inviting.hand_over("acme", "eve", by=ada)
    second = inviting.hand_over("acme", "zoe", by=bob) if way == "accept" else None
    zoe = person("zoe")
    if second is not None:
        OrganizationInvitation.objects.filter(pk=second.pk).update(user=user_of(zoe))
    ways = {
        "leave": lambda: membership.leave("acme", by=bob),
        "remove": lambda: membership.remove_member("acme", "ada", by=bob),
        "accept": lambda: inviting.accept(second.pk if second else 0, by=zoe),
    }
    at_once(lambda: inviting.accept(offer.pk, by=eve), ways[way])
    assert "owner" in kinds().values()
    assert kinds().get("ada") in {None, "owner"}
    if way == "accept":
        assert kinds() == {"eve": "owner", "zoe": "owner"}
