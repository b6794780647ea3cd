"""A simulation says of everybody what the gate will do: asked person by person, act by act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from random import Random

import pytest
from tests.mandate.ledger import DAY, NOW
from tests.mandate.simulation.peopled import any_document, people_an_index
from tests.mandate.stored import store
from tests.sampled import seeds

from keyhouse.core.actions import CATALOGUE, REMOVE_LAST
from keyhouse.mandate import people
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Asking, Facts, Object
from keyhouse.mandate.populations import group_people
from keyhouse.mandate.rules import GAINING, Policy, decide, objection
from keyhouse.mandate.selectors import View
from keyhouse.mandate.simulation import running, snapshot
from keyhouse.mandate.simulation.lenses import Shape
from keyhouse.mandate.simulation.running import Stage, question_of
from keyhouse.mandate.simulation.snapshot import Everybody, Held, Role, Somebody

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("set_clock"), pytest.mark.by_turns]
SEEDS = seeds(4, 12)
ACTS = [name for name, action in CATALOGUE.items() if action.gated and name not in {*GAINING, REMOVE_LAST}]


def staged(seed: int) -> tuple[Stage, list[Somebody]]:
    """Make an index and a campaign, some of them live, and read everybody."""
    dice = Random(seed)  # noqa: S311 - made-up mandates
    store(any_document(dice, "other"), origin=dice.choice(["applied", "seeded"]))
    document = any_document(dice)
    if dice.random() < 0.4:
        store(document)
    people_an_index(seed)
    question = question_of(read_mandate(document), NOW)
    stage = Stage(question, running.criticals(question))
    return stage, everybody()


def everybody() -> list[Somebody]:
    return Everybody(NOW).between(1, 10**9)[0]


def of_all(facts: Facts) -> Iterator[Object | None]:
    yield None
    for one in facts.authority:
        yield Object("organization" if one.kind == "organization" else "project", one.name)


def asked(
    facts: Facts, asking: Asking, acts: Sequence[str], things: Sequence[Object | None]
) -> Iterator[Facts]:
    for act, thing in product(acts, things):
        yield replace(facts, asking=asking, action=act, object=thing)


def is_refused(policies: Sequence[Policy], facts: Facts, at: datetime, mandate: str) -> bool:
    """Whether the gate refuses it by this mandate; of whom it refuses anyway, the mandate is asked alone."""
    own = next((one for one in policies if one.name == mandate), None)
    if own is None:
        return False
    if facts.person.state == "active" and facts.person.verified_email:
        found = decide(facts, [own], at)
        return found.verdict == "deny" and found.mandate == mandate and found.code != "deletion-held"
    against = objection(own, facts, View(facts.person, facts.authority), at)
    return against is not None and against.is_denial and against.why in {"weak", "publisher"}


def denied(policies: Sequence[Policy], facts: Facts, at: datetime) -> bool:
    found = decide(facts, policies, at)
    return found.verdict == "deny" and found.code != "deletion-held"


def bits(flags: Iterator[bool]) -> int:
    return sum(1 << place for place, flag in enumerate(flags) if flag)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_facts_of_everybody_are_those_that_plans_rest_on(seed: int) -> None:
    people_an_index(seed)
    critical = snapshot.criticals()
    assert [one.facts(critical) for one in everybody()] == list(people.all_facts())


@pytest.mark.parametrize("seed", SEEDS)
def test_x1_what_is_simulated_of_each_person_is_what_the_gate_decides(seed: int) -> None:
    stage, persons = staged(seed)
    lens, name = stage.lens, stage.mandate.name
    for one in persons:
        facts = one.facts(lens._critical)
        best = group_people([facts], stage.ground.policies)[0].best
        profile = lens.judge(one)[1].profile
        things = list(dict.fromkeys(of_all(facts)))
        expected = [
            (
                any(
                    is_refused(after, each, at, name)
                    for each in asked(facts, replace(best, at=at), ACTS, things)
                ),
                any(
                    denied(after, each, at) and not denied(before, each, at)
                    for each in asked(facts, replace(best, at=at), ACTS, things)
                ),
            )
            for at in lens.marks
            for before, after in [stage.ground.live(at)]
        ]
        assert profile.refused == bits(refused for refused, _ in expected), one
        assert profile.newly == bits(newly for _, newly in expected), one


@pytest.mark.parametrize("seed", SEEDS)
def test_x1_what_is_simulated_of_each_credential_is_what_the_gate_decides(seed: int) -> None:
    stage, persons = staged(seed)
    count = 0
    for one in persons:
        shape, judged = stage.lens.judge(one)
        for held in one.held:
            count += 1
            assert stage.lens.refused_by_credential(shape, judged, one, held) == expected_of(stage, one, held)
    assert count


def expected_of(stage: Stage, one: Somebody, held: Held) -> int:
    facts = one.facts(stage.lens._critical)
    own: list[Object | None] = [Object("project", name) for name in held.projects]
    things = own or list(dict.fromkeys(of_all(facts)))
    acts = ACTS if held.kind == "session" else ["release.upload"]
    return bits(
        any(
            is_refused(stage.ground.live(at)[1], each, at, stage.mandate.name)
            for each in asked(facts, replace(held.asking, at=held.asking.at or at), acts, things)
        )
        for at in stage.lens.marks
    )


# ---- those of one shape


def anybody(dice: Random, number: int) -> Somebody:
    """Return somebody of few sorts, so that many are alike but for their instants, names and numbers."""
    when = [NOW - 300 * DAY, NOW - 60 * DAY, NOW - 20 * DAY, NOW]
    shift = timedelta(minutes=dice.randrange(-2, 2))
    names = dice.sample(["project1", "project9", "alpha", "beta"], dice.choice([0, 1, 1, 2]))
    kinds = {name: dice.choice(["project", "project", "organization"]) for name in names}
    return Somebody(
        id=number,
        name=dice.choice(["person1", "somebody"]),
        joined_at=dice.choice(when) + shift,
        state="active",
        verified=dice.random() < 0.8,
        factors=(dice.random() < 0.4, False, False),
        offices=("operator",) if dice.random() < 0.1 else (),
        mail="ok",
        is_away=False,
        publishes=False,
        roles=[Role(kinds[name], 1, name, "owner", dice.choice(when) + shift, "own") for name in names],
        publishers=[("alpha", dice.choice(when) + shift)] if dice.random() < 0.1 else [],
        notices=[("keys", "shown", dice.choice(when) + shift)] if dice.random() < 0.5 else [],
        exemptions=[("keys", 1, NOW + 50 * DAY + shift, NOW - DAY)] if dice.random() < 0.05 else [],
        snoozes=[("keys", NOW - DAY, NOW + 100 * DAY + shift)] if dice.random() < 0.3 else [],
        held=[],
        teams=[],
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_people_of_one_shape_stand_alike_each_by_themselves(seed: int) -> None:
    stage, _ = staged(seed)
    dice = Random(seed)  # noqa: S311 - made-up people
    seen: set[Shape] = set()
    compared = 0
    for one in (anybody(dice, number) for number in range(1000)):
        shape, judged = stage.lens.judge(one)
        if shape in seen:
            compared += 1
            assert judged.profile == stage.lens._work_out(one.facts(stage.lens._critical)).profile, one
        seen.add(shape)
    assert compared > 100
