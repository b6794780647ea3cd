"""May this credential read a private index? Asked by the read plane, on its threads."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from django.db import DatabaseError, InterfaceError, close_old_connections

from keyhouse.accounts.sessions import find_actor_by_cookie
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import NOBODY, Actor, at_project
from keyhouse.core.errors import GateUnavailable, Refusal, RoleRequired, SignInRequired, Situation
from keyhouse.credentials.tokens import authentication, queries
from keyhouse.credentials.tokens.last_use import LastUses, TokenUse
from keyhouse.credentials.tokens.rules import is_use_due
from keyhouse.projects.rights import find_role_kind

READ_PRIVATE: Final = "index.read-private"  # about the index as a whole: the gate is asked without a project
KEPT_AGE: Final = timedelta(seconds=5)
MAX_KEPT: Final = 10_000
LOOK_SECONDS: Final = 0.1  # how often, at most, the counter of revocations is read


@dataclass(frozen=True, slots=True)
class Yes:
    """A verdict in favour, when it was given by the clock and by the machine's own running time (seconds)."""

    at: datetime
    tick: float

    def holds(self, now: datetime, tick: float) -> bool:
        """Tell whether it may still be used; both clocks must agree, as the one may be set by hand."""
        is_near = abs(now - self.at) <= KEPT_AGE
        return is_near and tick - self.tick <= KEPT_AGE.total_seconds()


class Verdicts:
    """Verdicts in favour, by digest of credential and question; refusals are never kept."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Yes] = OrderedDict()
        self._change = -1
        self._looked = float("-inf")

    def holds(self, key: bytes) -> bool:
        """Tell whether a verdict for this key is there and may still be used."""
        with self._lock:
            found = self._kept.get(key)
        return found is not None and found.holds(clock.now(), monotonic())

    def keep(self, key: bytes, change: int) -> None:
        """Keep a verdict that was given while the counter stood at `change`; too late a one is not kept."""
        with self._lock:
            if change != self._change:
                return
            self._kept[key] = Yes(clock.now(), monotonic())
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def follow(self) -> int:
        """Drop everything when a token was revoked meanwhile, and return where the counter stands."""
        with self._lock:
            if monotonic() - self._looked < LOOK_SECONDS:
                return self._change
        change = queries.read_change()
        with self._lock:
            self._looked = monotonic()
            if change != self._change:
                self._kept.clear()
                self._change = change
            return self._change


class TokenReader:
    """Implements `core.actions.Reader` for session cookies and API tokens.

    A session or a token with `read` reads what the gate allows; a token that may only upload reads the projects it
    may upload to. Verdicts in favour are kept for at most five seconds, and dropped at once when a token is revoked.
    """

    def __init__(self) -> None:
        """Begin with no verdicts."""
        self._verdicts = Verdicts()
        self._uses = LastUses()

    def may_read(self, authorization: str, cookie: str, project: str | None, network: str) -> bool:
        """Judge an `Authorization` header, or, where that is empty, a `Cookie` header.

        `project` is the normalised name of the project that is read, None for what tells of all. Raises
        GateUnavailable when it can't be found out.
        """
        if not (authorization or cookie):
            return False
        close_old_connections()
        try:
            return self._judge(authorization, cookie, project, network)
        except (DatabaseError, InterfaceError) as error:
            raise GateUnavailable from error
        finally:
            close_old_connections()

    def _judge(self, authorization: str, cookie: str, project: str | None, network: str) -> bool:
        key = _digest(authorization, "" if authorization else cookie, project, network)
        change = self._verdicts.follow()
        if self._verdicts.holds(key):
            return True
        try:
            _require_reading(self._find_actor(authorization, cookie, network), project)
        except Refusal as refusal:
            if refusal.situation is Situation.UNAVAILABLE:
                raise
            return False
        self._verdicts.keep(key, change)
        return True

    def _find_actor(self, authorization: str, cookie: str, network: str) -> Actor:
        now = clock.now()
        if not authorization:
            return find_actor_by_cookie(cookie, now) or NOBODY
        actor, used_at = authentication.identify(authorization, network=network, user_agent="", now=now)
        if actor.kind == "token" and is_use_due(used_at, now):
            self._uses.note(TokenUse(uuid.UUID(actor.credential), now, network, "reading"))
        return actor


def _digest(*parts: str | None) -> bytes:
    """Credentials are kept by digest only; None and an empty text differ."""
    digest = hashlib.sha256()
    for part in parts:
        told = b"-" if part is None else b"+" + part.encode("utf-8", "surrogateescape")
        digest.update(len(told).to_bytes(4, "big") + told)
    return digest.digest()


def _require_reading(actor: Actor, project: str | None) -> None:
    """Raise unless this actor may read this project, or everything where that is None."""
    if actor.kind == "nobody":
        raise SignInRequired
    actions.require_gate(_reading(actor, project), READ_PRIVATE)
    require_right_to_read(actor, project)


def _reading(actor: Actor, project: str | None) -> Actor:
    if project is None or actor.restrictions is None:
        return actor
    return at_project(actor, queries.find_project_id(project), project)


def require_right_to_read(actor: Actor, project: str | None) -> None:
    """Raise unless this actor has a right to read this project, or all of them; dry runs ask this as the doors do."""
    scope = actor.restrictions
    if project is None or scope is None:
        actions.require_authority(actor, "index.read")
        return
    project_id = queries.find_project_id(project)
    actor = at_project(actor, project_id, project)
    if project_id is None and scope.reads_own_projects_only:
        # it may make that project; that it isn't there yet is all there is to read
        actions.require_authority(actor, "project.create", Thing("project", None, project))
        return
    thing = Thing("project", project_id, project)
    actions.require_authority(actor, "index.read", thing)
    if scope.reads_own_projects_only and find_role_kind(actor.user_id, thing) is None:
        raise RoleRequired("This credential reads the projects that it may upload to.")
