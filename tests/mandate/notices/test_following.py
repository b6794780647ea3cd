"""N3: what became of each notice, and that deadlines count from what arrived, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from tests.mandate.notices.telling import (
    ANNOUNCED,
    DAY,
    ENFORCED,
    HOUR,
    announce,
    arrive,
    campaign,
    look,
    owner,
    states,
    store,
)

from keyhouse.accounts.models import Email, MailDomain, User
from keyhouse.core import configuration
from keyhouse.mail.models import FAILED, SUPPRESSED, WAITING, Bounce, Mail
from keyhouse.mandate import people
from keyhouse.mandate.models import Notice
from keyhouse.mandate.notices import queries
from keyhouse.mandate.notices.models import Delivery
from keyhouse.mandate.queries import live_policies
from keyhouse.mandate.rules import deadline

pytestmark = pytest.mark.django_db
LATE = campaign(
    stages=[
        {"state": "announced", "at": ANNOUNCED, "warn": ["all"]},
        {"state": "enforced", "at": ANNOUNCED + 31 * DAY, "deny": ["all"]},
    ]
)


def deadline_of(user: User, now: datetime) -> datetime:
    """Return the person's own date as the gate has it."""
    [policy] = live_policies(now)
    [facts] = [one for one in people.all_facts() if one.person.name == user.username]
    return deadline(policy, facts, policy.mandate.stages[-1].at, now)


def why(now: datetime) -> dict[str, str]:
    [policy] = live_policies(now)
    return {one.name: one.why for one in queries.unreached(policy, now)}


def fail(user: User, now: datetime, *, bounce: bool) -> None:
    mail = Mail.objects.get(account_id=user.pk, state=WAITING)
    Mail.objects.filter(pk=mail.pk).update(state=FAILED, ended_at=now, content_sealed="")
    if bounce:
        Bounce.objects.create(address=mail.address, kind="permanent", at=now, source="smtp")


def test_n3_a_notice_that_arrived_counts_from_the_moment_it_left() -> None:
    ada = owner("ada")
    announce(LATE)
    scheduled, cap = ANNOUNCED + 31 * DAY, ANNOUNCED + 91 * DAY
    look(ANNOUNCED)
    assert deadline_of(ada, ANNOUNCED) == cap
    assert why(ANNOUNCED) == {"ada": "queued"}
    arrive(ANNOUNCED + 3 * DAY)
    look(ANNOUNCED + 4 * DAY)
    notice = Notice.objects.get(user=ada)
    assert (notice.mandate, notice.kind, notice.delivered_at) == (
        "campaign",
        "announcement",
        ANNOUNCED + 3 * DAY,
    )
    assert deadline_of(ada, ANNOUNCED + 4 * DAY) == ANNOUNCED + 33 * DAY > scheduled
    assert states(ada) == {"announcement": "sent"}
    assert why(ANNOUNCED + 4 * DAY) == {}
    # never sooner than the mail itself said
    assert Delivery.objects.filter(deadline_at__lte=ANNOUNCED + 33 * DAY).count() == 1


def test_n3_whoever_is_not_reached_is_held_up_to_the_cap_and_no_longer() -> None:
    reached, bounced, deaf, unverified, silenced, refused = (
        owner(name) for name in ("reached", "bounced", "deaf", "unverified", "silenced", "refused")
    )
    Email.objects.filter(user=unverified).update(verified_at=None)
    Email.objects.filter(user=deaf).update(address="deaf@nomail.example")
    MailDomain.objects.create(domain="nomail.example", answer="no-mail")
    Bounce.objects.create(
        address="silenced@example.org", kind="complaint", at=ANNOUNCED - DAY, source="report"
    )
    announce()
    look(ANNOUNCED)
    fail(bounced, ANNOUNCED + HOUR, bounce=True)
    fail(refused, ANNOUNCED + HOUR, bounce=False)
    arrive(ANNOUNCED + HOUR, reached)
    now = ANNOUNCED + DAY
    look(now)
    assert why(now) == {
        "bounced": "bounced", "deaf": "no-mx", "unverified": "unverified", "silenced": "suppressed",
        "refused": "failed",
    }  # fmt: skip
    assert deadline_of(reached, now) == ENFORCED
    for user in (bounced, deaf, unverified, silenced, refused):
        assert deadline_of(user, now) == ENFORCED + 60 * DAY
    assert queries.bounced_of(ANNOUNCED, now) == (4, 5)
    assert queries.bounced_of(ANNOUNCED, now).percent == pytest.approx(80)
    assert queries.bounced_of(now + DAY, now + 2 * DAY).percent == 0


