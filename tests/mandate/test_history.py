from __future__ import annotations

import asyncio
import base64
import json
import shutil
import threading
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection
from tests.distfiles.builders import build_wheel
from tests.mandate.stored import (
    ANNOUNCED,
    ENFORCED,
    document,
    make_project,
    make_user,
    retire_default,
    session_of,
    store,
)
from tests.mandate.visiting import Visit, token_of
from tests.publishing.driver import upload

from keyhouse import storage
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actions import Thing, get_action
from keyhouse.core.actor import NOBODY, Actor, host
from keyhouse.core.errors import Refusal
from keyhouse.mandate import gates, history, queries
from keyhouse.mandate.facts import Asking, Facts, Object, Person
from keyhouse.mandate.models import GatedAttempt, KnownFacts
from keyhouse.mandate.rules import ALLOWED, Decision

pytestmark = pytest.mark.django_db

GATE = gates.MandateGate()


@pytest.fixture(autouse=True)
def nothing_waiting() -> Iterator[None]:
    history._waiting.clear()
    history._readers._seen.clear()
    yield
    history._waiting.clear()


@pytest.fixture
def keep_days() -> Iterator[Any]:
    before = configuration.current()
    yield lambda days: configuration.use(replace(before, mandate_history_days=days))
    configuration.use(before)


def attempt(actor: Actor, action: str = "project.manage", thing: Thing | None = None) -> Decision:
    return gates.judge(actor, action, thing)


def facts_of(name: str, action: str = "token.mint") -> Facts:
    return Facts(Person(name), Asking("session"), action)


def test_an_attempt_waits_in_memory_until_it_is_written() -> None:
    ada = make_user("ada")
    make_project("alpha", ada)
    decision = attempt(session_of(ada, "password"), thing=Thing("project", None, "alpha"))
    assert not GatedAttempt.objects.exists()
    assert history.write_waiting() == 1
    row = GatedAttempt.objects.get()
    assert (row.verdict, row.code, row.mandate) == ("deny", "second-factor-required", "default@1")
    assert decision.code == row.code
    assert KnownFacts.objects.get().digest == row.digest
    assert history.write_waiting() == 0


def test_the_same_facts_are_kept_once() -> None:
    ada = make_user("ada")
    actor = session_of(ada)
    for _ in range(3):
        attempt(actor)
        history.write_waiting()
    assert (GatedAttempt.objects.count(), KnownFacts.objects.count()) == (3, 1)
    assert KnownFacts.objects.get().first_at == GatedAttempt.objects.order_by("at")[0].at


def test_refusals_of_the_gate_are_kept_as_well() -> None:
    ada = make_user("ada")
    make_project("alpha", ada)
    with pytest.raises(Refusal):
        GATE.require(session_of(ada, "password"), get_action("project.manage"), None)
    history.write_waiting()
    assert GatedAttempt.objects.get().verdict == "deny"


def test_no_secret_no_address_and_no_network_is_in_what_is_kept() -> None:
    ada = make_user("ada", password="argon2$secret-hash")
    make_project("alpha", ada)
    actor = replace(session_of(ada), credential="credential-of-ada", network="203.0.113.77")
    attempt(actor, "release.upload", Thing("project", None, "alpha"))
    attempt(replace(actor, kind="token"), "release.upload", Thing("project", None, "alpha"))
    history.write_waiting()
    kept = json.dumps([list(KnownFacts.objects.values()), list(GatedAttempt.objects.values())], default=str)
    assert '"name": "ada"' in kept
    for secret in ("@", "secret", "203.0.113", "credential-of-ada", "session-of", "Mozilla", "argon2"):
        assert secret not in kept


def test_the_very_same_mandates_give_the_very_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    retire_default()
    store(document())
    people = [make_user(f"person-{number}", joined_at=ANNOUNCED - timedelta(days=1)) for number in range(3)]
    make_project("alpha", *people[:2])
    given: list[bytes] = []
    for instant in (ANNOUNCED, ANNOUNCED + timedelta(days=1), ENFORCED, ENFORCED + timedelta(days=61)):
        monkeypatch.setattr(clock, "now", lambda instant=instant: instant)
        for person in people:
            for methods in (("password",), ("password", "totp")):
                actor = session_of(person, *methods, at=instant - timedelta(minutes=5))
                for action in ("token.mint", "project.manage", "release.upload"):
                    decision = attempt(actor, action, Thing("project", None, "alpha"))
                    given.append(json.dumps(decision.as_dict()).encode())
        history.write_waiting()
    ledger = queries.ledger()
    found = list(history.replayed(ledger.live_at))
    assert [json.dumps(decision.as_dict()).encode() for _, decision in found] == given
    assert {decision.verdict for _, decision in found} == {"allow", "warn", "deny"}
    assert all(row.verdict == decision.verdict for row, decision in found)


