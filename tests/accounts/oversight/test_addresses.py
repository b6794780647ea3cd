"""An address that no mail reaches counts as verified on the word of two operators, or after a day; and opens nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.accounts.conftest import Clock, Configure, at_once, give_project, make_person, refused, signed_in

from keyhouse.accounts import holds
from keyhouse.accounts.addresses.errors import AddressMissing, AddressReachable, AddressVerified
from keyhouse.accounts.errors import AccountHeld
from keyhouse.accounts.keeping import keep
from keyhouse.accounts.models import Email, Hold, Proposal, RecoveryCase, Session, User
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.addresses import ADDRESS, propose_address, unreached
from keyhouse.accounts.oversight.errors import (
    ApprovalRefused,
    OwnAccount,
    PersonUnfit,
    ProposalOpen,
    ProposalOver,
)
from keyhouse.accounts.reachability import WITH_OPERATORS, everything
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal, RoleRequired
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db
WHY = "came to my desk with her badge"
PAGE = "/operator/people/ada/verify-address/"


def actor(user: User) -> Actor:
    return actor_of(signed_in(user)[0])


@pytest.fixture
def mine(ada: User, configure: Configure) -> Email:
    """Return the one address of somebody, which nothing has verified, on an index that sends no mails."""
    configure(mail_dir=None)
    Email.objects.filter(user=ada).update(verified_at=None, verified_by="")
    Mail.objects.all().delete()
    return Email.objects.get(user=ada)


@pytest.fixture
def root(db: None) -> User:
    return make_person("root", is_operator=True)


@pytest.fixture
def other(db: None) -> User:
    return make_person("other", is_operator=True)


def propose(email: Email, by: Actor) -> Proposal:
    return propose_address(email.user, email.pk, WHY, by=by, now=clock.now())


def approve(row: Proposal, by: Actor) -> Proposal:
    return proposals.approve(ADDRESS, row.pk, by=by, now=clock.now())


def is_verified(email: Email) -> bool:
    email.refresh_from_db()
    return email.verified_at is not None


def test_two_operators_answer_for_it_and_it_opens_nothing(mine: Email, root: User, other: User) -> None:
    session, _ = signed_in(mine.user)
    first = actor(root)
    row = propose(mine, first)
    assert row.effective_at is None
    for by, refusal in (
        (first, ApprovalRefused),
        (host(), ApprovalRefused),
        (actor(mine.user), RoleRequired),
    ):
        with pytest.raises(refusal):
            approve(row, by)
    assert not is_verified(mine)
    approve(row, actor(other))
    assert is_verified(mine)
    assert mine.verified_by == "operators"
    assert Session.objects.filter(pk=session.pk).exists()
    with pytest.raises(ProposalOver):
        approve(row, actor(other))
    done = Record.objects.filter(
        action__in=["address.propose", "proposal.approve", "email.verify"], outcome="done"
    )
    assert [one.action for one in done.order_by("id")] == [
        "address.propose",
        "email.verify",
        "proposal.approve",
    ]
    assert "ada@example.org" not in str([(one.details, one.about_name) for one in done])
    told = set(Mail.objects.values_list("address", "kind"))
    assert {("ada@example.org", "proposal"), ("ada@example.org", "email-verified")} <= told
    assert {("root@example.org", "proposal"), ("other@example.org", "proposal-done")} <= told


def test_who_is_alone_announces_it_and_a_day_passes(mine: Email, root: User, time: Clock) -> None:
    row = propose(mine, actor(root))
    assert row.effective_at == clock.now() + timedelta(hours=24)
    keep(time.go(hours=23))
    assert not is_verified(mine)
    assert keep(time.go(hours=2))["addresses"] == 1
    assert is_verified(mine)
    assert keep(clock.now())["addresses"] == 0


def test_it_can_be_taken_back_until_then(mine: Email, root: User, time: Clock) -> None:
    row = propose(mine, actor(root))
    proposals.withdraw(ADDRESS, row.pk, "it was somebody else", by=actor(root), now=clock.now())
    keep(time.go(hours=25))
    assert not is_verified(mine)


def test_where_mails_leave_people_verify_it_by_themselves(
    mine: Email, root: User, other: User, configure: Configure, tmp_path: Path
) -> None:
    row = propose(mine, actor(root))
    configure(mail_dir=tmp_path)
    with pytest.raises(AddressReachable):
        approve(row, actor(other))
    with pytest.raises(AddressReachable):
        propose_address(mine.user, mine.pk, WHY, by=actor(other), now=clock.now())
    assert not is_verified(mine)


def test_a_hold_a_case_and_a_closed_account_stay_as_they_are(
    mine: Email, root: User, other: User, time: Clock
) -> None:
    ada, now = mine.user, clock.now()
    row = propose(mine, actor(root))
    holds.place_hold(ada, Hold.Reason.RECOVERY, now=now, until=now + holds.LONG)
    with pytest.raises(AccountHeld):
        approve(row, actor(other))
    time.go(hours=73)
    for state in (User.State.FROZEN, User.State.SUSPENDED):
        User.objects.filter(pk=ada.pk).update(state=state)
        with pytest.raises(PersonUnfit, match="closed"):
            approve(row, actor(other))
        ada.refresh_from_db()
        assert ada.state == state
        assert unreached(ada, clock.now()) == []
    assert not is_verified(mine)
    assert Hold.objects.get(user=ada).ended_at is None
    assert not RecoveryCase.objects.exists()


def test_x10_the_model_takes_their_word_for_no_account_that_is_on_hold_or_closed() -> None:
    by_hand = next(step for step in WITH_OPERATORS if step.name == "verify-by-hand")
    found = [now for now in everything() if by_hand.may(now)]
    assert {(now.account, now.reset) for now in found} == {("open", False)}


def test_refusals_leave_nothing(mine: Email, root: User, other: User) -> None:
    before = Record.objects.filter(outcome="done").count()
    stranger = make_person("bob")
    with pytest.raises(RoleRequired):
        propose(mine, actor(stranger))
    with pytest.raises(AddressMissing):  # somebody else's address is none of theirs
        propose_address(stranger, mine.pk, WHY, by=actor(root), now=clock.now())
    with pytest.raises(AddressVerified):
        propose(Email.objects.get(user=stranger), actor(root))
    Email.objects.filter(user=root).update(verified_at=None)
    with pytest.raises(Refusal):
        propose(Email.objects.get(user=root), actor(root))
    assert not Proposal.objects.exists()
    assert not Record.objects.filter(action="address.propose", outcome="done").exists()
    assert Record.objects.filter(outcome="done").count() >= before
    propose(mine, actor(other))
    with pytest.raises(ProposalOpen):
        propose(mine, actor(other))


def test_nobody_answers_for_themselves(mine: Email, root: User, other: User) -> None:
    User.objects.filter(pk=mine.user_id).update(is_operator=True)
    row = propose(mine, actor(root))
    with pytest.raises(Refusal) as caught:
        approve(row, actor(User.objects.get(pk=mine.user_id)))
    assert isinstance(caught.value, OwnAccount | ApprovalRefused) or caught.value.code == "email-unverified"
    assert not is_verified(mine)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_proposes_and_one_approves(mine: Email, root: User, other: User) -> None:
    first, second = actor(root), actor(other)
    made = at_once([lambda: propose(mine, first), lambda: propose(mine, second)])
    (row,) = [one for one in made if isinstance(one, Proposal)]
    by = second if row.proposed_by == "root" else first
    at_once([lambda: approve(row, by), lambda: approve(row, by)])
    assert is_verified(mine)
    assert Record.objects.filter(action="email.verify", outcome="done").count() == 1


def test_the_console_offers_it_only_where_it_is_possible(
    mine: Email, root: User, other: User, configure: Configure, tmp_path: Path
) -> None:
    give_project(mine.user)
    _, browser = signed_in(root)
    assert "verify-address" in browser.get("/operator/people/ada/").content.decode()
    assert "ada@example.org" in browser.get(PAGE).content.decode()
    Email.objects.filter(pk=mine.pk).update(domain_gone_at=clock.now())
    assert "ada@example.org (its domain was gone)" in browser.get(PAGE).content.decode()
    wrong = browser.post(PAGE, {"address": "999999", "reason": WHY})
    assert (wrong.status_code, Proposal.objects.count()) == (400, 0)
    browser.get(PAGE)
    assert browser.post(PAGE, {"address": str(mine.pk), "reason": " "}).status_code == 400
    browser.get(PAGE)
    assert browser.post(PAGE, {"address": str(mine.pk), "reason": WHY})["Location"] == "/operator/proposals/"
    row = Proposal.objects.get()
    _, second = signed_in(other)
    page = second.get("/operator/proposals/").content.decode()
    assert "a…@example.org" in page
    assert "ada@example.org" not in page
    path = f"/operator/proposals/{row.pk}/approve/"
    second.get(path)
    assert second.post(path).status_code == 303
    assert is_verified(mine)
    assert "verify-address" not in browser.get("/operator/people/ada/").content.decode()
    configure(mail_dir=tmp_path)
    assert "There is no address here" in browser.get(PAGE).content.decode()
    _, stranger = signed_in(mine.user)
    assert refused(stranger.get(PAGE)) == "role-required"