def test_n3_one_of_several_addresses_is_enough_and_all_verified_ones_are_written_to() -> None:
    ada = owner("ada")
    Email.objects.create(user=ada, address="ada@example.net", verified_at=ANNOUNCED, added_at=ANNOUNCED)
    Email.objects.create(user=ada, address="ada@example.com", added_at=ANNOUNCED)
    announce()
    look(ANNOUNCED)
    assert set(Mail.objects.values_list("address", flat=True)) == {"ada@example.org", "ada@example.net"}
    assert set(Mail.objects.values_list("lane", flat=True)) == {"bulk"}
    Mail.objects.filter(address="ada@example.org").update(state=SUPPRESSED, ended_at=ANNOUNCED)
    look(ANNOUNCED + HOUR)
    assert states(ada) == {"announcement": "queued"}
    arrive(ANNOUNCED + 2 * HOUR)
    look(ANNOUNCED + 2 * HOUR)
    assert states(ada) == {"announcement": "sent"}


def test_n3_whoever_verifies_an_address_at_last_is_told_then() -> None:
    ada = owner("ada")
    Email.objects.filter(user=ada).update(verified_at=None)
    announce()
    look(ANNOUNCED)
    look(ANNOUNCED + DAY)
    assert states(ada) == {"announcement": "unverified"}
    assert Mail.objects.count() == 0
    Email.objects.filter(user=ada).update(verified_at=ANNOUNCED)
    assert look(ANNOUNCED + 2 * DAY) == 1
    assert look(ANNOUNCED + 2 * DAY) == 0
    assert Mail.objects.count() == 1
    arrive(ANNOUNCED + 2 * DAY)
    look(ANNOUNCED + 2 * DAY)
    assert states(ada) == {"announcement": "sent"}
    assert Notice.objects.get().delivered_at == ANNOUNCED + 2 * DAY


def test_n3_what_no_server_took_is_tried_again_three_times_in_all() -> None:
    ada = owner("ada")
    announce()
    for round_ in range(6):
        now = ANNOUNCED + 4 * round_ * DAY
        look(now)
        if Mail.objects.filter(state=WAITING).exists():
            fail(ada, now, bounce=False)
        look(now)
    assert Mail.objects.count() == 3
    assert Delivery.objects.get(kind="announcement").tries == 3


def test_n3_a_mail_that_comes_back_later_counts_no_more() -> None:
    ada = owner("ada")
    announce()
    look(ANNOUNCED)
    arrive(ANNOUNCED + HOUR)
    look(ANNOUNCED + 2 * HOUR)
    assert Notice.objects.count() == 1
    Bounce.objects.create(
        address="ada@example.org", kind="permanent", at=ANNOUNCED + 3 * HOUR, source="report"
    )
    look(ANNOUNCED + 4 * HOUR)
    assert states(ada) == {"announcement": "bounced"}
    assert Notice.objects.count() == 0
    assert deadline_of(ada, ANNOUNCED + DAY) == ENFORCED + 60 * DAY


def test_n3_mails_that_only_become_files_where_nobody_looks_reach_nobody() -> None:
    ada = owner("ada")
    announce()
    configuration.use(replace(configuration.current(), mail_dir=None))
    look(ANNOUNCED)
    arrive(ANNOUNCED)
    look(ANNOUNCED)
    assert states(ada) == {"announcement": "failed"}
    assert Notice.objects.count() == 0


def test_n3_whose_account_is_closed_gets_nothing() -> None:
    owner("ada", state=User.State.SUSPENDED)
    owner("bob", state=User.State.FROZEN)
    announce()
    assert look(ANNOUNCED) == 0
    assert Delivery.objects.count() == 0


def test_n3_a_mandate_announced_anew_is_told_and_counts_anew() -> None:
    ada = owner("ada")
    announce()
    look(ANNOUNCED)
    arrive(ANNOUNCED)
    look(ANNOUNCED)
    again = ANNOUNCED + 40 * DAY
    stages = [
        {"state": "announced", "at": again, "warn": ["all"]},
        {"state": "enforced", "at": again + 60 * DAY, "deny": ["all"]},
    ]
    Delivery.objects.exclude(kind="announcement").delete()
    store(campaign(stages=stages), version=2)
    look(again)
    arrive(again)
    look(again)
    assert Delivery.objects.filter(user=ada, kind="announcement").count() == 2
    assert Notice.objects.get(user=ada, kind="announcement").delivered_at == again
