"""A mandate named at the command line: a file, or the name of one in the ledger."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from keyhouse.mandate.campaigns.finding import get_newest
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.toml_lines import LARGEST, read_written


def read_policy(name: str, now: datetime) -> Policy:
    """Return the mandate in a file (`-`: standard input) as a version 1, or the newest version of that name.

    Raises MandateInvalid, MandateMissing.
    """
    if name == "-":
        return Policy(read_written(sys.stdin.buffer.read(LARGEST + 1)).read())
    path = Path(name)
    if not path.is_file():
        return get_newest(name, now)
    with path.open("rb") as opened:
        return Policy(read_written(opened.read(LARGEST + 1), is_json=path.suffix == ".json").read())
