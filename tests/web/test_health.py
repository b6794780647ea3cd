"""What `/health/` says, and when."""

from __future__ import annotations

import errno
import json
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from tests.web.asgi_client import ask

from keyhouse.core import configuration, keys
from keyhouse.web import health, readiness
from keyhouse.web.health import Health
from keyhouse.web.readiness import Readiness

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_migrated", set())
    configuration.current().files_folder.mkdir(exist_ok=True)


def ready(query: str = "") -> tuple[int, dict[str, Any]]:
    found = ask(Health().ready, "GET", "/health/ready" + query)
    return found.status, json.loads(found.body)


def test_live_says_yes() -> None:
    assert ask(Health().live, "GET", "/health/live").status == 200


def test_ready_says_yes_when_nothing_lacks() -> None:
    assert ready() == (200, {"ready": True, "readers_lack": [], "writers_lack": [], "impaired": []})
    assert ready("?for=writes")[0] == 200


def test_a_full_disk_stops_writers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    status, body = ready()
    assert status == 200
    assert body["writers_lack"] == [
        "The data folder takes no files: No space left on device.",
        "The folder of the files takes no files: No space left on device.",
    ]
    assert ready("?for=writes")[0] == 503


def test_a_missing_key_file_stops_writers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise keys.KeyFileError

    monkeypatch.setattr(keys, "ring", missing)
    assert ready()[0] == 200
    assert ready("?for=writes")[1]["writers_lack"] == ["The key file can't be read."]


def test_a_missing_migration_stops_everybody() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'projects'")
    try:
        status, body = ready()
    finally:
        restore_migrations()
    assert status == 503
    assert body["readers_lack"] == ["Migrations are missing; they are applied when the server starts."]


def restore_migrations() -> None:
    from django.db.migrations.recorder import MigrationRecorder  # noqa: PLC0415 - only here

    recorder = MigrationRecorder(connection)
    folder = Path(readiness.__file__).parents[1] / "projects" / "migrations"
    for path in sorted(folder.glob("0*.py")):
        recorder.record_applied("projects", path.stem)


def test_a_missing_table_stops_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE projects_indexpage RENAME TO elsewhere")
    try:
        assert ready()[0] == 503
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO projects_indexpage")
    assert ready()[0] == 200


def test_a_writer_at_work_is_no_lack_and_a_read_only_database_is(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("CREATE TABLE t (x)")
    writer.execute("BEGIN IMMEDIATE")
    assert readiness._sqlite_takes_writes(path)
    writer.execute("ROLLBACK")
    assert readiness._sqlite_takes_writes(path)
    assert not readiness._sqlite_takes_writes(tmp_path / "nowhere" / "x.sqlite3")
    writer.close()


def test_a_database_that_hangs_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "JUDGED_SECONDS", 0.05)
    monkeypatch.setattr(readiness, "judge", lambda: time.sleep(0.5))
    status, body = ready()
    assert (status, body["readers_lack"]) == (503, ["The database doesn't answer in time."])


def test_asking_often_costs_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def look() -> Readiness:
        looks.append(1)
        return Readiness((), ())

    monkeypatch.setattr(readiness, "judge", look)
    one = Health()
    for _ in range(5):
        assert ask(one.ready, "GET", "/health/ready").status == 200
    assert len(looks) == 1
