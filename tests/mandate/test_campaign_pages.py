"""Campaigns on pages and at the terminal: the operators' acts, what everybody reads of them, and how each person stands."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner
from tests.mandate.building import ALPHA, ANNOUNCED, ENFORCED, at, facts, policy, told_on
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import DAY, NOW, document, make_operator, make_person
from tests.mandate.stored import store
from tests.mandate.visiting import Visit, code_of

from keyhouse.accounts.models import User
from keyhouse.cli.mandate import command
from keyhouse.core.actor import host
from keyhouse.mandate import services
from keyhouse.mandate.campaigns import services as campaigns
from keyhouse.mandate.campaigns.queries import campaign
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Exempted, Snoozed
from keyhouse.mandate.models import MandateVersion, Pause
from keyhouse.mandate.subjects import subject_state

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]
ONE = "/operator/mandates/keys/"
ACTS = ("launch", "pause", "confirm-pause", "resume", "rollback", "abandon")


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    return set_clock


@pytest.fixture
def ops() -> User:
    return make_operator("ops")


@pytest.fixture
def other() -> User:
    return make_operator("other")


@pytest.fixture
def keys(ops: User, other: User) -> MandateVersion:
    assert ops.pk < other.pk
    return store(document("keys"), effective_at=NOW)


def test_each_act_asks_on_a_page_of_its_own_and_does_nothing_before(keys: MandateVersion, ops: User) -> None:
    visit = Visit(ops)
    for act in ACTS:
        assert visit.get(f"{ONE}{act}/").status_code == 200
        assert "State Announced" in visit.text
    assert not Pause.objects.exists()
    assert MandateVersion.objects.filter(name=keys.name).count() == 1


def test_one_click_pauses_and_another_operator_confirms(keys: MandateVersion, ops: User, other: User) -> None:
    visit = Visit(ops)
    assert visit.post(f"{ONE}pause/", reason="Too many questions.").status_code == 303
    assert Pause.objects.get().reason == "Too many questions."
    assert visit.post(f"{ONE}pause/", reason="Again.").status_code >= 400
    assert "paused already" in visit.text
    assert visit.post(f"{ONE}confirm-pause/").status_code >= 400
    assert Visit(other).post(f"{ONE}confirm-pause/").status_code == 303
    assert Pause.objects.get().confirmed_by == "other"
    assert visit.post(f"{ONE}resume/").status_code == 303
    assert campaign(keys.name).state(NOW).name == "announced"


def test_a_rollback_from_the_page_waits_for_the_other(keys: MandateVersion, ops: User) -> None:
    visit = Visit(ops)
    assert visit.post(f"{ONE}rollback/", reason="").status_code >= 400
    assert MandateVersion.objects.filter(name=keys.name).count() == 1
    assert visit.post(f"{ONE}rollback/", reason="Too many locked out.").status_code == 303
    row = MandateVersion.objects.get(name="keys", version=2)
    assert (row.effective_at, row.why) == (None, "Too many locked out.")


def test_nobody_but_operators_gets_there(keys: MandateVersion) -> None:
    ada = make_person("ada")
    for act in ACTS:
        assert Visit(ada).get(f"{ONE}{act}/").status_code in {403, 404}
        assert Visit(ada).post(f"{ONE}{act}/", reason="x").status_code in {403, 404}
        assert Visit().get(f"{ONE}{act}/").status_code in {302, 303, 401, 403}
    assert not Pause.objects.filter(mandate=keys.name).exists()
    assert (
        code_of(Visit(make_operator("third")).get("/operator/mandates/nothing/pause/")) == "mandate-missing"
    )


def test_l2_everybody_reads_what_was_changed_and_no_names(keys: MandateVersion) -> None:
    campaigns.pause(keys.name, reason="The queue is long.", by=host())
    visit = Visit()
    visit.get("/mandate/")
    assert "Paused since" in visit.text
    assert "The operator at the host: The queue is long." in visit.text
    visit.get("/mandate.json")
    told = [(one["mandate"], one["state"], one["by"]) for one in visit.data["steps"]]
    assert ("keys", "paused", "the operator at the host") in told
    assert "ops" not in json.dumps(visit.data)


def test_l2_of_a_mandate_about_few_and_of_drafts_nothing_is_told(ops: User, other: User) -> None:
    store(document("few", who={"user": ["ada"]}), effective_at=NOW)
    services.propose_version(read_mandate(document("secret", launch={})), by=host())
    visit = Visit()
    visit.get("/mandate.json")
    assert {one["mandate"] for one in visit.data["steps"]} <= {"default"}
    assert "secret" not in json.dumps(visit.data)
    assert ops.pk < other.pk


def run(*words: str) -> Any:
    return CliRunner().invoke(command, list(words))


def test_the_terminal_pauses_tells_and_resumes(keys: MandateVersion, clocked: SetClock) -> None:
    assert run("pause", "keys").exit_code == 2
    paused = run("pause", "keys", "--reason", "A while.", "--json")
    assert (paused.exit_code, json.loads(paused.output)["reason"]) == (0, "A while.")
    told = json.loads(run("status", "--json").output)["states"]
    [state] = [one for one in told if one["mandate"] == keys.name]
    assert state["state"]["name"] == "paused"
    assert state["state"]["next"] == {"name": "enforced", "at": None}
    assert "paused by host (A while.)" in run("status").output
    clocked(NOW + 3 * DAY)
    assert "later by 3 days" in run("resume", "keys").output
    report = json.loads(run("report", "keys", "--json").output)
    steps = [one["state"] for one in report["transitions"] if not one["is_planned"]]
    assert steps == ["draft", "launched", "announced", "paused", "resumed"]
    assert "In force (planned), version 1" in run("report", "keys").output


def test_m3_how_a_person_stands_is_derived() -> None:
    rule = policy(is_floor_exempt=False)
    now = at("2023-12-25")
    told = facts(notices=[told_on("2023-12-20")])
    assert subject_state(facts(authority=()), rule, now) == "out_of_scope"
    assert subject_state(told, rule, ANNOUNCED - DAY) == "out_of_scope"
    assert subject_state(facts(), rule, now) == "covered_unnotified"
    assert subject_state(told, rule, now) == "notified"
    assert subject_state(told, rule, at("2024-01-10")) == "grace"
    assert subject_state(told, rule, at("2024-01-19")) == "gated"
    assert subject_state(facts(factors=("passkey",)), rule, now) == "compliant"
    assert subject_state(facts(state="held"), rule, now) == "recovering"
    assert subject_state(told, rule, now, last_seen_at=at("2022-12-01")) == "dormant"
    exempt = facts(exemptions=[Exempted("everyone", 1, ENFORCED + DAY)])
    assert subject_state(exempt, rule, ENFORCED) == "exempt"
    assert subject_state(exempt, rule, ENFORCED + DAY) == "covered_unnotified"
    late = replace(told, snoozes=(Snoozed("everyone", now, now + DAY),))
    assert subject_state(late, rule, now) == "snoozed"
    assert subject_state(facts(authority=ALPHA), policy(), ENFORCED) == "gated"
