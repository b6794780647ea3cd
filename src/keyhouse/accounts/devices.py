"""What a browser says of itself, in words. Pure.

A user agent is a claim and nothing more: it proves nothing, decides nothing, and pages show it as what the browser
names itself. Whatever these few rules don't know stays unknown; nothing is guessed. The order matters, since browsers name
those they descend from as well.
"""

from __future__ import annotations

import re
from typing import Final

UNKNOWN: Final = "A browser that doesn't name itself"
LONGEST: Final = 300

_BROWSERS: Final = (
    (re.compile(r"\bEdg(?:A|iOS)?/"), "Edge"),
    (re.compile(r"\bOPR/|\bOPiOS/"), "Opera"),
    (re.compile(r"\bSamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"\bVivaldi/"), "Vivaldi"),
    (re.compile(r"\bFirefox/|\bFxiOS/"), "Firefox"),
    (re.compile(r"\bHeadlessChrome/"), "Chrome without a window"),
    (re.compile(r"\bChromium/"), "Chromium"),
    (re.compile(r"\bChrome/|\bCriOS/"), "Chrome"),  # its relatives name themselves so, too
    (re.compile(r"\bVersion/[\d.]+.*\bSafari/"), "Safari"),
)
_SYSTEMS: Final = (
    (re.compile(r"\bAndroid\b"), "Android"),
    (re.compile(r"\biPhone\b"), "iPhone"),
    (re.compile(r"\biPad\b"), "iPad"),
    (re.compile(r"\bCrOS\b"), "ChromeOS"),
    (re.compile(r"\bWindows NT\b"), "Windows"),
    (re.compile(r"\bMacintosh\b"), "macOS"),  # iPads say this as well, where they ask for pages for desktops
    (re.compile(r"\bLinux\b"), "Linux"),
    (re.compile(r"\b(?:Free|Open|Net)BSD\b"), "BSD"),
)
_PROGRAM: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]{1,30})/\d")


def describe(user_agent: str) -> str:
    """Return what a user agent names, such as `Firefox on Linux`."""
    text = user_agent[:LONGEST]
    browser, system = _first(_BROWSERS, text), _first(_SYSTEMS, text)
    if browser:
        return f"{browser} on {system}" if system else browser
    if system:
        return f"An unknown browser on {system}"
    program = None if text.startswith("Mozilla/") else _PROGRAM.match(text)
    return program[1] if program else UNKNOWN


def _first(rules: tuple[tuple[re.Pattern[str], str], ...], text: str) -> str:
    return next((name for pattern, name in rules if pattern.search(text)), "")
