"""Simulations from end to end: what they find, that they change nothing, and that they are the same each time."""

from __future__ import annotations

import json
import os
import signal
import threading
from datetime import timedelta
from hashlib import sha256
from multiprocessing import Pipe
from random import Random
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import (
    DAY,
    NOW,
    document,
    enforced,
    make_operator,
    make_person,
    make_project,
    mandate,
    session_of,
)
from tests.mandate.simulation.peopled import any_document, people_an_index

from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.audit.models import Record
from keyhouse.core import configuration
from keyhouse.core.actor import host
from keyhouse.core.errors import RoleRequired, StepUpRequired
from keyhouse.credentials.tokens.models import Token
from keyhouse.index import sketches
from keyhouse.index.database import open_database
from keyhouse.mail.models import Bounce
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.models import CriticalProject, MandateVersion
from keyhouse.mandate.services import propose_version
from keyhouse.mandate.simulation import comparing, keeping, queries, running, services
from keyhouse.mandate.simulation.errors import SimulationFailed
from keyhouse.mandate.simulation.findings import canonical
from keyhouse.mandate.simulation.models import Simulation, Wanted
from keyhouse.mandate.simulation.running import Found, question_of
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember
from keyhouse.projects.models import ClientSketch, Project, Release, Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired", "set_clock"), pytest.mark.by_turns]
OWN_TABLES = {"simulation.Simulation", "simulation.Wanted", "audit.Record", "audit.Personal"}


def found(about: Mandate | None = None, **changes: Any) -> dict[str, Any]:
    """Simulate without keeping."""
    return running.simulate(question_of(about or mandate(**changes), NOW)).result


def everything() -> dict[str, list[Any]]:
    """Return every row of every table but those that a simulation is kept in."""
    return {
        model._meta.label: sorted(map(repr, model._default_manager.values_list()))
        for model in apps.get_models()
        if model._meta.label not in OWN_TABLES
    }


# ---- always the same, and nothing else


def test_x9_the_same_data_and_mandate_give_the_same_bytes_and_one_row(set_clock: SetClock) -> None:
    people_an_index(5)
    first = services.simulate(mandate(), by=host())
    told = canonical(first.result)
    set_clock(NOW + timedelta(minutes=5))
    second = services.simulate(mandate(), by=host())
    assert second.pk == first.pk
    assert second.made_at == NOW + timedelta(minutes=5)
    assert canonical(second.result) == told
    assert (second.people, second.snapshot) == (first.people, first.snapshot)
    assert Record.objects.filter(action="mandate.simulate").count() == 2


@pytest.mark.parametrize("seed", range(3))
def test_x9_the_outcome_does_not_hang_on_how_people_are_shared_out(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    people_an_index(seed)
    dice = Random(seed)  # noqa: S311 - a made-up mandate
    question = question_of(read_mandate(any_document(dice)), NOW)
    whole = running.simulate(question).result
    monkeypatch.setattr(running, "AT_ONCE", 3)
    parts = running.simulate(question).result
    del whole["snapshot"], parts["snapshot"]  # which says how it was read
    assert canonical(parts) == canonical(whole)


def test_x9_a_snapshot_is_another_once_anything_decisive_changes() -> None:
    user = make_person("ada", has_app=False)
    make_project("alpha", user)
    names = [running.simulate(question_of(mandate(), NOW)).snapshot]
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=NOW)
    names.append(running.simulate(question_of(mandate(), NOW)).snapshot)
    propose_version(mandate("other"), by=host())
    names.append(running.simulate(question_of(mandate(), NOW)).snapshot)
    names.append(running.simulate(question_of(mandate(), NOW + 100 * DAY)).snapshot)
    assert len(set(names)) == 4


def test_x9_a_simulation_writes_nothing_else_and_sends_nothing() -> None:
    people_an_index(7)
    before = everything()
    services.simulate(mandate(), by=host())
    assert everything() == before
    assert before["mail.Mail"] == []
    assert Simulation.objects.count() == 1
    assert Record.objects.get().action == "mandate.simulate"


