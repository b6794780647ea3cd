"""Who is stranded by a mandate and who blocks whom: what no owner could manage, and people who don't comply.

The worst are found by the database, by weight; what the mandate asks of their owners is then decided by the rules that the
gate asks. So a page costs the same whatever the size of the index, and lists no more than it says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Lower

from keyhouse.accounts.models import Authenticator, Email, Proposal, SecurityKey, User
from keyhouse.accounts.oversight.new_owners import SILENCE
from keyhouse.core import clock, configuration
from keyhouse.mail.models import Bounce
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.exits.models import Weight
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.models import Notice
from keyhouse.mandate.people import facts_of
from keyhouse.mandate.rules import Policy, covers, is_compliant
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects import rights
from keyhouse.projects.models import Project, Role, TeamRole
from keyhouse.projects.rules import ARCHIVED, OWNER

DORMANT: Final = timedelta(days=365)
MOST: Final = 100
_GONE: Final = (User.State.SUSPENDED, User.State.DELETED)
PROJECT, ORGANIZATION = "project", "organization"


@dataclass(frozen=True, slots=True)
class Unable:
    """An owner who can't act: why, and what has been tried: notices that were delivered, and when somebody nudged them last."""

    username: str
    why: tuple[str, ...]
    notices: int = 0
    noticed_at: datetime | None = None
    nudged_at: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "username": self.username,
            "why": list(self.why),
            "notices": self.notices,
            "noticed_at": clock.format_if_any(self.noticed_at),
            "nudged_at": clock.format_if_any(self.nudged_at),
        }


@dataclass(frozen=True, slots=True)
class Stranded:
    """A project or organization none of whose owners could manage it, with what hangs on it and the way out of it.

    `way`: `wait` (an owner can still be reached), `vouch` (they can come back by the word of others), `appoint` (two
    operators appoint an owner), `proposed` (that was proposed already).
    """

    kind: str
    name: str
    normalized_name: str
    clients: int
    dependents: int
    owners: tuple[Unable, ...]
    way: str

    @property
    def told(self) -> str:
        """Say the way in words."""
        return _WAYS[self.way]

    @property
    def page(self) -> str:
        """Return the page on which operators begin it."""
        place = f"/operator/projects/{self.normalized_name}"
        if self.kind == ORGANIZATION:
            place = f"/operator/mandates/stranded/organization/{self.normalized_name}"
        return f"{place}/new-owner/"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "clients": self.clients,
            "dependents": self.dependents,
            "owners": [one.as_dict() for one in self.owners],
            "way": self.way,
            "told": self.told,
        }


_WAYS: Final[Mapping[str, str]] = {
    "wait": "An owner can still be reached: remind them, and wait for what they do.",
    "vouch": "An owner signs in no more by themselves: who owns something with them can vouch, or operators answer for them.",
    "appoint": "No owner was here for half a year: two operators can appoint one, after a wait of 14 days told to all addresses.",
    "proposed": "A new owner was proposed; it waits for an operator, or for its instant.",
}


def stranded(policy: Policy, now: datetime, limit: int = MOST) -> list[Stranded]:
    """Return what is stranded under a mandate, what most clients and dependents hang on first.

    Every owner of it is covered by the mandate and doesn't comply, or can't be reached: no verified address that takes
    mail, not seen for a year, suspended. What has no owner at all is among it; an archived project is not.
    """
    projects = _weighed(_projects_without_able(policy.mandate, now), limit)
    organizations = _weighed_organizations(_organizations_without_able(policy.mandate, now), limit)
    owners = {(PROJECT, one.pk): set[int]() for one in projects}
    for right in rights.rights_in_several([one.pk for one in projects]):
        if right.kind == OWNER:
            owners[PROJECT, right.project_id].add(right.user_id)
    for one in organizations:
        owners[ORGANIZATION, one.pk] = set()
    members = Membership.objects.filter(kind=OWNER, organization__in=[one.pk for one in organizations])
    for place, user_id in members.values_list("organization_id", "user_id"):
        owners[ORGANIZATION, place].add(user_id)
    known = _Known(policy, {user for some in owners.values() for user in some}, now)
    rows: list[Any] = [*projects, *organizations]
    found = (_stranded(row, owners, known) for row in rows)
    return sorted(
        (one for one in found if one is not None),
        key=lambda one: (-one.clients, -one.dependents, one.kind, one.normalized_name),
    )[:limit]


def _stranded(row: Any, owners: Mapping[tuple[str, int], set[int]], known: _Known) -> Stranded | None:
    kind = PROJECT if isinstance(row, Project) else ORGANIZATION
    mine = owners[kind, row.pk]
    if any(known.is_able(user_id) for user_id in mine):
        return None
    return Stranded(
        kind,
        row.name,
        row.normalized_name,
        row.clients,
        row.dependents,
        tuple(sorted((known.told(user_id) for user_id in mine), key=lambda one: one.username)),
        known.way_of(kind, row.normalized_name, mine),
    )


