"""May this credential read a private index, and which of its projects not? Asked by the read plane, on its threads."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from time import monotonic
from typing import Final

from django.db import DatabaseError, InterfaceError, close_old_connections

from keyhouse.accounts.sessions import find_actor_by_cookie
from keyhouse.core import actions, clock
from keyhouse.core.actions import EVERYTHING, Reading, Thing
from keyhouse.core.actor import NOBODY, Actor, at_project
from keyhouse.core.errors import GateUnavailable, Refusal, RoleRequired, SignInRequired, Situation
from keyhouse.credentials.tokens import authentication, queries
from keyhouse.credentials.tokens.last_use import LastUses, TokenUse
from keyhouse.credentials.tokens.rules import is_use_due
from keyhouse.projects import reading
from keyhouse.projects.rights import find_role_kind

READ_PRIVATE: Final = "index.read-private"  # about the index as a whole: the gate is asked without a project
KEPT_AGE: Final = timedelta(seconds=5)
MAX_KEPT: Final = 10_000
# how often, at most, the counter of revocations is read, and who reads what is asked anew
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Yes:
    """A verdict in favour, when it was given by the clock and by the machine's own running time (seconds).

    `user_id` is the person who reads, `reading` what they read when that was asked last, at `reading_tick`.
    """

    at: datetime
    tick: float
    user_id: int | None
    reading: Reading
    reading_tick: float

    def holds(self, now: datetime, tick: float) -> bool:
        """Tell whether it may still be used; both clocks must agree, as the one may be set by hand."""
        is_near = abs(now - self.at) <= KEPT_AGE
        return is_near and tick - self.tick <= KEPT_AGE.total_seconds()


@dataclass(frozen=True, slots=True)
class State:
    """Where the counter of revocations stands, and whether any project of the index is kept to somebody."""

    change: int = -1
    is_restricted: bool = False


class Verdicts:
    """Verdicts in favour, by digest of credential and question; refusals are never kept."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Yes] = OrderedDict()
        self._state = State()
        self._looked = float("-inf")

    def find(self, key: bytes) -> Yes | None:
        """Return the verdict for this key, if it is there and may still be used."""
        with self._lock:
            found = self._kept.get(key)
        return found if found is not None and found.holds(clock.now(), monotonic()) else None

    def keep(self, key: bytes, verdict: Yes, state: State) -> None:
        """Keep a verdict that was given while things stood so; too late a one is not kept."""
        with self._lock:
            if state != self._state:
                return
            self._kept[key] = verdict
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def follow(self) -> State:
        """Drop everything when a token was revoked meanwhile, or the first project kept to somebody; return how things stand."""
        with self._lock:
            if monotonic() - self._looked < LOOK_SECONDS:
                return self._state
        state = State(queries.read_change(), reading.is_any_restricted())
        with self._lock:
            self._looked = monotonic()
            if state != self._state:
                self._kept.clear()
                self._state = state
            return self._state


