"""Everybody as the index has them at one instant, some thousand at a time, in plain SQL.

A simulation reads within one transaction that only reads (REPEATABLE READ, and READ ONLY where the database knows that),
so that whoever changes something meanwhile neither waits nor shows. Several processes share the snapshot of the first.
What passes with time (holds, offers, sign-ins long ago) is asked as of one instant and comes as classes, not as instants.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from keyhouse.core import configuration
from keyhouse.core.actor import named_offices
from keyhouse.mandate.facts import FACTORS, Asking, Authority, Exempted, Facts, Notice, Person, Snoozed
from keyhouse.mandate.queries import configured
from keyhouse.projects import sql
from keyhouse.projects.rights import BRANCHES, selection

DORMANT_AFTER: Final = timedelta(days=365)
LATELY: Final = timedelta(days=90)
LOCK_SECONDS: Final = 30.0
_OPEN: Final = frozenset({"active", "password-disabled"})
Row = tuple[Any, ...]
Rows = list[Row]


# ---- one snapshot


@contextmanager
def reading(shared: str = "") -> Iterator[None]:
    """Read everything as it is now, whatever is written meanwhile; within a transaction of the caller, as that sees it.

    `shared` is what `share` told: on PostgreSQL the snapshot of another process.
    """
    if connection.in_atomic_block:
        yield
        return
    connection.ensure_connection()
    with _not_immediate(), transaction.atomic():
        _begin(shared)
        yield


@contextmanager
def _not_immediate() -> Iterator[None]:
    """Let SQLite begin a transaction without the lock for writing, which others need meanwhile."""
    present: Any = connection
    mode = getattr(present, "transaction_mode", None)
    if hasattr(present, "transaction_mode"):
        present.transaction_mode = "DEFERRED"
    try:
        yield
    finally:
        if hasattr(present, "transaction_mode"):
            present.transaction_mode = mode


def _begin(shared: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if shared:
                cursor.execute("SET TRANSACTION SNAPSHOT %s", [shared])
        cursor.execute(
            "SELECT COUNT(*) FROM mandate_change"
        )  # SQLite's snapshot begins with the first question
        cursor.fetchall()


@contextmanager
def nobody_writing() -> Iterator[None]:
    """Keep everybody from writing for a moment on SQLite, so that several who begin to read now read the same."""
    path = configuration.current().sqlite_path
    if path is None:
        yield
        return
    with closing(sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)) as guard:
        guard.execute("BEGIN IMMEDIATE")
        yield
        guard.execute("ROLLBACK")


def share() -> str:
    """Return what another process needs to read the very same: PostgreSQL's name of it, elsewhere nothing."""
    return str(sql.find_value("SELECT pg_export_snapshot()")) if connection.vendor == "postgresql" else ""


# ---- everybody


class Role(NamedTuple):
    """A right in a project or an organization, with the number of that."""

    kind: str
    number: int
    name: str
    role: str
    since: datetime
    via: str


class Held(NamedTuple):
    """A session, token or publisher: what asks by it, how many are alike, how old it is, what it publishes to.

    `projects` is empty where it isn't bound to any.
    """

    kind: str  # session, token, robot, publisher
    asking: Asking
    age: str
    projects: tuple[str, ...] = ()
    copies: int = 1


@dataclass(slots=True)  # not frozen: that takes three times as long to make, and there are many
class Somebody:
    """One account, with all that a simulation asks about it."""

    id: int
    name: str
    joined_at: datetime
    state: str
    verified: bool
    factors: tuple[bool, bool, bool]  # app, device-bound key, synced key
    offices: tuple[str, ...]  # and `invited` and `reader`
    mail: str  # ok, bounced, domain-gone, unverified, none
    is_away: bool  # no sign-in for a year
    publishes: bool  # by a credential, within a year
    roles: Sequence[Role]
    publishers: Sequence[tuple[str, datetime]]
    notices: Sequence[tuple[str, str, datetime]]
    exemptions: Sequence[tuple[str, int, datetime, datetime]]
    snoozes: Sequence[tuple[str, datetime, datetime]]
    held: Sequence[Held]
    teams: Sequence[int]

    def facts(self, critical: Criticals, names: Collection[str] | None = None) -> Facts:
        """Return the facts of this person as `people.all_facts` has them; `names`: with authority over these alone."""
        roles = self.roles if names is None else [one for one in self.roles if one.name in names]
        members = [_authority(one, critical) for one in roles]
        publishers = configured(one for one in self.publishers if names is None or one[0] in names)
        own = sorted(publishers, key=lambda one: one.name)
        return Facts(
            self.person(),
            Asking("session"),
            "",
            authority=(*members, *own),
            notices=tuple(Notice(*one) for one in self.notices),
            exemptions=tuple(Exempted(*one) for one in self.exemptions),
            snoozes=tuple(Snoozed(*one) for one in self.snoozes),
        )

    def person(self) -> Person:
        """Return the account as decisions see it."""
        return Person(
            id=f"u{self.id}",
            joined_at=self.joined_at,
            state=self.state,
            verified_email=self.verified,
            factors=tuple(name for name, has in zip(FACTORS, self.factors, strict=True) if has),
            has_device_bound=self.factors[1],
            roles=self.offices,
            name=self.name,
        )


