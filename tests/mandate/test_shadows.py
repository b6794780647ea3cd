"""Mandates in their shadow (X7): nobody is refused, warned or told; what would be refused is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.credentials.tokens.test_services import in_parallel
from tests.mandate.building import facts as made_facts
from tests.mandate.building import policy as made_policy
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import (
    DAY,
    NOW,
    document,
    enforced,
    make_operator,
    make_person,
    make_project,
    session_of,
)
from tests.mandate.stored import retire_default, store
from tests.mandate.visiting import Visit

from keyhouse.accounts.models import Authenticator
from keyhouse.audit.models import Record
from keyhouse.cli.mandate import command
from keyhouse.core import clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail
from keyhouse.mandate import gates, history, keeping, previews, public, queries, services
from keyhouse.mandate.documents import DocumentInvalid, read_mandate
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.models import GatedAttempt, Notice
from keyhouse.mandate.rules import Policy, decide
from keyhouse.mandate.selectors import Everyone
from keyhouse.mandate.shadow import queries as shadows
from keyhouse.mandate.shadow import watching
from keyhouse.mandate.shadow.errors import ShadowMissing
from keyhouse.mandate.shadow.models import FirstRefusal, StaleTold, Verdict, Weighed
from keyhouse.mandate.shadow.services import follow_refusals, prune, tell_of_stale

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]

SHADOW = {"state": "shadow", "at": NOW, "deny": ["management", "publishing"]}
REST = [
    {"state": "announced", "at": NOW + 20 * DAY, "warn": ["all"]},
    enforced(NOW + 112 * DAY),
]


@pytest.fixture(autouse=True)
def nothing_waiting(set_clock: SetClock) -> Iterator[None]:
    del set_clock
    history._waiting.clear()
    history.wire(watching.watch)
    retire_default()
    yield
    history._waiting.clear()


def shadowed(*more: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return document(stages=[SHADOW, *more], **changes)


def manage(user: Any, *methods: str, action: str = "project.manage", project: str = "alpha") -> str:
    """Ask the gate, and return its verdict."""
    thing = Thing("project", None, project)
    return gates.judge(session_of(user, *methods or ("password",)), action, thing).verdict


def test_x7_a_shadow_refuses_warns_and_tells_nobody_and_is_not_public() -> None:
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    store(shadowed(*REST))
    assert manage(ada) == "allow"
    assert queries.live_policies(clock.now()) == ()
    assert public.live_mandates(clock.now()) == [] == public.coming_mandates(clock.now())
    own = Visit(ada, "password")
    assert "keys" not in own.get("/account/mandate/").content.decode()
    assert b"keys" not in own.get("/mandate/").content
    assert b"keys" not in own.get("/mandate.json").content
    assert not Notice.objects.exists()


def test_x7_its_verdicts_are_counted_by_what_reads_the_history() -> None:
    ada, bob = make_person("ada", has_app=False), make_person("bob")
    make_project("alpha", ada, bob)
    store(shadowed(*REST))
    for _ in range(3):
        manage(ada)
    manage(ada, action="token.mint")
    manage(bob, "password", "totp")
    assert not Verdict.objects.exists()  # nothing on the path of a request
    history.write_waiting()
    row = Verdict.objects.get()
    assert (row.mandate, row.version, row.day_on, row.action) == ("keys", 1, NOW.date(), "project.manage")
    assert (row.project, row.person, row.code, row.count) == ("alpha", ada.pk, "second-factor-required", 3)
    assert row.credential == "session:password"
    assert list(Weighed.objects.values_list("weighed", "refused")) == [(5, 3)]
    manage(ada)
    history.write_waiting()
    assert Verdict.objects.get().count == 4
    assert GatedAttempt.objects.count() == 6
    assert not GatedAttempt.objects.exclude(verdict="allow").exists()


def test_x7_what_was_refused_anyway_is_not_counted() -> None:
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    store(document("now", stages=[enforced(NOW - 90 * DAY)]), origin="seeded")
    store(shadowed(*REST))
    assert manage(ada) == "deny"
    history.write_waiting()
    assert not Verdict.objects.exists()
    assert not Weighed.objects.exists()


def test_x7_it_ends_with_the_next_stage_and_counts_deadlines_from_there(set_clock: SetClock) -> None:
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    store(shadowed(*REST))
    set_clock(NOW + 20 * DAY - timedelta(seconds=1))
    manage(ada)
    set_clock(NOW + 20 * DAY)
    assert manage(ada) == "warn"
    history.write_waiting()
    assert Verdict.objects.get().count == 1
    (policy,) = queries.live_policies(clock.now())
    assert policy.mandate.announced_at == NOW + 20 * DAY
    assert [one["state"] for one in public.live_mandates(clock.now())[0].as_dict()["stages"]] == [
        "announced",
        "enforced",
    ]
    assert shadows.report("keys", clock.now()).state == "over"


def test_x7_without_a_next_stage_it_goes_stale_and_operators_are_told_once(set_clock: SetClock) -> None:
    make_operator("olga")
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    store(shadowed())
    set_clock(NOW + 30 * DAY - timedelta(seconds=1))
    assert tell_of_stale(clock.now()) == 0
    manage(ada)
    set_clock(NOW + 30 * DAY)
    manage(ada)
    history.write_waiting()
    assert Verdict.objects.get().count == 1
    assert shadows.report("keys", clock.now()).state == "stale"
    assert tell_of_stale(clock.now()) == 1
    assert tell_of_stale(clock.now()) == 0
    assert Record.objects.filter(action="mandate.go-stale").count() == 1
    assert [one.address for one in Mail.objects.filter(kind="mandate-shadow-stale")] == ["olga@example.org"]
    assert manage(ada) == "allow"


@pytest.mark.django_db(transaction=True)
def test_x7_in_parallel_operators_are_told_once_of_a_stale_one(set_clock: SetClock) -> None:
    make_operator("olga")
    store(shadowed())
    set_clock(NOW + 31 * DAY)
    found: list[Any] = in_parallel(3, lambda _: tell_of_stale(clock.now()))
    assert sum(found) == 1
    assert StaleTold.objects.count() == Mail.objects.filter(kind="mandate-shadow-stale").count() == 1


def test_x7_a_further_version_with_a_shadow_loosens_nothing_while_it_lasts(set_clock: SetClock) -> None:
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    make_person("olga", is_operator=True)
    store(document(stages=[enforced(NOW - 90 * DAY)]), origin="seeded")
    at_once = {"floor_days": 0, "unreached_cap_days": 0}
    later = read_mandate(shadowed(enforced(NOW + 40 * DAY), notice=at_once))
    assert not previews.preview(later, clock.now()).is_loosening
    store(later.as_dict(), version=2)
    assert manage(ada) == "deny"
    assert [one.version for one in queries.live_policies(clock.now())] == [1]
    set_clock(NOW + 40 * DAY)
    assert [one.version for one in queries.live_policies(clock.now())] == [2]


def test_x7_a_later_version_ends_the_shadow(set_clock: SetClock) -> None:
    store(shadowed())
    set_clock(NOW + DAY)
    store(document(), version=2, effective_at=clock.now())
    assert queries.ledger().shadows_on(clock.now()) == []
    set_clock(NOW + 31 * DAY)
    assert shadows.stale(clock.now()) == []
    assert shadows.report("keys", clock.now()).state == "over"


def test_x7_the_same_document_again_is_the_same_version_while_it_counts() -> None:
    mandate = read_mandate(shadowed(*REST))
    first = services.propose_version(mandate, by=host())
    assert first.effective_at == NOW
    assert not first.is_loosening
    assert services.propose_version(mandate, by=host()).pk == first.pk


def test_x7_the_report_says_who_would_be_refused_where_in_every_form() -> None:
    olga, ada = make_operator("olga"), make_person("ada", has_app=False)
    make_project("alpha", ada)
    store(shadowed(*REST))
    manage(ada)
    manage(ada, action="release.upload")
    history.write_waiting()
    told = shadows.report("keys", clock.now()).as_dict()
    assert (told["refused"], told["weighed"], told["people"], told["projects"]) == (2, 2, 1, 1)
    assert told["by_person"] == [{"name": "ada", "refused": 2, "people": 1}]
    assert [one["name"] for one in told["by_action"]] == ["project.manage", "release.upload"]
    operator = Visit(olga)
    operator.get("/operator/mandates/keys/shadow/")
    assert operator.answer.status_code == 200
    assert "2 of 2 attempts" in operator.text
    assert "/operator/mandates/keys/shadow/" in operator.get("/mandate/proposals/").content.decode()
    operator.get("/operator/mandates/keys/shadow.json")
    assert operator.data == told
    said = CliRunner().invoke(command, ["shadow", "keys", "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.output) == told
    assert "ada: 2 (1 people)" in CliRunner().invoke(command, ["shadow", "keys"]).output


def test_x7_nobody_else_reads_the_report_and_what_is_not_there_is_told() -> None:
    ada = make_person("ada")
    store(document())
    assert Visit(ada).get("/operator/mandates/keys/shadow/").status_code == 403
    olga = Visit(make_operator("olga"))
    assert olga.get("/operator/mandates/keys/shadow/").status_code == 404
    with pytest.raises(ShadowMissing):
        shadows.report("keys", clock.now())
    with pytest.raises(MandateMissing):
        shadows.report("nothing", clock.now())


def test_x7_counts_of_a_day_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST_ROWS", 2)
    people = [make_person(f"p{number}", has_app=False) for number in range(6)]
    for number, person in enumerate(people):
        make_project(f"alpha-{number}", person)
    store(shadowed(*REST))
    for number, person in enumerate(people):
        manage(person, project=f"alpha-{number}")
    history.write_waiting()
    rows = list(Verdict.objects.order_by("pk").values_list("person", "project", "count"))
    assert sum(count for _, _, count in rows) == 6
    assert len(rows) <= 5
    assert (0, "", 2) in rows
    told = shadows.report("keys", clock.now())
    assert (told.refused, told.people) == (6, 2)


def test_x7_counting_goes_on_where_no_history_is_kept(set_clock: SetClock) -> None:
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    store(shadowed(*REST))
    before = configuration.current()
    configuration.use(replace(before, mandate_history_days=0))
    set_clock(NOW)  # another configuration follows another clock
    try:
        manage(ada)
        assert history.write_waiting() == 0
    finally:
        configuration.use(before)
    assert Verdict.objects.get().count == 1
    assert not GatedAttempt.objects.exists()


def test_what_goes_wrong_in_counting_costs_no_attempt_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        message = "nobody foresaw this"
        raise RuntimeError(message)

    monkeypatch.setattr(history, "_watches", [fail])
    ada = make_person("ada")
    manage(ada)
    assert history.write_waiting() == 1


@pytest.mark.parametrize(
    ("stages", "path"),
    [
        ([SHADOW | {"warn": ["all"]}], "stage 1, warn"),
        ([{"state": "shadow", "at": NOW}], "stage 1, deny"),
        ([REST[0], SHADOW | {"at": NOW + 30 * DAY}], "stage 2, state"),
        ([SHADOW, {"state": "paused", "at": NOW + DAY}], "stage 2, state"),
    ],
)
def test_x7_a_shadow_that_makes_no_sense_is_refused_with_its_place(stages: list[Any], path: str) -> None:
    with pytest.raises(DocumentInvalid, match=path):
        read_mandate(document(stages=stages))


def test_x7_a_document_says_its_shadow_and_reads_back() -> None:
    mandate = read_mandate(shadowed(*REST))
    assert [one["state"] for one in mandate.as_dict()["stages"]] == ["shadow", "announced", "enforced"]
    assert read_mandate(mandate.as_dict()) == mandate
    assert mandate.announced_at == NOW + 20 * DAY
    only = read_mandate(shadowed())
    assert only.is_unannounced(NOW + 10_000 * DAY)


def test_x7_a_plan_foresees_what_a_shadow_would_refuse() -> None:
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    found = previews.preview(read_mandate(shadowed()), clock.now())
    assert not found.refusals
    assert found.touched == 0
    assert [(one.what, one.refused) for one in found.forecasts] == [
        ("now", 0),
        ("Shadow (if it were enforced: refuses managing projects and this index and publishing)", 1),
    ]


@given(st.sampled_from(["session", "token", "publisher"]), st.sampled_from(["password", "totp", "webauthn"]))
def test_x7_whatever_asks_a_shadow_changes_no_decision(kind: str, proof: str) -> None:
    plain = made_policy()
    shade = replace(plain.mandate.stages[-1], state="shadow", who=Everyone())
    dark = Policy(replace(plain.mandate, shadows=(shade,)), 1, is_floor_exempt=True)
    for action in ("project.manage", "release.upload", "project.create", "second-factor.remove-last"):
        for stage in plain.mandate.stages:
            at = stage.at + DAY
            asked = made_facts(kind, {proof}, action, asked_at=at)
            assert decide(asked, [dark], at) == decide(asked, [plain], at)


# ---- who was refused first when


def test_first_refusals_tell_when_people_complied_after_them(set_clock: SetClock) -> None:
    ada, bob, eve = (make_person(name, has_app=False) for name in ("ada", "bob", "eve"))
    make_project("alpha", ada, bob, eve)
    carl = make_person("carl")
    make_project("beta", carl)
    store(document(stages=[enforced(NOW - 90 * DAY)]), origin="seeded")
    for user in (ada, bob, eve):
        assert manage(user) == "deny"
    assert manage(carl, "password", project="beta") == "deny"
    history.write_waiting()
    set_clock(NOW + DAY)
    manage(ada)
    history.write_waiting()
    assert FirstRefusal.objects.get(user=ada).first_at == NOW
    Authenticator.objects.create(
        user=ada, name="phone", secret_sealed="x", created_at=NOW + timedelta(hours=3)
    )
    bob.project_roles.all().delete()
    set_clock(NOW + 2 * DAY)
    follow_refusals(clock.now())
    told = shadows.conversion("keys", NOW, clock.now())
    assert (told.refused, told.had_it, told.complied, told.left, told.open) == (4, 1, 1, 1, 1)
    assert told.median == told.p95 == timedelta(hours=3)
    follow_refusals(clock.now())
    assert shadows.conversion("keys", NOW, clock.now()) == told


def test_counts_and_refusals_of_long_ago_are_forgotten(set_clock: SetClock) -> None:
    ada = make_person("ada", has_app=False)
    make_project("alpha", ada)
    store(document("now", stages=[enforced(NOW - 90 * DAY, "release.yank")]), origin="seeded")
    store(shadowed())
    manage(ada)
    manage(ada, action="release.yank")
    history.write_waiting()
    assert (Verdict.objects.count(), FirstRefusal.objects.count()) == (1, 1)
    assert prune(clock.now()) == 0
    set_clock(NOW + 200 * DAY)
    assert prune(clock.now()) == 2
    set_clock(NOW + 1200 * DAY)
    assert prune(clock.now()) == 1
    assert not FirstRefusal.objects.exists()


def test_the_keeper_of_the_mandates_does_it_all() -> None:
    assert {"brownouts", "shadows", "refusals", "counts"} <= set(keeping.WORKS)


# ---- where it is seen


def test_x7_operators_see_the_shadow_of_the_next_version_beside_what_holds_and_nobody_else_does(
    set_clock: SetClock,
) -> None:
    store(document(stages=[enforced(NOW - 90 * DAY)]), origin="seeded")
    store(shadowed(*REST), version=2)
    visit = Visit(make_operator("ops"))
    for path in ("/operator/mandates/keys/", "/operator/mandates/keys/timeline/"):
        assert visit.get(path).status_code == 200
        assert "Version 2, in its shadow" in visit.text
        assert "Refuses nobody and is told to nobody; until 2026-06-22 00:00 UTC" in visit.text
    assert 'href="/operator/mandates/keys/shadow/"' in visit.page
    (beside,) = visit.get("/operator/mandates/keys/timeline.json").json()["shadows"]
    assert [one["kind"] for one in beside["events"]][:2] == ["shadow", "stage"]
    lines = CliRunner().invoke(command, ["status"]).stdout
    assert "keys@2 is in its shadow, where it refuses nobody" in lines
    assert "Shadow: Refuses nobody" in lines
    for path in ("/mandate/", "/mandate.json", "/mandate/feed.json", "/mandate/feed.ics"):
        text = Visit().get(path).content.decode().lower()
        assert "in its shadow" not in text
        assert '"shadow"' not in text
    set_clock(NOW + 21 * DAY)
    assert "In its shadow" in Visit().get("/mandate/").content.decode()  # announced: how it came is no secret


def test_x7_a_stale_shadow_is_called_so_where_operators_look(set_clock: SetClock) -> None:
    store(shadowed())
    set_clock(NOW + 31 * DAY)
    visit = Visit(make_operator("ops"))
    visit.get("/operator/mandates/keys/")
    assert "Shadow ends with nothing after it" in visit.text
    assert "Stale: nothing follows its shadow" in visit.text
    assert "keys@1 is stale, and somebody has to decide" in CliRunner().invoke(command, ["status"]).stdout
