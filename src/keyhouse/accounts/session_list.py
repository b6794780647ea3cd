"""Sessions and browsers of a person, as their page tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyhouse.accounts import browsers
from keyhouse.accounts.devices import describe
from keyhouse.accounts.models import KnownBrowser, Session, User
from keyhouse.accounts.sessions import sessions_of
from keyhouse.accounts.visitor import Visitor
from keyhouse.core import configuration

HOW: Final = {
    KnownBrowser.How.PASSWORD: "Your password. It counts until you add a second factor.",
    KnownBrowser.How.FIRST: "The first one that this account was used with.",
    KnownBrowser.How.LINK: "Your account was set up in it.",
    KnownBrowser.How.KEY: "Your security key or passkey.",
    KnownBrowser.How.MAIL: "You confirmed it by mail.",
    KnownBrowser.How.TWO_FACTORS: "An authenticator app and a recovery code together.",
    KnownBrowser.How.WAIT: "It waited until its time came.",
}


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One session: `ends_at` in any case, `idle_ends_at` if it isn't used before."""

    session: Session
    is_present: bool
    ends_at: datetime
    idle_ends_at: datetime

    @property
    def device(self) -> str:
        """What it was opened with."""
        return describe(self.session.user_agent)


@dataclass(frozen=True, slots=True)
class BrowserLine:
    """One browser. `waits` until its `known_at`; `why`: what made it known."""

    browser: KnownBrowser
    is_present: bool
    waits: bool
    why: str

    @property
    def device(self) -> str:
        """What it calls itself."""
        return describe(self.browser.user_agent)


def sessions_for(user: User, present: str, now: datetime) -> list[SessionLine]:
    """Return the living sessions of a person; `present` is the public id of the one that asks."""
    settings = configuration.current()
    idle, whole = timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours)
    return [
        SessionLine(
            session,
            session.public_id == present,
            session.created_at + whole,
            min(session.last_seen_at + idle, session.created_at + whole),
        )
        for session in sessions_of(user, now)
    ]


def browsers_for(user: User, visitor: Visitor, now: datetime) -> list[BrowserLine]:
    """Return the known browsers of a person, and those that wait to become known."""
    here = browsers.find(user.pk, visitor)
    return [
        BrowserLine(
            row,
            here is not None and row.pk == here.pk,
            row.known_at > now,
            HOW[KnownBrowser.How(row.how)],
        )
        for row in browsers.browsers_of(user.pk, now)
        if row.known_at > now or browsers.counts(row, now)
    ]