Criticals = dict[str, dict[str, datetime]]


def _authority(one: Role, critical: Criticals) -> Authority:
    if one.kind == "organization":
        return Authority("organization", one.name, one.role, one.since)
    criteria = critical.get(one.name, {})
    since = min(criteria.values(), default=None)
    return Authority("project", one.name, one.role, one.since, one.via, frozenset(criteria), since)


def criticals() -> Criticals:
    """Return which names are critical, by criterion, and since when."""
    found: Criticals = defaultdict(dict)
    for name, criterion, since in sql.select(_CRITICAL):
        found[name][criterion] = sql.read_instant(since)
    return found


class _Read(NamedTuple):
    """What was read about a range of accounts: the accounts, and the rest by account."""

    people: Rows
    mails: dict[int, list[Any]]
    apps: set[int]
    keys: dict[int, list[Any]]
    roles: dict[int, list[Role]]
    publishers: dict[int, Rows]
    tokens: dict[int, list[_Token]]
    sessions: dict[int, Rows]
    notices: dict[int, Rows]
    exemptions: dict[int, Rows]
    snoozes: dict[int, Rows]
    teams: dict[int, Rows]


def _dated(key: int, publishers: Sequence[Row], read: _Read) -> dict[str, Any]:
    """Return of what one account has by lists, each with its instants; most have nothing of it."""
    return {
        "publishers": [(one[0], sql.read_instant(one[1])) for one in publishers] if publishers else (),
        "notices": [(name, kind, sql.read_instant(at)) for name, kind, at in read.notices.get(key, ())],
        "exemptions": [_exemption(one) for one in read.exemptions.get(key, ())],
        "snoozes": [_snooze(one) for one in read.snoozes.get(key, ())],
        "teams": [one[0] for one in read.teams.get(key, ())],
    }


