"""What every template may ask."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

from keyhouse import __version__
from keyhouse.accounts.models import Announcement
from keyhouse.accounts.oversight.announcing import live_announcements
from keyhouse.core import clock, configuration
from keyhouse.core.actions import Caution
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import unused_tokens_of
from keyhouse.credentials.trusted_publishers import listing
from keyhouse.mandate import cautions
from keyhouse.mandate.asked import Standing, shown_standing
from keyhouse.mandate.documents import DocumentInvalid
from keyhouse.mandate.notices.queries import count_unread
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.models import OrganizationApplication
from keyhouse.projects.collaborators.queries import invitations_of_person
from keyhouse.projects.models import Project
from keyhouse.web import notices, ways_on
from keyhouse.web.operating import Tab, tabs_of

_FEW: Final = 5  # projects and publishers that the account page names
_MANY: Final = 20  # applications
_log = logging.getLogger("keyhouse.web")


@dataclass(frozen=True, slots=True)
class Site:
    """What templates know of this site."""

    name: str
    base_url: str
    audience: str  # for which identities from CI must be made
    is_test: bool
    is_private: bool
    version: str
    actor: Actor
    tabs: tuple[Tab, ...]  # of the console, as far as the actor may open it
    announcements: list[Announcement]
    warning: Warned | None
    find_standing: Callable[[], Standing | None]
    count_invitations: Callable[[], int]
    count_notices: Callable[[], int]
    find_applications: Callable[[], list[OrganizationApplication]]
    find_unused_tokens: Callable[[], list[Token]]
    find_publishing: Callable[[], Publishing | None]


@dataclass(frozen=True, slots=True)
class Warned:
    """What this page would be refused one day, in words, and where to mend it."""

    text: str
    caution: Caution
    address: str


@dataclass(frozen=True, slots=True)
class Publishing:
    """How somebody's projects are released: those without a trusted publisher, and publishers that rest."""

    without: list[Project]
    resting: list[listing.Line]
    has_some: bool


def site(request: HttpRequest) -> dict[str, Site]:
    """Return the context of every page: `site`."""
    settings = configuration.current()
    return {
        "site": Site(
            name="Keyhouse",
            base_url=settings.base_url,
            audience=settings.audience,
            is_test=settings.is_test,
            is_private=settings.is_private,
            version=__version__,
            actor=(actor := getattr(request, "actor", NOBODY)),
            tabs=tabs_of(actor),
            announcements=_announced(),
            warning=_warning_on(request),
            find_standing=partial(_show_standing, request),
            count_invitations=partial(_count_invitations, actor),
            count_notices=partial(_count_notices, actor),
            find_applications=partial(_find_applications, actor),
            find_unused_tokens=partial(_find_unused_tokens, actor),
            find_publishing=partial(_find_publishing, actor),
        )
    }


def _announced() -> list[Announcement]:
    """Return what stands on every page; a page that tells of a broken database opens without."""
    try:
        return live_announcements(clock.now())
    except (DatabaseError, InterfaceError):
        return []


def _warning_on(request: HttpRequest) -> Warned | None:
    caution = notices.caution_of(request)
    if caution is None:
        return None
    address = ways_on.with_way_back(caution.path or "/account/mandate/", request)
    return Warned(cautions.text_of(caution), caution, address)


def _count_invitations(actor: Actor) -> int:
    """Return how many invitations wait for somebody, into projects and organizations."""
    if actor.user_id is None:
        return 0
    now = clock.now()
    into_organizations = organizations.invitations_of_person(actor.user_id, now).count()
    return invitations_of_person(actor.user_id, now).count() + into_organizations


def _find_applications(actor: Actor) -> list[OrganizationApplication]:
    """Return for which organizations somebody applied, undecided or decided lately."""
    return [] if actor.user_id is None else list(organizations.applications_of(actor.user_id)[:_MANY])


def _count_notices(actor: Actor) -> int:
    """Return how many notices of mandates somebody hasn't read on the site."""
    return 0 if actor.user_id is None else count_unread(actor.user_id)


def _find_unused_tokens(actor: Actor) -> list[Token]:
    """Return those of somebody's tokens that nobody seems to need."""
    return [] if actor.user_id is None else unused_tokens_of(actor.user_id, clock.now())


def _find_publishing(actor: Actor) -> Publishing | None:
    """Return what the account page tells of publishers; None for whoever owns no project and set none up."""
    if actor.user_id is None:
        return None
    without = list(listing.projects_without(actor.user_id)[:_FEW])
    resting = listing.lines_of(listing.resting_for(actor.user_id)[:_FEW])
    has_some = listing.answered_for(actor.user_id).exists()
    return Publishing(without, resting, has_some) if without or resting or has_some else None


def _show_standing(request: HttpRequest) -> Standing | None:
    """Return what is asked of whoever looks, for a page that shows it, which counts as told; None for nobody."""
    actor = ways_on.actor_of(request)
    if actor.kind != "session":
        return None
    try:
        return shown_standing(request, actor, clock.now())
    except DocumentInvalid:  # the account page must open whatever another hand wrote into the ledger
        _log.exception("what is asked of people can't be told")
        return None