def test_a_replay_by_other_mandates_answers_otherwise_and_writes_nothing() -> None:
    ada = make_user("ada")
    make_project("alpha", ada)
    attempt(session_of(ada, "password"))
    history.write_waiting()
    assert [one.verdict for _, one in history.replayed(lambda _: ())] == ["allow"]
    assert GatedAttempt.objects.get().verdict == "deny"


def test_a_replay_reads_in_batches_and_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "READ_AT_ONCE", 3)
    now = clock.now()
    instants = [now - timedelta(seconds=one) for one in (5, 5, 5, 5, 4, 3, 3, 2, 1, 1, 1)]
    for number, at in enumerate(instants):
        history.note(facts_of(f"u{number}"), ALLOWED, at)
    history.write_waiting()
    found = [row.at for row, _ in history.replayed(lambda _: ())]
    assert found == instants
    span = history.replayed(lambda _: (), since=instants[4], until=instants[8])
    assert [row.at for row, _ in span] == instants[4:8]


def test_a_row_whose_facts_are_gone_is_passed_by() -> None:
    history.note(facts_of("u1"), ALLOWED, clock.now())
    history.write_waiting()
    KnownFacts.objects.all().delete()
    assert list(history.replayed(lambda _: ())) == []


def test_reading_a_private_index_is_kept_once_a_minute() -> None:
    now = clock.now()
    for seconds in (0, 5, 59, 60, 61):
        history.note(facts_of("u1", history.READING), ALLOWED, now + timedelta(seconds=seconds))
        history.note(facts_of("u1"), ALLOWED, now + timedelta(seconds=seconds))
    history.note(facts_of("u2", history.READING), ALLOWED, now)
    history.write_waiting()
    assert GatedAttempt.objects.count() == 2 + 5 + 1


# ---- trouble


def test_a_database_that_is_away_stops_nothing_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = make_user("ada")

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(GatedAttempt.objects, "bulk_create", fail)
        broken.setattr(history, "close_old_connections", lambda: None)
        for action in ("token.mint", "project.manage"):
            attempt(session_of(ada), action)
            with pytest.raises(DatabaseError):
                history.write_waiting()
        assert history.count_waiting() == 2
        assert history.Writer()._write() == history.AWAY_SECONDS
    assert not KnownFacts.objects.exists()
    assert history.write_waiting() == 2
    kept = [decision for _, decision in history.replayed(lambda _: ())]
    assert len(kept) == 2


@pytest.mark.parametrize("name", ["lone \ud800", "nul \0"])
def test_one_that_no_database_takes_holds_up_no_other(name: str, caplog: pytest.LogCaptureFixture) -> None:
    now = clock.now()
    for one in ("u1", name, "u2"):
        history.note(facts_of(one), ALLOWED, now)
    takes_it = name.endswith("\0") and connection.vendor == "sqlite"
    assert history.write_waiting() == (3 if takes_it else 2)
    assert history.count_waiting() == 0
    assert {facts_of(one).digest for one in ("u1", "u2")} <= set(
        KnownFacts.objects.values_list("digest", flat=True)
    )


def test_what_waits_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    for _ in range(history.MOST_WAITING + 10):
        history.note(facts_of("u1"), ALLOWED, now)
    assert history.count_waiting() == history.MOST_WAITING


def test_zero_days_keep_nothing(keep_days: Any) -> None:
    history.note(facts_of("u1"), ALLOWED, clock.now())
    history.write_waiting()
    keep_days(0)
    history.note(facts_of("u2"), ALLOWED, clock.now())
    assert history.write_waiting() == 0
    assert history.count_waiting() == 0
    assert history.prune(clock.now()) == 2
    assert not KnownFacts.objects.exists()


# ---- forgetting


def test_old_attempts_go_with_facts_that_no_other_rests_on(keep_days: Any) -> None:
    keep_days(10)
    now = clock.now()
    old, limit = now - timedelta(days=10, microseconds=1), now - timedelta(days=10)
    for name, at in (("gone", old), ("shared", old), ("shared", limit), ("new", now)):
        history.note(facts_of(name), ALLOWED, at)
    history.write_waiting()
    assert history.prune(now) == 2 + 1
    assert sorted(GatedAttempt.objects.values_list("at", flat=True)) == [limit, now]
    assert set(KnownFacts.objects.values_list("digest", flat=True)) == {
        facts_of("shared").digest,
        facts_of("new").digest,
    }
    assert history.prune(now) == 0


def test_one_call_forgets_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PRUNED_AT_ONCE", 4)
    monkeypatch.setattr(history, "BATCHES", 2)
    at = clock.now() - timedelta(days=1000)
    for _ in range(10):
        history.note(facts_of("u1"), ALLOWED, at)
    history.write_waiting()
    now = clock.now()
    assert [history.prune(now), history.prune(now), history.prune(now)] == [8, 3, 0]


