"""What organizations ask of their own people on top of the index: a small closed form, made into a mandate. Pure.

Such a mandate is one more policy in the hands of `rules.decide`, and it is there only where somebody acts on that
organization or on one of its projects. So it can add refusals and can take none away, and nothing else of a person's is
touched by it. What holds at an instant is derived from the rows of an organization, never stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from keyhouse.core.actions import CATALOGUE, REMOVE_LAST, Thing
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.rules import GAINING, Policy
from keyhouse.projects import sql

DECLARED: Final = 2  # key of the row of `Change` that is there once any organization has declared something
NOTICE: Final = timedelta(days=14)  # at least so long before it is refused, whoever holds authority is told
LOOSEN_AFTER: Final = timedelta(days=3)  # a loosening waits so long, unless a second owner answers for it
REMIND_DAYS: Final = (7, 1)  # before it is refused
TOLD_AS: Final = "organization-mandate:"  # how the names of such mandates begin in the ledger of notices
# The levels, the weakest first; each accepts less than the one before it.
ANY_FACTOR: Final = "any-factor"
LEVELS: Final = (ANY_FACTOR, "phishing-resistant", "device-bound")
_ACCEPT: Final[dict[str, list[str]]] = {
    ANY_FACTOR: ["security-key", "passkey", "authenticator-app"],
    "phishing-resistant": ["phishing-resistant"],
    "device-bound": ["device-bound"],
}
_PREFER: Final = {
    ANY_FACTOR: "security-key",
    "phishing-resistant": "phishing-resistant",
    "device-bound": "device-bound",
}
_TOLD: Final = {
    ANY_FACTOR: "a second factor",
    "phishing-resistant": "a security key or passkey",
    "device-bound": "a security key that can't be copied off its device",
}
_NOTHING: Final = "nothing beyond what this index asks of everybody"
_PUBLISHERS: Final = "+trusted-publishers"
# Reading stays open, and so do acts of the people who run the index, which rest on their office. Who makes a project or an
# organization anew acts on none yet.
_OPEN: Final = frozenset(
    {
        REMOVE_LAST, "account.delete", "index.read-private", "token.use", "project.manage",
        "organization.manage", "organization.oversee", "organization.see-readers", "organization.create", "organization.apply", "project.create",
    }
)  # fmt: skip
ACTS: Final = tuple(
    sorted(
        name
        for name, action in CATALOGUE.items()
        if action.gated and not action.offices and name not in _OPEN
    )
)
# By these somebody gains authority there, which has no grace (S4).
GAINED_AT_ONCE: Final = tuple(sorted((GAINING | {"organization.add-project"}) & set(ACTS)))


class Demand(NamedTuple):
    """What is asked: a level, and whether releases come by trusted publishers alone."""

    level: str
    publishers_only: bool = False

    @classmethod
    def read(cls, text: str) -> Demand | None:
        """Return what a row says; nothing is asked where it is empty."""
        return cls(text.removesuffix(_PUBLISHERS), text.endswith(_PUBLISHERS)) if text else None

    @classmethod
    def needed(cls, text: str) -> Demand:
        """Return the same of a row that asks for something."""
        return cls.read(text) or cls(ANY_FACTOR)

    @property
    def text(self) -> str:
        """Return it as a row keeps it."""
        return self.level + (_PUBLISHERS if self.publishers_only else "")

    @property
    def told(self) -> str:
        """Say it in words."""
        more = "; releases come by trusted publishers only" if self.publishers_only else ""
        return _TOLD[self.level] + more

    def is_at_least(self, other: Demand) -> bool:
        """Tell whether whoever meets this meets the other."""
        is_strong = LEVELS.index(self.level) >= LEVELS.index(other.level)
        return is_strong and self.publishers_only >= other.publishers_only


def told(text: str) -> str:
    """Say what a row asks for."""
    found = Demand.read(text)
    return _NOTHING if found is None else found.told


def demand_of(mandate: Mandate) -> Demand:
    """Return what the mandate of an organization asks for."""
    level = next((one for one in reversed(LEVELS) if _PREFER[one] == mandate.prefer), ANY_FACTOR)
    return Demand(level, not mandate.takes_tokens)


class Declared(NamedTuple):
    """One version of what an organization declared. `demand` is empty where it asks for nothing any more.

    It holds from `begins_at` on: a tightening from the moment it was declared, beside what held before; a loosening in the
    place of everything before it that asks for more.
    """

    version: int
    demand: str
    is_loosening: bool
    announced_at: datetime
    from_at: datetime
    begins_at: datetime
    key: int = 0  # of its row

    @property
    def told_as(self) -> str:
        """Return by what notices of it are known: no organization's name, which may change hands."""
        return f"{TOLD_AS}{self.key}"


