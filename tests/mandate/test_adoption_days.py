"""Daily aggregates: against counting by hand on made-up indexes, once a day, again when a day is over, never invented."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connections
from tests.mandate import ledger
from tests.mandate.conftest import SetClock
from tests.mandate.stored import ANNOUNCED, document, make_project, make_user, store
from tests.sampled import seeds

from keyhouse.accounts.models import Authenticator, Email, RecoveryCase, SecurityKey, User
from keyhouse.core import clock, configuration
from keyhouse.credentials.tokens.models import Token
from keyhouse.mandate import keeping
from keyhouse.mandate.metrics.daily import count_now, renew_adoption
from keyhouse.mandate.metrics.models import AdoptionDay
from keyhouse.mandate.metrics.queries import latest, series
from keyhouse.mandate.metrics.rules import DENOMINATORS, HITS_OF, Share, find_denominator
from keyhouse.mandate.models import Exemption, GatedAttempt, KnownFacts, MandateVersion, Notice
from keyhouse.mandate.shadow.models import FirstRefusal
from keyhouse.mandate.shadow.queries import conversion
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects.collaborators.models import FormerRole
from keyhouse.projects.life_cycle.models import KeptRole, Removal
from keyhouse.projects.models import File, Project, ProjectDownloads, Release, Role

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NOW = ledger.NOW.replace(hour=12)
KEYS = {"accept": ["security-key", "passkey"]}


@pytest.fixture(autouse=True)
def at_noon(set_clock: SetClock) -> None:
    set_clock(NOW)


def with_app(user: User, at: Any = None) -> User:
    Authenticator.objects.create(
        user=user, name=f"app{user.pk}", secret_sealed="x", created_at=at or clock.now()
    )
    return user


def with_key(user: User) -> User:
    SecurityKey.objects.create(
        user=user,
        name="key",
        credential_id=f"key-{user.pk}",
        public_key=b"x",
        algorithm=-7,
        rp_id=configuration.current().key_name,
        created_at=clock.now(),
    )
    return user


def counts(mandate: str = "campaign") -> dict[str, Any]:
    found: dict[str, Any] = AdoptionDay.objects.get(mandate=mandate, day_on=clock.now().date()).counts
    return found


# ---- against counting by hand


class World:
    """A small made-up index, and what is to be counted of it, worked out one by one."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - made-up data
        self.people = [self._person(f"p{number}") for number in range(self.dice.randint(3, 14))]
        self.projects = [self._project(f"q{number}") for number in range(self.dice.randint(0, 9))]
        self.organization = Organization.objects.create(name="o", normalized_name="o", created_at=ANNOUNCED)
        for user in self.dice.sample(self.people, self.dice.randint(0, 2)):
            Membership.objects.create(
                organization=self.organization, user=user, kind="member", since_at=ANNOUNCED
            )
        self._exempt()

    def _person(self, name: str) -> User:
        dice = self.dice
        user = make_user(
            name,
            last_seen_at=dice.choice([None, NOW - DAY, NOW - 89 * DAY, NOW - 91 * DAY]),
            is_auditor=dice.random() < 0.1,
        )
        if dice.random() < 0.2:
            Email.objects.filter(user=user).update(verified_at=None)
        if dice.random() < 0.4:
            with_app(user)
        if dice.random() < 0.4:
            with_key(user)
        if dice.random() < 0.3:
            Notice.objects.create(user=user, mandate="campaign", kind="shown", delivered_at=ANNOUNCED + DAY)
        if dice.random() < 0.5:
            self._token(user)
        return user

    def _token(self, user: User) -> None:
        methods = self.dice.choice([["password"], ["password", "totp"], ["password", "webauthn"]])
        Token.objects.create(
            key_id="k",
            user=user,
            description=f"t{user.pk}",
            minted_at=ANNOUNCED,
            minted_proof_at=ANNOUNCED,
            minted_methods=methods,
            expires_at=self.dice.choice([NOW + DAY, NOW - DAY]),
            revoked_at=self.dice.choice([None, None, ANNOUNCED]),
        )

    def _project(self, name: str) -> Project:
        project = make_project(name)
        for user in self.dice.sample(self.people, self.dice.randint(0, 3)):
            kind = self.dice.choice(["owner", "owner", "maintainer"])
            Role.objects.create(project=project, user=user, kind=kind, since_at=project.created_at)
        for days in (0, 29, 30):
            ProjectDownloads.objects.create(
                project=project, day_on=(NOW - days * DAY).date(), count=self.dice.randint(0, 50)
            )
        if self.dice.random() < 0.2:
            Project.objects.filter(pk=project.pk).update(status="archived")
        return project

    def _exempt(self) -> None:
        version = MandateVersion.objects.get(name="campaign")
        self.exempt = self.dice.sample(self.people, 1)
        terms = {"proposed_at": ANNOUNCED, "effective_at": ANNOUNCED, "until": NOW + DAY}
        Exemption.objects.create(user=self.exempt[0], version=version, reason="…", **terms)

    # -- by hand

    def factors(self, user: User) -> list[str]:
        apps = ["app"] * Authenticator.objects.filter(user=user).count()
        return apps + ["key"] * SecurityKey.objects.filter(user=user).count()

    def complies(self, user: User) -> bool:
        is_verified = Email.objects.filter(user=user, verified_at__isnull=False).exists()
        return is_verified and "key" in self.factors(user)

    def has_role(self, user: User) -> bool:
        return Role.objects.filter(user=user).exists()

    def has_authority(self, user: User) -> bool:
        return self.has_role(user) or user.is_auditor or Membership.objects.filter(user=user).exists()

    def population(self, name: str) -> list[User]:
        tests: dict[str, Callable[[User], bool]] = {
            "accounts": lambda _: True,
            "authority": self.has_authority,
            "active": lambda one: (
                self.has_authority(one)
                and one.last_seen_at is not None
                and one.last_seen_at >= NOW - 90 * DAY
            ),
            "covered": self.has_role,
        }
        return [one for one in self.people if tests[name](one)]

    def people_of(self, name: str) -> dict[str, int]:
        found = self.population(name)
        return {
            "all": len(found),
            "compliant": sum(map(self.complies, found)),
            "resistant": sum("key" in self.factors(one) for one in found),
            "device": sum("key" in self.factors(one) for one in found),
            "synced": 0,
            "app": sum("app" in self.factors(one) for one in found),
            "two": sum(len(self.factors(one)) > 1 for one in found),
            "exempt": sum(one in self.exempt for one in found),
        }

    def projects_of(self, *, weighted: bool) -> dict[str, int]:
        found = {"all": 0, "one": 0, "every": 0, "archived": 0}
        for project in self.projects:
            project.refresh_from_db()
            owners = [role.user for role in project.roles.filter(kind="owner")]
            if not owners:
                continue
            rows = ProjectDownloads.objects.filter(project=project, day_on__gt=(NOW - 30 * DAY).date())
            weight = sum(row.count for row in rows) if weighted else 1
            complying = [self.complies(one) for one in owners]
            found["all"] += weight
            found["one"] += weight * any(complying)
            found["every"] += weight * all(complying)
            found["archived"] += weight * (project.status == "archived")
        return found

    def tokens(self) -> dict[str, int]:
        live = Token.objects.filter(revoked_at=None, expires_at__gt=NOW)
        weak = [one for one in live if self.has_role(one.user) and "webauthn" not in one.minted_methods]
        return {"live": live.count(), "weak": len(weak), "strong": live.count() - len(weak)}


