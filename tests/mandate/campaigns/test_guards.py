"""L1: a launch is refused with all that is missing; each guard missing, and met."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.mandate.campaigns.test_emergency import kept, vault
from tests.mandate.ledger import (
    DAY,
    LONG_AGO,
    NOW,
    enforced,
    make_operator,
    make_person,
    make_project,
    mandate,
    session_of,
)
from tests.mandate.stored import retire_default
from tests.mandate.visiting import Visit

from keyhouse.accounts.models import RecoveryCode, RecoveryCodeSet, User
from keyhouse.audit.models import Record
from keyhouse.cli import mandate as commands
from keyhouse.core import clock, configuration
from keyhouse.core.errors import NotFound
from keyhouse.mail.models import SENT, Mail
from keyhouse.mandate import launching, previews, services
from keyhouse.mandate.campaigns import guards
from keyhouse.mandate.campaigns.errors import EmergencyUnchanged, EmergencyUnfit
from keyhouse.mandate.campaigns.guards.methods import why_no_keys
from keyhouse.mandate.campaigns.services import launch
from keyhouse.mandate.documents import GUARDS, Mandate
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.simulation.models import Simulation

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired", "set_clock")]


def campaign(*requires: str, **changes: Any) -> Mandate:
    return mandate(launch={"requires": list(requires)}, **changes)


def missing(*requires: str, at: Any = NOW, **changes: Any) -> list[str]:
    found = guards.missing(campaign(*requires, **changes), at)
    assert {one.guard for one in found} <= set(requires)
    assert all(one.fix for one in found)
    return [one.reason for one in found]


def give_codes(user: User, *, used: bool = False) -> None:
    codes = RecoveryCodeSet.objects.create(user=user, created_at=LONG_AGO)
    RecoveryCode.objects.create(code_set=codes, digest="x", used_at=NOW if used else None)


def deliver(ended_at: Any, state: str = SENT) -> Mail:
    return Mail.objects.create(
        lane="security", kind="test", address="a@example.org", token="x", queued_at=ended_at, due_at=ended_at,
        state=state, ended_at=ended_at,
    )  # fmt: skip


def simulated(one: Mandate, made_at: Any) -> None:
    Simulation.objects.create(
        mandate=one.name, digest=one.digest, snapshot=str(made_at), made_at=made_at, made_by="host", people=0,
        covered=0, refused=0, orphaned=0, result={},
    )  # fmt: skip


@pytest.fixture
def with_mail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_up(monkeypatch, mail_dir=tmp_path)


def set_up(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    changed = dataclasses.replace(configuration.current(), **changes)
    monkeypatch.setattr(configuration, "current", lambda: changed)


# ---- operators


def test_l1_everybody_with_an_office_holds_what_is_asked() -> None:
    make_operator("ops")
    assert missing("operators") == []
    make_person("mod", is_moderator=True, has_app=False)
    make_person("aud", is_auditor=True, is_verified=False)
    make_person("eve", has_app=False)
    assert missing("operators") == ["2 of 3 people with an office don't hold what this asks for: aud, mod."]
    keys = {"accept": ["security-key"]}
    assert missing("operators", methods=keys)[0].startswith("3 of 3 people")
    User.objects.filter(username__in=["mod", "aud"]).update(state=User.State.SUSPENDED)
    assert missing("operators") == []


def test_l1_an_index_without_operators_launches_nothing_and_of_many_some_are_named() -> None:
    assert missing("operators") == ["No operator is there who could act."]
    for number in range(7):
        make_operator(f"op{number}", has_app=False)
    assert missing("operators")[0].endswith("op0, op1, op2, op3, op4 and 2 more.")


# ---- break-glass


def test_l1_two_accounts_for_emergencies_are_there_and_tested() -> None:
    assert missing("break-glass") == ["0 of 2 accounts for emergencies are ready."]
    kept(vault("one"), used_at=NOW)
    assert missing("break-glass") == ["1 of 2 accounts for emergencies are ready."]
    kept(vault("two"))
    (told,) = missing("break-glass")
    assert told == (
        "1 of 2 accounts for emergencies are ready (two was not signed in to by a key within 180 days)."
    )
    kept(vault("three"), used_at=NOW - 10 * DAY)
    assert missing("break-glass") == []
    assert missing("break-glass", at=NOW + 170 * DAY) != []


# ---- methods


@pytest.mark.parametrize(
    ("base_url", "rp_id", "environment", "word"),
    [
        ("https://index.example.org", "", "production", ""),
        ("https://index.example.org:8443", "example.org", "production", ""),
        ("http://index.example.org", "", "production", "HTTPS"),
        ("http://localhost:8400", "", "production", "HTTPS"),
        ("http://localhost:8400", "", "test", ""),
        ("https://192.0.2.1", "", "production", "address"),
        ("https://[2001:db8::1]", "", "production", "address"),
        ("https://index.example.org", "example.net", "production", "example.net"),
        ("https://badexample.org", "example.org", "production", "example.org"),
    ],
)
def test_l1_keys_work_where_browsers_let_them(
    monkeypatch: pytest.MonkeyPatch, base_url: str, rp_id: str, environment: str, word: str
) -> None:
    set_up(monkeypatch, base_url=base_url, rp_id=rp_id, environment=environment)
    why = why_no_keys(configuration.current())
    assert bool(why) is bool(word)
    assert word in why
    assert len(missing("methods")) == (2 if word else 0)
    apps = {"accept": ["authenticator-app"]}
    assert len(missing("methods", methods=apps)) == (1 if word else 0)


# ---- recovery


def test_l1_recovery_needs_mail_that_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    give_codes(make_operator("ops"))
    set_up(monkeypatch, mail_url="", mail_dir=None)
    assert missing("recovery") == ["Mail is off, so nobody gets a link by which they come back."]


@pytest.mark.usefixtures("with_mail")
def test_l1_a_mail_within_thirty_days_shows_that_mails_arrive() -> None:
    give_codes(make_operator("ops"))
    nothing = ["No mail was delivered within 30 days, so nothing shows that mails arrive."]
    assert missing("recovery") == nothing
    deliver(NOW - 30 * DAY)
    deliver(NOW, "failed")
    deliver(NOW + DAY)
    assert missing("recovery") == nothing
    deliver(NOW - 30 * DAY + timedelta(seconds=1))
    assert missing("recovery") == []
    Mail.objects.create(
        lane="security", kind="test", address="b@example.org", token="x", queued_at=NOW - DAY, due_at=NOW
    )
    assert missing("recovery") == ["A security mail is stuck."]


@pytest.mark.usefixtures("with_mail")
def test_l1_enough_operators_decide_and_have_codes() -> None:
    deliver(NOW)
    assert missing("recovery") == ["0 of the 1 operators whom a recovery case needs can act."]
    ops, olga = make_operator("ops"), make_operator("olga")
    give_codes(ops)
    assert missing("recovery") == ["1 of 2 operators have no recovery code: olga."]
    give_codes(olga, used=True)
    assert len(missing("recovery")) == 1, "one that is used up is none"
    RecoveryCode.objects.update(used_at=None)
    assert missing("recovery") == []
    User.objects.filter(username="olga").update(held_until=NOW + DAY)
    assert missing("recovery") == ["1 of the 2 operators whom a recovery case needs can act."]


# ---- notice


def test_l1_nobody_is_refused_sooner_than_the_floor_after_their_notice() -> None:
    retire_default()  # it refuses her already
    make_operator("ops")
    make_project("alpha", make_person("ada", has_app=False))
    soon = [{"state": "announced", "at": NOW}, enforced(NOW + 20 * DAY)]
    (told,) = missing("notice", stages=[*soon[:1], enforced(NOW + 91 * DAY)], notice={"floor_days": 30}) or [
        ""
    ]
    assert told == ""
    past = [{"state": "announced", "at": NOW - 200 * DAY}, enforced(NOW - 100 * DAY)]
    (told,) = missing("notice", stages=past)
    assert "would be refused from 2026-06-02 00:00 UTC on, less than 30 days after their notice: ada." in told


def test_on_a_large_index_only_what_refuses_somebody_too_soon_is_left_to_the_launch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    retire_default()
    make_operator("ops")
    make_project("alpha", make_person("ada", has_app=False))
    monkeypatch.setattr(guards, "SHOWN_AT_ONCE_UP_TO", 0)
    announced, requires = {"state": "announced", "at": NOW - 200 * DAY}, {"requires": ["notice"]}
    for days, is_later in ((91, False), (-100, True)):
        one = mandate("keys", stages=[announced, enforced(NOW + days * DAY)], launch=requires)
        found = {answer.guard.name: answer for answer in guards.quick_answers(one, NOW)}
        assert (found["notice"].is_later, found["notice"].is_met) == (is_later, not is_later)
        assert not any(answer.is_later for name, answer in found.items() if name != "notice")
        assert bool(guards.missing(one, NOW)) is is_later


# ---- simulation, rehearsal


def test_l1_x9_the_very_document_was_simulated_within_72_hours() -> None:
    one = campaign("simulation")
    why = ["This document was not simulated within 72 hours."]
    assert missing("simulation") == why
    simulated(one, NOW - timedelta(hours=72))
    simulated(one, NOW + DAY)
    assert missing("simulation") == why
    simulated(campaign("simulation", title="Another"), NOW)
    assert missing("simulation") == why
    simulated(one, NOW - timedelta(hours=72) + timedelta(seconds=1))
    assert missing("simulation") == []


def test_a_rehearsal_is_missing_only_where_it_is_asked_for_and_says_that_it_comes_later() -> None:
    assert missing() == []
    (told,) = missing("rehearsal")
    assert "rehearsals come with a later version" in told
    assert "rehearsal" not in {one.guard for one in guards.missing(mandate(launch={}), NOW)}


# ---- the list


def test_the_list_has_every_guard_of_the_grammar_and_those_not_asked_for_beside() -> None:
    assert tuple(guards.GUARDS) == GUARDS
    assert all(name == guard.name for name, guard in guards.GUARDS.items())
    found = guards.answers(campaign("operators", "rehearsal"), NOW)
    assert [one.guard.name for one in found] == list(GUARDS)
    assert [one.guard.name for one in found if one.is_asked] == ["operators", "rehearsal"]
    assert not any(one.missing or one.is_met for one in found if not one.is_asked)


def test_l1_all_that_is_missing_is_told_at_once_in_one_order_and_asking_writes_nothing() -> None:
    make_operator("ops", has_app=False)
    records = Record.objects.count()
    found = guards.missing(mandate(launch={}), NOW)
    assert list(dict.fromkeys(one.guard for one in found)) == [
        "operators", "break-glass", "recovery", "simulation",
    ]  # fmt: skip
    assert (Record.objects.count(), Mail.objects.count(), Simulation.objects.count()) == (records, 0, 0)


# ---- doors


def run(*words: str) -> Any:
    return CliRunner().invoke(commands.command, [*words])


def written(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "keys.json"
    body = json.loads(json.dumps(mandate(**changes).as_dict()))
    path.write_text(json.dumps(body))
    return str(path)


def test_the_command_exits_with_1_while_anything_is_missing(tmp_path: Path) -> None:
    make_operator("ops")
    file = written(tmp_path, launch={"requires": ["operators"]})
    found = run("guards", file)
    assert (found.exit_code, "operators: met" in found.output) == (0, True)
    assert "rehearsal: not asked for" in found.output
    worse = written(tmp_path, launch={"requires": ["operators", "rehearsal"]})
    found = run("guards", worse)
    assert found.exit_code == 1
    assert "rehearsal: missing" in found.output
    told = json.loads(run("guards", worse, "--json").output)
    assert (told["may_launch"], told["is_campaign"]) == (False, True)
    assert [one["guard"] for one in told["guards"] if one["missing"]] == ["rehearsal"]


def test_the_command_takes_the_newest_version_by_name_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    ops = make_operator("ops")
    services.propose_version(mandate("keys"), by=session_of(ops))
    found = run("guards", "keys")
    assert found.exit_code == 1
    assert "keys has no [launch]" in found.output
    assert isinstance(run("guards", "gone").exception, MandateMissing)
    bad = tmp_path / "bad.toml"
    bad.write_text("[launch")
    assert "line 1" in str(run("guards", str(bad)).exception)
    assert run("guards").exit_code == 2


def test_operators_and_auditors_see_the_page_and_nobody_else() -> None:
    ops = make_operator("ops")
    services.propose_version(
        mandate("keys", launch={"requires": ["operators", "rehearsal"]}), by=session_of(ops)
    )
    visit = Visit(ops)
    for word in ("guards", "timeline"):
        path = f"/operator/mandates/keys/{word}/"
        assert visit.get(path).status_code == 200
        assert len(visit.page) < 100_000
        assert visit.get(f"/operator/mandates/keys/{word}.json").json()["mandate"] == "keys"
        assert Visit(make_person(f"eve-{word}")).get(path).status_code == 403
        assert Visit().get(path).status_code in {302, 303, 401, 403}
        assert visit.get(f"/operator/mandates/gone/{word}/").status_code == 404
    visit.get("/operator/mandates/keys/guards/")
    assert "1 of 2 guards are not met" in visit.text
    assert "rehearsals come with a later version" in visit.text


def test_on_a_large_index_pages_plan_for_nobody_and_say_so_while_the_launch_does_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ops = make_operator("ops")
    services.propose_version(
        mandate("keys", launch={"requires": ["operators", "notice"]}), by=session_of(ops)
    )
    planned: list[str] = []
    work_out = previews._worked_out

    def counted(one: Mandate, *rest: Any) -> Any:
        planned.append(one.name)
        return work_out(one, *rest)

    monkeypatch.setattr(previews, "_worked_out", counted)
    visit = Visit(ops)
    assert "Nothing is missing." in visit.get("/operator/mandates/keys/guards/").content.decode()
    assert not planned  # whom it would refuse too soon is found without the rest of the plan
    monkeypatch.setattr(guards, "SHOWN_AT_ONCE_UP_TO", 0)
    visit.get("/operator/mandates/keys/guards/")
    assert "Nothing is missing." in visit.text  # it leaves people their time, so that nobody is looked at
    assert visit.get("/operator/mandates/keys/guards.json").json()["may_launch"] is True
    looking = dataclasses.replace(guards.GUARDS["notice"], plans=lambda *_: True)
    monkeypatch.setitem(guards.GUARDS, "notice", looking)
    visit.get("/operator/mandates/keys/guards/")
    assert "The launch looks at it" in visit.text
    assert "Nothing is missing of what was looked at" in visit.text
    told = visit.get("/operator/mandates/keys/guards.json").json()
    assert (told["may_launch"], [one["guard"] for one in told["guards"] if one["is_later"]]) == (
        None,
        ["notice"],
    )
    visit.get("/operator/mandates/keys/launch/")
    assert "the launch looks at the rest" in visit.text
    assert not planned
    monkeypatch.setattr(launching, "_wired", [guards.LaunchGuards()])
    launch("keys", by=session_of(ops))
    assert planned == ["keys"]  # the guard and the launch itself share one plan


def test_accounts_for_emergencies_are_listed_and_proposed_at_the_host() -> None:
    make_operator("ops")
    make_operator("olga")
    vault()
    assert "No account is kept" in run("emergency", "list").output
    found = run("emergency", "mark", "vault", "--reason", "Its keys lie in the safe.")
    assert (found.exit_code, "waits for approval" in found.output) == (0, True)
    assert isinstance(run("emergency", "mark", "nobody", "--reason", "x").exception, NotFound)
    assert isinstance(run("emergency", "mark", "ops", "--reason", "x").exception, EmergencyUnfit)
    assert run("emergency", "mark", "vault").exit_code == 2
    assert isinstance(run("emergency", "unmark", "vault", "--reason", "x").exception, EmergencyUnchanged)
    kept(User.objects.get(username="vault"), used_at=clock.now())
    assert json.loads(run("emergency", "list", "--json").output)[0]["is_ready"] is True


def test_the_console_shows_what_is_proposed_about_an_account_for_emergencies() -> None:
    ops, olga, user = make_operator("ops"), make_operator("olga"), vault()
    run("emergency", "mark", user.username, "--reason", "Its keys lie in the safe.")
    first = Visit(ops)
    first.get("/operator/proposals/")
    assert "the account of vault is kept for emergencies" in first.text
    assert olga.is_operator
