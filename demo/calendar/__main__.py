"""`./run demo --calendar`: the calendar of 2022 to 2024 on a throw-away index, with a report in Markdown and HTML."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from demo.calendar.shape import DAYS, FULL, Shape

ROOT: Final = Path(__file__).parents[2]
_FEWEST: Final = 100


def main(words: list[str]) -> int:
    """Make the index, live through the days, write the report."""
    parser = argparse.ArgumentParser(prog="./run demo --calendar", description=__doc__)
    parser.add_argument("--accounts", type=int, default=FULL, help=f"how many accounts, from {_FEWEST} on")
    parser.add_argument("--report", type=Path, default=ROOT / "calendar-report", help="where the report goes")
    parser.add_argument(
        "--clients", type=Path, default=ROOT / ".venv-clients" / "bin", help="a folder with twine and uv"
    )
    parser.add_argument(
        "--pictures", type=Path, help="where pictures of the pages go, narrow and wide, light and dark"
    )
    parser.add_argument("--no-browser", action="store_true", help="open no pages in Chromium")
    asked = parser.parse_args(words)
    if asked.accounts < _FEWEST:
        parser.error(f"an index of fewer than {_FEWEST} accounts has no shape")
    folder = Path(tempfile.mkdtemp(prefix="keyhouse-calendar-"))
    try:
        return run(Shape(asked.accounts), folder, asked)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment: the test one, with a clock that stands where its file says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYHOUSE_")}
    return {
        **kept,
        "KEYHOUSE_ENVIRONMENT": "test",
        "KEYHOUSE_DATA": str(folder / "data"),
        "KEYHOUSE_MAIL_DIR": str(folder / "mails"),
        "KEYHOUSE_CLOCK_FILE": str(folder / "clock"),
    }


def set_clock(folder: Path, at: datetime) -> None:
    """Let time stand at an instant, for every process, at once."""
    new = folder / "clock.new"
    new.write_text(at.isoformat(), "ascii")
    new.replace(folder / "clock")


def run(shape: Shape, folder: Path, asked: argparse.Namespace) -> int:
    """Do all of it in this process and a server beside it."""
    set_clock(folder, DAYS[0].at)
    os.environ.update(surroundings(folder))
    from keyhouse.cli import preparation  # noqa: PLC0415 - what it reads was set just now
    from keyhouse.cli.surroundings import configure  # noqa: PLC0415 - the same

    preparation.prepare(configure())
    from demo.calendar import founding  # noqa: PLC0415 - Django is set up by now
    from demo.calendar import story as stories  # noqa: PLC0415 - the same
    from demo.calendar.doors import Server  # noqa: PLC0415 - the same

    _tell(f"{shape.accounts:,} accounts …")
    stories.retire_default()
    cast = founding.found(shape)
    server = Server(dict(os.environ), folder / "server.log")
    window = None if asked.no_browser else _open_window(server.url, asked.pictures)
    wheels = folder / "wheels"
    wheels.mkdir()
    clients = asked.clients if (asked.clients / "twine").exists() else None
    try:
        story = stories.Story(shape, server, cast, stories.Means(wheels, folder / "mails", clients, window))
        _live_through(story, folder)
    finally:
        if window is not None:
            window.close()
        server.stop()
    _report(story.seen, shape, asked.report)
    return 0


def _open_window(url: str, pictures: Path | None) -> Any:
    """Open Chromium; without it, or without Playwright, no pages are seen, and the report says so."""
    from demo.calendar.window import Window, find_chromium  # noqa: PLC0415 - Django is set up by now

    try:
        return Window(url, pictures) if find_chromium() else None
    except ImportError:
        return None


def _live_through(story: Any, folder: Path) -> None:
    for number, day in enumerate(DAYS):
        set_clock(folder, day.at)
        begun = time.monotonic()
        story.live_through(day, number)
        _tell(f"{day.at:%Y-%m-%d}  {day.title}  ({time.monotonic() - begun:.1f} s)")


def _report(seen: list[Any], shape: Shape, folder: Path) -> None:
    from demo.calendar import report as reports  # noqa: PLC0415 - Django is set up by now

    folder.mkdir(parents=True, exist_ok=True)
    for path in reports.write(seen, shape, folder):
        _tell(str(path))
    (folder / "calendar.json").write_text(json.dumps([_as_dict(one) for one in seen], indent=1), "utf-8")


def _as_dict(seen: Any) -> dict[str, Any]:
    told = asdict(seen)
    at = told["day"]["at"]
    return {**told, "day": at.date().isoformat(), "at": at.isoformat()}


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
