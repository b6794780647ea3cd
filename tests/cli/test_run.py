"""`./run` in a checkout of its own, with stand-ins for uv and for the product."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY_WRITES = Path("/sys")

# Makes an "environment" whose Python tells how it was called, and takes its time when told to.
UV = """#!/bin/sh
echo "$@" >> "$UV_LOG"
case $1 in
venv)
    for folder; do :; done
    mkdir -p "$folder/bin" "$folder/lib/python3.11/site-packages"
    printf '#!/bin/sh\\n[ "$1" = -c ] && exit 0\\necho "python $*"\\n' > "$folder/bin/python"
    chmod +x "$folder/bin/python" ;;
pip)
    sleep "${UV_SLEEP:-0}"
    [ -z "${UV_SAYS:-}" ] || { echo "$UV_SAYS" >&2; exit 1; } ;;
esac
"""


@dataclass
class Checkout:
    root: Path
    environment: dict[str, str]

    def run(self, *words: str, cwd: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "run", *words],
            cwd=cwd,
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @property
    def calls(self) -> list[str]:
        log = Path(self.environment["UV_LOG"])
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a checkout"
    (root / "locks").mkdir(parents=True)
    shutil.copy(ROOT / "run", root / "run")
    shutil.copy(ROOT / "locks" / "set_up.py", root / "locks")
    (root / "locks" / "serve.txt").write_text("one==1\n")
    (root / "locks" / "dev.txt").write_text("one==1\ntwo==2\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(UV)
    (tools / "uv").chmod(0o755)
    environment = {
        "PATH": f"{tools}:{os.defpath}",
        "PYTHON": sys.executable,
        "UV_LOG": str(tmp_path / "uv.log"),
        "HOME": str(tmp_path / "home"),
    }
    return Checkout(root, environment)


def test_the_first_call_sets_up_and_hands_over(checkout: Checkout, tmp_path: Path) -> None:
    done = checkout.run("serve", "--port", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "python -m keyhouse serve --port 0\n"
    assert [call.split()[0] for call in checkout.calls] == ["venv", "pip"]
    assert "--require-hashes" in checkout.calls[1]
    assert checkout.calls[1].endswith("locks/serve.txt")
    pth = checkout.root / ".venv/lib/python3.11/site-packages/keyhouse-checkout.pth"
    assert (pth.parent / pth.read_text().strip()).resolve() == checkout.root / "src"


def test_the_second_call_says_and_does_nothing_of_its_own(checkout: Checkout) -> None:
    checkout.run("keyhouse", "settings")
    before = checkout.calls
    done = checkout.run("keyhouse", "settings", "--json", PYTHON="/no/such/python", PATH="/usr/bin:/bin")
    assert (done.returncode, done.stdout, done.stderr) == (0, "python -m keyhouse settings --json\n", "")
    assert checkout.calls == before


def test_a_changed_lock_is_noticed(checkout: Checkout) -> None:
    checkout.run("keyhouse")
    (checkout.root / "locks" / "serve.txt").write_text("one==1.1\n")
    assert checkout.run("keyhouse").returncode == 0
    assert [call.split()[0] for call in checkout.calls] == ["venv", "pip", "pip"]


def test_what_tests_need_comes_with_the_tests_and_is_enough_to_serve(checkout: Checkout) -> None:
    assert checkout.run("test", "-k", "x").stdout == "python tests/run.py -k x\n"
    assert checkout.calls[-1].endswith("locks/dev.txt")
    assert checkout.run("check").stdout == "python tests/check.py\n"
    assert checkout.run("bench", "reads").stdout.endswith("python -m bench reads\n")
    assert checkout.run("serve").stdout == "python -m keyhouse serve\n"
    assert len(checkout.calls) == 2


def test_data_lives_in_the_checkout_unless_told_otherwise(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("serve")
    python = checkout.root / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "$KEYHOUSE_DATA"\n')
    assert checkout.run("serve", cwd=tmp_path).stdout == f"{checkout.root}/var\n"
    assert checkout.run("keyhouse", KEYHOUSE_DATA="/srv/index").stdout == "/srv/index\n"


def test_it_works_through_a_symbolic_link(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(checkout.root / "run")
    done = subprocess.run(
        [tmp_path / "link", "keyhouse"], env=checkout.environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "python -m keyhouse\n"


def test_too_old_a_python_is_one_sentence(checkout: Checkout, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for name in ("python3.13", "python3.12", "python3.11", "python3.14", "python3", "python"):
        (old / name).write_text("#!/bin/sh\nexit 1\n")
        (old / name).chmod(0o755)
    done = checkout.run("serve", PYTHON="", PATH=f"{old}:/usr/bin:/bin")
    assert done.returncode == 2
    assert done.stderr.startswith("Keyhouse needs Python 3.11 or newer, and none was found")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ("error: Failed to fetch; dns error: failed to lookup address", "The package index can't be reached"),
        ("OSError: [Errno 28] No space left on device", "There is not enough space for the set-up"),
        ("error: hash mismatch for one==1", "The set-up failed (error: hash mismatch for one==1)"),
    ],
)
def test_a_set_up_that_fails_says_why_and_is_begun_anew(checkout: Checkout, says: str, sentence: str) -> None:
    done = checkout.run("serve", UV_SAYS=says)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert says in (checkout.root / ".cache/set-up.log").read_text()
    assert checkout.run("serve").returncode == 0
    assert [call.split()[0] for call in checkout.calls] == ["venv", "pip", "venv", "pip"]


def test_an_interrupted_set_up_is_begun_anew(checkout: Checkout) -> None:
    process = subprocess.Popen(
        [checkout.root / "run", "serve"],
        env={**checkout.environment, "UV_SLEEP": "30"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 30
    while len(checkout.calls) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    (checkout.root / ".venv/lib/python3.11/site-packages/half").write_text("")
    assert checkout.run("serve").returncode == 0
    assert [call.split()[0] for call in checkout.calls] == ["venv", "pip", "venv", "pip"]
    assert not (checkout.root / ".venv/lib/python3.11/site-packages/half").exists()


@pytest.mark.skipif(
    not NOBODY_WRITES.is_dir(), reason="this system has no folder that even root can't write to"
)
def test_where_nothing_can_be_written_it_names_who_sets_up_and_how(checkout: Checkout) -> None:
    checkout.run("serve")
    (checkout.root / "locks" / "serve.txt").write_text("one==2\n")
    shutil.rmtree(checkout.root / ".cache")
    (checkout.root / ".cache").symlink_to(NOBODY_WRITES)
    done = checkout.run("serve")
    assert (done.returncode, done.stdout) == (1, "")
    owner = pwd.getpwuid(checkout.root.stat().st_uid).pw_name
    assert f"run `sudo -u {owner} '{checkout.root}/run' keyhouse --version`, then start again." in done.stderr
    assert "Traceback" not in done.stderr
    (checkout.root / ".cache").unlink()
    assert checkout.run("keyhouse", "--version").returncode == 0
    (checkout.root / ".cache" / "set-up.log").unlink()
    (checkout.root / ".cache" / "set-up.lock").unlink()
    (checkout.root / ".cache").rmdir()
    (checkout.root / ".cache").symlink_to(NOBODY_WRITES)
    assert checkout.run("serve").stdout == "python -m keyhouse serve\n"


def test_two_first_calls_wait_for_one_another(checkout: Checkout) -> None:
    both = [
        subprocess.Popen(
            [checkout.root / "run", "keyhouse"],
            env={**checkout.environment, "UV_SLEEP": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [out for out, _ in said] == ["python -m keyhouse\n"] * 2
    assert sum("Another start is setting things up" in error for _, error in said) == 1
    assert [call.split()[0] for call in checkout.calls] == ["venv", "pip"]


def test_nothing_is_written_outside_the_checkout(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("serve")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a checkout", "tools", "uv.log"]


def test_a_checkout_that_was_moved_goes_on(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("serve")
    moved = checkout.root.rename(tmp_path / "moved")
    done = Checkout(moved, checkout.environment).run("serve")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [(), ("nonsense",), ("--help",)])
def test_anything_else_says_what_there_is(checkout: Checkout, words: tuple[str, ...]) -> None:
    done = checkout.run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ./run serve")
    assert checkout.calls == []


@pytest.mark.slow
def test_without_uv_the_module_venv_and_pip_do_it(checkout: Checkout, tmp_path: Path) -> None:
    for name in ("serve", "dev"):
        (checkout.root / "locks" / f"{name}.txt").write_text("")
    bare = {**checkout.environment, "PATH": "/usr/bin:/bin"}
    (checkout.root / "src" / "keyhouse").mkdir(parents=True)
    (checkout.root / "src" / "keyhouse" / "__main__.py").write_text("import sys; print(sys.argv[1:])")
    done = Checkout(checkout.root, bare).run("keyhouse", "x")
    assert (done.returncode, done.stdout) == (0, "['x']\n"), done.stderr
    (checkout.root / "locks" / "serve.txt").write_text(f"nowhere==1 --hash=sha256:{'0' * 64}\n")
    nowhere = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": os.devnull,
    }
    (checkout.root / ".venv" / "keyhouse-dev.txt").unlink(missing_ok=True)
    done = Checkout(checkout.root, {**bare, **nowhere}).run("keyhouse", "x")
    assert done.returncode == 1
    assert "The package index can't be reached" in done.stderr
