"""The one command: what it lists, how it refuses, how fast it begins."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.started import environment, keyhouse, serving

from keyhouse import __version__
from keyhouse.core import configuration, instance

pytestmark = pytest.mark.usefixtures("anew")


def test_help_lists_every_command_with_examples() -> None:
    done = keyhouse("--help")
    assert done.returncode == 0
    assert "keyhouse check dist/*" in done.stdout
    for name in (
        "serve",
        "settings",
        "setup-link",
        "user",
        "audit",
        "check",
        "storage",
        "backup",
        "restore",
        "dev",
    ):
        assert f"\n  {name} " in done.stdout


def test_the_version_is_the_packages() -> None:
    assert keyhouse("--version").stdout == f"keyhouse {__version__}\n"


def test_a_command_without_an_index_says_how_to_get_one(tmp_path: Path) -> None:
    done = keyhouse("audit", KEYHOUSE_DATA=str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"There is no index in {tmp_path / 'none'}; start `keyhouse serve` there first"
    )
    assert done.stdout == ""
    assert not (tmp_path / "none").exists()


def test_an_unknown_command_is_wrong_use() -> None:
    done = keyhouse("no-such-command")
    assert done.returncode == 2
    assert "No such command 'no-such-command'" in done.stderr


def test_an_older_versions_index_is_left_alone(tmp_path: Path) -> None:
    mark = '{"id": "00", "environment": "test", "version": "0.0.1", "database": "sqlite"}'
    (tmp_path / "instance.json").write_text(mark)
    done = keyhouse("audit", KEYHOUSE_DATA=str(tmp_path))
    assert done.returncode == 2
    assert "was last used by version 0.0.1; start `keyhouse serve` once" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["instance.json"]


def test_an_index_that_is_just_being_made_is_left_alone(tmp_path: Path) -> None:
    instance.ensure_instance(
        configuration.read({"KEYHOUSE_ENVIRONMENT": "test", "KEYHOUSE_DATA": str(tmp_path)})
    )
    done = keyhouse("audit", KEYHOUSE_DATA=str(tmp_path))
    assert done.returncode == 2
    assert "isn't set up yet: its first `keyhouse serve` is still at it" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["instance.json"]


@pytest.mark.parametrize("words", [("backup", "backups"), ("serve", "--port", "0"), ("user", "list")])
def test_a_command_without_its_servers_database_makes_no_second_one(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    mark = {"id": "00", "environment": "test", "version": __version__, "database": "postgresql"}
    (tmp_path / "instance.json").write_text(json.dumps(mark))
    done = keyhouse(*words, KEYHOUSE_DATA=str(tmp_path))
    assert done.returncode == 2
    assert "is on PostgreSQL, and KEYHOUSE_DATABASE_URL is not set" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if "lock" not in path.name] == ["instance.json"]


def test_commands_work_beside_a_running_server_and_give_its_address(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as server:
        done = keyhouse("--data", data, "setup-link")
        assert done.returncode == 0, done.stderr
        link = done.stdout.strip()
        assert link.startswith(f"{server.url}/setup/")
        assert server.get(link.removeprefix(server.url), Accept="text/html")[0] == 200
        older = (data / "setup-link").read_text().strip()
        assert server.get(older.removeprefix(server.url), Accept="text/html")[0] in {404, 410}


def test_a_refusal_is_its_code_a_sentence_and_what_to_do(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data):
        pass
    done = keyhouse("user", "invite", "no spaces", "nobody", KEYHOUSE_DATA=str(data))
    assert done.returncode == 1
    assert done.stderr.startswith("username-refused: ")
    assert "Traceback" not in done.stderr


def test_a_defect_is_one_sentence_unless_somebody_debugs() -> None:
    program = (
        "from keyhouse.cli import main, settings\n"
        "def broken(*a): raise ValueError('surprise')\n"
        "settings.configure = broken\n"
        "import sys; main.main(sys.argv[1:])"
    )
    run = [sys.executable, "-c", program]
    done = subprocess.run([*run, "settings"], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Something broke (ValueError: surprise). Run it with --debug to see where.\n"
    done = subprocess.run(
        [*run, "--debug", "settings"], env=environment(), capture_output=True, text=True, check=False
    )
    assert "Traceback" in done.stderr


def test_settings_are_printed_with_their_source_and_without_secrets(tmp_path: Path) -> None:
    done = keyhouse(
        "settings",
        "--json",
        KEYHOUSE_DATABASE_URL="postgresql://keyhouse:s3cret@db.example.org/x",
        KEYHOUSE_METRICS_TOKEN="t0ken-of-monitoring",
        KEYHOUSE_DATA=str(tmp_path),
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["KEYHOUSE_DATA"]["value"] == str(tmp_path)
    assert rows["KEYHOUSE_DATA"]["source"] == "environment"
    assert rows["KEYHOUSE_READS"] | {"meaning": ""} == {
        "name": "KEYHOUSE_READS",
        "value": "public",
        "source": "default",
        "meaning": "",
    }
    assert rows["KEYHOUSE_DATABASE_URL"]["value"] == "(set)"
    assert rows["KEYHOUSE_MAIL_URL"]["value"] == "(not set)"
    assert "s3cret" not in done.stdout
    assert "t0ken" not in done.stdout


def test_settings_for_people_name_value_source_and_meaning() -> None:
    done = keyhouse("settings", KEYHOUSE_READS="private")
    assert "KEYHOUSE_READS=private   (environment)\n    who may read" in done.stdout


def test_what_needs_no_database_loads_no_django() -> None:
    program = (
        "import sys; from keyhouse.cli.main import command\n"
        "for words in (['--help'], ['settings'], ['serve', '--help']):\n"
        "    try: command.main(words, standalone_mode=False)\n"
        "    except SystemExit: pass\n"
        "print('django' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr.endswith("False\n")


def test_a_worker_on_sqlite_loads_nothing_large_before_it_is_needed() -> None:
    """The driver of PostgreSQL and the lists of common passwords, which are ten megabytes each."""
    program = (
        "import sys, django; django.setup(); import keyhouse.web.asgi, keyhouse.web.urls, keyhouse.web.server\n"
        "print(sorted({'django', 'psycopg', 'zxcvbn'} & sys.modules.keys()))"
    )
    settings = environment(DJANGO_SETTINGS_MODULE="keyhouse.settings.base")
    done = subprocess.run(
        [sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['django']\n", "")
