"""Everything that must hold before a change goes in, apart from the tests: `./run check`."""

from __future__ import annotations

import subprocess
import sys
import time

PYTHON = sys.executable
STEPS = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "--quiet", "."],
    "types": [PYTHON, "-m", "mypy", "--no-error-summary"],
    "imports": [PYTHON, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
    "docs": [PYTHON, "-m", "tests.handbook"],
    "house rules": [PYTHON, "-m", "pytest", "-q", "--no-header", "-n", "0", "tests/house_rules"],
}


def main(wanted: list[str]) -> int:
    """Run every step (or those named), also after one failed, and name the failed ones."""
    failed = []
    for name, command in STEPS.items():
        if wanted and name not in wanted:
            continue
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(
            f"{'ok    ' if done.returncode == 0 else 'FAILED'}  {name}  ({time.monotonic() - started:.0f} s)"
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks hold.")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
