"""Log lines and what they never say."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace

import pytest

from keyhouse.core import configuration, logs
from keyhouse.core.logs import JsonLines, TextLines, hide_secrets

TOKEN = "keyhouse-AgEDABUx" + "Qq3-_" * 20


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("keyhouse.test").makeRecord(
        "keyhouse.test", logging.WARNING, "file.py", 1, message, arguments, None, extra=extra
    )


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"upload with {TOKEN} failed", TOKEN),
        ("upload with pypi-AgEIcHlwaS5vcmcCJDEyMzQ1Njc4 failed", "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4"),
        ("GET /setup/hT3-x_9Zk/account/ 200", "hT3-x_9Zk"),
        ("see http://localhost:8400/invitation/hT3-x_9Zk/", "hT3-x_9Zk"),
        ("GET /setup//hT3-x_9Zk/ 404", "hT3-x_9Zk"),
        ("GET /account/sign-in/?next=%2Fverify-address%2FhT3-x_9Zk%2F 200", "hT3-x_9Zk"),
        ("GET /Setup/hT3-x_9Zk/ 404", "hT3-x_9Zk"),
        ("headers: {'Authorization': 'Basic eDp5'}", "eDp5"),
        ("Authorization: Bearer abcdefgh", "abcdefgh"),
        ("sent Cookie: keyhouse-1a2b3c4d=f00ba4; x=y", "f00ba4"),
        ("set-cookie: __Host-keyhouse=f00ba4", "f00ba4"),
        ("using Basic X190b2tlbl9fOmtleWhvdXNl", "X190b2tlbl9fOmtleWhvdXNl"),
        ("postgresql://keyhouse:s3cret@db.example.org/x", "s3cret"),
    ],
)
def test_secrets_are_taken_out(text: str, secret: str) -> None:
    for formatter in (TextLines(), JsonLines()):
        assert secret not in formatter.format(record("%s", text, path=text))
    assert logs.HIDDEN in hide_secrets(text)


@pytest.mark.parametrize("place", ["message", "path", "data"])
@pytest.mark.parametrize(
    "secret",
    [
        "/SETUP/abc123/",
        "%2fsetup%2fabc123",
        "Cookie: abc123",
        "BASIC abc123abc123abc123",
        "ba\u017fic abc123abc123abc123",
    ],
)
def test_a_json_line_hides_secrets_wherever_they_stand(place: str, secret: str) -> None:
    told = {"path": "/legacy/", "data": "", place: f'said "{secret}"'}
    body = json.loads(JsonLines().format(record(told.pop("message", "done"), **told)))
    assert "abc123" not in str(body)
    assert logs.HIDDEN in body[place]


@pytest.mark.parametrize("prefix", ["key-", 'a"b\\', "ÄÖ-", "KEY", ""])
def test_a_token_is_hidden_whatever_it_begins_with(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(configuration.current(), token_prefix=prefix)
    monkeypatch.setattr(configuration, "_current", settings)
    body = json.loads(
        JsonLines().format(record(f"sent {prefix}AgEDABUxQq3AgEDABUxQq3 and pypi-AgEDABUxQq3AgEDABUxQq3"))
    )
    assert body["message"] == f"sent {logs.HIDDEN if prefix else 'AgEDABUxQq3AgEDABUxQq3'} and {logs.HIDDEN}"


def test_what_is_no_secret_stays() -> None:
    line = "POST /legacy/ 400 in 3 ms: file-exists: File already exists. https://example.org/x/"
    assert hide_secrets(line) == line


def test_a_secret_in_a_traceback_is_taken_out_too() -> None:
    made = record("failed")
    try:
        int(TOKEN)
    except ValueError:
        made.exc_info = sys.exc_info()
    for formatter in (TextLines(), JsonLines()):
        line = formatter.format(made)
        assert "ValueError" in line
        assert TOKEN not in line


def test_json_lines_are_one_object_each() -> None:
    logs.request_id.set("abc")
    line = JsonLines().format(record("two\nlines é", path="/x", status=200))
    logs.request_id.set("")
    assert "\n" not in line
    body = json.loads(line)
    assert body | {"at": ""} == {
        "at": "",
        "level": "warning",
        "logger": "keyhouse.test",
        "message": "two\nlines é",
        "path": "/x",
        "status": 200,
        "request": "abc",
    }
    assert body["at"].endswith("Z")


def test_text_lines_say_the_level_only_where_it_matters() -> None:
    made = record("hello")
    assert TextLines().format(made).endswith("  warning: hello")
    made.levelno = logging.INFO
    assert TextLines().format(made).endswith("  hello")


@pytest.mark.parametrize(
    ("format_", "is_terminal", "is_json"),
    [("auto", True, False), ("auto", False, True), ("json", True, True), ("text", False, False)],
)
def test_lines_are_json_where_nobody_reads_them(
    format_: str, is_terminal: bool, is_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    settings = configuration.read({"KEYHOUSE_LOG_FORMAT": format_})
    assert logs.is_json(settings) is is_json
    assert ("JsonLines" in str(logs.configured(settings))) is is_json


def test_nobody_writes_lines_of_their_own_or_commands_a_terminal() -> None:
    text = TextLines().format(record("GET %s 404", "/x\n12:00:00  forged \x1b[2J\r\x9b31m\u202e\u2028 é"))
    assert text.endswith(r" GET /x\n12:00:00  forged \x1b[2J\r\x9b31m\u202e\u2028 é 404")


def test_a_traceback_keeps_its_lines_and_commands_no_terminal() -> None:
    try:
        getattr(logs, "\x1b[2J")
    except AttributeError:
        made = record("broken")
        made.exc_info = sys.exc_info()
    lines = TextLines().format(made).splitlines()
    assert lines[1].startswith("Traceback")
    assert lines[-1].endswith(r"no attribute '\x1b[2J'")
