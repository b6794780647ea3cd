"""`python -m demo.later [--days N]`: let the made-up index live on, in the data folder that the surroundings name."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from keyhouse.cli import surroundings

DAYS: Final = 180  # of downloads


def main(words: list[str]) -> int:
    """Do what people did since; the index must be filled and nobody may have done so before."""
    parser = argparse.ArgumentParser(prog="python -m demo.later", description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS, help="days of downloads")
    asked = parser.parse_args(words)
    surroundings.open_index()
    from demo import downloads, happenings  # noqa: PLC0415 - Django is set up by now

    happenings.happen()
    print("  downloads …", flush=True)
    downloads.download(asked.days)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