@pytest.mark.parametrize("seed", seeds(4, 12))
def test_counters_are_those_of_counting_by_hand(seed: int) -> None:
    store(document(methods=KEYS))
    world = World(seed)
    count_now(NOW)
    found = counts()
    for name in ("accounts", "authority", "active", "covered"):
        expected = world.people_of(name)
        assert {key: found["people"][name][key] for key in expected} == expected, name
    told = [one for one in world.population("covered") if Notice.objects.filter(user=one).exists()]
    assert found["people"]["covered"]["told"] == len(told)
    assert found["projects"]["owned"] == world.projects_of(weighted=False)
    assert found["downloads"]["owned"] == world.projects_of(weighted=True)
    assert found["projects"]["covered"] == found["projects"]["owned"]
    assert found["tokens"] == world.tokens()
    assert found["exemptions"] == {"live": 1}
    for one in DENOMINATORS:
        share = one.share_of(found)
        assert 0 <= share.part <= share.whole, one.key


def test_kinds_of_factors_are_told_apart_and_nothing_is_told_of_days_that_did_not() -> None:
    store(document(methods=KEYS))
    bea, cleo = with_app(with_key(make_user("bea"))), with_key(make_user("cleo"))
    SecurityKey.objects.filter(user=cleo).update(backup_eligible=True)
    for user in (bea, cleo, with_app(make_user("dan")), make_user("eve")):
        Role.objects.create(
            project=make_project(f"of-{user.username}"), user=user, kind="owner", since_at=NOW
        )
    count_now(NOW)
    found = counts()
    shares = {
        key: find_denominator(key).share_of(found) for key in ("security-keys", "synced-passkeys", "apps")
    }
    assert shares == {"security-keys": Share(1, 4), "synced-passkeys": Share(1, 4), "apps": Share(2, 4)}
    older = {"people": {"covered": {"all": 4, "resistant": 2}}}
    assert find_denominator("apps").share_of(older).percent is None
    assert find_denominator("phishing-resistant").share_of(older) == Share(2, 4)


