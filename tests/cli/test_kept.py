"""Data folders that earlier versions left: this version brings them up to date, and what people had in them is alive.

`tests/kept/make.py` keeps one before each migration that runs code or SQL of its own; CONTRIBUTING says when and how.
"""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.migrations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from tests.cli.places import Place
from tests.cli.started import serving
from tests.kept.make import unpack

pytestmark = pytest.mark.by_turns

KEPT = sorted((Path(__file__).parents[1] / "kept").glob("*.json.gz"))
LATER = "2024-01-10T12:30:00Z"  # half an hour after they were kept

APPLICATIONS = "0005-before-folded-applications"
# By migration: the folder that was kept before it, or a sentence that says why it needs none (it only builds an index).
BEFORE = {
    "accounts.0011_check_phrases": "0002-before-check-phrases",
    "mandate.0002_approvals": "0001-before-approvals",
    "organizations.0006_applications": APPLICATIONS,
    "projects.0002_downloads_by_day": "0003-before-daily-downloads",
    "projects.0003_search": "0004-before-search",
}
# Two applications are in that one alone; people would confuse their names.
APPLIED = 'INSERT INTO "organizations_organizationapplication"'
FOLDED = [("0live.oi1", "011ve011"), ("Olive-Oil", "011ve011")]


def _name(path: Path) -> str:
    return path.name.removesuffix(".json.gz")


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return content


def _every(operations: Iterable[Operation]) -> Iterator[Operation]:
    for operation in operations:
        yield operation
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _every(operation.database_operations)


def test_each_migration_that_runs_code_or_sql_has_a_folder_or_a_reason() -> None:
    found = MigrationLoader(None).disk_migrations
    ours = {app.label for app in apps.get_app_configs() if app.name.startswith("keyhouse.")}
    assert {
        f"{app}.{name}"
        for (app, name), migration in found.items()
        if app in ours and any(isinstance(one, RunPython | RunSQL) for one in _every(migration.operations))
    } == set(BEFORE)
    reasons = {text for text in BEFORE.values() if " " in text and text.endswith(".")}
    assert set(BEFORE.values()) - reasons == {_name(path) for path in KEPT}
    assert [_name(path) for path in KEPT if APPLIED in _content(path)["sql"]] == [APPLICATIONS]


def test_folders_are_small_and_were_left_before_the_migrations_that_they_are_kept_for() -> None:
    for path in KEPT:
        assert path.stat().st_size < 2**15
        with closing(sqlite3.connect(":memory:")) as database:
            database.executescript(_content(path)["sql"])
            ran = database.execute("SELECT app || '.' || name FROM django_migrations").fetchall()
        for migration in (name for name, folder in BEFORE.items() if folder == _name(path)):
            app, _, number = migration.partition("_")[0].partition(".")
            before = f"{app}.{int(number) - 1:04d}_"
            assert (migration,) not in ran
            assert any(name.startswith(before) for (name,) in ran)


@pytest.fixture(params=KEPT, ids=_name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, dict[str, Any]]:
    content = _content(request.param)
    data, clock = tmp_path / "data", tmp_path / "clock"
    data.mkdir()
    unpack(content, data)
    clock.write_text(LATER)
    return Place(data, settings={"KEYHOUSE_CLOCK_FILE": str(clock)}), content


def test_an_old_data_folder_is_opened_and_everything_in_it_is_alive(
    kept: tuple[Place, dict[str, Any]],
) -> None:
    place, content = kept
    told = content["told"]
    basic = base64.b64encode(f"__token__:{told['tokens'][0]['token']}".encode()).decode()

    with serving(place.data, cwd=place.data.parent, **place.environment) as started:
        status, account = started.get("/account/", Cookie=told["sessions"][0]["cookie"])
        assert (status, b"ada" in account) == (200, True)
        asked = "/mandate/check?action=release.upload&project=alpha"
        status, answer = started.get(asked, Authorization=f"Basic {basic}")
        assert (status, json.loads(answer)["verdict"]) == (200, "allow")
        file = told["files"][0]
        assert file["filename"].encode() in started.get("/simple/alpha/")[1]
        assert started.get(file["url"])[0] == 200

    mandates = place.keyhouse("mandate", "status", "--json")
    assert "everyone-2023" in mandates
    assert "carl" in place.keyhouse("mandate", "exemptions", "--json")
    place.keyhouse("audit", "verify")
    place.keyhouse("dev", "settle")  # what a server does beside requests: rows for searching
    verified = place.verify()
    assert verified["ok"] is True, verified
    _require_what_migrations_filled(place, content["sql"])


def _require_what_migrations_filled(place: Place, was: str) -> None:
    place.keyhouse("dev", "settle")
    with closing(sqlite3.connect(place.data / "keyhouse.sqlite3")) as database:
        asked = database.execute
        assert asked("SELECT approved_by FROM mandate_exemption").fetchall() == [('["bob"]',)]
        assert asked("SELECT COUNT(*) FROM accounts_user WHERE check_phrase = ''").fetchone() == (0,)
        counts = asked("SELECT SUM(count) FROM projects_downloadcount").fetchone()
        assert asked("SELECT SUM(count) FROM projects_projectdownloads").fetchone() == counts
        assert asked("SELECT SUM(count) FROM projects_releasedownloads").fetchone() == counts
        assert asked("SELECT letters FROM projects_searchrow").fetchall() == [("alpha",)]
        names = asked("SELECT name, folded_name FROM organizations_organizationapplication ORDER BY name")
        assert names.fetchall() == (FOLDED if APPLIED in was else [])