def test_an_empty_index_is_simulated_too() -> None:
    result = found()
    assert (result["people"], result["covered"]["count"], result["projects"]["total"]) == (0, 0, 0)
    assert [mark["refused"] for mark in result["stages"]] == [0] * len(result["stages"])


# ---- what is found


def test_x1_who_is_covered_and_who_is_refused_when() -> None:
    make_project("alpha", make_person("ada"), make_person("bob", has_app=False))
    make_person("cyd", has_app=False)
    result = found()
    assert result["people"] == 3
    assert result["covered"]["count"] == 2
    assert result["covered"]["compliant"] == 1
    assert result["covered"]["by"]["method"] == {"authenticator-app": 1, "none": 1}
    assert result["covered"]["by"]["role"] == {"project.owner": 2}
    assert [(one["what"], one["refused"]) for one in result["stages"]] == [
        ("now", 0),
        ("In force (refuses everything that changes something)", 0),  # no notice has reached him
        ("last deadline of “In force” of 2026-08-31 UTC", 1),
    ]
    last = result["stages"][-1]
    assert last["first_refused"] == ["bob"]
    assert last["newly_refused"] == 0  # the default asks for a factor already
    assert last["refused_by"]["method"] == {"none": 1}


def test_x1_credentials_by_strength_age_and_whose_they_are() -> None:
    ada = make_person("ada")
    make_project("alpha", ada)
    for methods, minted in ((["password"], 400), (["password", "totp"], 100), (["passkey"], 1)):
        Token.objects.create(
            key_id="k", user=ada, description=f"{minted}", actions=["upload"], minted_at=NOW - minted * DAY,
            minted_methods=methods, minted_proof_at=NOW, expires_at=NOW + DAY, is_for_all_projects=True,
        )  # fmt: skip
    rows = found()["credentials"]["token"]
    assert [(one["strength"], one["age"], one["live"], one["refused"][-1]) for one in rows] == [
        ("authenticator-app", "over-90-days", 1, 0),
        ("no-second-factor", "over-a-year", 1, 1),
        ("phishing-resistant", "newer", 1, 0),
    ]


def test_x3_orphans_are_weighed_by_dependents_and_clients() -> None:
    weak, strong = make_person("weak", has_app=False), make_person("strong")
    alone, shared = make_project("alone", weak), make_project("shared", weak, strong)
    make_project("nobody")
    for number in range(3):
        project = make_project(f"user{number}", strong)
        needs = {"requires_dist": ["alone>=1", "shared"]}
        Release.objects.create(project=project, version="1.0", created_at=NOW, metadata=needs)
        Project.objects.filter(pk=project.pk).update(latest_version="1.0")
    ClientSketch.objects.create(project=alone, day_on=NOW.date(), sketch=sketch_of(50))
    ClientSketch.objects.create(project=shared, day_on=NOW.date(), sketch=sketch_of(50))
    told = found()["projects"]
    assert (told["total"], told["with_people"], told["covered"]) == (6, 5, 5)
    assert (told["orphaned"], told["sole_owner"], told["sole_owner_refused"]) == (1, 4, 1)
    assert told["orphaned_dependents"] == 3
    assert 40 < told["orphaned_clients"] < 60
    assert [one["name"] for one in told["first_orphaned"]] == ["alone"]


def sketch_of(clients: int) -> bytes:
    registers: dict[int, int] = {}
    for number in range(clients):
        sketches.add(registers, sha256(str(number).encode()).digest()[:8])
    return sketches.encode(registers)


def test_x3_organizations_and_teams_without_anybody_who_could_act() -> None:
    weak, strong = make_person("weak", has_app=False), make_person("strong")
    for name, owners in (("lost", [weak]), ("kept", [weak, strong])):
        one = Organization.objects.create(name=name, normalized_name=name, created_at=NOW)
        team = Team.objects.create(organization=one, name="t", normalized_name="t", created_at=NOW)
        for owner in owners:
            member = Membership.objects.create(
                organization=one, user=owner, kind="owner", since_at=NOW - 99 * DAY
            )
            TeamMember.objects.create(team=team, member=member, since_at=NOW - 99 * DAY)
    result = found(who={"role": ["organization.owner"]})
    assert (result["organizations"]["covered"], result["organizations"]["orphaned"]) == (2, 1)
    assert result["organizations"]["first_orphaned"] == ["lost"]
    assert (result["teams"]["covered"], result["teams"]["orphaned"]) == (2, 1)