# ---- the thread


@pytest.mark.django_db(transaction=True)
def test_a_server_writes_by_the_second_and_the_rest_when_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "WRITE_SECONDS", 0.05)
    writer = history.Writer()

    async def live() -> None:
        await writer.startup()
        history.note(facts_of("u1"), ALLOWED, clock.now())
        for _ in range(100):
            if await asyncio.to_thread(GatedAttempt.objects.count):
                break
            await asyncio.sleep(0.05)
        monkeypatch.setattr(history, "WRITE_SECONDS", 60)
        await asyncio.sleep(0.2)
        history.note(facts_of("u2"), ALLOWED, clock.now())
        await writer.shutdown()

    asyncio.run(live())
    assert GatedAttempt.objects.count() == 2
    assert "mandate-history" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_write_the_same_facts_agree() -> None:
    now = clock.now()
    barrier = threading.Barrier(4)
    batch = [(facts_of(f"u{number}"), ALLOWED, now) for number in range(50)]

    def write(part: list[tuple[Facts, Decision, datetime]]) -> None:
        barrier.wait()
        try:
            history._write(part)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(batch[::step],)) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (KnownFacts.objects.count(), GatedAttempt.objects.count()) == (50, 200)


def test_what_asks_without_a_person_is_kept_too() -> None:
    for actor in (NOBODY, host()):
        attempt(actor, "project.manage")
    history.write_waiting()
    assert sorted(GatedAttempt.objects.values_list("verdict", flat=True)) == ["allow", "deny"]


# ---- one act, one attempt


def kept_acts() -> list[tuple[str, str, str]]:
    history.write_waiting()
    acts = [
        (known.facts["action"], (known.facts["object"] or {}).get("name", ""), one.verdict)
        for one in GatedAttempt.objects.order_by("pk")
        for known in [KnownFacts.objects.get(pk=one.digest)]
    ]
    GatedAttempt.objects.all().delete()
    return acts


def push(token: str, path: Path) -> Any:
    credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
    return upload(path, headers={"authorization": f"Basic {credentials}"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("wired")
def test_an_act_is_one_attempt_however_many_ask_about_it(tmp_path: Path) -> None:
    """The door asks before the thing is known, the service about the thing; replays count what people did."""
    keys.ensure_ring(configuration.current().key_file)
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()
    ada = make_user("ada")
    ada.authenticators.create(name="phone", secret_sealed="x", created_at=clock.now())
    make_project("alpha", ada)
    strong, weak = Visit(ada), Visit(ada, "password")
    assert strong.get("/manage/project/alpha/archive/").status_code == 200
    kept_acts()
    assert strong.post("/manage/project/alpha/archive/").status_code in {302, 303}
    assert kept_acts() == [("project.archive", "alpha", "allow")]
    weak.post("/manage/project/alpha/unarchive/")
    assert kept_acts() == [("project.unarchive", "", "deny")]
    assert strong.post("/manage/project/alpha/unarchive/").status_code in {302, 303}
    kept_acts()
    token = token_of(ada)
    kept_acts()
    assert push(token, build_wheel(tmp_path)).status == 200
    assert kept_acts() == [("release.upload", "alpha", "allow")]
    assert push(token, build_wheel(tmp_path, name="beta")).status == 200
    acts = sorted(kept_acts())
    assert acts == [("project.create", "beta", "allow"), ("release.upload", "beta", "allow")]
    assert push(token_of(ada, "password"), build_wheel(tmp_path, version="2.0")).status == 403
    assert kept_acts()[-1] == ("release.upload", "alpha", "deny")


def test_the_last_answer_of_a_request_stands_and_other_things_stay_apart() -> None:
    with history.one_request():
        for name, decision in (("", ALLOWED), ("a", ALLOWED), ("b", ALLOWED), ("a", Decision("deny", "x"))):
            thing = Object("project", name) if name else None
            history.note(replace(facts_of("ada"), object=thing), decision, ANNOUNCED)
        history.note(facts_of("bob"), ALLOWED, ANNOUNCED)
        assert history.count_waiting() == 0
    seen = [(facts.object.name if facts.object else "", one.verdict) for facts, one, _ in history._waiting]
    assert seen == [("b", "allow"), ("a", "deny"), ("", "allow")]


def test_an_attempt_of_a_request_that_falls_over_is_kept() -> None:
    @history.one_request()
    def fall_over() -> None:
        history.note(facts_of("ada"), ALLOWED, ANNOUNCED)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fall_over()
    assert history.count_waiting() == 1


def test_an_attempt_that_outlives_its_request_is_kept() -> None:
    with history.one_request():
        context = copy_context()
        history.note(facts_of("ada"), ALLOWED, ANNOUNCED)
    context.run(history.note, facts_of("bob"), ALLOWED, ANNOUNCED)
    assert history.count_waiting() == 2
