"""What the host asks of an index that is there: people, links, the audit log, the judging of files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.started import keyhouse
from tests.distfiles.builders import build_sdist, build_wheel

from keyhouse.accounts.errors import OperatorExists, UsernameTaken
from keyhouse.accounts.models import OneTimeLink, User
from keyhouse.audit.models import Record
from keyhouse.cli import audit, check, dev_settle, setup_link, user
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import configuration
from keyhouse.core.errors import NotFound
from keyhouse.web.wiring import wire_all

ADA = {"username": "ada", "email": "ada@example.org", "second_factors": ["totp"]}


@pytest.fixture
def made(db: None) -> None:
    wire_all()
    document = {"users": [ADA], "projects": [{"name": "alpha", "owners": ["ada"]}]}
    sow(read_document(json.dumps(document).encode()))


def run(command: object, *words: str) -> Result:
    return CliRunner().invoke(command, words)  # type: ignore[arg-type]  # each module's own command


# ---- people


def test_an_invitation_is_one_link_of_this_index(made: None) -> None:
    done = run(user.command, "invite", "bob", "bob@example.org")
    assert done.exit_code == 0
    base = re.escape(configuration.current().base_url)
    assert re.fullmatch(rf"{base}/invitation/[\w-]{{43}}/\n", done.stdout)
    assert not User.objects.filter(username="bob").exists()
    assert isinstance(run(user.command, "invite", "ADA", "x@example.org").exception, UsernameTaken)
    assert OneTimeLink.objects.count() == 1


def test_people_are_listed_without_secrets(made: None) -> None:
    [line] = run(user.command, "list", "--json").stdout.splitlines()
    row = json.loads(line)
    assert set(row) == {"username", "state", "operator", "joined_at", "authenticator_apps", "security_keys"}
    assert (row["username"], row["state"], row["authenticator_apps"]) == ("ada", "active", 1)
    assert run(user.command, "list").stdout.startswith("ada  active  1 authenticator apps  0 security keys")


def test_a_link_for_enrolling_anew_is_printed_for_people_who_exist(made: None) -> None:
    assert "/enrolment/" in run(user.command, "recover", "Ada").stdout
    assert isinstance(run(user.command, "recover", "eve").exception, NotFound)
    assert Record.objects.filter(action="enrolment.link").count() == 1


def test_a_set_up_link_is_printed_while_nobody_operates_the_index(made: None) -> None:
    assert "/setup/" in run(setup_link.command).stdout
    assert "/setup/" in run(setup_link.command).stdout
    assert OneTimeLink.objects.filter(purpose="setup", used_at=None).count() == 1
    User.objects.update(is_operator=True)
    assert isinstance(run(setup_link.command).exception, OperatorExists)


# ---- the audit log


def test_the_log_is_printed_oldest_first_and_narrowed(made: None) -> None:
    rows = [json.loads(line) for line in run(audit.command, "--json").stdout.splitlines()]
    assert [row["action"] for row in rows] == [
        "user.create",
        "email.add",
        "second-factor.add",
        "project.create",
    ]
    assert rows[-1]["about"] == {"kind": "project", "id": rows[-1]["about"]["id"], "name": "alpha"}
    assert rows[0]["actor"]["kind"] == "host"
    assert len(run(audit.command, "--about", "alpha").stdout.splitlines()) == 1
    assert len(run(audit.command, "--action", "email.add").stdout.splitlines()) == 1
    last = run(audit.command, "--most", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["action"] for line in last] == ["second-factor.add", "project.create"]
    assert run(audit.command, "--since", "2999-01-01T00:00:00Z").stdout == ""
    assert len(run(audit.command, "--until", "2999-01-01T00:00:00Z").stdout.splitlines()) == 4
    assert run(audit.command, "--since", "yesterday").exit_code == 2


# ---- judging files


def test_files_are_judged_without_an_index(tmp_path: Path) -> None:
    good, sdist = build_wheel(tmp_path), build_sdist(tmp_path)
    bad = build_wheel(tmp_path, name="beta", record=b"", without=["WHEEL"])
    data = tmp_path / "data"
    done = keyhouse("check", good, sdist, KEYHOUSE_DATA=str(data), KEYHOUSE_ENVIRONMENT="production")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{good.name}: ok\n{sdist.name}: ok\n"
    refused = keyhouse("check", good, bad, KEYHOUSE_DATA=str(data))
    assert refused.returncode == 1
    assert f"{bad.name}: refused\n  wheel-file-missing: " in refused.stdout
    assert not data.exists()


def test_every_finding_has_its_code(tmp_path: Path) -> None:
    bad = build_wheel(tmp_path, record=b"", without=["WHEEL"])
    done = run(check.command, "--json", str(bad), str(tmp_path / "gone-1.0.tar.gz"))
    first, second = json.loads(done.stdout)
    assert done.exit_code == 1
    assert first["ok"] is False
    assert {"wheel-file-missing"} <= {finding["code"] for finding in first["findings"]}
    assert [finding["code"] for finding in second["findings"]] == ["file-unreadable"]


def test_a_name_that_no_new_project_may_have_is_found(tmp_path: Path) -> None:
    done = run(
        check.command, str(build_wheel(tmp_path, name="os")), str(build_sdist(tmp_path, name="keyh0use"))
    )
    assert done.exit_code == 1
    assert "  name-refused: The name 'os' is a module of Python's standard library." in done.stdout
    assert "  name-refused: The name 'keyh0use' is reserved, or too similar" in done.stdout


# ---- settling


@pytest.mark.django_db(transaction=True)
def test_settling_goes_on_until_nothing_is_left() -> None:
    wire_all()
    sow(
        read_document(
            json.dumps({"users": [ADA], "projects": [{"name": "alpha", "owners": ["ada"]}]}).encode()
        )
    )
    sessions = [
        {"user": "ada", "proved": ["totp"], "at": "2020-01-01T00:00:00Z"},
        {"user": "ada", "proved": ["totp"]},
    ]
    sow(read_document(json.dumps({"sessions": sessions}).encode()))
    done = dev_settle.settle()
    assert done["root"] > 0
    assert done["sessions"] == 1
    assert set(dev_settle.settle().values()) == {0}