def test_many_people_are_counted_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    store(document(methods=KEYS))
    World(3)
    count_now(NOW)
    before = counts(), counts("")
    monkeypatch.setattr("keyhouse.mandate.metrics.counting._AT_ONCE", 2)
    monkeypatch.setattr("keyhouse.mandate.people._AT_ONCE", 3)
    count_now(NOW)
    assert (counts(), counts("")) == before


def test_who_is_asked_next_and_who_is_refused_now() -> None:
    early = {"user": ["ada", "bob"]}
    stages = [
        {"state": "announced", "at": NOW - 90 * DAY, "deny": ["second-factor.remove-last"]},
        {"state": "early", "at": NOW - 1 * DAY, "who": {"user": ["ada"]}, "deny": ["management"]},
        {"state": "early", "at": NOW + 5 * DAY, "who": early, "deny": ["management"]},
        {"state": "enforced", "at": NOW + 60 * DAY, "deny": ["all"]},
    ]
    store(document(stages=stages))
    ada, bob, eve = make_user("ada"), make_user("bob"), make_user("eve")
    make_project("alpha", ada, bob, eve, with_app(make_user("fay")))
    for user in (ada, bob, eve):
        Notice.objects.create(user=user, mandate="campaign", kind="shown", delivered_at=NOW - 80 * DAY)
    count_now(NOW)
    covered = counts()["people"]["covered"]
    assert (covered["all"], covered["refused"], covered["coming"]) == (4, 1, 1)


# ---- what happened


