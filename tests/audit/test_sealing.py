from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import connection, transaction
from django.test import Client

from keyhouse.audit import sealing
from keyhouse.audit.chain import BEGINNING, FIELDS, Head, Sealed, faults, link
from keyhouse.audit.models import ChainHead, Personal, Record
from keyhouse.audit.sealing import find_head, seal, verify
from keyhouse.audit.services import Act, record_all
from keyhouse.cli.audit import command
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, host

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def fields(**changed: Any) -> dict[str, Any]:
    made: dict[str, Any] = dict.fromkeys(FIELDS, "x") | {"id": 1, "at": NOW, "methods": [], "details": {}}
    return made | changed


def write(count: int, start: int = 0) -> list[Record]:
    by = Actor(kind="session", user_id=7, name="ada", network="192.0.2.1")
    with transaction.atomic():
        return record_all(
            [Act("project.archive", Thing("project", n, f"p{n}"), 7) for n in range(start, start + count)],
            by=by,
        )


# ---- the chain


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_committed_to(name: str) -> None:
    other = NOW + timedelta(microseconds=1) if name == "at" else ["other"]
    assert link(Head(), fields()).chain != link(Head(), fields(**{name: other})).chain


def test_place_and_predecessor_are_committed_to() -> None:
    first = link(Head(), fields())
    assert link(Head(1, BEGINNING), fields()).chain != first.chain
    assert link(Head(0, "1" * 64), fields()).chain != first.chain
    assert first.position == 1


def test_an_instant_is_the_same_in_any_zone() -> None:
    zoned = NOW.astimezone(datetime.now().astimezone().tzinfo)
    assert link(Head(), fields(at=zoned)) == link(Head(), fields())


def test_an_empty_chain_is_whole() -> None:
    assert list(faults([], Head())) == []
    assert list(faults([], Head(1, "x"))) == ["the end: 1 records were chained, and 0 are here"]


def test_one_change_is_told_once() -> None:
    heads = [Head()]
    told = [fields(id=number) for number in range(1, 6)]
    for one in told:
        heads.append(link(heads[-1], one))
    kept = [Sealed(head.position, head.chain, one) for head, one in zip(heads[1:], told, strict=True)]
    assert list(faults(kept, heads[-1])) == []
    kept[2] = Sealed(3, kept[2].chain, fields(id=3, code="changed"))
    assert list(faults(kept, heads[-1])) == ["place 3: record 3 is not what was chained"]


# ---- sealing


@pytest.mark.django_db
def test_records_are_chained_in_batches_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 3)
    write(8)
    assert seal(NOW) == 8
    assert list(Record.objects.order_by("id").values_list("position", flat=True)) == list(range(1, 9))
    head = find_head()
    assert head is not None
    assert (head.position, head.sealed_at) == (8, NOW)
    assert head.chain == Record.objects.get(position=8).chain
    assert (seal(NOW), list(verify())) == (0, [])
    write(1, 8)
    assert (seal(NOW), list(verify())) == (1, [])


@pytest.mark.django_db
def test_nothing_is_sealed_where_there_is_nothing() -> None:
    assert (seal(NOW), find_head(), list(verify())) == (0, None, [])