class Everybody:
    """Reads accounts by ranges of their numbers, and digests what it read."""

    def __init__(self, now: datetime) -> None:
        """Take the instant as of which everything is asked; what is about few people is read at once."""
        settings = configuration.current()
        self._now, self._year = _text(now), _text(now - DORMANT_AFTER)
        self._lately, self._key_name = _text(now - LATELY), settings.key_name
        self._idle = _text(now - timedelta(minutes=settings.session_idle_minutes))
        self._whole = _text(now - timedelta(hours=settings.session_hours))
        self._reader = ("reader",) if settings.is_private else ()
        self._invited = {key for (key,) in sql.select(_INVITED, *[self._now] * 4)}
        self._bounced = dict(sql.select(_BOUNCED))

    def between(self, first: int, last: int) -> tuple[list[Somebody], bytes]:
        """Return the accounts of these numbers in their order, and the digest of what they were made of."""
        asked = _Asked(first, last)
        read = self._read(asked)
        found = [self._somebody(row, read) for row in read.people]
        keys = [key for key, *_ in read.people]
        asked.note([key in self._invited for key in keys], [self._bounced.get(key, 0) for key in keys])
        return found, asked.digest()

    def _read(self, asked: _Asked) -> _Read:
        """Ask about a range of accounts, in this order: the digest is of the answers one after the other."""
        lately = (self._year, self._lately, self._year)
        return _Read(
            people=asked.rows(_PEOPLE, before=(self._now, self._year)),
            mails={key: rest for key, *rest in asked.rows(_EMAILS)},
            apps={key for (key,) in asked.rows(_APPS)},
            keys={key: rest for key, *rest in asked.rows(_KEYS, self._key_name)},
            roles=_roles(asked),
            publishers=asked.lists(_PUBLISHERS, self._now, before=lately),
            tokens=_tokens(asked.lists(_TOKENS, self._now, before=lately)),
            sessions=asked.lists(_SESSIONS, self._idle, self._whole),
            notices=asked.lists(_NOTICES),
            exemptions=asked.lists(_EXEMPTIONS),
            snoozes=asked.lists(_SNOOZES),
            teams=asked.lists(_TEAMS),
        )

    def _somebody(self, row: Row, read: _Read) -> Somebody:
        key, name, joined, state, is_held, operates, moderates, audits, is_away = row
        primary, verified, gone = read.mails.get(key, _NO_MAIL)
        bound, synced = read.keys.get(key, _NO_KEYS)
        mine, own = read.publishers.get(key, _NOTHING), read.tokens.get(key, _NOTHING)
        sessions = read.sessions.get(key, _NOTHING)
        offices = named_offices([operates, moderates, audits]) if operates or moderates or audits else ()
        return Somebody(
            id=key,
            name=name,
            joined_at=sql.read_instant(joined),
            state="held" if is_held and state in _OPEN else state,
            verified=bool(primary),
            factors=(key in read.apps, bool(bound), bool(synced)),
            offices=(*offices, *(("invited",) if key in self._invited else ()), *self._reader),
            mail=self._mail(key, verified, gone, has_any=key in read.mails),
            is_away=bool(is_away),
            publishes=any(one[-1] for one in mine) or any(one.is_used for one in own),
            roles=read.roles.get(key, _NOTHING),
            held=_held(mine, own, sessions) if mine or own or sessions else (),
            **_dated(key, mine, read),
        )

    def _mail(self, key: int, verified: int, gone: int, *, has_any: bool) -> str:
        if verified:
            return "ok" if verified > self._bounced.get(key, 0) else "bounced"
        if not has_any:
            return "none"
        return "domain-gone" if gone else "unverified"


_NOTHING: Final[tuple[Any, ...]] = ()
_NO_MAIL: Final = [0, 0, 0]
_NO_KEYS: Final = [0, 0]


class _Asked:
    """Questions about a range of accounts, and a digest of all answers."""

    def __init__(self, first: int, last: int) -> None:
        self._range = first, last
        self._hash = hashlib.sha256()

    def rows(self, statement: str, *values: str, before: tuple[str, ...] = (), times: int = 1) -> Rows:
        found = sql.select(statement, *before, *self._range * times, *values)
        self.note(found)
        return found

    def lists(self, statement: str, *values: str, before: tuple[str, ...] = ()) -> dict[int, Rows]:
        found: dict[int, Rows] = {}
        for key, *rest in self.rows(statement, *values, before=before):
            found.setdefault(key, []).append(tuple(rest))
        return found

    def note(self, *answers: Any) -> None:
        text = json.dumps(answers, default=str, separators=(",", ":"))
        self._hash.update(text.encode())

    def digest(self) -> bytes:
        return self._hash.digest()


def _roles(asked: _Asked) -> dict[int, list[Role]]:
    """Return what people may do: in organizations, then in projects, by name."""
    found: dict[int, list[Role]] = {}
    for key, number, name, role, since in asked.rows(_MEMBERS):
        found.setdefault(key, []).append(
            Role("organization", number, name, role, sql.read_instant(since), "own")
        )
    for key, number, name, role, since, via in asked.rows(_RIGHTS, times=BRANCHES):
        found.setdefault(key, []).append(Role("project", number, name, role, sql.read_instant(since), via))
    return found


def _exemption(row: Row) -> tuple[str, int, datetime, datetime]:
    name, version, until, since = row
    return name, version, sql.read_instant(until), sql.read_instant(since)


def _snooze(row: Row) -> tuple[str, datetime, datetime]:
    name, since, until = row
    return name, sql.read_instant(since), sql.read_instant(until)


class _Token(NamedTuple):
    """A live token, once, with all of its projects."""

    asking: Asking
    age: str
    is_robot: bool
    is_used: bool
    projects: tuple[str, ...]


def _tokens(rows: dict[int, Rows]) -> dict[int, list[_Token]]:
    found: dict[int, list[_Token]] = {}
    for key, several in rows.items():
        by_token: dict[str, tuple[Row, list[str]]] = {}
        for id_, project, *rest in several:
            names = by_token.setdefault(str(id_), (tuple(rest), []))[1]
            if project is not None:
                names.append(project)
        found[key] = [_token(rest, names) for rest, names in by_token.values()]
    return found


