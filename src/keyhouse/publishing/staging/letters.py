"""What mails to the people of a project say about its staged releases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from keyhouse.core import clock
from keyhouse.projects.life_cycle.letters import News

SETTING_ON: Final = News(
    "staging-switched-on",
    "stages its uploads from now on",
    "What is uploaded waits until a person publishes it. Owners can change that.",
)
SETTING_OFF: Final = News(
    "staging-switched-off",
    "no longer stages its uploads",
    "What is uploaded is published at once, unless the upload itself asks for staging. Owners can change that.",
)


def staged(version: str, filename: str, until: datetime) -> News:
    """Return the news that a release waits."""
    return News(
        "release-staged",
        f"{version} waits to be published",
        f"Its first file is {filename}; more may follow. Nobody sees it until one of you looks at its files and publishes them. "
        f"What isn't published by {clock.format_second(until)} is discarded. If none of you expects this release, discard it and "
        "look at what can upload to the project.",
    )


def ends_soon(version: str, until: datetime) -> News:
    """Return the news that a release has waited for long."""
    return News(
        "staged-release-ends-soon",
        f"{version} still waits to be published",
        f"What isn't published by {clock.format_second(until)} is discarded.",
    )


def published(version: str, filenames: Sequence[str]) -> News:
    """Return the news that a staged release is there for everybody."""
    return News(
        "release-published",
        f"{version} was published",
        f"It was staged before; everybody can install it now. Its files: {', '.join(filenames)}.",
    )