def test_x4_whom_mail_reaches_and_who_never_signs_in() -> None:
    people = {
        name: make_person(name, has_app=False, is_verified=name not in {"unverified", "gone"})
        for name in ("fine", "unverified", "gone", "bounced", "token", "away")
    }
    make_project("alpha", *people.values())
    User.objects.exclude(username__in=["token", "away"]).update(last_seen_at=NOW)
    Email.objects.filter(user=people["gone"]).update(domain_gone_at=NOW)
    Bounce.objects.create(address="bounced@example.org", kind="permanent", at=NOW, source="smtp")
    Token.objects.create(
        key_id="k", user=people["token"], description="x", minted_at=NOW, minted_proof_at=NOW, expires_at=NOW + DAY,
        last_used_at=NOW, is_for_all_projects=True,
    )  # fmt: skip
    result = found()
    assert result["covered"]["by"]["reach"] == {"bounced": 1, "domain-gone": 1, "ok": 3, "unverified": 1}
    assert result["covered"]["by"]["activity"] == {"dormant": 1, "signs-in": 4, "token-only": 1}
    assert result["unreachable"]["count"] == 3
    assert result["unreachable"]["first"] == ["unverified", "gone", "bounced"]


def test_s2_cohorts_lie_within_the_larger_one_of_their_seed() -> None:
    owners = [make_person(f"person{number}") for number in range(60)]
    make_project("alpha", *owners)
    early = {"cohort": {"percent": 10, "seed": "s"}}
    later = {"cohort": {"percent": 50, "seed": "s"}}
    stages = [
        {"state": "announced", "at": NOW},
        {"state": "early", "at": NOW + 40 * DAY, "who": early, "deny": ["all"]},
        {"state": "early", "at": NOW + 50 * DAY, "who": later, "deny": ["all"]},
        enforced(NOW + 90 * DAY),
    ]
    small, large = found(stages=stages)["cohorts"]
    assert 0 < small["people"] < large["people"] < 60
    assert (large["of_smaller"], large["of_smaller_within"]) == (small["people"], small["people"])
    assert large["covered"] == large["people"]


def test_s4_which_projects_would_come_to_be_critical_and_which_would_go() -> None:
    ada = make_person("ada", has_app=False)
    old, new = make_project("old", ada), make_project("new", ada)
    ClientSketch.objects.create(project=new, day_on=NOW.date(), sketch=sketch_of(50))
    who = {"critical": {"metric": "unique-clients", "window_days": 180, "top": 1, "keep_above": 1.0}}
    told = found(who=who)
    assert told["critical"][0]["entering"] == {"count": 1, "first": ["new"]}
    assert told["covered"]["count"] == 1  # foreseen, since it was never worked out
    [key] = [one.key for one in mandate(who=who).criteria]
    CriticalProject.objects.create(criterion=key, normalized_name="old", lineage=old.lineage, since_at=NOW)
    assert found(who=who)["critical"][0]["leaving"] == {"count": 1, "first": ["old"]}


def test_no_more_than_some_names_are_told() -> None:
    for number in range(30):
        make_project(f"project{number:02}", make_person(f"person{number:02}", has_app=False))
    result = found()
    assert result["stages"][-1]["refused"] == 30
    assert result["stages"][-1]["first_refused"] == [f"person{number:02}" for number in range(10)]
    assert len(result["projects"]["first_orphaned"]) == 10


def test_a_version_of_the_ledger_is_simulated_as_that_and_a_draft_as_the_next() -> None:
    propose_version(mandate(), by=host())
    assert services.simulate(mandate(), by=host()).version == 1
    draft = mandate(title="Another one")
    row = services.simulate(draft, by=host())
    assert (row.version, row.result["mandate"]["version"]) == (None, 2)
    assert not MandateVersion.objects.filter(digest=draft.digest).exists()


# ---- two drafts