def test_uploads_are_told_apart_by_what_they_were_made_with() -> None:
    store(document(methods=KEYS))
    ada = make_user("ada")
    project = make_project("alpha", ada)
    release = Release.objects.create(project=project, version="1", created_at=NOW)
    tokens = [
        Token.objects.create(
            key_id="k",
            user=ada,
            description=str(number),
            minted_at=NOW,
            minted_proof_at=NOW,
            minted_methods=methods,
            expires_at=NOW + DAY,
            project=robot,
        ).pk.hex
        for number, (methods, robot) in enumerate(
            [(["password", "webauthn"], None), (["password", "webauthn"], project), (["password"], None)]
        )
    ]
    made = [("token", one, NOW - timedelta(hours=1)) for one in tokens]
    made += [("publisher", "x", NOW - timedelta(hours=1)), ("import", "", NOW - timedelta(hours=1))]
    made += [("token", "no key", NOW - timedelta(hours=1)), ("publisher", "x", NOW - 2 * DAY)]
    for number, (via, credential, at) in enumerate(made):
        File.objects.create(
            release=release, project=project, filename=f"f{number}", kind="sdist", python_tag="source",
            size=1, md5="", sha256="", blake2=str(number), uploaded_at=at, uploaded_via=via, credential=credential,
        )  # fmt: skip
    count_now(NOW)
    assert counts()["uploads"] == {"publisher": 1, "token": 1, "robot": 1, "weak": 1, "other": 2}
    assert find_denominator("uploads").share_of(counts()) == Share(3, 6)


def attempt(user: User, at: Any, verdict: str = "deny", mandate: str = "campaign@1") -> None:
    digest = f"{user.pk}-{at}-{verdict}-{mandate}"
    KnownFacts.objects.create(digest=digest, facts={"person": {"id": f"u{user.pk}"}}, first_at=at)
    GatedAttempt.objects.create(at=at, digest=digest, verdict=verdict, code="x", mandate=mandate)


def refused_first(
    user: User, at: Any, mandate: str = "campaign", complied_at: Any = None, **more: Any
) -> None:
    FirstRefusal.objects.create(
        user=user, mandate=mandate, version=1, first_at=at, complied_at=complied_at, **more
    )


def test_refusals_and_time_to_enrol() -> None:
    store(document())
    ada, bob, eve = make_user("ada"), make_user("bob"), make_user("eve")
    hour = timedelta(hours=1)
    attempt(ada, NOW - 3 * DAY)
    attempt(ada, NOW - hour)
    attempt(bob, NOW - hour)
    attempt(bob, NOW - hour, "warn")
    attempt(eve, NOW - hour, mandate="campaigner@1")
    attempt(eve, NOW - 91 * DAY)
    count_now(NOW)
    hits = counts()["hits"]
    assert (hits["attempts"], hits["people"], hits["warned"]) == (2, 2, 1)
    assert counts("")["hits"]["attempts"] == 3


def test_time_to_enrol_is_what_the_shadow_follows_and_no_second_figure() -> None:
    store(document())
    ada, bob, eve, kim, tom = (make_user(name) for name in ("ada", "bob", "eve", "kim", "tom"))
    refused_first(ada, NOW - 3 * DAY, complied_at=NOW - 2 * DAY)
    refused_first(bob, NOW - DAY)
    refused_first(kim, NOW - DAY, was_compliant=True)  # had it, and used something that didn't prove it
    refused_first(tom, NOW - 91 * DAY, complied_at=NOW - DAY)  # too long ago
    refused_first(eve, NOW - 4 * DAY, "other", complied_at=NOW - DAY)
    refused_first(ada, NOW - 5 * DAY, "other", complied_at=NOW - 2 * DAY)
    count_now(NOW)
    hits, told = counts()["hits"], conversion("campaign", NOW - HITS_OF, NOW)
    assert (hits["first"], hits["enrolled"], hits["p50"], hits["p95"]) == (2, 1, 86400.0, 86400.0)
    assert (told.refused - told.had_it, told.complied, told.median) == (2, 1, timedelta(days=1))
    everywhere = counts("")["hits"]  # whoever was refused by two mandates counts once, from the first time on
    assert (everywhere["first"], everywhere["enrolled"], everywhere["p50"]) == (3, 2, 3 * 86400.0)
    assert conversion("", NOW - HITS_OF, NOW).median == timedelta(days=3)
    assert (
        conversion("campaign", NOW - HITS_OF, NOW - 2 * DAY - timedelta(seconds=1)).complied == 0
    )  # not yet, on that day


