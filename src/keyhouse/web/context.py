"""What every template may ask."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from keyhouse import __version__
from keyhouse.core import configuration
from keyhouse.core.actor import NOBODY, Actor


@dataclass(frozen=True, slots=True)
class Site:
    """What templates know of this site."""

    name: str
    base_url: str
    is_test: bool
    is_private: bool
    version: str
    actor: Actor


def site(request: HttpRequest) -> dict[str, Site]:
    """Return the context of every page: `site`."""
    settings = configuration.current()
    return {
        "site": Site(
            name="Keyhouse",
            base_url=settings.base_url,
            is_test=settings.is_test,
            is_private=settings.is_private,
            version=__version__,
            actor=getattr(request, "actor", NOBODY),
        )
    }