def test_x6_a_difference_of_drafts_tells_who_changes_sides_when() -> None:
    ada, bob = make_person("ada"), make_person("bob", has_app=False)
    make_project("alpha", ada, bob)
    make_operator("ops")
    keys = mandate(
        methods={"accept": ["security-key"]}, stages=[document()["stages"][0], enforced(NOW + 120 * DAY)]
    )
    told = comparing.compare(mandate(), keys, NOW)
    paths = {one["path"] for one in told["differences"]}
    assert paths == {"methods.accept", "stages[1].at"}
    assert told["people"] == 3
    assert (told["covered"]["before"], told["covered"]["after"], told["covered"]["only_after"]) == (2, 2, 0)
    last = told["stages"][-1]
    assert (last["refused_before"], last["refused_after"]) == (1, 2)
    assert (last["only_after"], last["first_only_after"]) == (1, ["ada"])
    early = next(one for one in told["stages"] if "last deadline" in one["what"])
    assert (early["only_before"], early["first_only_before"]) == (1, ["bob"])


def test_x6_a_document_compared_with_itself_moves_nobody() -> None:
    people_an_index(2)
    told = comparing.compare(mandate(), mandate(), NOW)
    assert told["differences"] == []
    assert all(one["only_after"] == one["only_before"] == 0 for one in told["stages"])


# ---- who may


def test_only_operators_with_a_fresh_proof_begin_one() -> None:
    ada, ops = make_person("ada"), make_operator("ops")
    with pytest.raises(RoleRequired):
        services.simulate(mandate(), by=session_of(ada))
    with pytest.raises(StepUpRequired):
        services.simulate(mandate(), by=session_of(ops, age=timedelta(hours=1)))
    with pytest.raises(RoleRequired):
        services.want(mandate(), by=session_of(ada))
    assert not Simulation.objects.exists()
    assert not Wanted.objects.exists()
    assert services.simulate(mandate(), by=session_of(ops)).made_by == "ops"


# ---- beside requests


def test_a_small_index_is_simulated_at_once_and_a_large_one_beside_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ops = session_of(make_operator("ops"))
    assert services.want(mandate(), by=ops) is None
    assert Simulation.objects.count() == 1
    monkeypatch.setattr(services, "AT_ONCE_UP_TO", 0)
    wanted = services.want(mandate("other"), by=ops)
    assert wanted is not None
    assert services.want(mandate("other"), by=ops) == wanted
    assert Record.objects.filter(action="mandate.simulate").count() == 2
    assert wanted.state == "waiting"
    assert services.carry_out_wanted(NOW) == 1
    wanted.refresh_from_db()
    assert (wanted.state, wanted.simulation) == ("done", queries.find_simulation("other"))
    assert queries.fresh_for(mandate("other").digest, NOW) == wanted.simulation
    assert services.carry_out_wanted(NOW) == 0
    kept = Record.objects.filter(action="mandate.simulate").order_by("pk").last()
    assert kept is not None
    assert kept.actor_kind == "job"


def test_one_that_breaks_off_keeps_nothing_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "AT_ONCE_UP_TO", -1)
    services.want(mandate(), by=session_of(make_operator("ops")))

    def fail(*_: object) -> Found:
        raise SimulationFailed

    monkeypatch.setattr(running, "simulate", fail)
    assert services.carry_out_wanted(NOW) == 0
    assert not Simulation.objects.exists()
    told = queries.wanted_of("keys")
    assert told is not None
    assert (told.state, told.error[:16]) == ("failed", "SimulationFailed")


def test_one_that_is_cut_off_is_begun_anew_and_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "AT_ONCE_UP_TO", -1)
    wanted = services.want(mandate(), by=session_of(make_operator("ops")))
    assert wanted is not None

    def die(*_: object) -> Found:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(running, "simulate", die)
        for count in range(1, 4):
            with pytest.raises(KeyboardInterrupt):
                services.carry_out_wanted(NOW)
            wanted.refresh_from_db()
            assert (wanted.state, wanted.tries) == ("running", count)
    assert services.carry_out_wanted(NOW) == 0
    wanted.refresh_from_db()
    assert wanted.state == "failed"
    assert not Simulation.objects.exists()


