"""The lines for CI systems that the pages give to copy: they fit the grammar of their system, and they publish.

No CI system runs here. Its part is played: a folder with the checked-out project, the variables that it sets, identities
of an issuer of our own, and its shell, which runs the very lines. What is played, and not tried, stands in `docs/publish/README.md`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from tests.journeys.conftest import ROOT
from tests.journeys.test_clients import listed, succeeded
from tests.journeys.test_trusted_publishing import Place, open_place

from keyhouse.credentials.trusted_publishers.snippets import Where, snippet_of, variable_of

pytestmark = pytest.mark.by_turns

PUBLISH: Final = ROOT / "docs" / "publish"
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCHEMAS: Final = {"github": "github-workflows", "forgejo": "github-workflows", "gitlab": "gitlab-ci"}
FORGEJOS_OWN: Final = "enable-openid-connect: true\n"
PLAYED: Final = ("actions/checkout", "astral-sh/setup-uv", "https://github.com/astral-sh/setup-uv")
READ_YAML: Final = (
    "import json, sys, ruamel.yaml; print(json.dumps(ruamel.yaml.YAML(typ='safe').load(sys.stdin)))"
)
STORED: Final = ("stored-github", "stored-gitlab")
KINDS: Final = ("github", "gitlab", "forgejo", "jenkins", "kubernetes", "google", *STORED)


def text_of(kind: str) -> str:
    """Return the lines as the handbook has them."""
    page = PUBLISH.parent / "publish.md" if kind in STORED else PUBLISH / f"{kind}.md"
    language = {"jenkins": "groovy", "google": "sh"}.get(kind, "yaml")
    found: list[tuple[str, str]] = BLOCK.findall(page.read_text())
    texts = [text for word, text in found if word == language]
    return texts[STORED.index(kind) if kind in STORED else 0]


def said(*command: str | Path, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program that is given a text."""
    return subprocess.run(command, input=told, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(tmp_path_factory.mktemp("recipes")) as opened:
        yield opened


@dataclass(frozen=True)
class Step:
    """Lines that one shell runs, as `words` begin it, and the variables that are set for it alone."""

    lines: str
    words: tuple[str, ...] = ("bash", "-e", "-o", "pipefail", "-c")
    variables: Mapping[str, str] = field(default_factory=dict)


def steps_of(kind: str, text: str, clients: Path) -> list[Step]:
    """Return what a system would run of these lines, in order; fails at a part whose meaning isn't known here."""
    if kind == "google":
        return [Step(text, ("sh", "-c"))]
    if kind == "jenkins":
        found = re.findall(r"\bsh '''(.*?)'''|\bsh '([^']+)'", text, re.DOTALL)
        return [Step(long or short, ("sh", "-xe", "-c")) for long, short in found]
    read = as_data(text, clients)
    if kind == "kubernetes":
        [container] = read["spec"]["template"]["spec"]["containers"]
        *words, lines = container["command"]
        return [Step(lines, tuple(words))]
    [job] = [read["publish"]] if "gitlab" in kind else read["jobs"].values()
    if "gitlab" in kind:
        return [Step("\n".join(job["script"]), variables=job.get("variables", {}))]
    unknown = [
        one for one in job["steps"] if "run" not in one and one["uses"].partition("@")[0] not in PLAYED
    ]
    assert unknown == []
    return [Step(one["run"], variables=one.get("env", {})) for one in job["steps"] if "run" in one]


def as_data(text: str, clients: Path) -> Any:
    return json.loads(succeeded(said(clients / "python", "-c", READ_YAML, told=text)))


@pytest.mark.parametrize("kind", sorted(SCHEMAS) + list(STORED))
def test_it_fits_the_schema_of_its_system(kind: str, clients: Path, tmp_path: Path) -> None:
    """By the schemas that the systems' editors use; Forgejo reads workflows of GitHub, and has a word more."""
    text = text_of(kind)
    assert (FORGEJOS_OWN in text) == (kind == "forgejo")
    file = tmp_path / "recipe.yml"
    schema = SCHEMAS[kind.removeprefix("stored-")]
    judge = (clients / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", file)
    file.write_text(text.replace(FORGEJOS_OWN, ""))
    succeeded(said(*judge))
    file.write_text(re.sub(r"^ +(steps|script):$", "  unheard-of:", text, flags=re.MULTILINE))
    assert said(*judge).returncode == 1


@pytest.mark.parametrize("kind", KINDS)
def test_shells_can_read_it(kind: str, clients: Path) -> None:
    steps = steps_of(kind, text_of(kind), clients)
    assert steps
    for step in steps:
        for shell in ("bash", "sh"):
            succeeded(
                subprocess.run([shell, "-n"], input=step.lines, capture_output=True, text=True, check=False)
            )


# ---- a CI system, played


@dataclass
class Played:
    """A folder where a job runs, and what its system sets."""

    place: Place
    folder: Path
    clients: Path
    programs: Path
    variables: dict[str, str] = field(default_factory=dict)

    def program(self, name: str, lines: str) -> None:
        """Put a program on the job's path."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)

    def run(self, steps: list[Step]) -> str:
        """Run the steps as the system does, until one fails; returns what they printed."""
        told = ""
        certificate = str(self.place.certificate)
        for step in steps:
            done = self.place.run_in(
                self.folder,
                *step.words,
                step.lines,
                CURL_CA_BUNDLE=certificate,
                PATH=f"{self.programs}:{os.environ['PATH']}",
                **self.variables,
                **{name: str(value) for name, value in step.variables.items()},
            )
            told += succeeded(done)
        return told


@pytest.fixture
def played(place: Place, clients: Path, tmp_path: Path) -> Played:
    """Return a job's surroundings, with the clients that its image or its steps bring."""
    made = Played(place, tmp_path / "checkout", clients, tmp_path / "programs")
    made.folder.mkdir()
    made.programs.mkdir()
    (made.programs / "uv").symlink_to(clients / "uv")
    made.program("python", f'exec "{clients}/python" "$@"')
    made.program("twine", f'exec "{clients}/twine" "$@"')
    made.program(
        "pipx",
        f'[ "$1" = run ] && shift; [ "$1" = build ] && exec "{clients}/python" -m "$@"; exec "{clients}/$@"',
    )
    made.program("pip", '[ "$*" = "install build twine" ]')  # they are there
    return made


def write_project(folder: Path, clients: Path, name: str) -> None:
    """Write a project that builds without a network: its build tool is in the folder."""
    found = next((clients.parent / "lib").glob("python*/site-packages/flit_core"))
    shutil.copytree(found, folder / "tools" / "flit_core", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "recipe_tried.py").write_text(
        '"""Published by the lines of a page."""\n\n__version__ = "1.0"\n'
    )
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "flit_core.buildapi"\nbackend-path = ["tools"]\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndescription = "Tried."\n'
        '[tool.flit.module]\nname = "recipe_tried"\n[tool.flit.sdist]\ninclude = ["tools/"]\n'
    )


def by_github(played: Played) -> str:
    played.variables |= played.place.in_github()
    return "github"


def by_forgejo(played: Played) -> str:
    url = f"{played.place.other.url}/token?api-version=2.0"
    played.variables |= {**played.place.in_github(), "ACTIONS_ID_TOKEN_REQUEST_URL": url}
    return "forgejo"


def by_gitlab(played: Played) -> str:
    issuer, audience = played.place.gitlab, played.place.audience
    names = ("ASKING_ID_TOKEN", variable_of(audience))
    played.variables |= {
        "CI": "true",
        "GITLAB_CI": "true",
        **{name: issuer.of_gitlab(audience) for name in names},
    }
    return "gitlab"


def by_jenkins(played: Played) -> str:
    played.variables["IDENTITY"] = of_custom(played)
    return "jenkins"


def by_google(played: Played) -> str:
    audience = played.place.audience
    asked = f"auth print-identity-token --include-email --audiences={audience}"
    played.program("gcloud", f'[ "$*" = "{asked}" ] && echo "{of_custom(played)}"')
    return "google"


def by_kubernetes(played: Played) -> str:
    (played.folder / "token").write_text(of_custom(played))
    return "kubernetes"


def of_custom(played: Played) -> str:
    return played.place.other.token({"sub": "acme/recipes"}, aud=played.place.audience)


@pytest.mark.parametrize("play", [by_github, by_gitlab, by_forgejo, by_jenkins, by_kubernetes, by_google])
def test_it_publishes(play: Callable[[Played], str], played: Played, clients: Path) -> None:
    """The lines of the page of a publisher, which are those of the handbook, filled in."""
    kind = play(played)
    project = f"recipe-{kind}"
    write_project(played.folder, clients, project)
    where = Where(played.place.server.url, played.place.audience, project)
    text = snippet_of(kind, where).text
    if kind in {"kubernetes", "google"}:  # what was built comes from elsewhere
        succeeded(played.place.run_in(played.folder, clients / "uv", "build"))
        text = text.replace(" /dist/*", f" {played.folder}/dist/*")
        text = text.replace("/var/run/identity/token", f"{played.folder}/token")
    told = played.run(steps_of(kind, text, clients))
    assert "allow" in told.split()
    assert len(listed(played.place.server, project)) == 2


@pytest.mark.parametrize("kind", STORED)
def test_it_publishes_with_a_stored_token(kind: str, played: Played, clients: Path) -> None:
    place = played.place
    write_project(played.folder, clients, f"recipe-{kind}")
    made = place.server.seed(
        {
            "users": [{"username": kind, "email": f"{kind}@example.org"}],
            "tokens": [{"user": kind, "projects": "all", "minted_with": "totp"}],
        }
    )
    token = str(made["tokens"][0]["token"])
    if "gitlab" in kind:
        played.variables["TWINE_PASSWORD"] = token
    text = text_of(kind).replace("https://packages.example.org", place.server.url)
    played.run(steps_of(kind, text.replace("${{ secrets.INDEX_TOKEN }}", token), clients))
    assert len(listed(place.server, f"recipe-{kind}")) == 2


def test_a_job_that_would_be_refused_stops_before_it_builds(played: Played, clients: Path) -> None:
    played.variables |= played.place.in_github()
    write_project(played.folder, clients, "recipe-of-nobody")
    where = Where(played.place.server.url, played.place.audience, "recipe-of-nobody")
    with pytest.raises(AssertionError, match=r"told|deny|refused"):
        played.run(steps_of("github", snippet_of("github", where).text, clients))
    assert not (played.folder / "dist").exists()
