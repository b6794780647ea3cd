"""The facts of all people, some thousand at a time, for plans and counts. In bounded memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Lower

from keyhouse.accounts import holds
from keyhouse.accounts.models import Authenticator, Email, SecurityKey, User
from keyhouse.core import clock, configuration
from keyhouse.core.actor import OFFICES, named_offices
from keyhouse.credentials.trusted_publishers.queries import all_live as live_publishers
from keyhouse.mandate.facts import FACTORS, Asking, Authority, Exempted, Facts, Notice, Person, Snoozed
from keyhouse.mandate.models import CriticalProject, Exemption
from keyhouse.mandate.models import Notice as NoticeRow
from keyhouse.mandate.queries import configured
from keyhouse.organizations.models import Membership, OrganizationInvitation
from keyhouse.projects import sql
from keyhouse.projects.models import ProjectInvitation
from keyhouse.projects.rights import BRANCHES, selection

# columns of the factors somebody holds; a key that can't leave its device is a security key, a synced one a passkey
_HELD: Final = ("has_app", "has_bound", "has_synced")
_OFFICES: Final = tuple(f"is_{office}" for office in OFFICES)
_INVITED: Final = ("by_name", "by_address", "into_by_name", "into_by_address")
_AT_ONCE: Final = 2000  # people of one question
_LISTED_AT_ONCE: Final = 500  # of one that lists them


class _Some(NamedTuple):
    """The people of one question: a stretch of numbers, or numbers that are listed."""

    numbers: tuple[int, ...]
    is_stretch: bool = True

    def of(self, rows: QuerySet[Any, Any], column: str = "user_id") -> QuerySet[Any, Any]:
        """Return the rows that are about them."""
        if self.is_stretch:  # a foreign key has no `range`
            return rows.filter(**{f"{column}__gte": self.numbers[0], f"{column}__lte": self.numbers[-1]})
        return rows.filter(**{f"{column}__in": self.numbers})

    @property
    def rights(self) -> str:
        """Return the statement that selects their rights in projects."""
        return _RIGHTS.format(selection(f"{{user}} {self.places}"))

    @property
    def places(self) -> str:
        """Return the condition on a number, with places for the numbers."""
        return "BETWEEN %s AND %s" if self.is_stretch else f"IN ({sql.placeholders(self.numbers)})"


_Foreseen = Mapping[str, Mapping[str, datetime]]


def facts_of(
    user_ids: Collection[int],
    foreseen: _Foreseen | None = None,
    wanted: Callable[[Person], bool] = lambda _person: True,
) -> Iterator[Facts]:
    """Yield the facts of these people, by id, in a fixed number of questions for each 500; who is gone is left out.

    `foreseen`: as for `all_facts`. `wanted`: who is left out before it is read what they may do and were told.
    """
    asked, critical = sorted(set(user_ids)), _criticals(foreseen)
    for start in range(0, len(asked), _LISTED_AT_ONCE):
        numbers = asked[start : start + _LISTED_AT_ONCE]
        persons = _persons(_told(_rows_of(User.objects.filter(pk__in=numbers))))
        chosen = {key: one for key, one in persons.items() if wanted(one)}
        if chosen:
            yield from _with_standing(chosen, _Some(tuple(chosen), is_stretch=False), critical)


def all_facts(foreseen: _Foreseen | None = None, after: int = 0) -> Iterator[Facts]:
    """Yield the facts of everybody whose account isn't deleted, by id; the asking is a session that proved nothing.

    `foreseen` tells of names that would be critical, by criterion and since when, beside those that are. `after`: only
    of people whose id is greater.
    """
    last, critical = after, _criticals(foreseen)
    while rows := _told(_rows_of(User.objects.filter(pk__gt=last))[:_AT_ONCE]):
        last = rows[-1][0]
        yield from _with_standing(_persons(rows), _Some((rows[0][0], last)), critical)


def count_all() -> int:
    """Return of how many people `all_facts` tells."""
    return User.objects.exclude(state=User.State.DELETED).count()


def exempt_from(mandate: str) -> list[int]:
    """Return who is exempt from any version of a mandate, was, or will be, unless it was withdrawn."""
    rows = _exemptions_kept().filter(version__name=mandate)
    return list(rows.values_list("user_id", flat=True).distinct())


_Row = tuple[Any, ...]


def _told(rows: QuerySet[Any, _Row]) -> list[_Row]:
    """Return rows as the driver gives them: of everybody's, Django's own reading takes longer than all the rest.

    What is read from them is read by `sql.read_instant` or `bool`: SQLite knows neither.
    """
    statement, values = rows.query.sql_with_params()
    return sql.select_planned(statement, *values)


def _rows_of(people: QuerySet[User]) -> QuerySet[User, _Row]:
    email = Email.objects.filter(user=OuterRef("pk"), is_primary=True, verified_at__isnull=False)
    # one that was disabled by wrong codes still makes the account one with a factor
    app = Authenticator.objects.filter(user=OuterRef("pk"))
    key = SecurityKey.usable(configuration.current().key_name).filter(user=OuterRef("pk"))
    offers = ProjectInvitation.objects.filter(ended_at=None, expires_at__gt=clock.now())
    into = OrganizationInvitation.objects.filter(ended_at=None, expires_at__gt=clock.now())
    verified = Email.objects.filter(user=OuterRef("pk"), verified_at__isnull=False)
    verified = verified.annotate(folded=Lower("address"))
    rows: Any = (
        people.exclude(state=User.State.DELETED)
        .order_by("pk")
        .annotate(
            is_verified=Exists(email),
            has_app=Exists(app),
            has_bound=Exists(key.filter(backup_eligible=False)),
            has_synced=Exists(key.filter(backup_eligible=True)),
            by_name=Exists(offers.filter(user=OuterRef("pk"))),
            by_address=Exists(verified.filter(Exists(offers.filter(address=OuterRef("folded"))))),
            into_by_name=Exists(into.filter(user=OuterRef("pk"))),
            into_by_address=Exists(verified.filter(Exists(into.filter(address=OuterRef("folded"))))),
        )
    )
    columns = ("pk", "username", "joined_at", "state", "held_until", "is_verified")
    found: QuerySet[User, _Row] = rows.values_list(*columns, *_HELD, *_OFFICES, *_INVITED)
    return found


def _criticals(foreseen: _Foreseen | None) -> dict[str, dict[str, datetime]]:
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    rows = CriticalProject.objects.values_list("normalized_name", "criterion", "since_at")
    for name, criterion, since in rows.iterator(chunk_size=_AT_ONCE):
        found[name][criterion] = since
    for name, criteria in (foreseen or {}).items():
        found[name].update(criteria)
    return found


def _with_standing(
    persons: Mapping[int, Person], some: _Some, critical: dict[str, dict[str, datetime]]
) -> Iterator[Facts]:
    authority = _authority(some, critical)
    notices, exemptions, snoozes = _notices(some), _exemptions(some), _snoozes(some)
    for key, person in persons.items():
        yield Facts(
            person,
            _ASKING,
            "",
            authority=tuple(authority.get(key, ())),
            notices=tuple(notices.get(key, ())),
            exemptions=tuple(exemptions.get(key, ())),
            snoozes=tuple(snoozes.get(key, ())),
        )


_ASKING: Final = Asking("session")


def _notices(some: _Some) -> dict[int, list[Notice]]:
    found: dict[int, list[Notice]] = defaultdict(list)
    for key, mandate, kind, at in _by_person(
        NoticeRow.objects.all(), some, "mandate", "kind", "delivered_at"
    ):
        found[key].append(Notice(mandate, kind, sql.read_instant(at)))
    return found


def _exemptions_kept() -> QuerySet[Exemption]:
    return Exemption.objects.filter(effective_at__isnull=False, withdrawn_at__isnull=True)


def _exemptions(some: _Some) -> dict[int, list[Exempted]]:
    found: dict[int, list[Exempted]] = defaultdict(list)
    columns = ("version__name", "version__version", "until", "effective_at")
    for key, mandate, version, until, since in _by_person(_exemptions_kept(), some, *columns):
        exempted = Exempted(mandate, version, sql.read_instant(until), sql.read_instant(since))
        found[key].append(exempted)
    return found


def _snoozes(some: _Some) -> dict[int, list[Snoozed]]:
    found: dict[int, list[Snoozed]] = defaultdict(list)
    for key, mandate, since, until in sql.select(_SNOOZES.format(some.places), *some.numbers):
        found[key].append(Snoozed(mandate, sql.read_instant(since), sql.read_instant(until)))
    return found


_SNOOZES: Final = (
    "SELECT user_id, mandate, made_at, until_at FROM shadow_snooze WHERE user_id {}"
    " ORDER BY user_id, mandate, made_at"
)


def _authority(some: _Some, critical: dict[str, dict[str, datetime]]) -> dict[int, list[Authority]]:
    """Return what each of these people may do: in organizations, then in projects, then by publishers, by name."""
    found: dict[int, list[Authority]] = defaultdict(list)
    columns = ("organization__normalized_name", "kind", "since_at")
    for key, name, kind, at in _by_person(Membership.objects.all(), some, *columns):
        found[key].append(Authority("organization", name, kind, sql.read_instant(at)))
    made: dict[_Row, Authority] = {}  # in a team many have the very same
    for key, *role in sql.select(some.rights, *some.numbers * BRANCHES):
        row = tuple(role)
        one = made.get(row)
        if one is None:
            one = made[row] = _role(row, critical)
        found[key].append(one)
    for key, publishers in _publishers_by_person(some).items():
        found[key] += sorted(configured(publishers), key=lambda one: one.name)
    return found


_RIGHTS: Final = (
    "SELECT held.user_id, project.normalized_name, held.kind, held.since_at, held.via"
    " FROM ({}) held JOIN projects_project project ON project.id = held.project_id"
    " ORDER BY 1, 2, 3, 5"
)


def _publishers_by_person(some: _Some) -> dict[int, list[tuple[str, datetime]]]:
    """Return for which projects, also such as are to come, people answer for a publisher, and since when."""
    found: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    rows = some.of(live_publishers(clock.now()), "configured_by_id")
    columns = ("configured_by_id", "project__normalized_name", "pending_normalized_name", "added_at")
    for key, name, pending, at in rows.order_by("pk").values_list(*columns).iterator(chunk_size=_AT_ONCE):
        found[key].append((name or pending, at))
    return found


def _by_person(rows: QuerySet[Any, Any], some: _Some, *fields: str) -> list[_Row]:
    """Return these fields of rows about some people, each with whom it is about, in one order."""
    return _told(some.of(rows).order_by("user_id", *fields).values_list("user_id", *fields))


def _persons(rows: Iterable[_Row]) -> dict[int, Person]:
    """Return the people of rows by their number, in the order of the rows."""
    now, always = clock.now(), ("reader",) if configuration.current().is_private else ()
    return {row[0]: _person(row, always, now) for row in rows}


def _person(row: _Row, always: tuple[str, ...], now: datetime) -> Person:
    """Return the person of a row; `always`: the roles that everybody has."""
    key, name, joined_at, state, held_until, is_verified, *more = row
    held, offices, invited = more[:_OF_HELD], more[_OF_HELD:_OF_OFFICES], more[_OF_OFFICES:]
    until = None if held_until is None else sql.read_instant(held_until)
    return Person(
        id=f"u{key}",
        joined_at=sql.read_instant(joined_at),
        state=holds.stated(state, until, now),
        verified_email=bool(is_verified),
        factors=tuple(factor for factor, has in zip(FACTORS, held, strict=True) if has),
        has_device_bound=bool(held[1]),
        roles=named_offices(offices) + (("invited",) if any(invited) else ()) + always,
        name=name,
    )


_OF_HELD: Final = len(_HELD)
_OF_OFFICES: Final = _OF_HELD + len(_OFFICES)


def _role(row: tuple[Any, ...], critical: dict[str, dict[str, datetime]]) -> Authority:
    name, kind, since, via = row
    criteria = critical.get(name, {})
    covered = min(criteria.values(), default=None)
    since_at = sql.read_instant(since)
    return Authority("project", name, kind, since_at, via, frozenset(criteria), covered)
