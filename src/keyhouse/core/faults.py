"""Named points at which tests kill the process, to show that nothing half-done is ever visible.

Only where the environment is `test` and `KEYHOUSE_FAULT` names the point; otherwise a call costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from keyhouse.core import configuration

POINTS: Final = frozenset(
    {
        "upload.received",  # the body is in the temporary file
        "upload.blob-stored",  # the blob is synced, no row tells of it
        "upload.rows-written",  # inside the transaction, before its commit
        "upload.committed",  # before the answer is sent
        "yank.rows-written",
        "yank.committed",
        "deletion.rows-written",
        "deletion.committed",
        "backup.database-copied",
        "backup.blobs-copied",
    }
)


def reach(point: str) -> None:
    """Kill this process at once (SIGKILL) if it was told to die at this point."""
    if configuration.current().fault == point and configuration.current().is_test:
        os.kill(os.getpid(), signal.SIGKILL)


def check_point(point: str) -> None:
    """Raise ValueError for a point that is not in the catalogue."""
    if point not in POINTS:
        raise ValueError("one of " + ", ".join(sorted(POINTS)))
