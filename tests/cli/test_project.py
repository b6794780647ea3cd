"""`keyhouse project`: what it prints, what it asks, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.distfiles.builders import build_sdist, build_wheel

from keyhouse.audit.models import Record
from keyhouse.cli import project as cli
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import clock
from keyhouse.core.errors import Refusal
from keyhouse.projects.life_cycle import aside
from keyhouse.projects.models import File, Project, Release, Removal
from keyhouse.web.wiring import wire_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def index(tmp_path: Path, db: None) -> None:
    """Fill an index with two files of alpha 1.0 and an archived beta."""
    wire_all()
    paths = [build_wheel(tmp_path), build_sdist(tmp_path)]
    document = {
        "users": [{"username": "ada"}, {"username": "bob"}],
        "projects": [
            {"name": "alpha", "owners": ["ada"], "maintainers": ["bob"]},
            {"name": "beta", "owners": ["bob"], "archived": True},
        ],
        "files": [{"path": str(path), "by": "ada"} for path in paths],
    }
    sow(read_document(json.dumps(document).encode()))


def run(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli.command, words, input=typed)


def printed(*words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return done.output


def refused(*words: str) -> str:
    """Return the code of a refusal, which `keyhouse` turns into exit code 1."""
    done = run(*words)
    assert isinstance(done.exception, Refusal), done.output
    return done.exception.code


def lines(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(*words, "--json").splitlines()]


def test_lists_are_filtered_by_name_and_status() -> None:
    assert [row["name"] for row in lines("list")] == ["alpha", "beta"]
    assert [row["name"] for row in lines("list", "ALPH")] == ["alpha"]
    assert [row["name"] for row in lines("list", "--status", "archived")] == ["beta"]
    assert "alpha  active  1.0" in printed("list")
    assert run("list", "--status", "lost").exit_code == 2


def test_a_project_is_shown_with_people_releases_and_what_was_deleted() -> None:
    printed("yank", "Alpha", "1.0", "--reason", "broken")
    printed("delete", "alpha", "--file", "alpha-1.0.tar.gz", "--yes")
    told = json.loads(printed("show", "alpha", "--json"))
    assert [(one["username"], one["role"]) for one in told["people"]] == [
        ("ada", "owner"),
        ("bob", "maintainer"),
    ]
    assert [(one["version"], one["yanked"]) for one in told["releases"]] == [("1.0", "broken")]
    assert [one["file"] for one in told["deleted"]] == ["alpha-1.0.tar.gz"]
    assert "alpha-1.0.tar.gz" in printed("show", "alpha")
    assert [one["username"] for one in lines("people", "alpha")] == ["ada", "bob"]
    assert [one["file"] for one in lines("list", "--deleted")] == ["alpha-1.0.tar.gz"]


def test_yank_archive_deprecate_and_back() -> None:
    printed("yank", "alpha", "1.0")
    printed("unyank", "alpha", "1.0")
    assert Release.objects.get().yanked_at is None
    printed("archive", "alpha", "--reason", "done")
    printed("deprecate", "alpha", "--successor", "Beta", "--reason", "renamed")
    alpha = Project.objects.get(name="alpha")
    assert (alpha.status, alpha.status_reason, alpha.successor) == ("deprecated", "renamed", "Beta")
    assert "Beta" in printed("show", "alpha")
    printed("deprecate", "alpha", "--undo")
    printed("unarchive", "beta")
    assert set(Project.objects.values_list("status", flat=True)) == {"active"}
    assert Record.objects.filter(action="project.deprecate", actor_kind="host").count() == 1


def test_what_was_done_is_json_for_programs() -> None:
    def told(*words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(printed(*words, "--json"))
        return found

    row = told("yank", "Alpha", "1.0", "--reason", "broken")
    assert (row["project"], row["version"], row["yanked"]) == ("alpha", "1.0", "broken")
    assert told("unyank", "alpha", "1.0")["yanked"] is None
    assert told("deprecate", "alpha", "--successor", "beta")["successor"] == "beta"
    row = told("archive", "alpha", "--reason", "done")
    assert (row["name"], row["status"], row["reason"], row["successor"]) == ("alpha", "archived", "done", "")
    assert told("unarchive", "alpha")["status"] == "active"
    removal = told("delete", "alpha", "1.0", "--yes")
    assert (removal["kind"], removal["project"], removal["files"]) == ("release", "alpha", 2)
    assert removal == json.loads(printed("list", "--deleted", "--json"))
    assert told("restore", "alpha", "1.0") == {**removal, "left": 0}
    asked = run("delete", "alpha", "--json", typed="y\n")
    assert json.loads(asked.stdout)["kind"] == "project", "what is asked stands beside it"


def test_limits_are_shown_set_one_by_one_and_taken_back() -> None:
    assert "as the settings say" in printed("limits", "alpha")
    printed("limits", "alpha", "--file", "500")
    assert lines("limits", "alpha", "--project", "9000") == [{"file_limit": 500, "project_limit": 9000}]
    assert lines("limits", "alpha", "--file", "default") == [{"file_limit": None, "project_limit": 9000}]
    assert Record.objects.filter(action="project.set-limits", actor_kind="host").count() == 3
    sizes = {"file_limit": 500_000_000, "project_limit": 2 * 2**30}
    assert lines("limits", "alpha", "--file", "500MB", "--project", "2GiB") == [sizes]
    assert (
        "write bytes or a size, for example 500000, 500MB" in run("limits", "alpha", "--file", "5Mb/s").output
    )
    assert run("limits", "alpha", "--file", "-1").exit_code == 2
    assert run("limits", "alpha", "--project", "much").exit_code == 2


def test_nothing_is_deleted_before_the_question_is_answered() -> None:
    for typed in ("n\n", "\n", ""):
        assert run("delete", "alpha", typed=typed).exit_code == 1
    assert Project.objects.filter(name="alpha").exists()
    assert not Removal.objects.exists()
    assert run("delete", "alpha", "1.0", typed="y\n").exit_code == 0
    assert not Release.objects.exists()


def test_what_was_deleted_comes_back_by_name_or_number() -> None:
    for words in (["--file", "alpha-1.0.tar.gz"], ["1.0"], []):
        printed("delete", "alpha", *words, "--yes")
        printed("restore", "alpha", *words)
        assert File.objects.count() == 2
    printed("delete", "alpha", "--yes")
    printed("restore", "alpha", "--id", str(Removal.objects.get().pk))
    assert sorted(role.kind for role in Project.objects.get(name="alpha").roles.all()) == [
        "maintainer",
        "owner",
    ]


def test_what_could_not_come_back_is_said_and_comes_later() -> None:
    printed("delete", "alpha", "1.0", "--yes")
    removal = Removal.objects.get()
    release = Release.objects.create(
        project=Project.objects.get(name="alpha"), version="1.0", created_at=clock.now()
    )
    kept = next(aside.kept_files(removal))
    facts = {name: getattr(kept, name) for name in ("kind", "python_tag", "size", "md5", "sha256", "blake2")}
    other = release.files.create(
        project=release.project, filename="alpha-1.0.zip", uploaded_at=clock.now(), **facts
    )
    assert "1 of its files stay away" in printed("restore", "alpha", "1.0")
    assert refused("restore", "alpha", "1.0") == "restore-impossible"
    other.delete()
    assert printed("restore", "alpha", "1.0") == "alpha 1.0 is back.\n"
    assert release.files.count() == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("show gamma", "not-found"),
        ("people gamma", "not-found"),
        ("delete gamma --yes", "not-found"),
        ("delete alpha 9 --yes", "project-not-found"),
        ("delete alpha --file other.whl --yes", "project-not-found"),
        ("yank alpha 9", "project-not-found"),
        ("archive gamma", "project-not-found"),
        ("deprecate alpha --successor alpha", "successor-refused"),
        ("restore alpha", "nothing-to-restore"),
        ("restore alpha --id 7", "nothing-to-restore"),
    ],
)
def test_what_is_not_there_is_refused(words: str, code: str) -> None:
    assert refused(*words.split()) == code


@pytest.mark.parametrize(
    "words", ["delete alpha 1.0 --file x --yes", "deprecate alpha --undo --reason x", "restore alpha --id 0", "yank"]
)  # fmt: skip
def test_wrong_use_is_exit_code_two(words: str) -> None:
    assert run(*words.split()).exit_code == 2


@pytest.mark.parametrize("name", sorted(cli.command.commands))
def test_help_shows_an_example(name: str) -> None:
    assert f"keyhouse project {name}" in printed(name, "--help")
