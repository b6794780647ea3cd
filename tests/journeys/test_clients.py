"""Real clients publish to a running index and install from it."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import time
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple
from tests.distfiles.builders import build_sdist, build_wheel
from tests.journeys.conftest import Server, bare_environment, free_port

LIST_SECONDS = (
    10  # the list of all projects is made beside requests, at most a second late where nothing else goes on
)
ADA = {
    "username": "ada",
    "email": "ada@example.org",
    "password": "correct horse battery staple",
    "verified": True,
    "second_factors": ["totp"],
}


@pytest.fixture
def token(server: Server) -> str:
    made = server.seed(
        {"users": [ADA], "tokens": [{"user": "ada", "projects": "all", "minted_with": "totp"}]}
    )
    return str(made["tokens"][0]["token"])


def run(
    *command: str | Path, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**bare_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def listed(server: Server, project: str) -> Mapping[str, str]:
    """Return the files of a project with their SHA-256."""
    status, body = server.get(f"/simple/{project}/", Accept="application/vnd.pypi.simple.v1+json")
    assert status == 200, body
    return {file["filename"]: file["hashes"]["sha256"] for file in json.loads(body)["files"]}


def twine(clients: Path, server: Server, token: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return run(
        clients / "twine", "upload", "--non-interactive", "--repository-url", f"{server.url}/legacy/", *words,
        TWINE_USERNAME="__token__", TWINE_PASSWORD=token, NO_COLOR="1",
    )  # fmt: skip


def test_twine_publishes_and_publishes_again(
    server: Server, token: str, clients: Path, tmp_path: Path
) -> None:
    wheel, sdist = build_wheel(tmp_path), build_sdist(tmp_path)
    succeeded(twine(clients, server, token, wheel, sdist))
    assert set(listed(server, "alpha")) == {wheel.name, sdist.name}
    succeeded(twine(clients, server, token, wheel))  # the same bytes again change nothing
    (tmp_path / "other").mkdir()
    other = build_wheel(tmp_path / "other", files={"alpha/__init__.py": b"different = True\n"})
    refused = twine(clients, server, token, other)
    assert refused.returncode != 0
    assert "file-exists" in refused.stdout + refused.stderr
    assert listed(server, "alpha")[wheel.name] == hashlib.sha256(wheel.read_bytes()).hexdigest()


SKIPPED = """
import sys, requests
from twine.commands.upload import skip_upload
from twine.package import PackageFile
url, token, path = sys.argv[1:]
package = PackageFile.from_filename(path, None)
data = {key: value for key, value in package.metadata_dictionary().items() if value}
data |= {":action": "file_upload", "protocol_version": "1"}
with open(path, "rb") as file:
    answer = requests.post(url, data=data, files={"content": (package.basefilename, file)}, auth=("__token__", token))
