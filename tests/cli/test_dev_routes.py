from __future__ import annotations

import json
from pathlib import Path

from django.urls import get_resolver
from tests.cli.started import keyhouse

from keyhouse.cli.dev_routes import READS, _walk, routes
from keyhouse.core import actions
from keyhouse.index.routes import FACES

LINES = list(routes())


def test_each_line_says_all_there_is_to_know() -> None:
    assert len(LINES) > 60
    for line in LINES:
        assert list(line) == ["action", "method", "path", "fields", "csrf_field", "step_up", "gated"]
        action = actions.get_action(line["action"])
        assert (line["step_up"], line["gated"]) == (action.step_up, action.gated)
        assert line["path"].startswith("/")
        assert "<" not in line["path"]
    assert len({(line["path"], line["method"]) for line in LINES}) == len(LINES)


def test_every_form_of_the_pages_names_its_fields_and_the_token_against_forged_ones() -> None:
    forms = {
        line["path"]: line for line in LINES if line["method"] == "POST" and "legacy" not in line["path"]
    }
    assert all(line["csrf_field"] == "csrfmiddlewaretoken" for line in forms.values())
    assert forms["/account/sign-in/"]["fields"] == ["username", "password", "next"]
    assert forms["/manage/project/{name}/release/{version}/yank/"]["fields"] == ["reason"]
    assert forms["/manage/project/{name}/delete/"]["fields"] == ["name"]
    assert "description" in forms["/account/tokens/new/"]["fields"]
    assert all(line["csrf_field"] is None for line in LINES if line["method"] == "GET")


def test_every_view_that_takes_a_form_says_what_it_reads() -> None:
    views = list(_walk(get_resolver().url_patterns))
    posting = [(path, view) for path, view in views if "POST" in view.actions]  # type: ignore[attr-defined]  # `classified` put it there
    assert [path for path, view in posting if not hasattr(view, "fields")] == []


def test_the_upload_takes_its_fields_and_no_token_against_forged_forms() -> None:
    upload = next(line for line in LINES if line["path"] == "/legacy/")
    assert {":action", "content", "metadata_version", "sha256_digest"} <= set(upload["fields"])
    assert (upload["action"], upload["csrf_field"]) == ("release.upload", None)


def test_every_face_of_the_read_plane_is_listed() -> None:
    values = {
        "project": "alpha",
        "version": "1.0",
        "filename": "alpha-1.0.tar.gz",
    }
    paths = [
        path.replace("{folder}/{folder}/{folder}", f"ab/cd/{'e' * 60}").format(**values) for path in READS
    ]
    for path in paths:
        assert any(pattern.fullmatch(path) for pattern, _ in FACES), path
    for pattern, _ in FACES:
        assert any(pattern.fullmatch(path) for path in paths), pattern.pattern


def test_the_command_needs_no_index_and_makes_none(tmp_path: Path) -> None:
    done = keyhouse("dev", "routes", KEYHOUSE_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == LINES
    assert not (tmp_path / "data").exists()
