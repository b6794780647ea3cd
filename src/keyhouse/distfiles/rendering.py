"""Render a long description in a process of its own.

The renderers hold the interpreter while they work: whatever takes one of them long, or much memory, would keep a server
from answering installs meanwhile. In a process of its own it is ended when it has used up what a description may.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from typing import Final

SECONDS: Final = 5  # of a processor; the longest honest texts take about one
_MEMORY: Final = 2**30  # bytes
_AT_ONCE: Final = threading.BoundedSemaphore(2)  # of a server; each may use that memory
_WALL: Final = 60  # seconds; a busy machine is no fault of a text


def render_apart(text: str, content_type: str | None, seconds: int = SECONDS) -> tuple[bool, str | None]:
    """Return whether it came to an end within so many seconds of a processor, and what `render_here` makes of it."""
    environment = {
        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        with _AT_ONCE:
            done = subprocess.run(
                [sys.executable, "-m", "keyhouse.distfiles.rendering"],
                input=json.dumps([text, content_type, seconds]).encode(),
                capture_output=True,
                check=True,
                timeout=_WALL,
                env=environment,
                start_new_session=True,  # what somebody types at the terminal of a server is not for it
            )
        return True, json.loads(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError):
        return False, None


def main() -> None:
    """Read a text, its type and the seconds that it may use as JSON from standard input, and write HTML or null."""
    from keyhouse.distfiles.description import LONGEST_HTML, render_here  # noqa: PLC0415 - which imports this module

    text, content_type, seconds = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    html = render_here(text, content_type)
    if len(html or "") > LONGEST_HTML:
        sys.exit(1)
    json.dump(html, sys.stdout)


if __name__ == "__main__":
    main()