def holding(rows: Iterable[Declared], now: datetime) -> tuple[Declared, ...]:
    """Return the versions that hold at `now`, the oldest first; of several in force each asks for all that the one before does.

    None goes as the next comes into force: whom that gives days of grace, this one goes on to refuse.
    """
    found: list[Declared] = []
    ordered = sorted(rows)
    for one in ordered:
        if one.begins_at > now:
            continue
        demand = Demand.read(one.demand)
        if demand is None:
            found = []
            continue
        if one.is_loosening:  # what asks for no more than it does stays beside it until its day
            one = _known_by_notices_of_former(one, ordered)  # noqa: PLW2901 - the same, as people know it
            kept = (each for each in found if demand.is_at_least(Demand.needed(each.demand)))
            found = [each for each in kept if _as_told(each) != _as_told(one)]
        found.append(one)
    return tuple(found)


def _as_told(one: Declared) -> tuple[object, ...]:
    return one.demand, one.announced_at, one.from_at, one.key


def without_superseded(held: Sequence[Declared], now: datetime) -> tuple[Declared, ...]:
    """Return of versions that hold what says all that is asked: the last one in force, and those that come."""
    last = max((at for at, one in enumerate(held) if one.from_at <= now), default=0)
    return tuple(held[last:])


def _known_by_notices_of_former(one: Declared, rows: Sequence[Declared]) -> Declared:
    """Return a loosening with the notices of the version whose days it keeps: whoever was told of more has no new days."""
    days = (one.announced_at, one.from_at)
    former = (each for each in rows if (each.announced_at, each.from_at) == days and not each.is_loosening)
    first = next(former, None)
    return one if first is None else one._replace(key=first.key)


class Change(NamedTuple):
    """What a new declaration would be: against which days it is judged, and whether it loosens anything."""

    is_loosening: bool
    announced_at: datetime
    from_at: datetime


def change_to(
    demand: Demand | None, from_at: datetime, present: Sequence[Declared], now: datetime
) -> Change | None:
    """Return what declaring this beside what is asked would be, or None: it would tighten and loosen at once.

    A tightening holds from its own day on. A loosening keeps the days of the first version that asked for at least as much.
    """
    known = [(one, Demand.needed(one.demand)) for one in present]
    if demand is None:
        return Change(True, now, now)
    if all(demand.is_at_least(asked) for _, asked in known) and demand.text not in {
        one.demand for one in present
    }:
        return Change(False, now, from_at)
    stronger = [one for one, asked in known if asked.is_at_least(demand)]
    if not stronger:
        return None
    former = min(stronger, key=lambda one: one.from_at)
    if now < former.from_at and not all(
        demand.is_at_least(asked) or asked.is_at_least(demand) for _, asked in known
    ):
        return None  # until that day nothing would be left of what is asked now
    return Change(True, former.announced_at, former.from_at)


# ---- as policies


@lru_cache(maxsize=512)
def policy_of(one: Declared, organization: str) -> Policy:
    """Return a version as decisions take it."""
    mandate = _mandate(one, organization, one.from_at)
    late = Policy(
        _mandate(one, organization, one.announced_at), one.version, True, organization=organization,
        told_as=one.told_as,
    )  # fmt: skip
    return Policy(mandate, one.version, True, organization=organization, at_once=late, told_as=one.told_as)


def name_of(organization: str) -> str:
    """Return what decisions and ledgers call it; no mandate of the index can have such a name."""
    return f"organization:{organization}"


def _mandate(one: Declared, organization: str, from_at: datetime) -> Mandate:
    demand = Demand.needed(one.demand)
    before = {"state": "announced", "at": one.announced_at, "warn": list(ACTS), "deny": list(GAINED_AT_ONCE)}
    enforced = {"state": "enforced", "at": from_at, "deny": list(ACTS)}
    found = read_mandate(
        {
            "name": f"organization-{organization}",
            "title": f"Acting on the organization {organization}: {demand.told}",
            "reason": "Its owners ask for that, on top of what this index asks of everybody.",
            "who": {"everyone": True},  # whoever acts there; the policy is about nothing else
            "methods": {"accept": _ACCEPT[demand.level], "prefer": _PREFER[demand.level]},
            "publishing": {
                "accept": ["trusted-publisher"] if demand.publishers_only else ["trusted-publisher", "token"]
            },
            "notice": {
                "floor_days": NOTICE.days,
                "unreached_cap_days": NOTICE.days,
                "remind_days": [*REMIND_DAYS],
            },
            "stages": [before, enforced] if from_at > one.announced_at else [enforced],
        }
    )
    return replace(found, name=name_of(organization))