class _Known:
    """What is known of some owners, read in a fixed number of questions."""

    def __init__(self, policy: Policy, user_ids: Collection[int], now: datetime) -> None:
        self._policy, self._now = policy, now
        users = User.objects.filter(pk__in=user_ids).annotate(
            seen_at=Coalesce("last_seen_at", "joined_at"), is_reached=Exists(_reachable())
        )
        self._users: dict[int, Any] = {user.pk: user for user in users}
        self._facts = {int(facts.person.id[1:]): facts for facts in facts_of(user_ids)}
        self._notices: dict[int, list[datetime]] = defaultdict(list)
        told = Notice.objects.filter(user_id__in=user_ids, mandate=policy.name)
        for user_id, at in told.values_list("user_id", "delivered_at"):
            self._notices[user_id].append(at)
        self._nudged = _last_nudges(user_ids)
        proposed = Proposal.objects.filter(done_at=None, ended_at=None)
        self._proposed = set(proposed.values_list("kind", "about"))

    def _why(self, user_id: int) -> tuple[str, ...]:
        user, facts = self._users[user_id], self._facts.get(user_id)
        found = []
        if facts is None or user.state in _GONE:
            return ("the account is closed",)
        if not user.is_reached:
            found.append("no address that takes mail")
        if user.seen_at <= self._now - DORMANT:
            found.append("not seen for a year")
        if not is_compliant(self._policy.mandate, facts.person) and covers(self._policy, facts):
            found.append("does not comply")
        return tuple(found)

    def is_able(self, user_id: int) -> bool:
        """Whether nothing keeps this owner from acting."""
        return not self._why(user_id)

    def told(self, user_id: int) -> Unable:
        """Return why an owner can't act, and what has been tried."""
        notices = self._notices[user_id]
        return Unable(
            self._users[user_id].username,
            self._why(user_id),
            len(notices),
            max(notices, default=None),
            self._nudged.get(user_id),
        )

    def way_of(self, kind: str, name: str, user_ids: set[int]) -> str:
        """Return the way that is open now."""
        wanted = Proposal.Kind.OWNER if kind == PROJECT else Proposal.Kind.ORGANIZATION
        if (wanted, name) in self._proposed:
            return "proposed"
        since = self._now - SILENCE
        present = [self._users[one] for one in user_ids]
        if not any(one.state not in _GONE and one.seen_at > since for one in present):
            return "appoint"
        return "wait" if any(one.is_reached for one in present) else "vouch"


def _last_nudges(user_ids: Collection[int]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for rows in (Role.objects, Membership.objects):
        nudged: QuerySet[Any, Any] = rows.filter(user_id__in=user_ids, nudged_at__isnull=False)
        for user_id, at in nudged.values_list("user_id", "nudged_at"):
            found[user_id] = max(at, found.get(user_id, at))
    return found


# ---- what the database can tell


def _reachable() -> QuerySet[Email]:
    """Return the verified addresses of a row of accounts to which mails go."""
    bounced = Bounce.objects.filter(kind="permanent", cleared_at=None, address=OuterRef("folded"))
    verified = Email.objects.filter(user=OuterRef("pk"), verified_at__isnull=False)
    return verified.annotate(folded=Lower("address")).exclude(Exists(bounced))


def _able(mandate: Mandate, now: datetime) -> QuerySet[User]:
    """Return the people who comply and can be reached, whether the mandate covers them or not."""
    people = User.objects.exclude(state__in=_GONE).annotate(seen_at=Coalesce("last_seen_at", "joined_at"))
    primary = Email.objects.filter(user=OuterRef("pk"), is_primary=True, verified_at__isnull=False)
    able = people.filter(Exists(primary), Exists(_reachable()), seen_at__gt=now - DORMANT)
    return able.filter(_holds(mandate))


def _holds(mandate: Mandate) -> Q:
    """Return the condition of having a factor that the mandate accepts."""
    app = Authenticator.objects.filter(user=OuterRef("pk"))
    key = SecurityKey.usable(configuration.current().key_name).filter(user=OuterRef("pk"))
    found = Q(pk=None)
    if "authenticator-app" in mandate.accept:
        found |= Q(Exists(app))
    if {"security-key", "device-bound", "phishing-resistant"} & set(mandate.accept):
        found |= Q(Exists(key.filter(backup_eligible=False)))
    if {"passkey", "phishing-resistant"} & set(mandate.accept):
        found |= Q(Exists(key.filter(backup_eligible=True)))
    return found


def _projects_without_able(mandate: Mandate, now: datetime) -> QuerySet[Project]:
    able = _able(mandate, now).values("pk")
    own = Role.objects.filter(project=OuterRef("pk"), kind=OWNER, user__in=able)
    by_organization = Membership.objects.filter(
        organization=OuterRef("organization"), kind=OWNER, user__in=able
    )
    by_team = TeamRole.objects.filter(
        project=OuterRef("pk"),
        kind=OWNER,
        team__organization=F("project__organization"),
        team__members__member__user__in=able,
    )
    live = Project.objects.exclude(status=ARCHIVED)
    return live.filter(~Exists(own), ~Exists(by_organization), ~Exists(by_team))


def _organizations_without_able(mandate: Mandate, now: datetime) -> QuerySet[Organization]:
    able = _able(mandate, now).values("pk")
    owners = Membership.objects.filter(organization=OuterRef("pk"), kind=OWNER, user__in=able)
    return Organization.objects.filter(~Exists(owners))


def _weight(column: str) -> Coalesce:
    mine = Weight.objects.filter(normalized_name=OuterRef("normalized_name"))
    return Coalesce(Subquery(mine.values(column)[:1]), Value(0), output_field=IntegerField())


def _weighed(projects: QuerySet[Project], limit: int) -> list[Project]:
    found = projects.annotate(clients=_weight("clients"), dependents=_weight("dependents"))
    return list(found.order_by("-clients", "-dependents", "normalized_name")[: 2 * limit])


def _weighed_organizations(organizations: QuerySet[Organization], limit: int) -> list[Organization]:
    """Return organizations with the weight of their projects together."""

    def of(column: str) -> Coalesce:
        names = Project.objects.filter(organization=OuterRef(OuterRef("pk"))).values("normalized_name")
        rows = Weight.objects.filter(normalized_name__in=names).order_by().values(shared=Value(1))
        return Coalesce(
            Subquery(rows.annotate(total=Sum(column)).values("total")), Value(0), output_field=IntegerField()
        )

    found = organizations.annotate(clients=of("clients"), dependents=of("dependents"))
    return list(found.order_by("-clients", "-dependents", "normalized_name")[: 2 * limit])


# ---- people who hold others up


@dataclass(frozen=True, slots=True)
class Blocked:
    """Somebody whom a mandate covers and who doesn't comply: of how many projects, and what they own alone."""

    username: str
    projects: int
    alone: tuple[str, ...]
    notices: int = 0
    organizations: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "username": self.username,
            "projects": self.projects,
            "alone": list(self.alone),
            "organizations": list(self.organizations),
            "notices": self.notices,
        }


