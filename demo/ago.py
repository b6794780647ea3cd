"""The clock of the test environment, set to when something in the made-up index happened."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from keyhouse.core import clock


@contextmanager
def standing(at: datetime) -> Iterator[datetime]:
    """Let it be that instant for this process while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clock"
        path.write_text(clock.format_instant(at), encoding="ascii")
        clock.follow_file(path)
        try:
            yield at
        finally:
            clock.follow_file(None)
