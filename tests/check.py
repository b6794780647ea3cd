"""Everything that must hold before a change goes in, apart from the tests: `./run check`.

./run check                 all of it
./run check types docs      these steps only
./run check --but STEP      all but this one: where the tests follow, they hold the house rules too
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

PYTHON = sys.executable
STEPS = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "--quiet", "."],
    "types": [PYTHON, "-m", "mypy", "--no-error-summary"],
    "imports": [PYTHON, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
    "docs": [PYTHON, "-m", "tests.handbook"],
    "house rules": [PYTHON, "-m", "pytest", "-q", "--no-header", "-n", "0", "tests/house_rules"],
}


Outcome = tuple[str, subprocess.CompletedProcess[str], float]


def main(arguments: list[str]) -> int:
    """Run the steps, two at a time and also after one failed, and name the failed ones."""
    failed = []
    with ThreadPoolExecutor(2) as pool:
        for name, done, seconds in pool.map(run, chosen(arguments)):
            print(f"{'ok    ' if done.returncode == 0 else 'FAILED'}  {name}  ({seconds:.0f} s)", flush=True)
            if done.returncode:
                failed.append(name)
                print(done.stdout + done.stderr, flush=True)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks hold.")
    return int(bool(failed))


def chosen(arguments: list[str]) -> list[str]:
    """Return the steps to run; a name that is none is an error, or nothing would be checked."""
    is_without = arguments[:1] == ["--but"]
    named = set(arguments[is_without:])
    if named - set(STEPS) or (is_without and not named):
        sys.exit(f"The steps are: {', '.join(STEPS)}.")
    return [name for name in STEPS if not named or (name in named) is not is_without]


def run(name: str) -> Outcome:
    """Run one step to its end."""
    started = time.monotonic()
    # types are read with Django's settings, which make a data folder: not that of this checkout
    with tempfile.TemporaryDirectory(prefix="keyhouse-check-") as data:
        environment = {**os.environ, "KEYHOUSE_DATA": data}
        done = subprocess.run(STEPS[name], env=environment, capture_output=True, text=True, check=False)
    return name, done, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