sys.exit(0 if skip_upload(answer, True, package) else f"{answer.status_code} {answer.reason} {answer.text}")
"""


def test_twine_would_skip_what_exists(
    server: Server, token: str, published: Path, clients: Path, tmp_path: Path
) -> None:
    """Twine offers `--skip-existing` for the public index only; its judgement of our answer is what it would go by."""
    (tmp_path / "other").mkdir()
    other = build_wheel(tmp_path / "other", files={"alpha/__init__.py": b"different = True\n"})
    succeeded(run(clients / "python", "-c", SKIPPED, f"{server.url}/legacy/", token, other))


def test_twine_shows_why_a_password_is_refused(
    server: Server, token: str, clients: Path, tmp_path: Path
) -> None:
    done = run(
        clients / "twine", "upload", "--non-interactive", "--repository-url", f"{server.url}/legacy/", build_wheel(tmp_path),
        TWINE_USERNAME="ada", TWINE_PASSWORD=str(ADA["password"]), NO_COLOR="1",
    )  # fmt: skip
    assert done.returncode != 0
    assert "password-not-accepted" in done.stdout + done.stderr
    assert server.get("/simple/alpha/")[0] == 404


def test_uv_publishes_and_asks_before(server: Server, token: str, clients: Path, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    words = (
        "publish",
        "--publish-url",
        f"{server.url}/legacy/",
        "--check-url",
        f"{server.url}/simple/",
        wheel,
    )
    succeeded(run(clients / "uv", *words, UV_PUBLISH_TOKEN=token))
    again = succeeded(run(clients / "uv", *words, UV_PUBLISH_TOKEN=token))
    assert "already exists" in again
    assert set(listed(server, "alpha")) == {wheel.name}


def write_project(folder: Path, name: str, build: str, backend: str, *, classifiers: bool = True) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(f'"""A project called {name}."""\n__version__ = "1.0"\n')
    (folder / "README.md").write_text("# Made up\n")
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["{build}"]\nbuild-backend = "{backend}"\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndescription = "Made up"\nreadme = "README.md"\n'
        'requires-python = ">=3.9"\nlicense = "MIT"\nauthors = [{name = "Ada", email = "ada@example.org"}]\n'
        f"classifiers = {['Programming Language :: Python :: 3'] if classifiers else []}\ndependencies = []\n"
        "[project.optional-dependencies]\nextra = [\"six>=1.16 ; python_version > '3'\"]\n"
        '[project.urls]\nHomepage = "https://example.org/"\n'
    )


def test_flit_publishes(server: Server, token: str, clients: Path, tmp_path: Path) -> None:
    # flit fetches the list of classifiers from the public index when there are any
    write_project(tmp_path / "flitted", "flitted", "flit_core>=3.11", "flit_core.buildapi", classifiers=False)
    done = run(
        clients / "flit", "publish", "--no-use-vcs", cwd=tmp_path / "flitted",
        FLIT_INDEX_URL=f"{server.url}/legacy/", FLIT_USERNAME="__token__", FLIT_PASSWORD=token,
        PATH=f"{clients}:{bare_environment()['PATH']}",
    )  # fmt: skip
    succeeded(done)
    assert set(listed(server, "flitted")) == {"flitted-1.0-py3-none-any.whl", "flitted-1.0.tar.gz"}


def test_hatch_publishes(server: Server, token: str, clients: Path, tmp_path: Path) -> None:
    project = tmp_path / "hatched"
    write_project(project, "hatched", "hatchling", "hatchling.build")
    succeeded(run(clients / "hatchling", "build", cwd=project))
    done = run(
        clients / "hatch", "publish", "--no-prompt", cwd=project,
        HATCH_INDEX_REPO=f"{server.url}/legacy/", HATCH_INDEX_USER="__token__", HATCH_INDEX_AUTH=token,
        HATCH_DATA_DIR=str(tmp_path / "hatch"), HATCH_CACHE_DIR=str(tmp_path / "hatch-cache"),
    )  # fmt: skip
    succeeded(done)
    assert set(listed(server, "hatched")) == {"hatched-1.0-py3-none-any.whl", "hatched-1.0.tar.gz"}


def test_poetry_publishes(server: Server, token: str, clients: Path, tmp_path: Path) -> None:
    project = tmp_path / "poetized"
    write_project(project, "poetized", "poetry-core>=2", "poetry.core.masonry.api")
    surroundings = {
        "POETRY_CACHE_DIR": str(tmp_path / "cache"),
        "POETRY_CONFIG_DIR": str(tmp_path / "config"),
        "POETRY_VIRTUALENVS_CREATE": "false",
        "POETRY_REPOSITORIES_HOUSE_URL": f"{server.url}/legacy/",
        "POETRY_PYPI_TOKEN_HOUSE": token,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    (project / "dist").mkdir()
    wheel, sdist = build_wheel(project / "dist", "poetized"), build_sdist(project / "dist", "poetized")
    succeeded(
        run(
            clients / "poetry",
            "publish",
            "--no-interaction",
            "--repository",
            "house",
            cwd=project,
            **surroundings,
        )
    )
    assert set(listed(server, "poetized")) == {wheel.name, sdist.name}


@pytest.fixture
def published(server: Server, token: str, tmp_path: Path) -> Path:
    """A wheel that is there to be installed, and one of a later version that is yanked."""
    wheel = build_wheel(tmp_path, files={"alpha/__init__.py": b"value = 42\n"})
    server.seed({"files": [{"path": str(wheel), "by": "ada"}]})
    return wheel


def install(pip: str | Path, server: Server, target: Path, *words: str) -> None:
    succeeded(
        run(
            pip,
            "install",
            *words,
            "--no-cache-dir",
            "--index-url",
            f"{server.url}/simple/",
            "--target",
            target,
            "alpha",
        )
    )
    assert (target / "alpha" / "__init__.py").read_bytes() == b"value = 42\n"


def test_pip_installs(server: Server, published: Path, clients: Path, tmp_path: Path) -> None:
    install(clients / "pip", server, tmp_path / "target")


def test_an_old_pip_installs(server: Server, published: Path, old_pip: Path, tmp_path: Path) -> None:
    install(old_pip, server, tmp_path / "target")


def test_uv_installs_by_hash(server: Server, published: Path, clients: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    (tmp_path / "requirements.txt").write_text(f"alpha==1.0 --hash=sha256:{digest}\n")
    venv.create(tmp_path / "venv", with_pip=False)
    succeeded(
        run(
            clients / "uv", "pip", "install", "--no-cache", "--require-hashes", "-r", tmp_path / "requirements.txt",
            "--default-index", f"{server.url}/simple/", "--python", tmp_path / "venv" / "bin" / "python",
        )
    )  # fmt: skip
    succeeded(run(tmp_path / "venv" / "bin" / "python", "-c", "import alpha; assert alpha.value == 42"))


@pytest.mark.parametrize("accept", [ACCEPT_JSON_ONLY, ACCEPT_HTML_ONLY])
def test_pypi_simple_reads_both_forms(server: Server, published: Path, accept: str) -> None:
    with PyPISimple(f"{server.url}/simple/", accept=accept) as client:
        until = time.monotonic() + LIST_SECONDS
        while "alpha" not in client.get_index_page().projects and time.monotonic() < until:
            time.sleep(0.1)
        assert "alpha" in client.get_index_page().projects
        page = client.get_project_page("alpha")
        package = page.packages[0]
        assert package.filename == published.name
        assert package.digests["sha256"] == hashlib.sha256(published.read_bytes()).hexdigest()
        assert package.has_metadata
        assert b"Name: alpha" in client.get_package_metadata_bytes(package)


def test_a_proxying_repository_passes_it_on(
    server: Server, published: Path, clients: Path, tmp_path: Path
) -> None:
    port = free_port()
    command = [
        str(clients / "simple-repository-server"),
        f"{server.url}/simple/",
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    with subprocess.Popen(
        command, env=bare_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as proxy:
        try:
            wait_for(port)
            words = (
                "--no-cache-dir",
                "--index-url",
                f"http://127.0.0.1:{port}/simple/",
                "--target",
                tmp_path / "target",
            )
            succeeded(run(clients / "pip", "install", *words, "alpha"))
        finally:
            proxy.terminate()
    assert (tmp_path / "target" / "alpha" / "__init__.py").read_bytes() == b"value = 42\n"


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the proxying repository did not come up")