def _token(rest: Row, names: Sequence[str]) -> _Token:
    at, methods, verified, bound, is_robot, age, is_used = rest
    asking = _asking("token", methods, verified, bound, sql.read_instant(at))
    return _Token(asking, age, bool(is_robot), bool(is_used), tuple(names))


def _held(publishers: Iterable[Row], tokens: Iterable[_Token], sessions: Iterable[Row]) -> tuple[Held, ...]:
    return (
        *(
            Held("session", _asking("session", methods, verified, bound, None), "", (), count)
            for methods, verified, bound, count in sessions
        ),
        *(Held("robot" if one.is_robot else "token", one.asking, one.age, one.projects) for one in tokens),
        *(
            Held(
                "publisher",
                _asking("publisher", methods, verified, bound, sql.read_instant(at)),
                age,
                (name,) if name else (),  # one of an organization speaks for many
            )
            for name, _, at, methods, verified, bound, age, _ in publishers
        ),
    )


def _asking(kind: str, methods: Any, verified: Any, bound: Any, at: datetime | None) -> Asking:
    return Asking(kind, _methods(methods), bool(verified), at, None, bool(bound))


def _methods(written: Any) -> frozenset[str]:
    return _read_methods(written) if isinstance(written, str) else frozenset(written)


@lru_cache(maxsize=256)  # mostly the same few
def _read_methods(written: str) -> frozenset[str]:
    return frozenset(json.loads(written))


def _text(at: datetime) -> str:
    """Write an instant as both databases compare it."""
    return str(at.astimezone(UTC).replace(tzinfo=None))


