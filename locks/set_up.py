"""Set up an environment of this checkout from a lock: `set_up.py serve|dev|clients|bench`. Stands on nothing but Python.

`serve` and `dev` share `.venv`; the clients of the journeys and the peers of the bench have one of their own each.

Everything stays inside the checkout. Two at once wait for one another; an interrupted one is begun anew; what went
wrong is one sentence, and the details are in `.cache/set-up.log`.
"""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = sys.argv[1] if len(sys.argv) > 1 else "serve"
VENV = ROOT / {"clients": ".venv-clients", "bench": ".venv-bench"}.get(LOCK, ".venv")
CACHE = ROOT / ".cache"
LOG = CACHE / "set-up.log"
UNFINISHED = VENV / "keyhouse-unfinished"  # there while packages are being installed
PYTHON = VENV / "bin" / "python"
FAILED = 1
WRONG_MACHINE = 2

NO_SPACE = re.compile(r"no space left|disk quota exceeded|errno 28|os error 28", re.IGNORECASE)
NO_NETWORK = re.compile(
    r"name resolution|name or service not known|resolve host|dns error|network is unreachable|connection refused"
    r"|connection reset|timed out|failed to establish|error sending request|connection error|max retries"
    r"|no matching distribution|could not find a version|not found in the package registry|tunnel connection",
    re.IGNORECASE,
)


class SetUpError(Exception):
    """The set-up can't go on; the message is the one sentence, `code` the exit code."""

    def __init__(self, sentence: str, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code


def main(lock: str) -> int:
    """Set up and return the exit code."""
    try:
        CACHE.mkdir(exist_ok=True)
        with (CACHE / "set-up.lock").open("w") as guard:
            wait_for_others(guard.fileno())
            if not is_up_to_date(lock):
                set_up(lock)
    except SetUpError as error:
        say(str(error))
        return error.code
    except OSError as error:
        say(sentence_of(error))
        return FAILED
    except KeyboardInterrupt:
        say("Stopped; the next start begins the set-up anew.")
        return FAILED
    return 0


def wait_for_others(descriptor: int) -> None:
    """Take the lock of the set-up; the kernel gives it back however its holder ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another start is setting things up; waiting for it.")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_up_to_date(lock: str) -> bool:
    """Whether somebody else has just finished it."""
    stamp = stamp_of(lock)
    return stamp.exists() and not UNFINISHED.exists() and filecmp.cmp(lock_of(lock), stamp, shallow=False)


def set_up(lock: str) -> None:
    """Make the environment where there is none that works, and install the lock into it."""
    say(f"Setting up Python packages in {VENV} (a minute or two, only when something changed) ...")
    uv = shutil.which("uv")
    with LOG.open("w", encoding="utf-8") as log:
        if UNFINISHED.exists() or not works("sys" if uv else "pip"):
            shutil.rmtree(VENV, ignore_errors=True)
            make_environment(uv, log)
        UNFINISHED.touch()
        install(uv, lock, log)
        point_to_source()
    shutil.copyfile(lock_of(lock), stamp_of(lock))
    UNFINISHED.unlink()
    say("Done.")


def works(needed: str) -> bool:
    """Whether the environment's Python starts, is new enough and has what installing needs."""
    check = f"import sys, {needed}; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make_environment(uv: str | None, log: object) -> None:
    """Make `.venv`, by uv where it is installed, else by the module `venv` with pip in it."""
    if uv:
        run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)], log)
        return
    try:
        import ensurepip  # noqa: F401, PLC0415 - some systems package these apart from Python
        import venv  # noqa: F401, PLC0415 - the same
    except ImportError as error:
        raise SetUpError(
            f"This Python has no module {error.name}; install it (on Debian and Ubuntu: apt install python3-venv).",
            WRONG_MACHINE,
        ) from error
    run([sys.executable, "-m", "venv", str(VENV)], log)


def install(uv: str | None, lock: str, log: object) -> None:
    """Install exactly what the lock names; every file must have one of its hashes."""
    file = str(lock_of(lock))
    if uv:
        run([uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes", "-r", file], log)
    else:
        command = [
            PYTHON,
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar=off",
        ]
        run([*map(str, command), "--require-hashes", "-r", file], log)


def run(command: list[str], log: object) -> None:
    """Run a step with its output in the log; raises SetUpError with the sentence that fits it."""
    places = {
        "UV_CACHE_DIR": str(CACHE / "uv"),
        "PIP_CACHE_DIR": str(CACHE / "pip"),
        "UV_PYTHON_DOWNLOADS": "never",
        "PIP_REQUIRE_VIRTUALENV": "0",
    }
    environment = {**os.environ, **places}
    done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False)  # type: ignore[call-overload]  # an open file
    if done.returncode:
        raise SetUpError(sentence_for(LOG.read_text(encoding="utf-8", errors="replace")))


def sentence_for(output: str) -> str:
    """Say what went wrong in one sentence."""
    if NO_SPACE.search(output):
        return f"There is not enough space for the set-up in {ROOT}; details are in {LOG}."
    if NO_NETWORK.search(output):
        return f"The package index can't be reached, or lacks a package of the lock; details are in {LOG}."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"The set-up failed ({lines[-1] if lines else 'no output'}); details are in {LOG}."


def sentence_of(error: OSError) -> str:
    """Say what a failed write means."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"There is not enough space for the set-up in {ROOT}."
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return (
            f"The packages in {VENV} are not those that this version names, and nothing can be set up from here "
            f"({error.filename or ROOT}: {error.strerror}). As whoever owns the checkout, run "
            f"`{command_of_owner()}`, then start again."
        )
    return f"The set-up can't write to {error.filename or ROOT}: {error.strerror}."


def command_of_owner() -> str:
    """Return what sets this checkout up: by its owner, and outside of a service that may write to its data only."""
    number = ROOT.stat().st_uid
    try:
        owner = pwd.getpwuid(number).pw_name
    except KeyError:
        owner = f"#{number}"
    command = [str(ROOT / "run"), "keyhouse", "--version"]
    if LOCK != "serve":
        command = [sys.executable, str(ROOT / "locks" / "set_up.py"), LOCK]
    return shlex.join(["sudo", "-u", owner, *command])


def point_to_source() -> None:
    """Let the environment find `src`; relative, so that a checkout that is moved goes on working."""
    for packages in (VENV / "lib").glob("python3.*/site-packages"):
        (packages / "keyhouse-checkout.pth").write_text(os.path.relpath(ROOT / "src", packages) + "\n")


def lock_of(lock: str) -> Path:
    """Return the lock's file."""
    return ROOT / "locks" / f"{lock}.txt"


def stamp_of(lock: str) -> Path:
    """Return the file that says which lock was installed."""
    return VENV / f"keyhouse-{lock}.txt"


def say(sentence: str) -> None:
    """Tell the person; standard output stays clean for what was asked for."""
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(LOCK))
