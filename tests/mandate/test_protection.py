from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.mandate.stored import ANNOUNCED, ENFORCED, document, make_project, make_user, retire_default, store

from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.core import clock
from keyhouse.mandate import queries
from keyhouse.mandate.models import CriterionRun, Exemption, ProtectedProject
from keyhouse.mandate.protection import in_force, protected_on, renew_protection

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = ENFORCED + timedelta(hours=3)


def with_app(user: User) -> User:
    Authenticator.objects.create(user=user, name="app", secret_sealed="x", created_at=clock.now())
    return user


def protected(now: Any = NOW) -> set[str]:
    CriterionRun.objects.all().delete()
    renew_protection(now)
    found = ProtectedProject.objects.filter(last_on=now.date())
    return set(found.values_list("normalized_name", flat=True))


def campaign(**changes: Any) -> None:
    retire_default()
    store(document(**changes))


def test_everybody_with_authority_must_meet_the_mandate() -> None:
    campaign()
    ada, bob, eve = with_app(make_user("ada")), with_app(make_user("bob")), make_user("eve")
    make_project("alpha", ada, bob)
    make_project("beta", ada, eve)
    make_project("nobodys")
    assert protected() == {"alpha"}


def test_an_address_that_is_not_verified_is_not_protection() -> None:
    campaign()
    make_project("alpha", with_app(make_user("ada")))
    Email.objects.update(verified_at=None)
    assert protected() == set()


def test_an_exemption_is_no_protection() -> None:
    retire_default()
    version = store(document())
    ada, bob = with_app(make_user("ada")), make_user("bob")
    make_project("alpha", ada, bob)
    facts = {"proposed_at": ANNOUNCED, "effective_at": ANNOUNCED, "until": NOW + 9 * DAY}
    Exemption.objects.create(user=bob, version=version, reason="…", **facts)
    assert protected() == set()


@pytest.mark.parametrize("now", [ANNOUNCED - DAY, ANNOUNCED, ENFORCED - timedelta(microseconds=1)])
def test_nothing_is_told_before_a_mandate_is_in_force(now: Any) -> None:
    campaign()
    make_project("alpha", with_app(make_user("ada")))
    assert protected(now) == set()
    assert in_force(queries.live_policies(now), now) == []


def test_an_uncovered_project_is_not_told_of_even_where_its_people_comply() -> None:
    campaign(who={"project": ["alpha"]})
    ada = with_app(make_user("ada"))
    make_project("alpha", ada)
    make_project("beta", ada)
    assert protected() == {"alpha"}


def test_every_mandate_in_force_must_be_met() -> None:
    campaign()
    store(document(name="keys", who={"user": ["bob"]}, methods={"accept": ["security-key"]}))
    ada, bob = with_app(make_user("ada")), with_app(make_user("bob"))
    make_project("alpha", ada)
    make_project("beta", ada, bob)
    assert protected() == {"alpha"}


def test_the_default_protects_from_the_first_day() -> None:
    make_project("alpha", with_app(make_user("ada")))
    assert protected() == {"alpha"}


def test_days_lengthen_and_a_gap_begins_anew() -> None:
    campaign()
    ada = with_app(make_user("ada"))
    make_project("alpha", ada)
    days = [NOW + number * DAY for number in range(5)]
    assert [renew_protection(one) for one in days[:2]] == [1, 1]
    span = ProtectedProject.objects.get()
    assert (span.first_on, span.last_on) == (days[0].date(), days[1].date())
    app = Authenticator.objects.get()
    app.delete()
    renew_protection(days[2])
    assert protected_on("alpha", days[1].date())
    assert not protected_on("alpha", days[2].date())
    with_app(ada)
    renew_protection(days[3])
    span = ProtectedProject.objects.get()
    assert (span.first_on, span.last_on) == (days[3].date(), days[3].date())
    assert not protected_on("alpha", days[2].date())


def test_it_is_worked_out_once_a_day() -> None:
    campaign()
    assert [renew_protection(NOW), renew_protection(NOW + timedelta(hours=20))] == [1, 0]
    assert renew_protection(NOW + timedelta(hours=21)) == 1
    assert renew_protection(NOW) == 0


def test_a_name_without_a_project_or_made_anew_is_not_told_of() -> None:
    campaign()
    ada = with_app(make_user("ada"))
    alpha = make_project("alpha", ada)
    renew_protection(NOW)
    today = NOW.date()
    assert protected_on("alpha", today)
    assert not protected_on("beta", today)
    alpha.delete()
    assert not protected_on("alpha", today)
    make_project("alpha", make_user("eve"), since=NOW + timedelta(hours=1))
    assert not protected_on("alpha", today)


def test_an_owner_whom_no_mandate_covers_must_hold_what_is_asked_there_as_well() -> None:
    campaign(who={"user": ["ada"]})
    ada, eve = with_app(make_user("ada")), make_user("eve")
    make_project("alpha", ada)
    make_project("beta", ada, eve)
    assert protected() == {"alpha"}
    with_app(eve)
    assert protected() == {"alpha", "beta"}
    Email.objects.filter(user=eve).update(verified_at=None)
    assert protected(NOW + DAY) == {"alpha"}
