"""Several processes, and such as are killed in the middle, on a mail server that counts."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests import forked
from tests.cli.places import Place, place
from tests.cli.started import environment, serving
from tests.mail.smtp_server import SmtpServer, running

pytestmark = [pytest.mark.database, pytest.mark.by_turns]

QUEUE = """
import sys
from keyhouse.cli.surroundings import open_index
open_index()
from django.db import transaction
from keyhouse.core import clock
from keyhouse.mail.letters import Letter, Link, Text
from keyhouse.mail.services import Posting, queue_all
letter = Letter("test", "Subject", (Text("Text"), Link("Go", "https://keyhouse.test/x/")))
with transaction.atomic():
    postings = [Posting(letter, f"p{number}@example.org") for number in range(int(sys.argv[1]))]
    queue_all(postings, now=clock.now(), lane=sys.argv[2])
"""
BEGIN, LATER = "2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path / "data") as made:
        (tmp_path / "clock").write_text(BEGIN)
        made.settings["KEYHOUSE_CLOCK_FILE"] = str(tmp_path / "clock")
        yield made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path / "elsewhere", is_new=True) as made:
        yield made


@pytest.fixture
def server(index: Place) -> Iterator[SmtpServer]:
    with running() as server:
        index.settings["KEYHOUSE_MAIL_URL"] = f"smtp://127.0.0.1:{server.port}"
        yield server


def queue(index: Place, count: int, lane: str = "security") -> None:
    words, around = ["-c", QUEUE, str(count), lane], environment(**index.environment)
    forked.run(words, environment=around, seconds=60, cwd=index.data.parent).check_returncode()


def settle(index: Place) -> int:
    return int(json.loads(index.keyhouse("dev", "settle"))["mails"])


def states(index: Place) -> list[str]:
    lines = index.keyhouse("mail", "list", "--json").splitlines()
    return [json.loads(line)["state"] for line in lines]


def test_two_processes_deliver_each_mail_once(index: Place, server: SmtpServer) -> None:
    queue(index, 60)
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: settle(index), range(2)))
    assert sum(told) == 60
    assert sorted(got.to for got in server.received) == sorted(
        f"p{number}@example.org" for number in range(60)
    )
    assert states(index) == ["sent"] * 60


def test_a_server_and_a_command_deliver_each_mail_once(index: Place, server: SmtpServer) -> None:
    server.behaviour.seconds = 0.01
    with serving(index.data, cwd=index.data.parent, **index.environment):
        queue(index, 60)
        settle(index)
    assert len(server.received) == len({got.to for got in server.received}) == 60


@pytest.mark.parametrize(("fault", "taken"), [("mail.claimed", 0), ("mail.handed-over", 1)])
def test_a_process_killed_in_the_middle_loses_nothing(
    index: Place, server: SmtpServer, fault: str, taken: int
) -> None:
    queue(index, 3)
    assert index.run("dev", "settle", KEYHOUSE_FAULT=fault).returncode == -signal.SIGKILL
    assert len(server.received) == taken
    assert states(index) == ["waiting"] * 3
    assert settle(index) == 2  # the one that was under way waits for its next try
    Path(index.settings["KEYHOUSE_CLOCK_FILE"]).write_text(LATER)
    assert settle(index) == 1
    assert states(index) == ["sent"] * 3
    assert {got.to for got in server.received} == {f"p{number}@example.org" for number in range(3)}
    assert len({got.message["Message-ID"] for got in server.received}) == 3
    assert len(server.received) == 3 + taken  # SMTP can't be asked: twice, under one name


@pytest.mark.parametrize("fault", ["mail.claimed", "mail.file-written", "mail.handed-over"])
def test_a_file_is_written_once_whatever_is_killed(index: Place, fault: str) -> None:
    queue(index, 3)
    assert index.run("dev", "settle", KEYHOUSE_FAULT=fault).returncode == -signal.SIGKILL
    assert states(index) == ["waiting"] * 3
    assert settle(index) == 3  # at once: writing the same file twice is writing it once
    folder = index.data / "mail"
    assert sorted(path.suffix for path in folder.iterdir()) == [".eml"] * 3
    assert all(path.read_bytes().endswith(b"--\r\n") for path in folder.iterdir())


@pytest.mark.parametrize("are_keys_kept", [True, False])
def test_what_waits_survives_a_restore_or_is_told_as_lost(
    index: Place, elsewhere: Place, tmp_path: Path, are_keys_kept: bool
) -> None:
    queue(index, 3)
    index.keyhouse("backup", "backup")
    words = ["--keys", str(index.data / "keys.json")] if are_keys_kept else ["--without-keys"]
    told = json.loads(elsewhere.keyhouse("restore", tmp_path / "backup", "--json", *words))
    assert told.get("mails_lost", 0) == (0 if are_keys_kept else 3)
    assert settle(elsewhere) == (3 if are_keys_kept else 0)
    assert states(elsewhere) == ["sent" if are_keys_kept else "failed"] * 3


def test_keys_are_rotated_under_what_waits(index: Place) -> None:
    queue(index, 3)
    index.keyhouse("keys", "rotate")
    [_, old] = json.loads(index.keyhouse("keys", "list", "--json"))
    index.keyhouse("keys", "retire", old["id"])
    assert settle(index) == 3
    assert states(index) == ["sent"] * 3


def test_a_server_writes_mails_into_files_by_itself(index: Place) -> None:
    with serving(index.data, cwd=index.data.parent, **index.environment) as started:
        queue(index, 2)
        queue(index, 2, "bulk")
        for _ in range(200):
            if states(index) == ["sent"] * 4:
                break
        metrics = started.get("/health/ready")
        assert metrics[0] == 200
    assert len(list((index.data / "mail").glob("*.eml"))) == 4
