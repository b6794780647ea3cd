"""Make a picture of every page of the made-up index, narrow and wide, light and dark: `./run pictures [FOLDER] [--only WORD]`.

`--as paper` takes them as they are printed, `--as forced-colors` as whoever has colours of their own sees them.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from demo import folders
from demo.chromium import OPTIONS
from playwright.sync_api import Page, sync_playwright
from tests.journeys.conftest import CHROMIUM
from tests.looks.harbour import Harbour
from tests.looks.indexes import open_indexes
from tests.looks.looks import Look, all_looks, strayed

ROOT: Final = Path(__file__).parents[2]
WIDTHS: Final = (360, 1280)
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
HEIGHT: Final = 800
MARK: Final = "keyhouse-pictures"  # what a folder holds that was filled here, and no other is emptied
AS: Final = ("screen", "paper", "forced-colors")


def main(words: list[str]) -> int:
    """Fill the folder; 1 where a page could not be taken or the folder is somebody's, 2 where there is no browser."""
    parser = argparse.ArgumentParser(prog="./run pictures", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "pictures")
    parser.add_argument("--only", default="", help="only routes that hold this word")
    parser.add_argument("--as", dest="how", choices=AS, default="screen", help="on a screen unless said")
    asked = parser.parse_args(words)
    folder = asked.folder.resolve()
    if not folders.is_ours(folder, MARK):
        print(
            f"{folder} holds something else than pictures made here, so nothing in it is touched. Name a new or an empty folder.",
            file=sys.stderr,
        )
        return 1
    if CHROMIUM is None:
        print("Pictures are taken by Chromium, and there is none on this machine.", file=sys.stderr)
        return 2
    started = time.monotonic()
    failed = take(folder, asked.only, asked.how)
    print(f"{folder / 'index.html'}: {time.monotonic() - started:.0f} s", *failed, sep="\n")
    return int(bool(failed))


def take(folder: Path, only: str, how: str) -> list[str]:
    """Take the pictures and write their index; returns what could not be taken."""
    folders.empty(folder, MARK)
    looks = [(route, look) for route, look in all_looks() if only == route or (only != "/" and only in route)]
    names: list[str] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        with open_indexes(browser, Path(scratch)) as indexes:
            for route, look in looks:
                try:
                    names.append(_take_one(indexes.at(look.index), folder, route, look, how))
                except Exception as error:  # noqa: BLE001 - one page must not cost the others
                    failed.append(f"{look.told(route)}: {error}".splitlines()[0])
        browser.close()
    (folder / "index.html").write_text(_index_of(names))
    return failed


def _take_one(harbour: Harbour, folder: Path, route: str, look: Look, how: str) -> str:
    page = harbour.enter(look.who).new_page()
    page.set_viewport_size(
        {"width": WIDTHS[0], "height": HEIGHT}
    )  # what scripts do for a phone they do at the start
    name = name_of(route, look)
    with look.amid(harbour):
        answer = look.come_to(route, harbour, page)
        if strayed(route, page.url):
            raise RuntimeError(f"{page.url} asks for a proof")
        if answer.status != look.status:
            raise RuntimeError(f"comes with status {answer.status}")
        for width, scheme in _sizes():
            _shoot(page, folder / f"{name}-{width}-{scheme}.png", width, scheme, how)
    page.close()
    return name


def _sizes() -> Iterator[tuple[int, Literal["light", "dark"]]]:
    yield from ((width, scheme) for width in WIDTHS for scheme in SCHEMES)


def _shoot(page: Page, path: Path, width: int, scheme: Literal["light", "dark"], how: str) -> None:
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(
        color_scheme=scheme,
        reduced_motion="reduce",
        media="print" if how == "paper" else "screen",
        forced_colors="active" if how == "forced-colors" else "none",
    )
    page.screenshot(path=path, full_page=True)


def name_of(route: str, look: Look) -> str:
    """Return a file name for a look."""
    words = [look.index, route, look.at if look.at not in route else "", look.who or "nobody"]
    return re.sub(r"[^a-z0-9.]+", "-", "_".join(words).lower()).strip("-") or "home"


def _index_of(names: list[str]) -> str:
    rows = "".join(
        f"<h2 id={html.escape(name)}>{html.escape(name)}</h2><p>"
        + "".join(
            f'<a href="{name}-{width}-{scheme}.png"><img loading=lazy height=420 alt="{width} {scheme}" src="{name}-{width}-{scheme}.png"></a> '
            for width, scheme in _sizes()
        )
        + "</p>"
        for name in names
    )
    return f"<!doctype html><meta charset=utf-8><title>Pictures</title>{rows}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
