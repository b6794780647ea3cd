"""`./run bench [NAME …]`: all measurements, or the named ones."""

from __future__ import annotations

import importlib
import os
import shutil
import sys

from bench.servers import LOAD_CPU

NAMES = (
    "start",
    "reads",
    "uploads",
    "scale",
    "mandate",
    "adoption",
    "simulation",
    "mail",
    "sign-in",
    "minting",
    "passwords",
    "first-day",
    "search",
    "corpus",
    "importing",
    "attestations",
    "permissions",
    "notices",
)
NEEDED = ("nginx", "wrk", "h2load", "taskset")


def main(words: list[str]) -> int:
    """Run the named measurements and print their tables; 2 for an unknown name or a missing tool."""
    unknown = [word for word in words if word not in NAMES]
    if unknown:
        print(f"bench: no measurement {unknown[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if missing:
        print(
            f"bench: install {', '.join(missing)} first (wrk, nginx and nghttp2-client packages)",
            file=sys.stderr,
        )
        return 2
    os.sched_setaffinity(0, {int(LOAD_CPU)})  # the clients' side; the servers have a processor of their own
    for name in words or NAMES:
        print(importlib.import_module(f"bench.{name.replace('-', '_')}").main(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
