"""`keyhouse organization people`: what differs from the people of a project."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.accounts.conftest import Clock, configure, make_person, time, wired
from tests.cli.peopled import Commands, actor, acts, mails, stored

from keyhouse.accounts.models import Email, User
from keyhouse.accounts.offers import REMINDED_EVERY, life_of_offers
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.cli import organization_people
from keyhouse.core import clock
from keyhouse.core.actor import NOBODY, host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.organizations import populating, reminding, services
from keyhouse.organizations.inviting import send_once_more
from keyhouse.organizations.models import Membership, OrganizationInvitation

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
people = Commands(organization_people.command)


@pytest.fixture(autouse=True)
def _acme(db: None) -> None:
    """Make the organization that ada owns, with eve as a member."""
    made = services.create_organization("Acme", owners=[make_person("ada")], by=host())
    populating.add_members(made, {make_person("eve"): "member"}, by=host())
    Mail.objects.all().delete()


def test_roles_change_at_once_up_and_down_where_nothing_is_critical() -> None:
    for _ in range(2):
        assert people.told("change-role", "acme", "EVE", "owner")["waits_until"] is None
    assert {kind for kind, _ in mails()} == {"organization-role-changed"}
    assert people.printed("change-role", "acme", "ada", "manager") == "ada is manager of acme.\n"
    assert dict(Membership.objects.values_list("user__username", "kind")) == {
        "ada": "manager",
        "eve": "owner",
    }
    assert acts("organization.change-role") == [("organization.change-role", "host")] * 2


def test_nobodys_role_changes_where_no_organization_is() -> None:
    for name in ("nowhere", "no name!"):
        assert people.refused("change-role", name, "eve", "owner") == "organization-missing"


# ---- everybody who is invited, in one go


NOBODY_LEFT_OUT = {"told_lately": list[str](), "resting": list[str]()}


def invite(*names: str) -> None:
    """Invite them, so long ago that they may be reminded."""
    for name in names:
        people.told("invite", "acme", name)
    OrganizationInvitation.objects.update(sent_at=clock.now() - REMINDED_EVERY)
    Mail.objects.all().delete()


def let_expire(**found: Any) -> None:
    over = OrganizationInvitation.objects.filter(**found)
    over.update(expires_at=clock.now() - timedelta(days=1))


def test_everybody_whose_invitation_waits_is_mailed_and_deadlines_stay() -> None:
    make_person("bob")
    invite("bob", "zoe@example.org", "late@example.org", "nobody-like-that")
    let_expire(address="late@example.org")
    before = stored()
    tried = people.printed("remind", "Acme", "--dry-run")
    assert (tried, stored()) == ("bob\nzoe@example.org\n2 people would be mailed.\n", before)
    until = list(OrganizationInvitation.objects.order_by("pk").values_list("expires_at", flat=True))
    done = people.told("remind", "Acme")
    assert done == {
        "organization": "acme",
        "mailed": 2,
        "dry_run": False,
        "people": ["bob", "zoe@example.org"],
        "left_out": NOBODY_LEFT_OUT,
    }
    invited = "organization-invitation"
    assert mails() == [(invited, "bob@example.org"), (invited, "zoe@example.org")]
    assert list(OrganizationInvitation.objects.order_by("pk").values_list("expires_at", flat=True)) == until
    assert acts("organization.resend") == [("organization.resend", "host")] * 2


def test_whoever_was_mailed_within_a_day_is_left_out_and_said(time: Clock) -> None:
    make_person("bob")
    invite("bob", "zoe@example.org")
    assert people.told("remind", "acme")["mailed"] == 2
    told = people.told("remind", "acme")
    assert (told["people"], told["left_out"]["told_lately"]) == ([], ["bob", "zoe@example.org"])
    people.told("invite", "acme", "new@example.org")
    before = stored()
    said = "0 people {} mailed.\n3 people were left out: mailed about it less than a day ago.\n"
    assert people.printed("remind", "acme") == said.format("were")
    assert people.printed("remind", "acme", "--dry-run") == said.format("would be")
    assert stored() == before
    time.go(hours=24)
    assert people.told("remind", "acme")["mailed"] == 3


@pytest.mark.parametrize("words", [(), ("--again",)])
def test_whose_invitation_rests_is_left_out_and_said(words: tuple[str, ...]) -> None:
    make_person("bob")
    invite("zoe@example.org", "bob")
    eve = User.objects.get(username="eve")
    OrganizationInvitation.objects.filter(user__username="bob").update(invited_by=eve)
    if words:
        let_expire()
    told = people.told("remind", "acme", *words, "--dry-run")
    assert (told["people"], told["left_out"]["resting"]) == (["zoe@example.org"], ["bob"])
    before = OrganizationInvitation.objects.get(invited_by=eve).expires_at
    assert people.printed("remind", "acme", *words) == (
        "1 person was mailed.\n"
        "1 person was left out: unable to accept for now, since what is offered to them rests.\n"
    )
    assert OrganizationInvitation.objects.get(invited_by=eve).expires_at == before
    Membership.objects.filter(user=eve).update(kind="owner")
    assert people.told("remind", "acme", *words)["people"] == ["bob"]


def test_whose_invitation_is_over_is_invited_anew_once() -> None:
    make_person("bob")
    invite("bob", "zoe@example.org", "early@example.org")
    let_expire(user__username="bob")
    let_expire(address="zoe@example.org")
    kept = OrganizationInvitation.objects.get(address="early@example.org").expires_at
    before = stored()
    tried = people.told("remind", "acme", "--again", "--dry-run")
    assert (tried["mailed"], tried["people"]) == (2, ["bob", "zoe@example.org"])
    assert stored() == before
    assert people.printed("remind", "acme", "--again") == "2 people were mailed.\n"
    assert people.printed("remind", "acme", "--again") == "0 people were mailed.\n"
    assert len(mails()) == 2
    assert all(not one["is_over"] for one in people.lines("invitations", "acme"))
    assert OrganizationInvitation.objects.get(address="early@example.org").expires_at == kept
    assert OrganizationInvitation.objects.latest("expires_at").expires_at <= clock.now() + life_of_offers()


def test_a_hand_over_that_was_let_lapse_is_not_offered_anew_by_a_sweep() -> None:
    invite("zoe@example.org")
    OrganizationInvitation.objects.update(hands_over=True)
    let_expire()
    before = stored()
    assert people.printed("remind", "acme", "--again") == "0 people were mailed.\n"
    assert stored() == before


def test_who_has_the_role_or_answered_and_another_organization_get_nothing() -> None:
    services.create_organization("Other", owners=[make_person("bob")], by=host())
    people.told("invite", "other", "zoe@example.org")
    invite("eve@elsewhere.example", "carl@example.org", "bob")
    Email.objects.create(
        user=User.objects.get(username="eve"), address="eve@elsewhere.example", verified_at=clock.now(), added_at=clock.now()
    )  # fmt: skip
    OrganizationInvitation.objects.filter(address="carl@example.org").update(
        ended_at=clock.now(), outcome="declined"
    )
    number = OrganizationInvitation.objects.get(user__username="bob").pk
    people.printed("revoke", "acme", str(number))
    for words in ((), ("--again",)):
        assert people.printed("remind", "acme", *words) == "0 people were mailed.\n"
        let_expire()
    assert mails() == []
    assert not OrganizationInvitation.objects.filter(expires_at__gt=clock.now()).exists()


def test_who_shall_be_more_than_they_are_is_told() -> None:
    people.told("invite", "acme", "eve", "--role", "owner")
    OrganizationInvitation.objects.update(sent_at=None)
    assert people.told("remind", "acme")["people"] == ["eve"]


@pytest.mark.parametrize("words", [(), ("--again",), ("--again", "--dry-run")])
def test_nobody_is_told_anew_where_the_owners_are_gone_or_no_organization_is(words: tuple[str, ...]) -> None:
    invite("zoe@example.org", "bob@example.org")
    let_expire(address="zoe@example.org")
    for name in ("nowhere", "no name!"):
        assert people.refused("remind", name, *words) == "organization-missing"
    suspend_user(User.objects.get(username="ada"), "left the company", by=host(), now=clock.now())
    assert people.refused("remind", "acme", *words) == "organization-left"


@pytest.mark.parametrize("name", ["ada", "eve", None])
def test_only_owners_and_the_host_may(name: str | None) -> None:
    invite("zoe@example.org")
    by = actor(User.objects.get(username=name), "password") if name else NOBODY
    for is_over in (False, True):
        with pytest.raises(Refusal):
            reminding.remind("acme", by=by, is_over=is_over)
        let_expire()
    assert mails() == []
    assert acts("organization.resend") == []


def test_it_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    invite("zoe@example.org", "bob@example.org")
    let_expire()
    sent = []

    def stop(invitation: OrganizationInvitation, *given: Any) -> None:
        sent.append(str(invitation))
        if len(sent) == 2:
            raise KeyboardInterrupt
        send_once_more(invitation, *given)

    with monkeypatch.context() as patched:
        patched.setattr(reminding, "send_once_more", stop)
        with pytest.raises(KeyboardInterrupt):
            reminding.remind("acme", by=host(), is_over=True)
    assert people.told("remind", "acme", "--again")["people"] == ["bob@example.org"]
    assert [address for _, address in mails()] == ["bob@example.org", "zoe@example.org"]
