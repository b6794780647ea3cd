"""How far a long command is: a bar on a terminal, nothing on a pipe, and the cursor is there again however it ends."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.started import environment

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"  # DECTCEM: what a terminal does with its cursor
SECONDS = 60
WORK = """
import time
from keyhouse.cli import main, settings
from keyhouse.cli.progress import bar, follow

def by_things(steps):
    for _ in follow(range(steps), "Working"):
        time.sleep(0.02)

def by_a_bar(steps):
    with bar() as shown:
        task = shown.add_task("Working", total=steps)
        for _ in range(steps):
            time.sleep(0.02)
            shown.advance(task)

settings.configure = lambda *_: {way}({steps}) or raise_exit()

def raise_exit():
    raise SystemExit(0)

main.main(["settings"])
"""
WAYS = ["by_things", "by_a_bar"]


def begin(folder: Path, way: str, steps: int, stderr: int) -> subprocess.Popen[bytes]:
    """Start a command that does so many steps, as `keyhouse` starts its own."""
    script = folder / "working.py"
    script.write_text(WORK.replace("{way}", way).replace("{steps}", str(steps)))
    return subprocess.Popen(
        [sys.executable, str(script)],
        env=environment(TERM="xterm", COLUMNS="80"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


def watch(folder: Path, way: str, steps: int, *, interrupts: bool = False) -> tuple[int, str]:
    """Run it on a terminal of its own; returns the exit code and what that was told."""
    ours, theirs = pty.openpty()
    process = begin(folder, way, steps, theirs)
    os.close(theirs)
    told, until = b"", time.monotonic() + SECONDS
    while time.monotonic() < until and select.select([ours], [], [], SECONDS)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so where nobody holds the other end any more
            break
        if not piece:
            break
        told += piece
        if interrupts and b"Working" in told:
            process.send_signal(signal.SIGINT)
            interrupts = False
    os.close(ours)
    try:
        return process.wait(SECONDS), told.decode()
    finally:
        process.kill()


@pytest.mark.parametrize("way", WAYS)
def test_a_terminal_shows_a_bar_that_is_gone_at_the_end(way: str, tmp_path: Path) -> None:
    code, told = watch(tmp_path, way, 40)
    assert code == 0
    assert "Working" in told
    assert told.rfind(SHOWN) > told.rfind(HIDDEN) > -1
    last = told[told.rfind("Working") :]
    assert "\x1b[2K" in last, "the line of the bar is wiped, so the result stands alone"


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_gives_the_cursor_back_and_ends_in_our_way(way: str, tmp_path: Path) -> None:
    code, told = watch(tmp_path, way, 100_000, interrupts=True)
    assert code == 1
    assert told.rfind(SHOWN) > told.rfind(HIDDEN) > -1
    assert told.rstrip().endswith("Stopped.")


@pytest.mark.parametrize("way", WAYS)
def test_a_pipe_is_told_nothing(way: str, tmp_path: Path) -> None:
    process = begin(tmp_path, way, 3, subprocess.PIPE)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, b"", b"")
