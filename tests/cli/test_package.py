"""The package that `pip install .` makes: the same product, with everything the pages need."""

from __future__ import annotations

import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from tests.cli.started import environment

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "keyhouse"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return an environment with nothing but pip, and the wheel it built."""
    folder = tmp_path_factory.mktemp("package")
    venv.create(folder / "env", with_pip=True)
    pip = folder / "env" / "bin" / "pip"
    subprocess.run([pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    return folder / "env", next(folder.glob("keyhouse-*.whl"))


def test_the_wheel_holds_every_file_of_the_source(built: tuple[Path, Path]) -> None:
    inside = set(zipfile.ZipFile(built[1]).namelist())
    wanted = {
        f"keyhouse/{path.relative_to(SOURCE)}"
        for path in SOURCE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert wanted <= inside
    assert any(name.endswith("templates/base.html") for name in inside)
    assert any(name.endswith("static/keyhouse.css") for name in inside)
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert not {name for name in inside if not name.startswith("keyhouse")}


def test_the_installed_command_serves(built: tuple[Path, Path], tmp_path: Path) -> None:
    env, wheel = built
    subprocess.run([env / "bin" / "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    # what it depends on comes from the environment of the tests; path files there are not followed
    settings = environment(PYTHONPATH=sysconfig.get_path("purelib"))
    where = subprocess.run(
        [env / "bin" / "python", "-c", "import keyhouse; print(keyhouse.__file__)"],
        env=settings,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(env))
    serve: list[str | Path] = [env / "bin" / "keyhouse", "serve", "--port", "0", "--data", tmp_path / "data"]
    process = subprocess.Popen(serve, env=settings, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert '"event": "serving"' in process.stderr.readline()
    process.terminate()
    assert process.wait(60) == 0
    process.stderr.close()
