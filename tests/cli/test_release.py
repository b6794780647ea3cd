"""`keyhouse release`: what it prints, what it asks, what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result
from tests.projects.conftest import ada as ada  # noqa: PLC0414 - a fixture
from tests.projects.conftest import wired as wired  # noqa: PLC0414 - a fixture
from tests.publishing.staging.conftest import Stage
from tests.publishing.staging.conftest import ci as ci  # noqa: PLC0414 - a fixture
from tests.publishing.staging.conftest import empty_store as empty_store  # noqa: PLC0414 - a fixture
from tests.publishing.staging.conftest import project as project  # noqa: PLC0414 - a fixture
from tests.publishing.staging.conftest import stage as stage  # noqa: PLC0414 - a fixture
from tests.publishing.staging.conftest import token as token  # noqa: PLC0414 - a fixture

from keyhouse.audit.models import Record
from keyhouse.cli import release as cli
from keyhouse.core import clock
from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.models import Token
from keyhouse.projects.models import File, Project
from keyhouse.publishing.staging.models import StagedRelease

pytestmark = pytest.mark.django_db


def run(*words: str, typed: str = "") -> Result:
    done = CliRunner().invoke(cli.command, list(words), input=typed)
    if isinstance(done.exception, Exception):
        raise done.exception
    return done


def test_list_what_waits(stage: Stage, project: Project) -> None:
    assert run("staged").output == ""
    staged = stage()
    told = json.loads(run("staged", "Alpha_Beta", "--json").output)
    assert (told["project"], told["version"], told["opened_by"]) == ("Alpha.Beta", "2.0", "ada")
    (file,) = told["files"]
    assert (file["filename"], file["sha256"], file["objection"]) == (staged.filename, staged.sha256, None)
    Token.objects.update(revoked_at=clock.now())
    line = run("staged").output
    assert f"sha256:{staged.sha256}" in line
    assert "can't be published: the API token that uploaded it was revoked since" in line


def test_publish_asks_after_showing(stage: Stage, project: Project) -> None:
    staged = stage()
    done = run("publish", "alpha.beta", "2.0.0", typed="n\n")
    assert (done.exit_code, staged.sha256 in done.output) == (1, True)
    assert StagedRelease.objects.exists()
    told = json.loads(run("publish", "alpha-beta", "2.0", "--yes", "--json").output)
    assert told == {"project": "Alpha.Beta", "version": "2.0", "files": [staged.filename]}
    assert File.objects.filter(filename=staged.filename).exists()
    assert Record.objects.get(action="release.publish").actor_kind == "host"


def test_discard(stage: Stage, project: Project) -> None:
    stage()
    assert run("discard", "alpha-beta", "2.0", typed="n\n").exit_code == 1
    assert run("discard", "alpha-beta", "2.0", typed="y\n").output.endswith("2.0 is discarded.\n")
    assert StagedRelease.objects.get().outcome == "discarded"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("staged", "other"), "not-found"),
        (("publish", "other", "1", "--yes"), "not-found"),
        (("publish", "alpha-beta", "9", "--yes"), "staged-release-missing"),
        (("discard", "alpha-beta", "no version", "--yes"), "staged-release-missing"),
    ],
)
def test_what_is_not_there(words: tuple[str, ...], code: str, project: Project) -> None:
    with pytest.raises(Refusal) as caught:
        run(*words)
    assert caught.value.code == code
