"""Invitations into organizations: what they give, to whom, and what they tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.organizations.conftest import everything, id_of, make_person, person, with_people
from tests.projects.test_invitations import moved as moved  # noqa: PLC0414 - a fixture
from tests.projects.test_invitations import with_address

from keyhouse.accounts.errors import AddressRefused, UsernameRefused
from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import Refusal, SecondFactorRequired
from keyhouse.mail.models import Mail
from keyhouse.organizations import inviting, keeping, membership, queries, services
from keyhouse.organizations.errors import (
    AlreadyMember,
    MembershipKindUnknown,
    OfferedAlready,
    OfferMissing,
    OfferOver,
    OfferRests,
    OfferTargetRefused,
)
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation

pytestmark = pytest.mark.django_db


def members() -> dict[str, str]:
    return dict(Membership.objects.values_list("user__username", "kind"))


def test_an_invitation_gives_nothing_until_it_is_accepted_and_is_good_once(
    ada: Actor, acme: Organization
) -> None:
    bob = person("bob")
    invitation = inviting.invite("acme", "BOB", "manager", by=ada)
    assert members() == {"ada": "owner"}
    assert list(queries.invitations_of_person(id_of(bob), invitation.invited_at)) == [invitation]
    assert inviting.accept(invitation.pk, by=bob).kind == "manager"
    assert inviting.accept(invitation.pk, by=bob).kind == "manager"  # a second click
    membership.remove_member("acme", "bob", by=ada)
    with pytest.raises(OfferOver):  # replayed
        inviting.accept(invitation.pk, by=bob)
    with pytest.raises(OfferOver):
        inviting.decline(invitation.pk, by=bob)
    assert members() == {"ada": "owner"}


def test_without_a_second_factor_it_waits_without_authority(ada: Actor, acme: Organization) -> None:
    bob = person("bob")
    weak = replace(bob, strength=Strength(frozenset({"password"}), bob.strength.at))
    invitation = inviting.invite("acme", "bob", "member", by=ada)
    before = everything()
    with pytest.raises(SecondFactorRequired):
        inviting.accept(invitation.pk, by=weak)
    assert everything() == before
    inviting.accept(invitation.pk, by=bob)
    assert members() == {"ada": "owner", "bob": "member"}


def test_it_is_for_whoever_proved_the_address(ada: Actor, acme: Organization) -> None:
    invitation = inviting.invite("acme", "Bob@Example.org", "member", by=ada)
    impostor = with_address(make_person("carl"), "bob@example.org", verified=False)
    with pytest.raises(OfferMissing):
        inviting.accept(invitation.pk, by=impostor)
    inviting.accept(invitation.pk, by=person("bob"))
    assert members()["bob"] == "member"
    assert not any("example.org" in str(one.details) for one in Record.objects.all())


def test_others_unknown_and_over_are_answered_alike(ada: Actor, acme: Organization) -> None:
    person("bob")
    invitation = inviting.invite("acme", "bob", "owner", by=ada)
    other = services.create_organization("other", by=ada)
    before, carl = everything(), person("carl")
    before |= {"accounts.User": [], "accounts.Email": []}
    told = set()
    for number in (invitation.pk, 0, 10**12):
        for act in (inviting.accept, inviting.decline):
            with pytest.raises(OfferMissing) as refused:
                act(number, by=carl)
            told.add(refused.value.line)
    assert len(told) == 1
    for number in (invitation.pk, 10**12):
        with pytest.raises(OfferMissing):
            inviting.resend(other.normalized_name, number, by=ada)
        with pytest.raises(OfferMissing):
            inviting.revoke(other.normalized_name, number, by=ada)
    assert everything() | {"accounts.User": [], "accounts.Email": []} == before


def test_the_answer_is_the_same_whoever_exists(ada: Actor, acme: Organization) -> None:
    person("bob")
    here = inviting.invite("acme", "bob", "member", by=ada)
    nobody = inviting.invite("acme", "nobody-here", "member", by=ada)
    strange = inviting.invite("acme", "strange@example.org", "member", by=ada)
    shown = {(type(one), one.kind, one.ended_at, one.outcome) for one in (here, nobody, strange)}
    assert len(shown) == 1
    taken = person("nobody-here")  # whoever takes the name later was not meant
    with pytest.raises(OfferMissing):
        inviting.accept(nobody.pk, by=taken)
    assert sorted(Mail.objects.values_list("address", flat=True)) == [
        "bob@example.org",
        "strange@example.org",
    ]


@pytest.mark.parametrize(
    ("invitee", "kind", "refusal"),
    [
        ("", "member", OfferTargetRefused),
        ("a\x00b", "member", OfferTargetRefused),
        ("a b", "member", UsernameRefused),
        ("x" * 5000, "member", UsernameRefused),
        ("a@", "member", AddressRefused),
        ("bob", "billing", MembershipKindUnknown),
        ("bob", "x" * 5000, MembershipKindUnknown),
        ("eve", "member", AlreadyMember),
        ("ada", "manager", AlreadyMember),
    ],
)
def test_what_is_no_invitation_leaves_nothing(
    invitee: str, kind: str, refusal: type[Refusal], ada: Actor, acme: Organization
) -> None:
    with_people(acme, eve="manager")
    before = everything()
    with pytest.raises(refusal):
        inviting.invite("acme", invitee, kind, by=ada)
    assert everything() == before


def test_one_waits_at_a_time_and_is_replaced_once_too_old(ada: Actor, acme: Organization, moved: Any) -> None:
    bob = person("bob")
    first = inviting.invite("acme", "bob", "member", by=ada)
    with pytest.raises(OfferedAlready):
        inviting.invite("acme", "BOB", "owner", by=ada)
    moved(timedelta(days=8))
    with pytest.raises(OfferOver):
        inviting.accept(first.pk, by=bob)
    second = inviting.invite("acme", "bob", "manager", by=ada)
    with pytest.raises(OfferOver):
        inviting.accept(first.pk, by=bob)
    moved(timedelta(days=8))
    inviting.resend("acme", second.pk, by=ada)
    inviting.accept(second.pk, by=bob)
    assert members()["bob"] == "manager"
    moved(timedelta(days=31))
    assert keeping.forget_old(second.expires_at + timedelta(days=60)) == 2


def test_it_rests_or_is_over_where_the_inviter_is_not_an_owner_any_more(
    ada: Actor, acme: Organization
) -> None:
    people = with_people(acme, olga="owner", mona="owner")
    bob, carl = person("bob"), person("carl")
    by_olga = inviting.invite("acme", "bob", "owner", by=people["olga"])
    by_mona = inviting.invite("acme", "carl", "member", by=people["mona"])
    User.objects.filter(username="mona").update(state=User.State.FROZEN)
    with pytest.raises(OfferRests):
        inviting.accept(by_mona.pk, by=carl)
    membership.change_kind("acme", "olga", "member", by=ada)
    with pytest.raises(OfferOver):
        inviting.accept(by_olga.pk, by=bob)
    assert members() == {"ada": "owner", "olga": "member", "mona": "owner"}


def test_taking_back_and_declining_twice(ada: Actor, acme: Organization) -> None:
    bob = person("bob")
    invitation = inviting.invite("acme", "bob", "member", by=ada)
    inviting.revoke("acme", invitation.pk, by=ada)
    inviting.revoke("acme", invitation.pk, by=ada)
    with pytest.raises(OfferOver):
        inviting.accept(invitation.pk, by=bob)
    again = inviting.invite("acme", "bob", "member", by=ada)
    inviting.decline(again.pk, by=bob)
    inviting.decline(again.pk, by=bob)
    with pytest.raises(OfferMissing):
        inviting.resend("acme", again.pk, by=ada)
    outcomes = OrganizationInvitation.objects.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == ["revoked", "declined"]
    assert Record.objects.filter(action="organization.decline").count() == 1


def test_somebody_with_a_higher_role_keeps_it(ada: Actor, acme: Organization) -> None:
    bob = person("bob")
    invitation = inviting.invite("acme", "bob", "member", by=ada)
    with_kind = Membership.objects.create(
        organization=acme, user_id=id_of(bob), kind="manager", since_at=invitation.invited_at
    )
    assert inviting.accept(invitation.pk, by=bob) == with_kind
    assert members()["bob"] == "manager"