_IN_RANGE: Final = "BETWEEN %s AND %s"
# an instant that is long ago is told as a class, so that the same people an hour later are the same
_AGE: Final = "CASE WHEN {0} < %s THEN 'over-a-year' WHEN {0} < %s THEN 'over-90-days' ELSE 'newer' END"
_USED: Final = "CASE WHEN {0} >= %s THEN 1 ELSE 0 END"
_PEOPLE: Final = (
    "SELECT id, username, joined_at, state, CASE WHEN held_until > %s THEN 1 ELSE 0 END, is_operator, is_moderator, is_auditor,"
    " CASE WHEN COALESCE(last_seen_at, joined_at) < %s THEN 1 ELSE 0 END FROM accounts_user"
    f" WHERE id {_IN_RANGE} AND state <> 'deleted' ORDER BY id"
)
_EMAILS: Final = (
    "SELECT user_id, MAX(CASE WHEN is_primary AND verified_at IS NOT NULL THEN 1 ELSE 0 END),"
    " SUM(CASE WHEN verified_at IS NOT NULL THEN 1 ELSE 0 END),"
    " MAX(CASE WHEN domain_gone_at IS NOT NULL THEN 1 ELSE 0 END)"
    f" FROM accounts_email WHERE user_id {_IN_RANGE} GROUP BY user_id ORDER BY user_id"
)
_BOUNCED: Final = (
    "SELECT email.user_id, COUNT(DISTINCT email.id) FROM mail_bounce bounce JOIN accounts_email email"
    " ON LOWER(email.address) = bounce.address AND email.verified_at IS NOT NULL"
    " WHERE bounce.kind = 'permanent' AND bounce.cleared_at IS NULL GROUP BY email.user_id ORDER BY 1"
)
_OFFER: Final = (
    "SELECT offer.user_id FROM {0} offer WHERE offer.ended_at IS NULL AND offer.expires_at > %s"
    " AND offer.user_id IS NOT NULL UNION SELECT email.user_id FROM {0} offer JOIN accounts_email email"
    " ON LOWER(email.address) = offer.address AND email.verified_at IS NOT NULL"
    " WHERE offer.ended_at IS NULL AND offer.expires_at > %s"
)
_INVITED: Final = " UNION ".join(
    _OFFER.format(table) for table in ("projects_projectinvitation", "organizations_organizationinvitation")
)
# one that was disabled by wrong codes still makes the account one with a factor
_APPS: Final = (
    f"SELECT DISTINCT user_id FROM accounts_authenticator WHERE user_id {_IN_RANGE} ORDER BY user_id"
)
_KEYS: Final = (
    "SELECT user_id, MAX(CASE WHEN backup_eligible THEN 0 ELSE 1 END), MAX(CASE WHEN backup_eligible THEN 1 ELSE 0 END)"
    f" FROM accounts_securitykey WHERE user_id {_IN_RANGE} AND cloned_at IS NULL AND rp_id = %s"
    " GROUP BY user_id ORDER BY user_id"
)
_MEMBERS: Final = (
    "SELECT member.user_id, organization.id, organization.normalized_name, member.kind, member.since_at"
    " FROM organizations_membership member JOIN organizations_organization organization"
    f" ON organization.id = member.organization_id WHERE member.user_id {_IN_RANGE} ORDER BY 1, 3, 4, 5"
)
_RIGHTS: Final = (
    "SELECT held.user_id, held.project_id, project.normalized_name, held.kind, held.since_at, held.via"
    f" FROM ({selection('{user} ' + _IN_RANGE)}) held JOIN projects_project project ON project.id = held.project_id"
    " ORDER BY 1, 3, 4, 6"
)
_TEAMS: Final = (
    "SELECT member.user_id, joined.team_id FROM organizations_teammember joined JOIN organizations_membership member"
    f" ON member.id = joined.member_id WHERE member.user_id {_IN_RANGE} ORDER BY 1, 2"
)
_PUBLISHERS: Final = (
    "SELECT publisher.configured_by_id, COALESCE(project.normalized_name, publisher.pending_normalized_name),"
    " publisher.added_at, publisher.configured_at, publisher.configured_methods, publisher.configured_user_verified,"
    f" publisher.configured_device_bound, {_AGE.format('publisher.configured_at')}, {_USED.format('publisher.last_used_at')}"
    " FROM publishers_publisher publisher LEFT JOIN projects_project project ON project.id = publisher.project_id"
    f" WHERE publisher.configured_by_id {_IN_RANGE} AND (publisher.project_id IS NOT NULL"
    " OR (publisher.organization_id IS NOT NULL AND publisher.pending_normalized_name = '') OR publisher.expires_at > %s)"
    " ORDER BY 1, publisher.id"
)
_TOKENS: Final = (
    "SELECT token.user_id, token.id, project.normalized_name, COALESCE(token.confirmed_at, token.minted_at),"
    " token.minted_methods, token.minted_user_verified, token.minted_device_bound,"
    " CASE WHEN token.project_id IS NULL AND token.organization_id IS NULL THEN 0 ELSE 1 END,"
    f" {_AGE.format('token.minted_at')}, {_USED.format('token.last_used_at')}"
    " FROM tokens_token token LEFT JOIN tokens_token_projects scope ON scope.token_id = token.id"
    " LEFT JOIN projects_project project ON project.id = COALESCE(token.project_id, scope.project_id)"
    f" WHERE token.user_id {_IN_RANGE} AND token.revoked_at IS NULL AND token.expires_at > %s ORDER BY 1, 2, 3"
)
_SESSIONS: Final = (
    "SELECT user_id, methods, user_verified, device_bound, COUNT(*) FROM accounts_session"
    f" WHERE user_id {_IN_RANGE} AND is_complete AND last_seen_at > %s AND created_at > %s"
    " GROUP BY user_id, methods, user_verified, device_bound ORDER BY 1, 2, 3, 4"
)
_NOTICES: Final = (
    "SELECT user_id, mandate, kind, delivered_at FROM mandate_notice"
    f" WHERE user_id {_IN_RANGE} ORDER BY 1, 2, 3, 4"
)
_EXEMPTIONS: Final = (
    "SELECT exemption.user_id, version.name, version.version, exemption.until, exemption.effective_at"
    " FROM mandate_exemption exemption JOIN mandate_mandateversion version ON version.id = exemption.version_id"
    f" WHERE exemption.user_id {_IN_RANGE} AND exemption.effective_at IS NOT NULL AND exemption.withdrawn_at IS NULL"
    " ORDER BY 1, 2, 3, 4, 5"
)
_CRITICAL: Final = "SELECT normalized_name, criterion, since_at FROM mandate_criticalproject ORDER BY normalized_name, criterion"
_SNOOZES: Final = (
    "SELECT user_id, mandate, made_at, until_at FROM shadow_snooze"
    f" WHERE user_id {_IN_RANGE} ORDER BY 1, 2, 3, 4"
)
