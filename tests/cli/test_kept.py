"""Data folders that earlier versions left: this version brings them up to date, and what people had in them is alive.

`tests/kept/make.py` keeps one before each migration that changes data; CONTRIBUTING says when and how.
"""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.cli.places import Place
from tests.cli.started import serving
from tests.kept.make import unpack

KEPT = sorted((Path(__file__).parents[1] / "kept").glob("*.json.gz"))
LATER = "2024-01-10T12:30:00Z"  # half an hour after they were kept


def test_there_are_some() -> None:
    assert len(KEPT) >= 4
    assert all(path.stat().st_size < 2**14 for path in KEPT)


@pytest.fixture(params=KEPT, ids=lambda path: path.name.partition(".")[0])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, dict[str, Any]]:
    content = json.loads(gzip.decompress(request.param.read_bytes()))
    data, clock = tmp_path / "data", tmp_path / "clock"
    data.mkdir()
    unpack(content, data)
    clock.write_text(LATER)
    return Place(data, settings={"KEYHOUSE_CLOCK_FILE": str(clock)}), content["told"]


def test_an_old_data_folder_is_opened_and_everything_in_it_is_alive(
    kept: tuple[Place, dict[str, Any]],
) -> None:
    place, told = kept
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
    told = place.verify()
    assert told["ok"] is True, told
    _require_what_migrations_filled(place)


def _require_what_migrations_filled(place: Place) -> None:
    place.keyhouse("dev", "settle")
    with closing(sqlite3.connect(place.data / "keyhouse.sqlite3")) as database:
        asked = database.execute
        assert asked("SELECT COUNT(*) FROM accounts_user WHERE check_phrase = ''").fetchone() == (0,)
        counts = asked("SELECT SUM(count) FROM projects_downloadcount").fetchone()
        assert asked("SELECT SUM(count) FROM projects_projectdownloads").fetchone() == counts
        assert asked("SELECT SUM(count) FROM projects_releasedownloads").fetchone() == counts
        assert asked("SELECT letters FROM projects_searchrow").fetchall() == [("alpha",)]