class Place(NamedTuple):
    """The organization that something belongs to, since when, and what that declared."""

    organization: str = ""
    since: datetime | None = None
    rows: tuple[Declared, ...] = ()

    def policies(self, now: datetime) -> tuple[Policy, ...]:
        """Return what refuses there at `now`."""
        return tuple(policy_of(one, self.organization) for one in holding(self.rows, now))

    def asking(self, now: datetime) -> tuple[Policy, ...]:
        """Return the same without what another one asks for as well."""
        held = without_superseded(holding(self.rows, now), now)
        return tuple(policy_of(one, self.organization) for one in held)


NOWHERE: Final = Place()


# ---- as the gate reads it, with the question that it asks anyway

_ASKED: Final = "declared"
_BEGUN: Final = "declared-begun"
KINDS: Final = frozenset({_ASKED, _BEGUN})
FORM: Final = "CAST(declared.version AS varchar) || ':' || CASE WHEN declared.is_loosening THEN '1' ELSE '0' END || ':' || CAST(declared.id AS varchar) || ':' || declared.demand"
_ROWS: Final = (
    " UNION ALL SELECT '{kind}', organization.normalized_name, " + FORM + ", {times}, NULL"
    " FROM {origin} JOIN organizationmandates_declaration declared ON declared.organization_id = organization.id"
    " WHERE declared.withdrawn_at IS NULL AND {condition}"
)
_OF_PROJECT: Final = "projects_project project JOIN organizations_organization organization ON organization.id = project.organization_id"
_OF_ORGANIZATION: Final = "organizations_organization organization"


def _question(origin: str, since: str, condition: str) -> str:
    asked = (_ASKED, "declared.announced_at, declared.from_at")
    begun = (_BEGUN, f"declared.begins_at, {since}")
    return "".join(
        _ROWS.format(kind=kind, times=times, origin=origin, condition=condition)
        for kind, times in (asked, begun)
    )


_ABOUT_PROJECT: Final = _question(
    _OF_PROJECT, "project.organization_since_at", "project.normalized_name = %s"
)
_NO_TIME: Final = "CAST(NULL AS timestamptz)"
_BY_NAME: Final = _question(_OF_ORGANIZATION, _NO_TIME, "organization.normalized_name = %s")
_BY_ID: Final = _question(_OF_ORGANIZATION, _NO_TIME, "organization.id = %s")


def question_about(thing: Thing | None) -> tuple[str, tuple[Any, ...]]:
    """Return what to add to the question about somebody's standing, and its values; nothing where it is about neither."""
    if thing is None:
        return "", ()
    if thing.kind in {"project", "removal"} and thing.name:
        return _ABOUT_PROJECT, (thing.name, thing.name)
    if thing.kind == "organization" and thing.name:
        return _BY_NAME, (thing.name, thing.name)
    if thing.kind == "organization" and isinstance(thing.id, int):
        return _BY_ID, (thing.id, thing.id)
    return "", ()


def place_of(found: Iterable[Sequence[Any]]) -> Place:
    """Return what those rows say."""
    asked: dict[str, Sequence[Any]] = {}
    begun: dict[str, Sequence[Any]] = {}
    for row in found:
        if row[0] == _ASKED:
            asked[row[2]] = row
        elif row[0] == _BEGUN:
            begun[row[2]] = row
    if not asked:
        return NOWHERE
    organization = next(iter(asked.values()))[1]
    times = next(iter(begun.values()))
    since = None if times[4] is None else sql.read_instant(times[4])
    return Place(organization, since, tuple(sorted(_declared(asked[key], begun[key]) for key in asked)))


def _declared(asked: Sequence[Any], begun: Sequence[Any]) -> Declared:
    return read(asked[2], asked[3], asked[4], begun[3])


def read(form: str, *times: Any) -> Declared:
    """Return a version by its `FORM`, and by when it was announced, is refused from, and begins."""
    version, is_loosening, key, demand = form.split(":", 3)
    announced_at, from_at, begins_at = (sql.read_instant(one) for one in times)
    return Declared(int(version), demand, is_loosening == "1", announced_at, from_at, begins_at, int(key))
