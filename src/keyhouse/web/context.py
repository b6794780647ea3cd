"""What every template may ask."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import DatabaseError, InterfaceError
from django.db.models import Exists, QuerySet
from django.http import HttpRequest

from keyhouse import __version__
from keyhouse.accounts.models import Announcement, User
from keyhouse.accounts.oversight.announcing import live_announcements
from keyhouse.audit.compiled import Compiled, HowMany, asked_instant, asked_number
from keyhouse.audit.statements import run_by_one_plan
from keyhouse.core import clock, configuration
from keyhouse.core.actions import Caution
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import unused_tokens_of
from keyhouse.credentials.trusted_publishers import listing
from keyhouse.mandate import cautions
from keyhouse.mandate.asked import Standing, shown_standing
from keyhouse.mandate.documents import DocumentInvalid
from keyhouse.mandate.notices.queries import unread_of
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.models import OrganizationApplication
from keyhouse.projects.collaborators.queries import invitations_of_person
from keyhouse.projects.models import Project
from keyhouse.projects.visiting import actor_of
from keyhouse.safety.models import Switch
from keyhouse.safety.switches.queries import rows_on
from keyhouse.web import notices, ways_on
from keyhouse.web.operating import Group, groups_of, tabs_of

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
    groups: tuple[Group, ...]  # of pages of the console, as far as the actor may open it
    announcements: list[Announcement]
    stops: dict[
        str, Switch
    ]  # the switches that are on, `new_projects` for `new-projects`: templates read no hyphens
    warning: Warned | None
    find_standing: Callable[[], Standing | None]
    find_own: Callable[[], Own | None]


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


@dataclass(frozen=True, slots=True)
class Own:
    """What the account page tells of projects, organizations and mandates.

    `notices`: how many of mandates weren't read on the site; `applications`: undecided, or decided lately;
    `unused_tokens`: those that nobody seems to need; `publishing` is None for whoever owns no project and set none up.
    """

    invitations: int
    notices: int
    applications: list[OrganizationApplication]
    unused_tokens: list[Token]
    publishing: Publishing | None


def site(request: HttpRequest) -> dict[str, Site]:
    """Return the context of every page: `site`."""
    settings, now = configuration.current(), clock.now()
    return {
        "site": Site(
            name="Keyhouse",
            base_url=settings.base_url,
            audience=settings.audience,
            is_test=settings.is_test,
            is_private=settings.is_private,
            version=__version__,
            actor=(actor := getattr(request, "actor", NOBODY)),
            groups=groups_of(tabs_of(actor), request.path),
            announcements=_announced(now),
            stops=_stops(now),
            warning=_warning_on(request),
            find_standing=partial(_show_standing, request),
            find_own=partial(_find_own, actor),
        )
    }


def _announced(now: datetime) -> list[Announcement]:
    """Return what stands on every page; a page that tells of a broken database opens without."""
    try:
        return live_announcements(now)
    except (DatabaseError, InterfaceError):
        return []


def _stops(now: datetime) -> dict[str, Switch]:
    """Return what is stopped, asked anew for each page, so that none tells it late; without a database, nothing."""
    try:
        return {name.replace("-", "_"): row for name, row in rows_on(now).items()}
    except (DatabaseError, InterfaceError):
        return {}


def _warning_on(request: HttpRequest) -> Warned | None:
    caution = notices.caution_of(request)
    if caution is None:
        return None
    address = ways_on.with_way_back(caution.path or "/account/mandate/", request)
    return Warned(cautions.text_of(caution), caution, address)


def _find_own(actor: Actor) -> Own | None:
    """Return what the account page tells; of what is there for few people, one question finds whether it is."""
    if actor.user_id is None:
        return None
    user_id, now = actor.user_id, clock.now()
    found: list[Any] = [*_THERE.rows(user_id, now)]
    if not found:
        return None
    there = found[0]
    return Own(
        there.into_projects + there.into_organizations,
        there.notices,
        list(organizations.applications_of(user_id)[:_MANY]) if there.has_applications else [],
        unused_tokens_of(user_id, now),
        _publishing_of(user_id, there),
    )


def _publishing_of(user_id: int, there: Any) -> Publishing | None:
    without = listing.few_projects_without(user_id)
    resting = listing.lines_of(listing.resting_for(user_id)[: listing.FEW]) if there.has_resting else []
    return Publishing(without, resting) if without or resting or there.has_answered else None


def _there() -> QuerySet[User]:
    user_id, now = asked_number(0), asked_instant(1)
    mine = User.objects.filter(pk=user_id).annotate(
        into_projects=HowMany(invitations_of_person(user_id, now)),
        into_organizations=HowMany(organizations.invitations_of_person(user_id, now)),
        notices=HowMany(unread_of(user_id)),
        has_applications=Exists(organizations.applications_of(user_id)),
        has_resting=Exists(listing.resting_for(user_id)),
        has_answered=Exists(listing.answered_for(user_id)),
    )
    return mine.only("pk")


_THERE: Final = Compiled(_there, run=run_by_one_plan)  # every account page asks it


def _show_standing(request: HttpRequest) -> Standing | None:
    """Return what is asked of whoever looks, for a page that shows it, which counts as told; None for nobody."""
    actor = actor_of(request)
    if actor.kind != "session":
        return None
    try:
        return shown_standing(request, actor, clock.now())
    except DocumentInvalid:  # the account page must open whatever another hand wrote into the ledger
        _log.exception("what is asked of people can't be told")
        return None
