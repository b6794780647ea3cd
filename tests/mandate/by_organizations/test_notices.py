"""What an organization asks is told as the index tells: one mail, an inbox, days that count from delivery, no nagging."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.mandate.by_organizations.conftest import (
    ACME,
    ALPHA,
    FROM,
    NOW,
    Crew,
    by_app,
    by_key,
    code_of,
    with_key,
)
from tests.mandate.conftest import SetClock
from tests.mandate.notices import telling
from tests.mandate.notices.conftest import mailing as mailing  # noqa: PLC0414 - a fixture
from tests.mandate.stored import make_user
from tests.mandate.visiting import Visit

from keyhouse.accounts.models import Email, User
from keyhouse.core import actions, faults
from keyhouse.core.actor import host
from keyhouse.mandate.by_organizations import services
from keyhouse.mandate.declarations import LOOSEN_AFTER, NOTICE, Demand
from keyhouse.mandate.gates import MandateGate
from keyhouse.mandate.models import Notice
from keyhouse.mandate.notices import services as notices
from keyhouse.mandate.notices.models import Delivery
from keyhouse.organizations import populating
from keyhouse.organizations import services as organizations
from keyhouse.organizations.models import Organization

KEYS = Demand("phishing-resistant")
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def declare(crew: Crew, demand: Demand = KEYS, at: datetime = FROM) -> None:
    services.declare("acme", demand, at, by=by_key(crew.ada))


def kinds(user: User) -> list[str]:
    return [kind for _, kind in telling.told(user)]


def pass_time(set_clock: SetClock, begin: datetime, end: datetime) -> None:
    """Let days pass, a round each, mails arriving at once."""
    now = begin
    while now <= end:
        set_clock(now)
        telling.look(now)
        telling.arrive(now)
        now += DAY
    set_clock(end)
    telling.look(end)


def test_n2_everybody_there_is_told_in_one_mail_and_whoever_holds_it_never_again(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    stranger = telling.owner("sam", "of-sam")
    assert telling.look(NOW + MINUTE) == 4
    assert telling.look(NOW + MINUTE) == 0
    [letter] = telling.texts(crew.mo)
    assert "The organization acme, in which you have a role, asks something" in letter
    assert "a security key or passkey" in letter
    assert "Your date is 2024-06-24 09:00 UTC." in letter
    assert telling.letters(stranger) == []
    [kept] = telling.texts(crew.ada)
    assert "You have it, so you need do nothing." in kept
    pass_time(set_clock, NOW + MINUTE, FROM + 3 * DAY)
    assert kinds(crew.ada) == ["compliant"]
    for one in (crew.otto, crew.mo, crew.cora):
        assert kinds(one) == ["announcement", "reminder", "reminder", "enforced"]
    with_key(crew.mo)
    pass_time(set_clock, FROM + 4 * DAY, FROM + 10 * DAY)
    assert len(kinds(crew.mo)) == 4


def test_n2_it_goes_into_the_mail_that_tells_of_the_mandates_of_the_index(
    crew: Crew, acme: Organization
) -> None:
    telling.announce(telling.campaign())
    declare(crew)
    telling.look(NOW + MINUTE)
    assert len(telling.letters(crew.otto)) == 1
    assert {name for name, _ in telling.told(crew.otto)} == {"campaign", _known_as(acme)}


def _known_as(acme: Organization) -> str:
    last = acme.declarations.latest("version")
    return f"organization-mandate:{last.pk}"


def test_n3_days_count_from_delivery_and_at_the_latest_from_the_cap(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    late = FROM - DAY
    set_clock(late)
    telling.look(late)
    telling.arrive(late, crew.mo)
    telling.look(late + MINUTE)
    assert Notice.objects.get(user=crew.mo).delivered_at == late
    for at, mo, cora in (
        (FROM, "", ""),
        (late + NOTICE - MINUTE, "", ""),
        (late + NOTICE, "stronger-factor-required", ""),
        (FROM + NOTICE, "stronger-factor-required", "stronger-factor-required"),
    ):
        set_clock(at)
        assert code_of(by_app(crew.mo), "release.publish", ALPHA) == mo
        assert code_of(by_app(crew.cora), "release.publish", ALPHA) == cora


def test_n3_the_inbox_has_it_with_the_organization_and_the_day_and_seeing_it_counts(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    Email.objects.filter(user=crew.mo).update(verified_at=None)
    declare(crew)
    telling.look(NOW + MINUTE)
    set_clock(NOW + DAY)
    visit = Visit(crew.mo)
    assert visit.get("/account/notices/").status_code == 200
    assert "What an organization of yours will ask of you" in visit.text
    assert "organization:acme" in visit.text
    assert "What it asks for: a security key or passkey." in visit.text
    assert Notice.objects.get(user=crew.mo).mandate == _known_as(acme)
    told = Visit(crew.mo, accept="application/json").get("/account/notices.json").json()
    assert [one["mandate"] for one in told["notices"]] == ["organization:acme"]
    assert "acme" not in Visit(make_user("nosy")).get("/account/notices/").content.decode()
    # which organization asks for what stands in no public text
    assert "acme" not in Visit(make_user("reader")).get("/mandate/notices.json").content.decode()
    organizations.rename_organization("acme", "Emca", by=by_key(crew.ada))
    visit.get("/account/notices/")
    assert "organization:emca" in visit.text
    assert telling.look(NOW + 4 * DAY) == 0


def test_n3_a_banner_counts_as_told_and_tells_the_day_as_it_is_then(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    set_clock(NOW + DAY)
    mo = by_app(crew.mo)
    caution = actions.require_gate(mo, "release.publish", ALPHA)
    assert caution is not None
    assert caution.until == FROM + NOTICE, "nothing reached them so far"
    shown, names = MandateGate().once_told(mo, "release.publish", ALPHA, caution)
    assert (shown.until, names) == (FROM, frozenset({_known_as(acme)}))


def test_n3_their_account_page_counts_as_told(crew: Crew, acme: Organization, set_clock: SetClock) -> None:
    declare(crew)
    set_clock(NOW + DAY)
    Visit(crew.mo).get("/account/mandate/")
    assert Notice.objects.get(user=crew.mo, mandate=_known_as(acme)).delivered_at == NOW + DAY
    set_clock(FROM)
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "stronger-factor-required"


def test_whoever_gains_authority_later_is_told_that_it_holds_already(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    set_clock(NOW + DAY)
    late = make_user("late")
    populating.add_members(acme, {late: "manager"}, by=host())
    telling.look(NOW + DAY)
    [letter] = telling.texts(late)
    assert "which has passed" in letter
    assert code_of(by_app(late), "team.create", ACME) == "stronger-factor-required"
    assert kinds(late) == ["announcement"]


def test_a_tightening_is_told_anew_and_gives_no_days_back_of_what_is_in_force(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew)
    pass_time(set_clock, NOW, FROM)
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "stronger-factor-required"
    declare(crew, Demand("phishing-resistant", True), FROM + 21 * DAY)
    pass_time(set_clock, FROM + DAY, FROM + 5 * DAY)
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "stronger-factor-required"
    assert kinds(crew.mo).count("announcement") == 2


def test_a_loosening_gives_no_days_back_and_what_is_lifted_is_told_of_no_more(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare(crew, Demand("device-bound"))
    pass_time(set_clock, NOW, FROM + DAY)
    declare(crew)
    after = FROM + DAY + LOOSEN_AFTER
    pass_time(set_clock, FROM + DAY, after)
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == "stronger-factor-required"
    before = len(kinds(crew.mo))
    set_clock(after)
    services.lift("acme", by=by_key(crew.ada))
    pass_time(set_clock, after + LOOSEN_AFTER, after + LOOSEN_AFTER + 20 * DAY)
    assert len(kinds(crew.mo)) == before


class KilledError(Exception):
    """The process ended here."""


def test_killed_between_rows_and_mails_nobody_was_told(
    crew: Crew, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(crew)

    def reach(point: str) -> None:
        if point == "notice.rows-written":
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(faults, "reach", reach)
        with pytest.raises(KilledError):
            notices.queue_due(NOW + MINUTE)
    assert not Delivery.objects.exists()
    assert telling.letters() == []
    assert notices.queue_due(NOW + MINUTE) == 4