def blocked(policy: Policy, now: datetime, limit: int = MOST) -> list[Blocked]:
    """Return people with authority whom a mandate covers and who don't comply, whoever holds most projects first."""
    del now
    ids = _lacking(policy.mandate, limit)
    facts = [one for one in facts_of(ids) if _is_blocking(policy, one)]
    owned = _owned_alone({int(one.person.id[1:]) for one in facts})
    found = [_blocked(one, owned.get(int(one.person.id[1:]), ()), policy) for one in facts]
    return sorted(found, key=lambda one: (-one.projects, one.username))[:limit]


def _is_blocking(policy: Policy, facts: Facts) -> bool:
    return covers(policy, facts) and not is_compliant(policy.mandate, facts.person)


def _lacking(mandate: Mandate, limit: int) -> list[int]:
    """Return people with a role in a project or organization who hold nothing that is accepted, the most roles first."""
    primary = Email.objects.filter(user=OuterRef("pk"), is_primary=True, verified_at__isnull=False)
    people = User.objects.exclude(state__in=_GONE).exclude(Q(Exists(primary)) & _holds(mandate))
    role = Exists(Role.objects.filter(user=OuterRef("pk")))
    member = Exists(Membership.objects.filter(user=OuterRef("pk")))
    counted = Role.objects.filter(user=OuterRef("pk")).order_by().values("user").annotate(count=Sum(Value(1)))
    weighed = people.filter(role | member).annotate(
        roles=Coalesce(Subquery(counted.values("count")), Value(0), output_field=IntegerField())
    )
    return list(weighed.order_by("-roles", "pk").values_list("pk", flat=True)[: 2 * limit])


def _owned_alone(user_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    others = Role.objects.filter(project=OuterRef("project"), kind=OWNER).exclude(user=OuterRef("user"))
    of_organization = Membership.objects.filter(organization=OuterRef("project__organization"), kind=OWNER)
    rows = Role.objects.filter(~Exists(others), ~Exists(of_organization), user_id__in=user_ids, kind=OWNER)
    found: dict[int, list[str]] = defaultdict(list)
    for user_id, name in rows.order_by("project__normalized_name").values_list("user_id", "project__name"):
        found[user_id].append(name)
    return {user_id: tuple(names) for user_id, names in found.items()}


def _blocked(facts: Facts, alone: Iterable[str], policy: Policy) -> Blocked:
    places = {(one.kind, one.name) for one in facts.authority}
    return Blocked(
        facts.person.name,
        sum(kind == PROJECT for kind, _ in places),
        tuple(alone),
        sum(one.mandate == policy.name for one in facts.notices),
        tuple(sorted(name for kind, name in places if kind == ORGANIZATION)),
    )
