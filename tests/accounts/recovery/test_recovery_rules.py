from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyhouse.accounts.recovery.rules import (
    A_DAY,
    LONG,
    Basis,
    Newness,
    Support,
    basis_of,
    is_slowed,
    lacks_mailed_proof,
    stage_of,
    vouchers_needed,
    wait_of,
)

NOW = datetime(2024, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("support", "basis"),
    [
        (Support("mail"), None),
        (Support("mail", knows_password=True), "mail and password"),
        (Support("mail", has_authority=False), "mail, nothing at stake"),
        (Support("mail", vouchers=1, needed=2, operators=3), None),
        (Support("mail", vouchers=2, needed=2), "co-owners"),
        (Support("mail", vouchers=1, needed=1), "co-owners"),
        (Support("mail", vouchers=0, needed=0), None),  # nobody who vouches is no word at all
        (Support("mail", approvals=1, operators=2), None),
        (Support("mail", approvals=2, operators=2), "operators"),
        (Support("mail", approvals=1, operators=1), "one operator"),
        (Support("mail", approvals=0, operators=0), None),
        (Support("operators", knows_password=True, has_authority=False), None),
        (
            Support("operators", vouchers=2, needed=2, operators=2),
            None,
        ),  # co-owners' words need a mailed proof
        (Support("operators", approvals=2, operators=2), "operators"),
        (Support("host"), "host"),
    ],
)
def test_r4_coming_back_takes_two_independent_proofs(support: Support, basis: str | None) -> None:
    assert basis_of(support) == basis


def test_what_fewer_answer_for_waits_longer() -> None:
    def wait(basis: Basis, length: timedelta | None = A_DAY, **more: bool) -> timedelta:
        return wait_of(basis, length, **{"hands_over": False, "is_mail_off": False, **more})

    assert wait("host") == wait("operators") == timedelta(0)
    assert wait("one operator") == A_DAY
    assert wait("one operator", LONG, hands_over=True) == LONG
    assert wait("operators", LONG, hands_over=True) == LONG
    assert wait("operators", LONG, hands_over=True, is_mail_off=True) == timedelta(0)
    assert wait("co-owners") == A_DAY
    assert wait("co-owners", LONG) == LONG
    assert wait("mail and password") == LONG
    assert wait("mail, nothing at stake", None) == A_DAY


def test_a_case_rests_on_what_it_rested_on_when_it_was_complete() -> None:
    def stage(now: datetime, basis_now: Basis | None = "co-owners", state: str = "open") -> str:
        return stage_of(state=state, basis_now=basis_now, basis="co-owners", ready_at=NOW, now=now)

    assert stage(NOW) == "ready"
    assert stage(NOW - A_DAY) == "waits for its instant"
    assert stage(NOW, None) == stage(NOW, "one operator") == "waits for words"
    assert stage(NOW, state="stopped") == "over"


def test_two_of_many_vouch_or_the_only_one() -> None:
    assert [vouchers_needed(count) for count in (0, 1, 2, 9)] == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("facts", "slowed"),
    [
        ({}, True),
        ({"is_known_browser": True}, False),
        ({"is_known_browser": True, "is_idle": True}, True),
        ({"has_authority": False}, False),
        ({"is_first": False}, False),
    ],
)
def test_r1_whose_first_enrolment_waits(facts: dict[str, bool], slowed: bool) -> None:
    base = {"has_authority": True, "is_first": True, "is_idle": False, "is_known_browser": False}
    newness = Newness(**{**base, **facts}, has_deliverable_mail=True, proved_mail_at=None)
    assert is_slowed(newness) is slowed
    assert lacks_mailed_proof(newness, NOW) is slowed


def test_a_mailed_proof_is_fresh_for_an_hour_and_not_asked_where_no_mail_arrives() -> None:
    def lacks(mail: bool, proved_at: datetime | None) -> bool:
        newness = Newness(True, True, True, False, mail, proved_at)
        return lacks_mailed_proof(newness, NOW)

    assert lacks(True, None)
    assert not lacks(True, NOW - timedelta(minutes=60))
    assert lacks(True, NOW - timedelta(minutes=61))
    assert not lacks(False, None)