def test_recovery_is_counted_with_its_age_and_coming_again() -> None:
    def case(user: User, opened: Any, state: str = "open", closed: Any = None) -> None:
        RecoveryCase.objects.create(
            user=user, path="mail", state=state, opened_at=opened, expires_at=NOW + DAY, closed_at=closed
        )

    ada, bob, eve = make_user("ada"), make_user("bob"), make_user("eve")
    hour = timedelta(hours=1)
    case(ada, NOW - 80 * DAY, "finished", NOW - 79 * DAY)
    case(ada, NOW - hour)
    case(bob, NOW - 200 * DAY, "finished", NOW - 190 * DAY)
    case(bob, NOW - 2 * hour)
    case(eve, NOW - 9 * DAY, "refused", NOW - hour)
    count_now(NOW)
    found = counts("")["recovery"]
    assert (found["opened"], found["again"], found["refused"], found["finished"]) == (2, 1, 1, 0)
    assert (found["open"], found["p50"], found["p95"]) == (2, 3600.0, 7200.0)


# ---- days


def test_a_day_is_counted_once_an_hour_and_closed_when_it_is_over() -> None:
    store(document())
    assert renew_adoption(NOW) == 3  # the index, the default, the campaign
    assert renew_adoption(NOW) == 0
    assert renew_adoption(NOW + timedelta(minutes=59)) == 0
    make_project("alpha", make_user("ada"))
    assert renew_adoption(NOW + timedelta(hours=1)) == 3
    assert counts()["people"]["covered"]["all"] == 1
    late = clock.now().replace(hour=23)
    RecoveryCase.objects.create(user=User.objects.get(), path="mail", opened_at=late, expires_at=late + DAY)
    assert renew_adoption(NOW + DAY) == 6
    row = AdoptionDay.objects.get(mandate="", day_on=NOW.date())
    assert row.is_over
    assert row.counts["recovery"]["opened"] == 1


def test_a_missed_day_is_told_as_missed_and_never_made_up() -> None:
    store(document())
    renew_adoption(NOW)
    renew_adoption(NOW + 3 * DAY)
    today = NOW.date()
    days = series("campaign", today - 9 * DAY, today + 4 * DAY)
    assert [(one.on, one.is_missed) for one in days] == [
        (today + number * DAY, number not in {0, 3}) for number in range(5)
    ]
    assert AdoptionDay.objects.filter(mandate="campaign").count() == 2
    assert days[1].as_dict() == {"on": (today + DAY).isoformat(), "missed": True}


def test_one_day_a_week_is_read_back_from_the_last_one() -> None:
    for number in (0, 1, 7, 13, 14):
        renew_adoption(NOW - number * DAY)
    today = NOW.date()
    days = series("", today - 20 * DAY, today, every=7)
    assert [(one.on, one.is_missed) for one in days] == [
        (today - 14 * DAY, False),
        (today - 7 * DAY, False),
        (today, False),
    ]
    AdoptionDay.objects.filter(day_on=today - 7 * DAY).delete()
    assert [one.is_missed for one in series("", today - 20 * DAY, today, every=7)] == [False, True, False]


def test_a_clock_that_goes_backwards_rewrites_nothing() -> None:
    store(document())
    renew_adoption(NOW)
    renew_adoption(NOW + DAY)
    before = list(AdoptionDay.objects.order_by("pk").values())
    make_project("alpha", make_user("ada"))
    assert renew_adoption(NOW) == 0
    assert renew_adoption(NOW + timedelta(hours=5)) == 0
    assert renew_adoption(NOW + DAY - timedelta(minutes=5)) == 0
    assert list(AdoptionDay.objects.order_by("pk").values()) == before


def test_counting_twice_leaves_one_row_a_day() -> None:
    store(document())
    count_now(NOW)
    first = counts()
    count_now(NOW)
    assert counts() == first
    assert AdoptionDay.objects.filter(mandate="campaign").count() == 1


