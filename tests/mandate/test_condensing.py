"""Whoever has very many rights is decided about by a few entries, and no decision is another one for that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mandate.building import GATED
from tests.mandate.stored import (
    ANNOUNCED,
    OWNERS,
    document,
    make_project,
    make_user,
    retire_default,
    session_of,
    store,
)
from tests.mandate.strategies import (
    CRITERION,
    START,
    any_facts,
    instants,
    policies,
    several_policies,
    telling_facts,
)

from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mandate import asked, gates, history, queries
from keyhouse.mandate.condensing import SEVERAL, condensed, is_condensed
from keyhouse.mandate.declarations import Declared, Demand, policy_of
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Authority, Facts, Object, read_facts
from keyhouse.mandate.models import CriticalProject, GatedAttempt, KnownFacts
from keyhouse.mandate.queries import MUCH, Ledger
from keyhouse.mandate.rules import Policy, covers, deadline, decide, prospective
from keyhouse.mandate.selectors import View
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember
from keyhouse.projects.models import Project, Role, TeamRole

DAY = timedelta(days=1)
FAR = datetime(9999, 1, 1, tzinfo=UTC)
PLACES = ("one", "two", "three", "four", "five")  # projects; made-up mandates name the first one
ORGANIZATIONS = ("acme", "one")  # one has the name of a project
CRITERIA = ({CRITERION.key}, {"other"}, {CRITERION.key, "other"}, {"*"})
ALPHA = Thing("project", None, "alpha")


def much(chance: Random) -> tuple[Authority, ...]:
    """Make up what somebody has: several things of each kind, some alike, some critical, some covered early or late."""
    found = []
    for _ in range(chance.randint(0, 12)):
        kind = chance.choice(["project", "project", "project", "publisher", "organization"])
        since = START + timedelta(days=10 * chance.randint(0, 80)) if chance.random() < 0.9 else None
        critical, covered = frozenset[str](), None
        if kind == "project" and chance.random() < 0.5:
            critical = frozenset(chance.choice(CRITERIA))
            covered = START + timedelta(days=10 * chance.randint(0, 80))
        role = {"project": ["owner", "maintainer"], "publisher": ["configurer"]}.get(
            kind, ["owner", "manager", "member"]
        )
        name = chance.choice(ORGANIZATIONS if kind == "organization" else PLACES)
        via = chance.choice(["own", "organization", "ci"])
        found.append(Authority(kind, name, chance.choice(role), since, via, critical, covered))
    return tuple(found)


def thing_of(chance: Random) -> Object | None:
    kind = chance.choice(["project", "project", "organization"])
    name = chance.choice([*PLACES, *ORGANIZATIONS, "elsewhere", ""])
    organization = chance.choice(["", "acme"])
    since = chance.choice([None, START + 200 * DAY])
    return chance.choice([None, Object(kind, name, organization=organization, organization_since=since)])


def declared(chance: Random) -> list[Policy]:
    """Return what an organization may ask of whoever acts there."""
    at = START + timedelta(days=10 * chance.randint(0, 80))
    demand = Demand(chance.choice(["any-factor", "phishing-resistant"]), chance.random() < 0.5)
    return [policy_of(Declared(1, demand.text, False, at, at + 40 * DAY, at, 1), "acme")]


def names_seen(mandates: Iterable[Policy], thing: Object | None) -> frozenset[str]:
    named = frozenset[str]().union(*(one.mandate.projects for one in mandates))
    return named | ({thing.name} if thing is not None else set())


def narrowed(facts: Facts, names: Collection[str]) -> Facts:
    return replace(facts, authority=condensed(facts.authority, facts.person.joined_at, names))


@settings(max_examples=500, deadline=None)
@given(
    any_facts() | telling_facts(),
    several_policies(),
    instants(),
    st.randoms(use_true_random=False),
)
def test_a_few_entries_are_decided_about_as_all_that_they_stand_for(
    facts: Facts, live: list[Policy], now: datetime, chance: Random
) -> None:
    facts = replace(
        facts,
        authority=(*facts.authority, *much(chance)),
        object=chance.choice([facts.object, thing_of(chance)]),
    )
    every = [*live, *declared(chance)]
    few = narrowed(facts, names_seen(every, facts.object))
    for action in {facts.action, *chance.sample(GATED, 8)}:
        whole, part = replace(facts, action=action), replace(few, action=action)
        assert decide(part, every, now) == decide(whole, every, now)
        for one in live:
            assert covers(one, part) == covers(one, whole)
            assert deadline(one, part, now, FAR) == deadline(one, whole, now, FAR)
    assert read_facts(few.as_dict()) == few


@settings(max_examples=150, deadline=None)
@given(telling_facts(), policies(), instants(), st.randoms(use_true_random=False))
def test_effects_are_told_as_if_each_project_were_looked_at_alone(
    facts: Facts, policy: Policy, now: datetime, chance: Random
) -> None:
    facts = replace(facts, authority=(*facts.authority, *much(chance)), object=None)
    policy = replace(policy, is_floor_exempt=False)
    alone = [(name,) for name in sorted({one.name for one in facts.authority if one.kind == "project"})]
    found: dict[Any, list[str]] = defaultdict(list)
    for action in asked._acts_of(facts):
        for fate in asked._fates(policy, facts, action.name, alone, now):
            found[fate].append(action.summary)
    assert {
        (one.is_refused, one.at, one.projects): one.acts for one in asked._effects(policy, facts, now)
    } == {fate: tuple(sorted(acts)) for fate, acts in found.items()}


@settings(max_examples=150, deadline=None)
@given(telling_facts(), instants(), st.randoms(use_true_random=False))
def test_things_of_an_organization_are_told_apart_as_if_all_were_looked_at(
    facts: Facts, now: datetime, chance: Random
) -> None:
    facts = replace(facts, authority=(*facts.authority, *much(chance)), action="release.publish")
    things = [
        Object(kind, name, organization="acme", organization_since=chance.choice([None, START + 300 * DAY]))
        for kind, name in (("organization", "acme"), *(("project", name) for name in PLACES))
    ]
    mine = asked._with_authority_over(facts, things)
    (policy,) = declared(chance)
    for thing, about in zip(things, asked.acting_there(facts, things), strict=True):
        whole = replace(mine, object=thing, action=about.action)
        assert asked._objection(policy, about, about.action, now) == asked._objection(
            policy, whole, about.action, now
        )
        assert deadline(policy, about, now, FAR) == deadline(policy, whole, now, FAR)


@given(st.randoms(use_true_random=False))
def test_what_stands_for_several_has_no_name_and_says_so(chance: Random) -> None:
    whole = much(chance)
    few = condensed(whole, None, ["one"])
    for one in few:
        assert one in whole or (one.name, one.via) == ("", SEVERAL)
    assert is_condensed(few) == any(
        one.kind in {"project", "publisher"} and one.name != "one" for one in whole
    )
    assert not is_condensed(whole)


# ---- as the database works it out


def furnish(user: User, chance: Random) -> None:
    """Give somebody roles, teams, organizations and publishers, and make some projects critical."""
    since = [
        START + timedelta(days=10 * chance.randint(0, 80), microseconds=chance.randint(0, 1))
        for _ in range(40)
    ]
    acme = Organization.objects.create(name="acme", normalized_name="acme", created_at=START)
    other = Organization.objects.create(name="other", normalized_name="other", created_at=START)
    member = Membership.objects.create(
        organization=acme, user=user, kind=chance.choice(["owner", "member"]), since_at=chance.choice(since)
    )
    team = Team.objects.create(organization=acme, name="ci", created_at=START)
    if chance.random() < 0.7:
        TeamMember.objects.create(team=team, member=member, since_at=chance.choice(since))
    for number in range(8):
        project = make_project(f"p{number}", since=START)
        place = chance.choice([None, acme, other])
        if place is not None:
            came_at = chance.choice([None, *since])
            Project.objects.filter(pk=project.pk).update(organization=place, organization_since_at=came_at)
        if chance.random() < 0.6:
            kind = chance.choice(["owner", "maintainer"])
            Role.objects.create(project=project, user=user, kind=kind, since_at=chance.choice(since))
        if chance.random() < 0.4:
            kind = chance.choice(["owner", "maintainer"])
            TeamRole.objects.create(project=project, team=team, kind=kind, since_at=chance.choice(since))
        for key in chance.sample(["one", "other", CRITERION.key], chance.randint(0, 2)):
            CriticalProject.objects.create(
                criterion=key,
                normalized_name=project.name,
                lineage=project.lineage,
                since_at=chance.choice(since),
            )
        if chance.random() < 0.4:
            trust(user, chance.choice(since), project=project)
    if chance.random() < 0.5:
        trust(user, chance.choice(since), pending="p9")
    over = chance.choice([-DAY, DAY])
    Publisher.objects.filter(project__name="p4").update(expires_at=clock.now() + over)


def trust(user: User, at: datetime, *, project: Project | None = None, pending: str = "") -> Publisher:
    return Publisher.objects.create(
        provider="custom",
        issuer_url="https://ci.example.org",
        project=project,
        pending_name=pending,
        pending_normalized_name=pending,
        expires_at=clock.now() + DAY if pending else None,
        configured_by=user,
        configured_at=at,
        added_at=at,
        identity=uuid4().hex,
        lookup=uuid4().hex,
    )


def seen(facts: Facts, names: Iterable[str]) -> Any:
    """Return all that decisions look at in somebody's authority, while they know projects of these names alone."""
    view = View(facts.person, facts.authority)
    covered = [one.covered_since for one in facts.authority if one.covered_since is not None]
    about = {
        (kind, name): set(replace(facts, object=Object(kind, name)).entries_of_object)
        for kind in ("project", "organization")
        for name in names
    }
    return (
        view.roles,
        view.criteria,
        view.organizations,
        view.projects & {*names},
        replace(facts, object=None).held_since,
        min(covered, default=None),
        about,
    )


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(24))
def test_the_database_condenses_as_it_is_defined(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - made-up people
    user = make_user("ada", joined_at=START)
    make_project("alpha", make_user("eve"))
    furnish(user, chance)
    whole = queries.facts_of_person(user.pk)
    for names in ([], ["p1"], ["acme", "p2", "p3", "p9"], ["nowhere", "alpha"]):
        standing, _ = queries._read_standing(user.pk, clock.now(), names=names)
        read = replace(whole, authority=standing.authority)
        assert seen(read, names) == seen(narrowed(whole, names), names) == seen(whole, names)
        for one in standing.authority:
            assert one in whole.authority or (one.name, one.via) == ("", SEVERAL)
        assert (standing.notices, standing.exemptions) == (whole.notices, whole.exemptions)


# ---- whoever has much


@pytest.fixture
def ada(db: None) -> User:
    ada = make_user("ada")
    make_project("alpha", ada, since=ANNOUNCED)
    return ada


def add_projects(user: User, count: int = MUCH, since: datetime = ANNOUNCED + DAY) -> None:
    Project.objects.bulk_create(
        Project(name=f"p{one}", normalized_name=f"p{one}", folded_name=f"p{one}", created_at=START)
        for one in range(count)
    )
    Role.objects.bulk_create(
        Role(project=one, user=user, kind="maintainer", since_at=since)
        for one in Project.objects.filter(name__startswith="p")
    )


def gathered(user: User, action: str = "release.upload", thing: Thing | None = ALPHA) -> Facts:
    return queries.gather(session_of(user), action, thing, clock.now())[0]


def names_of(facts: Facts) -> set[str]:
    return {one.name for one in facts.authority}


def test_every_kind_of_role_is_condensed() -> None:
    for kind in Role.Kind.values:
        assert f"held.kind = '{kind}'" in queries._CONDENSED


def test_one_right_more_and_decisions_are_given_what_they_see(ada: User) -> None:
    add_projects(ada, MUCH - 1)
    assert len(gathered(ada).authority) == MUCH
    Project.objects.create(
        name="one-more", normalized_name="one-more", folded_name="one-more", created_at=START
    )
    Role.objects.create(
        project=Project.objects.get(name="one-more"), user=ada, kind="maintainer", since_at=ANNOUNCED
    )
    assert names_of(gathered(ada)) == {"", "alpha"}
    assert (
        len(gathered(ada).authority) == 3
    )  # an owner somewhere, a maintainer somewhere, an owner of this one
    assert len(queries.facts_of_person(ada.pk).authority) == MUCH + 1
    assert names_of(queries.facts_of_person(ada.pk, told=["p7"])) == {"", "p7"}


@pytest.mark.parametrize("way", ["own", "organization", "team", "publishers"])
def test_whatever_gives_so_many_rights_they_are_condensed(ada: User, way: str) -> None:
    add_projects(make_user("eve"), MUCH + 1)
    rows = list(Project.objects.filter(name__startswith="p"))
    if way == "own":
        Role.objects.bulk_create(Role(project=one, user=ada, kind="owner", since_at=START) for one in rows)
    elif way == "publishers":
        for one in rows:
            trust(ada, START, project=one)
    else:
        acme = Organization.objects.create(name="acme", normalized_name="acme", created_at=START)
        kind = "owner" if way == "organization" else "member"
        member = Membership.objects.create(organization=acme, user=ada, kind=kind, since_at=START)
        Project.objects.filter(pk__in=[one.pk for one in rows]).update(organization=acme)
        if way == "team":
            team = Team.objects.create(organization=acme, name="ci", created_at=START)
            TeamMember.objects.create(team=team, member=member, since_at=START)
            TeamRole.objects.bulk_create(
                TeamRole(project=one, team=team, kind="maintainer", since_at=START) for one in rows
            )
    assert len(gathered(ada).authority) <= 5
    assert is_condensed(gathered(ada).authority)
    assert "p5" in names_of(gathered(ada, thing=Thing("project", None, "p5")))


def test_projects_that_mandates_name_are_told_by_name(ada: User) -> None:
    add_projects(ada)
    retire_default()
    shadow = [{"state": "shadow", "at": ANNOUNCED - DAY, "deny": ["all"]}, *document()["stages"]]
    store(document(name="named", who={"project": ["p1"]}))
    store(
        document(
            name="part",
            stages=[*document()["stages"][:1], {**document()["stages"][1], "who": {"project": ["p2"]}}],
        )
    )
    store(document(name="shadow", who={"not": {"project": ["p3"]}}, stages=shadow))
    assert names_of(gathered(ada)) == {"", "alpha", "p1", "p2", "p3"}
    facts, live = queries.gather(session_of(ada), "release.upload", None, clock.now())
    assert covers(next(one for one in live if one.name == "named"), facts)


def test_how_many_questions_it_takes_stays(ada: User) -> None:
    add_projects(ada)
    for action, most in (("release.upload", 2), ("token.mint", 2), ("project.delete", 3)):
        gathered(ada, action)
        with CaptureQueriesContext(connection) as asked:
            gathered(ada, action)
        assert len(asked) == most


def test_a_role_that_came_or_went_just_now_counts(ada: User) -> None:
    add_projects(ada)
    retire_default()
    store(document(who={"role": ["project.owner"]}))
    actor = session_of(ada, "password")
    assert gates.weigh(actor, "token.mint", None, clock.now())[1].verdict == "deny"
    Role.objects.filter(user=ada, kind="owner").update(kind="maintainer")
    assert gates.weigh(actor, "token.mint", None, clock.now())[1].verdict == "allow"
    Role.objects.filter(user=ada, project__name="p3").update(kind="owner")
    assert gates.weigh(actor, "token.mint", None, clock.now())[1].verdict == "deny"
    Role.objects.filter(user=ada, project__name="p3").delete()
    assert gates.weigh(actor, "token.mint", None, clock.now())[1].verdict == "allow"


def test_a_project_that_becomes_critical_counts_and_gives_its_grace(ada: User) -> None:
    add_projects(ada)
    retire_default()
    row = store(document(who={"critical": {"metric": "dependents", "window_days": 30, "top": 5}}))
    (criterion,) = read_mandate(row.document).criteria
    actor, now = session_of(ada, "password"), clock.now()
    assert gates.weigh(actor, "token.mint", None, now)[1].verdict == "allow"
    CriticalProject.objects.create(
        criterion=criterion.key, normalized_name="p7", lineage=uuid4(), since_at=now - DAY
    )
    facts, decision = gates.weigh(actor, "token.mint", None, now)
    assert decision.verdict == "warn"
    assert decision == decide(
        replace(facts, authority=queries.facts_of_person(ada.pk).authority), queries.live_policies(now), now
    )
    CriticalProject.objects.update(since_at=START)
    assert gates.weigh(actor, "token.mint", None, now)[1].verdict == "deny"


def test_what_is_kept_of_an_attempt_is_small_and_replays_alike(ada: User) -> None:
    add_projects(ada)
    retire_default()
    store(document(who=OWNERS))
    history._waiting.clear()
    given = [
        gates.judge(session_of(ada, "password"), action, ALPHA) for action in ("token.mint", "release.upload")
    ]
    history.write_waiting()
    assert [told for _, told in history.replayed(queries.ledger().live_at)] == given
    assert all(len(str(one.facts)) < 2000 for one in KnownFacts.objects.all())
    assert GatedAttempt.objects.count() == 2


def test_mandates_that_somebody_thinks_of_are_told_every_name(ada: User) -> None:
    add_projects(ada)
    facts = queries.basis_of(session_of(ada), None, clock.now(), Ledger(1, ())).facts("token.mint")
    assert len(facts.authority) == MUCH + 1
    assert prospective(facts) == facts.authority


def test_names_of_a_shadow_and_of_later_versions_are_known(ada: User) -> None:
    named: Sequence[Policy] = [
        Policy(read_mandate(document(name=name, who={"project": [f"of-{name}"]})))
        for name in ("now", "later")
    ]
    ledger = Ledger(1, ((START, named[0]), (FAR, named[1])))
    assert ledger.projects == {"of-now", "of-later"}