class TokenReader:
    """Implements `core.actions.Reader` for session cookies and API tokens.

    A session or a token with `read` reads what the gate allows; a token that may only upload reads the projects it
    may upload to. Verdicts in favour are kept for at most five seconds, and dropped at once when a token is revoked.
    What is kept from whom is asked anew each tenth of a second, and not at all where nothing is kept from anybody.
    """

    def __init__(self) -> None:
        """Begin with no verdicts."""
        self._verdicts = Verdicts()
        self._uses = LastUses()

    def find_reading(
        self, authorization: str, cookie: str, project: str | None, network: str
    ) -> Reading | None:
        """Judge an `Authorization` header, or, where that is empty, a `Cookie` header; None: it may not read.

        `project` is the normalised name of the project that is read, None for what tells of all. One that is hidden is
        judged as one that isn't there. Raises GateUnavailable when it can't be found out.
        """
        if not (authorization or cookie):
            return None
        close_old_connections()
        try:
            return self._judge(authorization, cookie, project, network)
        except (DatabaseError, InterfaceError) as error:
            raise GateUnavailable from error
        finally:
            close_old_connections()

    def _judge(self, authorization: str, cookie: str, project: str | None, network: str) -> Reading | None:
        key = _digest(authorization, "" if authorization else cookie, project, network)
        state, tick = self._verdicts.follow(), monotonic()
        kept = self._verdicts.find(key)
        if kept is not None:
            if not state.is_restricted or tick - kept.reading_tick < LOOK_SECONDS:
                return kept.reading
            if _reading_of(kept.user_id, project) == kept.reading:
                self._verdicts.keep(key, replace(kept, reading_tick=tick), state)
                return kept.reading
        given = self._give(authorization, cookie, project, network, is_restricted=state.is_restricted)
        if given is None:
            return None
        self._verdicts.keep(key, Yes(clock.now(), monotonic(), *given, tick), state)
        return given[1]

    def _give(
        self, authorization: str, cookie: str, project: str | None, network: str, *, is_restricted: bool
    ) -> tuple[int | None, Reading] | None:
        """Return who reads, and what, or None."""
        try:
            actor = self._find_actor(authorization, cookie, network)
            person = _reading(actor, project) if is_restricted else actor
            found = _reading_of(person.user_id, project) if is_restricted else EVERYTHING
            _require_reading(actor, project, is_hidden=project in found.hidden)
        except Refusal as refusal:
            if refusal.situation is Situation.UNAVAILABLE:
                raise
            return None
        return person.user_id, found

    def _find_actor(self, authorization: str, cookie: str, network: str) -> Actor:
        now = clock.now()
        if not authorization:
            return find_actor_by_cookie(cookie, now) or NOBODY
        actor, used_at = authentication.identify(authorization, network=network, user_agent="", now=now)
        if actor.kind == "token" and is_use_due(used_at, now):
            self._uses.note(TokenUse(uuid.UUID(actor.credential), now, network, "reading"))
        return actor


def _reading_of(user_id: int | None, project: str | None) -> Reading:
    """Return what somebody reads, as rows stand now."""
    if project is None:
        return _shared(reading.hidden_names(user_id))
    return Reading(frozenset([project])) if reading.is_hidden(user_id, project) else EVERYTHING


@lru_cache(maxsize=256)
def _shared(hidden: frozenset[str]) -> Reading:
    """Return one and the same for all who don't see the same projects: verdicts are many, and sets may be large."""
    return Reading(hidden)


def _digest(*parts: str | None) -> bytes:
    """Credentials are kept by digest only; None and an empty text differ."""
    digest = hashlib.sha256()
    for part in parts:
        told = b"-" if part is None else b"+" + part.encode("utf-8", "surrogateescape")
        digest.update(len(told).to_bytes(4, "big") + told)
    return digest.digest()


def _require_reading(actor: Actor, project: str | None, *, is_hidden: bool = False) -> None:
    """Raise unless this actor may read this project, or everything where that is None."""
    if actor.kind == "nobody":
        raise SignInRequired
    actions.require_gate(_reading(actor, project, is_hidden=is_hidden), READ_PRIVATE)
    require_right_to_read(actor, project, is_hidden=is_hidden)


def _reading(actor: Actor, project: str | None, *, is_hidden: bool = False) -> Actor:
    if project is None or actor.restrictions is None:
        return actor
    return at_project(actor, _id_of(project, is_hidden=is_hidden), project)


def _id_of(project: str, *, is_hidden: bool) -> int | None:
    """Return the number of a project, None for a hidden one, which is looked for all the same: the time tells nothing."""
    found = queries.find_project_id(project)
    return None if is_hidden else found


def require_right_to_read(actor: Actor, project: str | None, *, is_hidden: bool | None = None) -> None:
    """Raise unless this actor has a right to read this project, or all of them; dry runs ask this as the doors do.

    A hidden one is judged as one that isn't there (None: it is asked here whether it is).
    """
    scope = actor.restrictions
    if project is None or scope is None:
        actions.require_authority(actor, "index.read")
        return
    if is_hidden is None:
        is_hidden = reading.is_hidden(_reading(actor, project).user_id, project)
    project_id = _id_of(project, is_hidden=is_hidden)
    actor = at_project(actor, project_id, project)
    if project_id is None and scope.reads_own_projects_only:
        # it may make that project; that it isn't there yet is all there is to read
        actions.require_authority(actor, "project.create", Thing("project", None, project))
        return
    thing = Thing("project", project_id, project)
    actions.require_authority(actor, "index.read", thing)
    if scope.reads_own_projects_only and find_role_kind(actor.user_id, thing) is None:
        raise RoleRequired("This credential reads the projects that it may upload to.")
