"""Offices: two operators, or a day; and nobody gets or loses one twice, early or alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from tests.accounts.addresses.mailbox import letters_to
from tests.accounts.conftest import Clock, at_once, make_person, signed_in

from keyhouse.accounts.freezing import freeze_own
from keyhouse.accounts.keeping import keep
from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.errors import (
    ApprovalRefused,
    OfficeUnchanged,
    OperatorNeeded,
    OwnAccount,
    PersonUnfit,
    ProposalMissing,
    ProposalOpen,
    ProposalOver,
)
from keyhouse.accounts.oversight.offices import OFFICE, propose_office, revoke_office
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal, RoleRequired

pytestmark = pytest.mark.django_db
WHY = "runs the night shift"


def actor(user: User) -> Actor:
    return actor_of(signed_in(user)[0])


@pytest.fixture
def root(db: None) -> User:
    return make_person("root", is_operator=True)


def propose(user: User, office: str = "operator", *, by: Actor) -> Proposal:
    return propose_office(user, office, WHY, by=by, now=clock.now())


def approve(row: Proposal, by: Actor) -> Proposal:
    return proposals.approve(OFFICE, row.pk, by=by, now=clock.now())


def offices(user: User) -> frozenset[str]:
    user.refresh_from_db()
    return frozenset(name for name in ("operator", "moderator", "auditor") if getattr(user, f"is_{name}"))


@pytest.mark.parametrize("office", ["operator", "moderator", "auditor"])
def test_the_second_operator_makes_it_so(ada: User, root: User, office: str) -> None:
    other = make_person("other", is_operator=True)
    first = actor(root)
    row = propose(ada, office, by=first)
    assert row.effective_at is None
    assert offices(ada) == frozenset()
    with pytest.raises(ApprovalRefused):
        approve(row, first)
    with pytest.raises(ApprovalRefused):
        approve(row, host())
    with pytest.raises(RoleRequired):
        approve(row, actor(make_person("bob")))
    assert offices(ada) == frozenset()
    approve(row, actor(other))
    assert offices(ada) == {office}
    with pytest.raises(ProposalOver):
        approve(row, actor(other))
    told = Record.objects.filter(action__in=["office.propose", "proposal.approve"], outcome="done")
    assert [one.action for one in told.order_by("id")] == ["office.propose", "proposal.approve"]
    assert len(letters_to("ada@example.org", "proposal-done")) == 1


def test_who_is_alone_announces_it_and_a_day_passes(ada: User, root: User, time: Clock) -> None:
    row = propose(ada, by=actor(root))
    assert row.effective_at == clock.now() + timedelta(hours=24)
    keep(time.go(hours=23))
    assert offices(ada) == frozenset()
    assert keep(time.go(hours=2))["offices"] == 1
    assert offices(ada) == {"operator"}
    assert keep(clock.now())["offices"] == 0
    assert Record.objects.filter(action="proposal.carry-out").count() == 1


def test_what_changed_meanwhile_ends_it(ada: User, root: User, time: Clock) -> None:
    row = propose(ada, by=actor(root))
    suspend_user(ada, WHY, by=host(), now=clock.now())
    keep(time.go(hours=25))
    row.refresh_from_db()
    assert (row.done_at, row.is_open) == (None, False)
    assert "person-unfit" in row.ended_why
    assert offices(ada) == frozenset()
    assert Record.objects.get(action="proposal.carry-out").code == "person-unfit"


@pytest.mark.parametrize("end", ["suspend", "depose", "freeze"])
def test_what_somebody_proposed_doesnt_outlive_their_office(
    ada: User, root: User, time: Clock, end: str
) -> None:
    row = propose(ada, by=actor(root))
    other = make_person("other")
    User.objects.filter(pk=other.pk).update(is_operator=True)
    other.refresh_from_db()
    if end == "suspend":
        suspend_user(root, WHY, by=actor(other), now=clock.now())
    elif end == "freeze":  # it may have been a thief in their session
        freeze_own(root, by=actor(root), now=clock.now())
        assert Record.objects.get(action="account.freeze").details["proposals"] == 1
    else:
        revoke_office(root, "operator", WHY, by=actor(other), now=clock.now())
    row.refresh_from_db()
    assert not row.is_open
    keep(time.go(hours=25))
    assert offices(ada) == frozenset()


def test_what_was_withdrawn_never_holds(ada: User, root: User, time: Clock) -> None:
    by = actor(root)
    row = propose(ada, by=by)
    proposals.withdraw(OFFICE, row.pk, "a mistake", by=by, now=clock.now())
    keep(time.go(hours=25))
    assert offices(ada) == frozenset()
    with pytest.raises(ProposalOver):
        proposals.withdraw(OFFICE, row.pk, "again", by=actor(root), now=clock.now())
    assert Record.objects.filter(action="proposal.withdraw", outcome="done").count() == 1


def test_what_the_host_proposes_takes_two(ada: User, root: User) -> None:
    other = make_person("other", is_operator=True)
    row = propose(ada, by=host())
    approve(row, actor(root))
    assert offices(ada) == frozenset()
    approve(row, actor(other))
    assert offices(ada) == {"operator"}


def test_refusals_leave_nothing_behind(ada: User, root: User) -> None:
    make_person("other", is_operator=True)
    by = actor(root)
    bare = make_person("bare", factors=0)
    propose(ada, by=by)
    before = Record.objects.count(), Proposal.objects.count()
    refusals = (
        (OwnAccount, partial(propose, root, "auditor", by=by)),
        (OfficeUnchanged, partial(propose, ada, "queen", by=by)),
        (OfficeUnchanged, partial(propose, User.objects.get(username="other"), by=by)),
        (PersonUnfit, partial(propose, bare, by=by)),
        (ProposalOpen, partial(propose, ada, by=by)),
        (RoleRequired, partial(propose, bare, by=actor(ada))),
        (ProposalMissing, partial(proposals.approve, OFFICE, 10**9, by=by, now=clock.now())),
        (OfficeUnchanged, partial(revoke_office, ada, "operator", WHY, by=by, now=clock.now())),
        (OwnAccount, partial(revoke_office, root, "operator", WHY, by=by, now=clock.now())),
    )
    for refusal, act in refusals:
        with pytest.raises(refusal):
            act()
    assert (Record.objects.count(), Proposal.objects.count()) == before


def test_the_last_operator_stays_one(root: User) -> None:
    with pytest.raises(OperatorNeeded):
        revoke_office(root, "operator", WHY, by=host(), now=clock.now())
    assert offices(root) == {"operator"}


@pytest.mark.django_db(transaction=True)
def test_of_two_operators_who_depose_each_other_one_stays() -> None:
    one, two = make_person("one", is_operator=True), make_person("two", is_operator=True)
    acts: list[Callable[[], object]] = [
        partial(revoke_office, two, "operator", WHY, by=actor(one), now=clock.now()),
        partial(suspend_user, one, WHY, by=actor(two), now=clock.now()),
    ]
    outcomes = at_once(acts)
    assert sorted(isinstance(outcome, Refusal) for outcome in outcomes) == [False, True]
    assert User.objects.filter(is_operator=True, state="active").count() == 1


@pytest.mark.django_db(transaction=True)
def test_approved_twice_at_once_it_is_given_once(ada: User, root: User) -> None:
    first, second = make_person("first", is_operator=True), make_person("second", is_operator=True)
    row = propose(ada, by=actor(root))
    outcomes = at_once([partial(approve, row, actor(first)), partial(approve, row, actor(second))])
    assert sorted(isinstance(outcome, ProposalOver) for outcome in outcomes) == [False, True]
    assert Record.objects.filter(action="proposal.approve", outcome="done").count() == 1