ATTACKS: dict[str, tuple[Callable[[], object], str]] = {
    "a change": (lambda: Record.objects.filter(position=3).update(action="token.mint"), "place 3: record"),
    "a removal": (lambda: Record.objects.filter(position=3).delete(), "place 3: 1 records are missing"),
    "a missing end": (
        lambda: Record.objects.filter(position=5).delete(),
        "the end: 5 records were chained, and 4 are here",
    ),
    "everything gone": (lambda: Record.objects.all().delete(), "the end: 5 records were chained"),
    "a head set back": (
        lambda: (
            Record.objects.filter(position=5).delete(),
            ChainHead.objects.update(position=4, chain="0" * 64),
        ),
        "place 4: the head tells of another record",
    ),
    "personal data exchanged": (
        lambda: Personal.objects.filter(record__position=2).update(name="eve"),
        "its personal data is not what was committed to",
    ),
    "a record taken out of the chain": (
        lambda: Record.objects.filter(position=3).update(position=None, chain=None),
        "place 3: 1 records are missing",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_on_the_log_shows(name: str) -> None:
    write(5)
    seal(NOW)
    attack, told = ATTACKS[name]
    attack()
    assert any(told in fault for fault in verify()), list(verify())


@pytest.mark.django_db
def test_exchanged_places_show() -> None:
    write(5)
    seal(NOW)
    second, third = Record.objects.get(position=2), Record.objects.get(position=3)
    Record.objects.filter(pk=second.pk).update(position=None)
    Record.objects.filter(pk=third.pk).update(position=2)
    Record.objects.filter(pk=second.pk).update(position=3)
    assert len(list(verify())) >= 2


@pytest.mark.django_db
def test_a_log_written_anew_shows_by_a_head_that_was_kept() -> None:
    write(5)
    seal(NOW)
    kept = find_head()
    assert kept is not None
    Record.objects.all().delete()
    ChainHead.objects.all().delete()
    write(6)
    seal(NOW)
    assert list(verify()) == []
    assert list(verify(Head(kept.position, kept.chain))) == [
        "place 5: this chain is not the one whose head was kept"
    ]


@pytest.mark.django_db
def test_personal_data_is_erased_without_breaking_the_chain() -> None:
    write(3)
    seal(NOW)
    Personal.objects.filter(record__position=2).delete()
    Personal.objects.filter(record__position=3).update(salt="", name="", network="", user_agent="")
    assert list(verify()) == []


@pytest.mark.django_db(transaction=True)
def test_two_sealers_at_once_make_one_chain() -> None:
    write(50)
    sealed: list[int] = []

    def work() -> None:
        try:
            sealed.append(seal(NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sealed) == 50
    assert list(verify()) == []


@pytest.mark.django_db(transaction=True)
def test_a_server_seals_what_is_left_when_it_stops() -> None:
    sealer = sealing.Sealer()
    sealer.start()
    write(2)
    sealer.stop()
    assert Record.objects.filter(position=None).count() == 0


# ---- doors


@pytest.mark.django_db
def test_the_head_is_public() -> None:
    assert Client().get("/audit/head").json() == {"position": 0, "chain": BEGINNING, "sealed_at": None}
    write(2)
    seal(NOW)
    head = find_head()
    assert head is not None
    told = Client().get("/audit/head").json()
    assert told == {"position": 2, "chain": head.chain, "sealed_at": "2026-03-04T05:06:07Z"}


@pytest.mark.django_db
def test_the_command_tells_of_a_whole_log_and_of_a_broken_one() -> None:
    write(3)
    seal(NOW)
    write(1, 3)
    head = find_head()
    assert head is not None
    whole = CliRunner().invoke(command, ["verify", "--json"])
    assert whole.exit_code == 0
    told = f"3:{head.chain}"
    assert json.loads(whole.stdout) == {"head": told, "waiting": 1, "faults": []}
    assert CliRunner().invoke(command, ["verify", "--head", told]).exit_code == 0
    wrong = CliRunner().invoke(command, ["verify", "--head", "3:" + "0" * 64])
    assert (wrong.exit_code, "this chain is not the one" in wrong.stdout) == (1, True)
    Record.objects.filter(position=2).update(code="x")
    broken = CliRunner().invoke(command, ["verify"])
    assert broken.exit_code == 1
    assert "record" in broken.stdout


@pytest.mark.django_db
@pytest.mark.parametrize(
    "head", ["", "3", "x:" + "0" * 64, "3:" + "0" * 63, "3:" + "G" * 64, "-1:" + "0" * 64]
)
def test_a_head_that_is_none_is_wrong_use(head: str) -> None:
    assert CliRunner().invoke(command, ["verify", "--head", head]).exit_code == 2


@pytest.mark.django_db
def test_the_log_is_still_printed_by_the_command_alone() -> None:
    with transaction.atomic():
        record_all([Act("host.command")], by=host())
    assert "host.command" in CliRunner().invoke(command, []).stdout