def test_old_ones_are_let_go(set_clock: SetClock) -> None:
    services.simulate(mandate(), by=host())
    Wanted.objects.create(
        mandate="keys", digest="d", document={}, asked_at=NOW, asked_by="ops", state="done", ended_at=NOW
    )
    assert services.prune(NOW + services.KEPT_FOR - timedelta(seconds=1)) == 0
    assert services.prune(NOW + services.KEPT_FOR) == 2
    assert not Simulation.objects.exists()


# ---- several processes, on a database that all of them see


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "ALONE_UP_TO", 0)
    monkeypatch.setattr(running, "AT_ONCE", 4)


@pytest.mark.django_db(transaction=True)
def test_x9_several_processes_find_what_one_finds(crowded: None) -> None:
    del crowded
    people_an_index(4, 20)
    question, told = question_of(mandate(), NOW), list[tuple[int, int]]()
    one = running.simulate(question, processes=1)
    two = running.simulate(question, lambda done, total: told.append((done, total)), 2)
    assert two.text == one.text
    assert two.snapshot == one.snapshot
    assert told[-1][0] == told[-1][1] == one.result["people"]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.django_db(transaction=True)
def test_x9_whoever_writes_meanwhile_neither_waits_nor_shows(crowded: None) -> None:
    del crowded
    people_an_index(4, 20)
    question = question_of(mandate(), NOW)
    before = running.simulate(question, processes=1)

    def elsewhere() -> None:
        make_project("late", make_person("latecomer", has_app=False))
        connections.close_all()

    made: list[bool] = []

    def once(*_: object) -> None:
        if not made:
            made.append(True)
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join(20)
            assert not thread.is_alive()

    during = running.simulate(question, once, 2)
    assert during.text == before.text
    assert running.simulate(question).result["people"] == before.result["people"] + 1


@pytest.mark.django_db(transaction=True)
def test_x9_a_process_that_is_killed_in_the_middle_leaves_nothing(
    crowded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del crowded
    people_an_index(4, 20)
    children: list[int] = []
    start = running._start

    def watched(*given: Any) -> Any:
        process, pipe = start(*given)
        children.append(process.pid or 0)
        return process, pipe

    def kill(done: int, total: int) -> None:
        if children and done < total:
            os.kill(children.pop(), signal.SIGKILL)

    monkeypatch.setattr(running, "_start", watched)
    before = everything()
    with pytest.raises(SimulationFailed):
        services.simulate(mandate(), by=host(), progress=kill)
    assert not Simulation.objects.exists()
    assert not Record.objects.exists()
    assert everything() == before
    assert services.simulate(mandate(), by=host()).people > 0


@pytest.mark.django_db(transaction=True)
def test_x9_two_at_once_keep_one() -> None:
    people_an_index(3)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            services.simulate(mandate(), by=host())
        except BaseException as error:  # noqa: BLE001 - told by the assertion
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert failures == []
    assert Simulation.objects.count() == 1
    assert Record.objects.filter(action="mandate.simulate").count() == 3


@pytest.mark.django_db(transaction=True)
def test_the_keeper_does_what_is_wanted_and_leaves_it_to_another_that_is_at_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "AT_ONCE_UP_TO", -1)
    services.want(mandate(), by=session_of(make_operator("ops")))
    database = open_database(configuration.current())
    with database.alone(keeping.LOCK):
        assert keeping.keep(NOW) is None
    database.close()
    assert keeping.keep(NOW) == {"simulations": 1, "old-simulations": 0}


def test_results_are_json_that_every_database_keeps_alike() -> None:
    people_an_index(6)
    row = services.simulate(mandate(), by=host())
    again = Simulation.objects.get(pk=row.pk)
    assert json.loads(canonical(again.result)) == again.result
    assert connection.in_atomic_block
    assert Role.objects.exists()


def test_a_process_that_died_before_it_was_told_more_is_told_as_such() -> None:
    ours, theirs = Pipe()
    theirs.close()
    with pytest.raises(SimulationFailed):
        running._send(ours, (1, 2))
    ours.close()
