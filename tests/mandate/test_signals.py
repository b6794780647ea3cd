"""Figures that pause a campaign (L3), what operators hear of it, and pauses that nobody ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import DAY, NOW, document, make_operator, make_person
from tests.mandate.stored import store

from keyhouse.accounts.models import RecoveryCase, User
from keyhouse.audit.models import Record
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail
from keyhouse.mandate import keeping, queries
from keyhouse.mandate.campaigns import services, signals
from keyhouse.mandate.models import GatedAttempt, KnownFacts, Pause
from keyhouse.mandate.notices.models import Delivery
from keyhouse.mandate.pauses import LONGEST

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]
HOUR = DAY / 24


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    return set_clock


@pytest.fixture
def ops() -> User:
    return make_operator("ops")


def live_campaign(**limits: Any) -> None:
    store(document("keys", launch={"pause_when": limits}), effective_at=NOW)


def refused(count: int, action: str, at: datetime, person: str = "u1") -> None:
    """Keep so many attempts that the mandate refused."""
    digest = f"{action}-{person}"
    told = {"action": action, "person": {"id": person}}
    KnownFacts.objects.get_or_create(digest=digest, defaults={"facts": told, "first_at": at})
    GatedAttempt.objects.bulk_create(
        GatedAttempt(at=at, digest=digest, verdict="deny", code="x", mandate="keys@1") for _ in range(count)
    )


def test_l3_refused_uploads_over_the_limit_pause_once_and_operators_are_told_once(ops: User) -> None:
    live_campaign(gated_uploads_per_hour=5)
    refused(6, "release.upload", NOW - HOUR / 2)
    assert signals.look_after(NOW) == 1
    row = Pause.objects.get()
    assert (row.signal, row.begun_by, row.begun_at) == ("gated_uploads_per_hour", "mandate-signals", NOW)
    assert row.reason == "Uploads refused within an hour: 6; the limit is 5."
    assert Mail.objects.filter(kind="mandate-paused").count() == 1
    assert Record.objects.get(action="mandate.pause").details["signal"] == "gated_uploads_per_hour"
    assert signals.look_after(NOW) == 0
    assert Mail.objects.filter(kind="mandate-paused").count() == 1
    assert ops.pk


def test_l3_what_is_at_the_limit_old_no_upload_or_of_another_mandate_pauses_nothing() -> None:
    live_campaign(gated_uploads_per_hour=5)
    refused(5, "release.upload", NOW - HOUR / 2)
    refused(9, "release.upload", NOW - HOUR)
    refused(9, "project.manage", NOW - HOUR / 2)
    GatedAttempt.objects.create(at=NOW, digest="release.upload-u1", verdict="deny", mandate="other@1")
    GatedAttempt.objects.create(at=NOW, digest="release.upload-u1", verdict="warn", mandate="keys@1")
    assert signals.look_after(NOW) == 0
    assert not Pause.objects.exists()


def test_l3_a_mandate_that_names_no_figure_is_never_paused_by_one() -> None:
    store(document("keys"), effective_at=NOW)
    refused(1000, "release.upload", NOW - HOUR / 2)
    assert signals.look_after(NOW) == 0


def test_l3_one_person_alone_makes_no_figure_of_refused_uploads() -> None:
    """Whoever holds one weak token could else stop any campaign whenever they like."""
    live_campaign(gated_uploads_per_hour=12)
    refused(5000, "release.upload", NOW - HOUR / 2)
    assert signals.look_after(NOW) == 0
    refused(3, "release.upload", NOW - HOUR / 2, "u2")
    assert signals.look_after(NOW) == 1
    assert Pause.objects.get().reason == "Uploads refused within an hour: 13; the limit is 12."


def test_l3_whoever_has_some_other_factor_than_the_accepted_ones_has_not_enrolled() -> None:
    body = document("keys", launch={"pause_when": {"failed_enrolments_percent": 50}})
    store({**body, "methods": {"accept": ["security-key"]}}, effective_at=NOW)
    for number in range(10):
        refused(1, "project.manage", NOW - 2 * DAY, f"u{make_person(f'p{number}').pk}")
    assert signals.look_after(NOW) == 1
    assert Pause.objects.get().reason.endswith("a day later: 100; the limit is 50.")


def test_l3_what_was_counted_when_it_was_resumed_pauses_it_no_second_time(clocked: SetClock) -> None:
    live_campaign(failed_enrolments_percent=50, recovery_age_hours=48)
    people = [make_person(f"p{number}", has_app=False) for number in range(20)]
    for user in people[:10]:
        refused(1, "project.manage", NOW - 2 * DAY, f"u{user.pk}")
    RecoveryCase.objects.create(
        user=people[0], path="mail", opened_at=NOW - 3 * DAY, expires_at=NOW + 30 * DAY, needed=2
    )
    assert signals.look_after(NOW) == 1
    clocked(NOW + HOUR)
    services.resume("keys", by=host())
    for hours in (2, 26, 48):
        assert signals.look_after(NOW + hours * HOUR) == 0
    for user in people[10:]:
        refused(1, "project.manage", NOW + 2 * HOUR, f"u{user.pk}")
    clocked(NOW + 27 * HOUR)
    assert signals.look_after(NOW + 27 * HOUR) == 1


def test_l3_recoveries_that_wait_too_long_pause(ops: User) -> None:
    live_campaign(recovery_age_hours=48)
    for hours in (1, 49):
        user = make_person(f"p{hours}")
        RecoveryCase.objects.create(
            user=user, path="mail", opened_at=NOW - hours * HOUR, expires_at=NOW + 30 * DAY, needed=2
        )
    assert signals.look_after(NOW) == 1
    assert Pause.objects.get().signal == "recovery_age_hours"
    assert ops.pk


def ended(state: str, count: int, at: datetime) -> None:
    """Keep so many notices, each to somebody else, that came to this end."""
    for _ in range(count):
        user = make_person(f"told{Delivery.objects.count()}")
        Delivery.objects.create(
            user=user, mandate="keys", version=1, kind="announcement", about="x", wording="x",
            queued_at=at, state=state, ended_at=at,
        )  # fmt: skip


def test_l3_notices_that_came_back_pause_and_few_or_old_ones_do_not() -> None:
    live_campaign(bounced_percent=20)
    ended("bounced", 30, NOW - 8 * DAY)  # of the week before
    ended("bounced", 3, NOW - DAY)
    ended("sent", 6, NOW - DAY)
    assert signals.look_after(NOW) == 0  # a share of nine says nothing
    ended("sent", 6, NOW - DAY)
    assert signals.look_after(NOW) == 0  # 3 of 15 is the limit, and not over it
    ended("no-mx", 1, NOW - DAY)
    assert signals.look_after(NOW) == 1
    assert Pause.objects.get().reason == "Per cent of a week's notices that came back: 25; the limit is 20."


def test_l3_people_who_did_not_enrol_after_a_refusal_pause_and_few_of_them_do_not() -> None:
    live_campaign(failed_enrolments_percent=50)
    people = [make_person(f"p{number}", has_app=number < 4) for number in range(10)]
    for user in people[1:]:
        refused(1, "project.manage", NOW - 2 * DAY, f"u{user.pk}")
    assert signals.look_after(NOW) == 0
    refused(1, "project.manage", NOW - 2 * DAY, f"u{people[0].pk}")
    assert signals.look_after(NOW) == 1
    assert Pause.objects.get().reason.endswith("a day later: 60; the limit is 50.")


def test_whoever_resumed_it_within_the_hour_knew_the_figures(clocked: SetClock) -> None:
    live_campaign(gated_uploads_per_hour=5)
    refused(6, "release.upload", NOW - HOUR / 60)
    assert signals.look_after(NOW) == 1
    services.resume("keys", by=host())
    assert signals.look_after(NOW) == 0
    clocked(NOW + HOUR)
    refused(6, "release.upload", NOW + HOUR / 2)
    assert signals.look_after(NOW + HOUR) == 1
    assert Pause.objects.count() == 2


def test_a_pause_by_a_figure_that_is_cut_off_leaves_neither_pause_nor_mail(
    ops: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_campaign(gated_uploads_per_hour=5)
    refused(6, "release.upload", NOW - HOUR / 2)
    before = queries.read_change()

    def fall(*told: object) -> None:
        raise SystemExit

    monkeypatch.setattr(services, "tell_others", fall)
    with pytest.raises(SystemExit), transaction.atomic():
        signals.look_after(NOW)
    assert not Pause.objects.exists()
    assert not Mail.objects.filter(kind="mandate-paused").exists()
    assert queries.read_change() == before
    monkeypatch.undo()
    assert signals.look_after(NOW) == 1
    assert ops.pk


def test_pauses_whose_days_are_over_are_marked_once(clocked: SetClock) -> None:
    live_campaign()
    services.pause("keys", reason="A while.", by=host())
    clocked(NOW + LONGEST)
    assert signals.look_after(NOW + LONGEST) == 1
    row = Pause.objects.get()
    assert (row.ended_at, row.ended_why) == (NOW + LONGEST, "its days were over")
    assert signals.look_after(NOW + LONGEST) == 0
    assert "campaigns" in keeping.WORKS
