"""The facts of all people, some thousand at a time, for plans and counts. In bounded memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Lower

from keyhouse.accounts import holds
from keyhouse.accounts.models import Authenticator, Email, SecurityKey, User
from keyhouse.core import clock, configuration
from keyhouse.core.actor import OFFICES, named_offices
from keyhouse.credentials.trusted_publishers.queries import all_live as live_publishers
from keyhouse.mandate.facts import Asking, Authority, Exempted, Facts, Notice, Person, Snoozed
from keyhouse.mandate.models import CriticalProject, Exemption
from keyhouse.mandate.models import Notice as NoticeRow
from keyhouse.mandate.queries import configured
from keyhouse.organizations.models import Membership, OrganizationInvitation
from keyhouse.projects import sql
from keyhouse.projects.models import ProjectInvitation
from keyhouse.projects.rights import BRANCHES, selection

# columns of the factors somebody holds; a key that can't leave its device is a security key, a synced one a passkey
_HELD: Final = {"has_app": "authenticator-app", "has_bound": "security-key", "has_synced": "passkey"}
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


def facts_of(user_ids: Collection[int]) -> Iterator[Facts]:
    """Yield the facts of these people, by id, in a fixed number of questions for each 500; who is gone is left out."""
    wanted, critical = sorted(set(user_ids)), _criticals()
    for start in range(0, len(wanted), _LISTED_AT_ONCE):
        some = _Some(tuple(wanted[start : start + _LISTED_AT_ONCE]), is_stretch=False)
        rows = list(_rows_of(User.objects.filter(pk__in=some.numbers)))
        yield from _with_standing(rows, some, critical)


def all_facts(
    foreseen: Mapping[str, Mapping[str, datetime]] | None = None, after: int = 0
) -> Iterator[Facts]:
    """Yield the facts of everybody whose account isn't deleted, by id; the asking is a session that proved nothing.

    `foreseen` tells of names that would be critical, by criterion and since when, beside those that are. `after`: only
    of people whose id is greater.
    """
    last, critical = after, _criticals()
    for name, criteria in (foreseen or {}).items():
        critical[name].update(criteria)
    while rows := _people_after(last):
        last = rows[-1]["pk"]
        yield from _with_standing(rows, _Some((rows[0]["pk"], last)), critical)


def _people_after(last: int) -> list[dict[str, Any]]:
    return list(_rows_of(User.objects.filter(pk__gt=last))[:_AT_ONCE])


def _rows_of(people: QuerySet[User]) -> QuerySet[User, dict[str, Any]]:
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
    columns = ("pk", "username", "joined_at", "state", "held_until", *_OFFICES, "is_verified", *_HELD)
    found: QuerySet[User, dict[str, Any]] = rows.values(*columns, *_INVITED)
    return found


def _criticals() -> dict[str, dict[str, datetime]]:
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    rows = CriticalProject.objects.values_list("normalized_name", "criterion", "since_at")
    for name, criterion, since in rows.iterator(chunk_size=_AT_ONCE):
        found[name][criterion] = since
    return found


def _with_standing(
    rows: Sequence[dict[str, Any]], some: _Some, critical: dict[str, dict[str, datetime]]
) -> Iterator[Facts]:
    authority = _authority(some, critical)
    notices = _by_person(NoticeRow.objects.all(), some, "mandate", "kind", "delivered_at")
    live = Exemption.objects.filter(effective_at__isnull=False, withdrawn_at__isnull=True)
    snoozes = _snoozes(some)
    exemptions = _by_person(live, some, "version__name", "version__version", "until", "effective_at")
    for row in rows:
        key = row["pk"]
        yield Facts(
            _person(row),
            Asking("session"),
            "",
            authority=tuple(authority[key]),
            notices=tuple(Notice(*one) for one in notices[key]),
            exemptions=tuple(Exempted(*one) for one in exemptions[key]),
            snoozes=tuple(snoozes[key]),
        )


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
    members = _by_person(Membership.objects.all(), some, "organization__normalized_name", "kind", "since_at")
    for key, several in members.items():
        found[key] += [Authority("organization", *one) for one in several]
    for key, *role in sql.select(some.rights, *some.numbers * BRANCHES):
        found[key].append(_role(tuple(role), critical))
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


def _by_person(rows: QuerySet[Any, Any], some: _Some, *fields: str) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    chosen = some.of(rows).order_by("user_id", *fields)
    for key, *values in chosen.values_list("user_id", *fields).iterator(chunk_size=_AT_ONCE):
        found[key].append(tuple(values))
    return found


def _person(row: dict[str, Any]) -> Person:
    invited = ("invited",) if any(row[column] for column in _INVITED) else ()
    reader = ("reader",) if configuration.current().is_private else ()
    return Person(
        id=f"u{row['pk']}",
        joined_at=row["joined_at"],
        state=holds.stated(row["state"], row["held_until"], clock.now()),
        verified_email=row["is_verified"],
        factors=tuple(factor for column, factor in _HELD.items() if row[column]),
        has_device_bound=row["has_bound"],
        roles=named_offices([row[column] for column in _OFFICES]) + invited + reader,
        name=row["username"],
    )


def _role(row: tuple[Any, ...], critical: dict[str, dict[str, datetime]]) -> Authority:
    name, kind, since, via = row
    criteria = critical.get(name, {})
    covered = min(criteria.values(), default=None)
    since_at = sql.read_instant(since)
    return Authority("project", name, kind, since_at, via, frozenset(criteria), covered)
