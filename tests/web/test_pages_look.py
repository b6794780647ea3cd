from __future__ import annotations

import re
from pathlib import Path

import pytest

import keyhouse

SOURCE = Path(keyhouse.__file__).parent
STYLE = (SOURCE / "web/static/keyhouse.css").read_text()
TEMPLATES = sorted(SOURCE.rglob("templates/**/*.html"))
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", part)) for part in STYLE.split("@media", 2)[:2]
)

# what stands on what; 4.5 for text, 3 for frames of controls and marks (WCAG 2.2, 1.4.3 and 1.4.11)
TEXT = [
    ("ink", ("paper", "surface", "sunken", "wash", "warn-wash", "danger-wash")),
    ("ink-soft", ("paper", "surface", "sunken", "wash", "warn-wash", "danger-wash")),
    ("accent", ("paper", "surface", "sunken", "wash", "warn-wash", "danger-wash")),
    ("accent-strong", ("paper", "surface", "sunken", "wash")),
    ("on-accent", ("accent", "accent-strong")),
    ("brass", ("paper", "surface", "sunken")),
    ("danger", ("paper", "surface", "danger-wash")),
    ("on-danger", ("danger",)),
    ("warn", ("paper", "surface", "warn-wash")),
    ("on-door", ("door",)),
    ("on-door-soft", ("door",)),
]
FRAMES = [("line-strong", ("paper", "surface")), ("brass-mark", ("door",)), ("accent", ("paper", "surface"))]


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (FRAMES, 3.0)], ids=["text", "frames"])
def test_colours_can_be_told_apart(
    scheme: dict[str, str], pairs: list[tuple[str, tuple[str, ...]]], least: float
) -> None:
    weak = {
        (front, ground): round(contrast(scheme[front], scheme[ground]), 2)
        for front, grounds in pairs
        for ground in grounds
        if contrast(scheme[front], scheme[ground]) < least
    }
    assert weak == {}


def test_both_schemes_set_the_same_colours() -> None:
    assert len(LIGHT) > 20
    assert LIGHT.keys() == DARK.keys()


def test_every_property_that_is_used_is_set() -> None:
    assert set(re.findall(r"var\(--([\w-]+)", STYLE)) <= set(re.findall(r"--([\w-]+):", STYLE))


def test_the_style_sheet_loads_nothing() -> None:
    assert not re.search(r"url\(|@import|@font-face", STYLE)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_template_needs_what_the_content_security_policy_forbids(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle\s*=|<style|\son\w+\s*=\s*[\"']|javascript:", text, re.IGNORECASE)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text, re.IGNORECASE)
    assert not re.search(r"(?:src|action)\s*=\s*[\"']?(?:https?:)?//", text, re.IGNORECASE)
