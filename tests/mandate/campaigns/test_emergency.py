"""Accounts kept for emergencies: marked by two people, told of at each use, ready when they were tested."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from tests.accounts.conftest import at_once
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import DAY, NOW, make_operator, make_person, session_of

from keyhouse.accounts import arrivals
from keyhouse.accounts.models import Proposal, SecurityKey, User
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.errors import ApprovalRefused, OwnAccount, ProposalOpen, ProposalOver
from keyhouse.accounts.sessions import start_session
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import belongings, clock, configuration, faults
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal, RoleRequired
from keyhouse.mail.models import Mail
from keyhouse.mandate import keeping
from keyhouse.mandate.campaigns import emergency
from keyhouse.mandate.campaigns.emergency import EMERGENCY
from keyhouse.mandate.campaigns.errors import EmergencyUnchanged, EmergencyUnfit
from keyhouse.mandate.campaigns.models import EmergencyAccount
from keyhouse.web.console.attention import needs_attention
from keyhouse.web.readiness import Readiness

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired", "set_clock")]
WHY = "Its keys lie in the safe."


def give_keys(user: User, count: int = 2, **facts: Any) -> None:
    for number in range(count):
        told = {"name": f"key {number}", "rp_id": configuration.current().key_name, **facts}
        SecurityKey.objects.create(
            user=user,
            credential_id=f"{user.username}-{number}",
            public_key=b"x",
            algorithm=-7,
            sign_count=0,
            user_verified=True,
            created_at=NOW - 300 * DAY,
            **told,
        )


def vault(name: str = "vault", count: int = 2, **facts: Any) -> User:
    user = make_operator(name, has_app=False)
    give_keys(user, count, **facts)
    return user


def kept(user: User, *, used_at: datetime | None = None) -> EmergencyAccount:
    return EmergencyAccount.objects.create(
        user=user, marked_at=NOW - 300 * DAY, key_used_at=used_at, used_at=used_at
    )


def sign_in(user: User, *methods: str) -> None:
    with transaction.atomic():
        session, _ = start_session(user, methods or ("password", "webauthn"), at=clock.now())
        arrivals.tell(session, Visitor(network="192.0.2.7", user_agent="x"), clock.now())


def mark(user: User, by: Any) -> Proposal:
    return emergency.propose_mark(user, WHY, by=by, now=clock.now())


# ---- marking


def test_l1_an_account_is_kept_for_emergencies_by_two_operators_and_let_go_by_two() -> None:
    ops, olga, user = make_operator("ops"), make_operator("olga"), vault()
    row = mark(user, session_of(ops))
    assert not EmergencyAccount.objects.exists()
    with pytest.raises(ApprovalRefused):
        proposals.approve(EMERGENCY, row.pk, by=session_of(ops), now=clock.now())
    proposals.approve(EMERGENCY, row.pk, by=session_of(olga), now=clock.now())
    assert [one.name for one in emergency.kept_accounts(NOW)] == ["vault"]
    with pytest.raises(ProposalOver):
        proposals.approve(EMERGENCY, row.pk, by=session_of(olga), now=clock.now())
    away = emergency.propose_unmark(user, "Its keys are used up.", by=session_of(olga), now=clock.now())
    assert EmergencyAccount.objects.count() == 1
    proposals.approve(EMERGENCY, away.pk, by=session_of(ops), now=clock.now())
    assert not EmergencyAccount.objects.exists()
    assert Record.objects.filter(action="emergency.propose", outcome="done").count() == 2
    assert Record.objects.filter(action="proposal.approve", outcome="done").count() == 2


def test_what_the_host_proposes_takes_two_operators_and_what_one_alone_does_a_day(
    set_clock: SetClock,
) -> None:
    user = vault()
    row = mark(user, host())
    assert row.effective_at is not None, "the only operator is whom it is about"
    set_clock(row.effective_at - timedelta(seconds=1))
    assert keeping.keep(clock.now())["emergency_accounts"] == 0
    set_clock(row.effective_at)
    assert keeping.keep(clock.now())["emergency_accounts"] == 1
    assert keeping.keep(clock.now())["emergency_accounts"] == 0
    assert EmergencyAccount.objects.count() == 1


@pytest.mark.parametrize(
    "unfit",
    ["no keys", "one key", "copied keys", "keys of another name", "a clone", "no operator", "frozen"],
)
def test_an_account_that_would_help_nobody_is_not_kept(unfit: str) -> None:
    ops = make_operator("ops")
    make_operator("olga")
    facts: dict[str, dict[str, Any]] = {
        "copied keys": {"backup_eligible": True},
        "keys of another name": {"rp_id": "old.example"},
    }
    user = make_operator("vault")
    give_keys(user, {"no keys": 0, "one key": 1}.get(unfit, 2), **facts.get(unfit, {}))
    if unfit == "a clone":
        SecurityKey.objects.filter(user=user, name="key 0").update(cloned_at=NOW)
    if unfit == "no operator":
        User.objects.filter(pk=user.pk).update(is_operator=False)
    if unfit == "frozen":
        User.objects.filter(pk=user.pk).update(state=User.State.FROZEN)
    before = Mail.objects.count()
    with (
        pytest.raises(EmergencyUnfit) if unfit != "frozen" else pytest.raises(Exception, match="person-unfit")
    ):
        mark(user, session_of(ops))
    assert not Proposal.objects.exists()
    assert Mail.objects.count() == before


def test_twice_oneself_and_by_nobody_it_is_refused() -> None:
    ops, user = make_operator("ops"), vault()
    make_operator("olga")
    with pytest.raises(OwnAccount):
        mark(user, session_of(user, "password", "webauthn"))
    with pytest.raises(RoleRequired):
        mark(user, session_of(make_person("eve")))
    with pytest.raises(EmergencyUnchanged):
        emergency.propose_unmark(user, WHY, by=session_of(ops), now=NOW)
    mark(user, session_of(ops))
    with pytest.raises(ProposalOpen):
        mark(user, session_of(ops))
    Proposal.objects.all().delete()
    kept(user)
    with pytest.raises(EmergencyUnchanged):
        mark(user, session_of(ops))


def test_keys_that_went_meanwhile_are_noticed_at_the_approval() -> None:
    ops, olga, user = make_operator("ops"), make_operator("olga"), vault()
    row = mark(user, session_of(ops))
    SecurityKey.objects.filter(user=user, name="key 0").delete()
    with pytest.raises(EmergencyUnfit):
        proposals.approve(EMERGENCY, row.pk, by=session_of(olga), now=clock.now())
    assert not EmergencyAccount.objects.exists()


# ---- use


def test_l1_its_use_is_told_to_all_other_operators_by_mail_and_in_the_console(set_clock: SetClock) -> None:
    user, _ops, _olga = vault(), make_operator("ops"), make_operator("olga")
    make_person("eve")
    kept(user)
    sign_in(user)
    mails = Mail.objects.filter(kind="emergency-account-used")
    assert sorted(mails.values_list("address", flat=True)) == ["olga@example.org", "ops@example.org"]
    told = [one for one in needs_attention(Readiness((), ()), clock.now()) if "emergencies" in one.sentence]
    assert [(one.severity, "vault" in one.sentence) for one in told] == [("danger", True)]
    set_clock(NOW + 7 * DAY)
    assert not [
        one for one in needs_attention(Readiness((), ()), clock.now()) if "emergencies" in one.sentence
    ]


def test_the_use_of_other_accounts_alarms_nobody() -> None:
    kept(vault())
    sign_in(make_operator("ops"))
    assert not Mail.objects.filter(kind="emergency-account-used").exists()


def test_a_sign_in_that_comes_to_nothing_alarms_nobody() -> None:
    user = vault()
    make_operator("ops")
    kept(user)
    with transaction.atomic():
        sign_in(user)
        transaction.set_rollback(True)
    assert EmergencyAccount.objects.get().used_at is None
    assert not Mail.objects.filter(kind="emergency-account-used").exists()


def test_l1_it_is_tested_by_a_key_and_for_180_days(set_clock: SetClock) -> None:
    user = vault()
    kept(user)
    sign_in(user, "password", "recovery_code")
    assert "was not signed in to by a key within 180 days" in emergency.kept_accounts(NOW)[0].lacks
    sign_in(user)
    assert emergency.kept_accounts(NOW)[0].lacks == ()
    last = NOW + 180 * DAY
    assert emergency.kept_accounts(last - timedelta(seconds=1))[0].lacks == ()
    assert emergency.kept_accounts(last)[0].lacks != ()
    assert emergency.kept_accounts(NOW - DAY)[0].lacks != (), "a clock that went back proves nothing"


def test_it_is_ready_no_more_without_its_keys_or_its_office() -> None:
    user = vault()
    kept(user, used_at=NOW)
    SecurityKey.objects.filter(user=user, name="key 0").delete()
    assert emergency.kept_accounts(NOW)[0].lacks == ("has 1 of 2 security keys",)
    User.objects.filter(pk=user.pk).update(is_operator=False)
    assert emergency.kept_accounts(NOW)[0].lacks[0] == "is no active operator's"


def test_whoever_has_left_for_good_keeps_none() -> None:
    user = vault()
    kept(user)
    (of_campaigns,) = [one for one in belongings.all_belongings() if one.feature == "campaigns"]
    assert of_campaigns.close is not None
    assert of_campaigns.close(user.pk, False, NOW) == 0
    assert EmergencyAccount.objects.count() == 1
    assert of_campaigns.close(user.pk, True, NOW) == 1
    assert not EmergencyAccount.objects.exists()


def test_approved_by_two_at_once_it_is_marked_once() -> None:
    user = vault()
    first, second = make_operator("ops"), make_operator("olga")
    row = mark(user, session_of(make_operator("third")))
    acts = [
        partial(proposals.approve, EMERGENCY, row.pk, by=session_of(one), now=clock.now())
        for one in (first, second)
    ]
    outcomes = at_once(acts)
    assert EmergencyAccount.objects.count() == 1
    assert [type(one) for one in outcomes if isinstance(one, Refusal)] == [ProposalOver]
    assert Record.objects.filter(action="proposal.approve", outcome="done").count() == 1


def test_signed_in_to_twice_at_once_every_use_is_told() -> None:
    user = vault()
    make_operator("ops")
    kept(user)
    at_once([partial(sign_in, user), partial(sign_in, user)])
    assert Mail.objects.filter(kind="emergency-account-used", address="ops@example.org").count() == 2


def test_killed_before_the_approval_is_written_nothing_is_marked_and_it_can_be_approved_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user, ops, olga = vault(), make_operator("ops"), make_operator("olga")
    row = mark(user, session_of(ops))
    mails = Mail.objects.count()

    def die(name: str) -> None:
        if name == "proposal.rows-written":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(faults, "reach", die)
        with pytest.raises(KeyboardInterrupt):
            proposals.approve(EMERGENCY, row.pk, by=session_of(olga), now=clock.now())
    assert not EmergencyAccount.objects.exists()
    assert Mail.objects.count() == mails
    proposals.approve(EMERGENCY, row.pk, by=session_of(olga), now=clock.now())
    assert EmergencyAccount.objects.count() == 1
