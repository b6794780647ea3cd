"""Ctrl-C while something must come to its end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def put_off() -> Iterator[None]:
    """Let the first Ctrl-C wait for the end of the block: what it writes and what it prints belong together.

    A second one counts at once. Outside of the main thread, which alone is interrupted, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []

    def keep(number: int, frame: object) -> None:
        del frame
        pressed.append(number)
        signal.signal(number, before)

    before = signal.signal(signal.SIGINT, keep)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        signal.raise_signal(signal.SIGINT)