def test_a_day_that_is_over_is_not_counted_anew() -> None:
    renew_adoption(NOW)
    AdoptionDay.objects.update(is_over=True)
    make_user("ada")
    assert count_now(NOW) == 0
    assert counts("default")["people"]["accounts"]["all"] == 0


def test_a_slow_count_rests_longer() -> None:
    renew_adoption(NOW)
    AdoptionDay.objects.update(seconds=144)  # two hours of rest
    assert renew_adoption(NOW + timedelta(minutes=119)) == 0
    assert renew_adoption(NOW + timedelta(minutes=120)) == 2


def test_a_retired_mandate_has_no_more_days_and_the_index_goes_on() -> None:
    stages = [
        {"state": "announced", "at": NOW - 9 * DAY},
        {"state": "retired", "at": NOW + DAY},
    ]
    store(document(stages=stages))
    renew_adoption(NOW)
    renew_adoption(NOW + DAY)
    renew_adoption(NOW + 2 * DAY)
    today = NOW.date()
    assert AdoptionDay.objects.filter(mandate="campaign").count() == 1
    found = latest("campaign", today + 2 * DAY)
    assert found is not None
    assert found.on == today
    assert AdoptionDay.objects.filter(mandate="").count() == 3


def test_nobody_is_named_in_what_is_kept() -> None:
    store(document())
    make_project("alphabetical", make_user("adalovelace"))
    count_now(NOW)
    told = str(list(AdoptionDay.objects.values()))
    assert "adalovelace" not in told
    assert "alphabetical" not in told


def test_series_of_nothing_is_nothing() -> None:
    assert series("campaign", date(2024, 1, 1), date(2024, 12, 31)) == []
    assert latest("campaign", date(2024, 12, 31)) is None


def test_the_keeper_counts_as_one_of_its_works() -> None:
    assert keeping.WORKS["adoption"] is renew_adoption


@pytest.mark.django_db(transaction=True)
def test_two_rounds_at_once_leave_one_row_a_day() -> None:
    store(document())
    make_project("alpha", make_user("ada"))
    failures: list[BaseException] = []

    def count() -> None:
        try:
            keeping.keep(NOW)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            connections.close_all()

    several = [threading.Thread(target=count) for _ in range(3)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    assert failures == []
    assert sorted(AdoptionDay.objects.values_list("mandate", flat=True)) == ["", "campaign", "default"]


def test_a_count_that_is_cut_off_leaves_nothing_and_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store(document())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("keyhouse.mandate.metrics.daily.happened", killed)
        with pytest.raises(KeyboardInterrupt):
            renew_adoption(NOW)
    assert not AdoptionDay.objects.exists()
    assert renew_adoption(NOW) == 3


def test_projects_left_without_an_owner_and_deleted_ones() -> None:
    store(document())
    ada = make_user("ada")
    alpha, beta = make_project("alpha", ada), make_project("beta", ada)
    make_project("gamma")
    for project in (alpha, beta):
        FormerRole.objects.create(
            lineage=project.lineage, normalized_name=project.normalized_name, user=ada, kind="owner",
            since_at=project.created_at, ended_at=NOW - DAY, how="left",
        )  # fmt: skip
    Role.objects.filter(project=alpha).delete()
    terms = {"project_name": "delta", "normalized_name": "delta", "project_key": 99, "until_at": NOW + DAY}
    removal = Removal.objects.create(kind="project", removed_at=NOW - timedelta(hours=1), **terms)
    KeptRole.objects.create(removal=removal, user=ada, kind="owner", since_at=ANNOUNCED - DAY)
    Removal.objects.create(kind="project", removed_at=NOW - timedelta(hours=1), **terms)
    count_now(NOW)
    assert counts()["left"] == {"ownerless": 1, "deleted": 1}
    assert counts("")["left"] == {"ownerless": 2, "deleted": 2}
