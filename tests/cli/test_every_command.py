"""What holds for all commands: numbers have ends, programs get JSON, bytes that are no text are wrong use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tests.cli.places import ADA, Place
from tests.cli.started import environment, keyhouse
from tests.cli.test_examples import every
from tests.distfiles.builders import build_wheel

from keyhouse.accounts.models import User
from keyhouse.cli import audit, main, names
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import configuration
from keyhouse.credentials.tokens.models import Token
from keyhouse.web.wiring import wire_all

EVERY = every()
HUGE = "9" * 5000
NUMBERS = (click.types.IntParamType, click.types.FloatParamType)
PLAIN = (click.types.StringParamType, click.types.BoolParamType, click.Path, click.File)
NO_TEXT = os.fsdecode(b"\xff")

DOCUMENT = "what it prints is a document of its own, to be put into a file"
WITHOUT_JSON = {
    "serve": "it runs, and its log is JSON",
    "token restrict": "it prints the token and nothing else",
    "completion": DOCUMENT,
    "mandate template": DOCUMENT,
    **dict.fromkeys(("dev dead-ends", "dev decisions", "dev docs", "dev roles", "dev routes"), DOCUMENT),
    **dict.fromkeys(("dev seed", "dev settle", "dev verify"), "for tests; it talks JSON alone"),
    "mail test": "what it tells is whether a person finds the mail",
    "passwords import": "it tells how far it is, and the exit code whether it is done",
}


def numbers() -> list[tuple[str, str]]:
    """Return every parameter that is a number, or text of our own kind in which one may stand."""
    return [
        (words, parameter.name or "")
        for words, command in sorted(EVERY.items())
        for parameter in command.params
        if not isinstance(parameter.type, PLAIN)
    ]


@pytest.mark.parametrize("words", sorted(EVERY))
def test_every_number_has_an_end(words: str) -> None:
    asked = [one for one in EVERY[words].params if isinstance(one.type, NUMBERS)]
    assert not [one.name for one in asked if getattr(one.type, "max", None) is None]


def test_numbers_are_found() -> None:
    assert {("keyhouse audit", "most"), ("keyhouse mandate show", "version")} <= {*numbers()} | audits()
    assert len(numbers()) > 30


def audits() -> set[tuple[str, str]]:
    """Return those of groups, which are commands as well."""
    return {
        ("keyhouse audit", one.name or "") for one in audit.command.params if isinstance(one.type, NUMBERS)
    }


@pytest.mark.parametrize(("words", "name"), numbers())
def test_a_huge_number_is_wrong_use(words: str, name: str) -> None:
    command = EVERY[words]
    asked = next(one for one in command.params if one.name == name)
    arguments = [one.name for one in command.params if isinstance(one, click.Argument)]
    if isinstance(asked, click.Option):
        given = [f"{asked.opts[-1]}={HUGE}"]
    else:
        given = [*("x" for _ in arguments[: arguments.index(name)]), HUGE]
    done = CliRunner().invoke(command, given)
    assert done.exit_code == 2, (done.output, done.exception)
    assert "Invalid value" in done.output


@pytest.mark.parametrize("number", [HUGE, "9" * 20, "-1"])
def test_the_audit_log_has_no_such_number_of_records(number: str) -> None:
    assert CliRunner().invoke(audit.command, [f"--most={number}"]).exit_code == 2
    head = f"{number}:{'0' * 64}"
    assert CliRunner().invoke(audit.command, ["verify", f"--head={head}"]).exit_code == 2


@pytest.mark.parametrize("words", sorted(EVERY))
def test_a_program_gets_json(words: str) -> None:
    has_it = "--json" in {name for one in EVERY[words].params for name in one.opts}
    assert has_it != (words.removeprefix("keyhouse ") in WITHOUT_JSON)


def test_exceptions_name_commands_that_there_are() -> None:
    assert {f"keyhouse {name}" for name in WITHOUT_JSON} <= EVERY.keys()


@pytest.mark.parametrize(
    "words",
    [
        ["project", "list", NO_TEXT],
        ["user", "show", f"ada{NO_TEXT}"],
        ["user", "suspend", "ada", "--reason", NO_TEXT],
        ["user", "suspend", "ada", f"--reason={NO_TEXT}"],
        ["user", "suspend", "ada", f"--{NO_TEXT}=x"],
        [NO_TEXT],
        ["check", NO_TEXT],
    ],
)
def test_bytes_that_are_no_text_are_wrong_use(words: list[str], filled: Place) -> None:
    done = filled.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no text in UTF-8" in done.stderr
    assert "\\xff" in done.stderr
    assert "Something broke" not in done.stderr
    assert filled.json("user", "show", "ada", "--json")["state"] == "active"


def test_a_file_may_lie_where_names_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / NO_TEXT
    folder.mkdir()
    wheel = build_wheel(folder)
    done = keyhouse("check", wheel)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{wheel.name}: ok\n"


def test_an_interrupt_ends_in_our_way_wherever_it_falls(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(
        "import signal\n"
        "from keyhouse.cli import main, settings\n"
        "def broken(*a): exec('signal.raise_signal(signal.SIGINT)')\n"
        "settings.configure = broken\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "main.main(['settings'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "\nStopped.\n")


def printed(*words: str) -> Any:
    command = import_module(main.module_of(words[0])).command
    done = CliRunner().invoke(command, [*words[1:], "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def sown(db: None) -> None:
    wire_all()
    document = {
        "users": [ADA, {"username": "root", "operator": True}],
        "projects": [{"name": "alpha", "owners": ["ada"]}],
    }
    sow(read_document(json.dumps(document).encode()))


def test_links_for_people_are_json(sown: None, tmp_path: Path) -> None:
    base = configuration.current().base_url
    made = printed("user", "invite", "bob", "bob@example.org")
    assert (made["username"], made["address"]) == ("bob", "bob@example.org")
    assert made["link"].startswith(f"{base}/invitation/")
    assert printed("user", "invite", "bo", "bo@example.org", "--mail")["link"] is None
    people = tmp_path / "people.csv"
    people.write_text("name,address\ncy,cy@example.org\n")
    assert printed("user", "invite", "--from", str(people), "--dry-run")["link"] is None
    assert not User.objects.filter(username__in=["bob", "bo", "cy"]).exists()
    told = printed("user", "recover", "ada")
    assert told["username"] == "ada"
    assert told["link"].startswith(base)


def test_a_setup_link_is_json(db: None) -> None:
    wire_all()
    assert printed("setup-link").keys() == {"link"}


def test_what_a_token_says_of_itself_is_json(sown: None, tmp_path: Path) -> None:
    words = ("--project", "alpha", "--description", "x", "--release", "1.0", "--network", "192.0.2.0/24")
    made = printed("token", "mint", "ada", *words)
    assert Token.objects.get(pk=made["id"]).description == "x"
    text = tmp_path / "token"
    text.write_text(made["token"])
    told = printed("token", "show", str(text))
    kinds = {one["kind"]: one for one in told["conditions"]}
    assert kinds["time"]["until"] is None or kinds["time"]["until"] <= made["expires_at"]
    assert json.dumps(told).find(made["token"]) == -1
    assert printed("token", "report-leak", str(text)) == {"found": 1, "revoked": 1}
    assert printed("token", "report-leak", str(text)) == {"found": 1, "revoked": 0}


def test_a_switch_and_a_line_are_json(sown: None) -> None:
    assert printed("freeze", "set", "uploads", "--reason", "x", "--until-lifted") == {
        "name": "uploads",
        "until": None,
    }
    told = printed("announce", "set", "Maintenance tonight")
    assert told == printed("announce", "list")[0]
    assert printed("mail", "retry") == {"tried": 0}
    assert printed("announce", "end", str(told["number"])) == {"number": told["number"]}
    thawed = {"name": "uploads", "was_on": True, "still_on": []}
    assert printed("thaw", "uploads") == thawed
    assert printed("thaw", "uploads") == {**thawed, "was_on": False}


def test_what_is_kept_taken_out_and_ended_is_json(sown: None) -> None:
    kept = printed("names", "reserve", "acme-*", "--for", "ada")
    assert [kept] == printed("names", "list")
    line = CliRunner().invoke(names.command, ["reserve", "acme-*", "--for", "ada"]).stdout
    assert line == "Reserved: acme, and every name that begins with acme-; for ada.\n"
    assert CliRunner().invoke(names.command, ["reserve", "own"]).stdout == "Reserved: own; for nobody.\n"
    printed("names", "release", "own")
    assert printed("names", "release", "acme-*") == {"name": "acme-*"}
    taken = printed("quarantine", "set", "alpha", "--reason", "looks like malware")
    assert [taken | {"holding": True}] == printed("quarantine", "list")
    assert printed("quarantine", "lift", "alpha") == taken
    approved = printed("creators", "approve", "ada")
    assert [approved] == printed("creators", "list")
    assert printed("creators", "revoke", "ada") == {"name": "ada"}
    assert printed("mail", "clear", "ada@example.org") == {"address": "ada@example.org", "is_cleared": False}
    issuer = printed("publisher", "issuers", "add", "gitlab", "https://gitlab.example.com")
    assert issuer in printed("publisher", "issuers", "list")
    url = "https://gitlab.example.com"
    assert printed("publisher", "issuers", "remove", url) == {"url": url}
    nobody: dict[str, list[str]] = {"people": [], "left": [], "offered_to_nobody": []}
    left_out: dict[str, list[str]] = {"told_lately": [], "resting": []}
    assert printed("import", "remind") == {"mailed": 0, "dry_run": False, **nobody, "left_out": left_out}
    token = printed("token", "mint", "ada", "--project", "alpha", "--description", "x")["id"]
    assert printed("token", "revoke", token) == {"id": token, "was_revoked_at": None}
    assert printed("token", "revoke", token)["was_revoked_at"] is not None
