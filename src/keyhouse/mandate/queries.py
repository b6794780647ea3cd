"""Reading mandates and the facts that decisions rest on: two questions a decision, in plain SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from keyhouse.accounts import holds
from keyhouse.core import clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.credentials.tokens.caveats import Scope
from keyhouse.mandate.defaults import DEFAULT, NAME
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Asking, Authority, Exempted, Facts, Notice, Object, Person
from keyhouse.mandate.models import Change, MandateVersion
from keyhouse.mandate.rules import HELD_ACTIONS, Policy, covers_through, is_on_its_way
from keyhouse.projects import sql

_FACTORS: Final = ("authenticator-app", "security-key", "passkey")
THE_CHANGE: Final = 1  # key of the one row of `Change`


@dataclass(frozen=True, slots=True)
class Ledger:
    """All versions of all mandates that took or take effect, read once for each change."""

    change: int
    versions: tuple[tuple[datetime, Policy], ...]  # from when on, by name and version

    def live_at(self, now: datetime) -> tuple[Policy, ...]:
        """Return of each name the version that holds at `now`; what is replaced or retired is left out."""
        newest: dict[str, Policy] = {NAME: DEFAULT}
        for effective_at, policy in self.versions:
            if effective_at <= now:
                newest[policy.name] = policy
        replaced = {name for policy in newest.values() for name in policy.mandate.replaces}
        return tuple(
            policy
            for name, policy in sorted(newest.items())
            if name not in replaced and not _is_retired(policy, now)
        )


def _is_retired(policy: Policy, now: datetime) -> bool:
    begun = [stage for stage in policy.mandate.stages if stage.at <= now]
    return bool(begun) and begun[-1].state == "retired"


_EMPTY: Final = Ledger(0, ())
_read: dict[str, Ledger] = {"last": _EMPTY}  # of this process; replaced as a whole


def ledger(change: int | None = None) -> Ledger:
    """Return all versions; `change` is what the change row says, where it was read already."""
    found = read_change() if change is None else change
    if found == 0:
        return _EMPTY
    last = _read["last"]
    if last.change != found:
        last = _read["last"] = Ledger(found, tuple(_versions()))
    return last


def read_change() -> int:
    """Return what changes whenever a mandate does; 0: nothing was ever written."""
    return int(sql.find_value(_CHANGE, THE_CHANGE) or 0)


_CHANGE: Final = f"SELECT value FROM {Change._meta.db_table} WHERE id = %s"  # noqa: SLF001 - how Django names its model interface


def _versions() -> Iterable[tuple[datetime, Policy]]:
    rows = MandateVersion.objects.filter(effective_at__isnull=False, withdrawn_at__isnull=True)
    for row in rows.order_by("name", "version"):
        if row.effective_at is not None:
            yield row.effective_at, policy_of(row)


def policy_of(row: MandateVersion) -> Policy:
    """Return a stored version as decisions take it."""
    is_history = row.origin in {MandateVersion.Origin.DEFAULT, MandateVersion.Origin.SEEDED}
    return Policy(read_mandate(row.document), row.version, is_floor_exempt=is_history)


def live_policies(now: datetime) -> tuple[Policy, ...]:
    """Return the mandates that are live at `now`, by name."""
    return ledger().live_at(now)


def gather(actor: Actor, action: str, thing: Thing | None, now: datetime) -> tuple[Facts, tuple[Policy, ...]]:
    """Gather what a decision needs, in at most three questions; raises DatabaseError.

    A deletion asks more, for the project's other people, while a mandate is on its way.
    """
    person, change = _read_person(actor, now)
    policies = ledger(change).live_at(now)
    asked = Facts(person, _asking(actor), action, object=_object(action, thing))
    facts = asked if actor.user_id is None else _with_standing(asked, actor.user_id)
    return _with_holds(facts, policies, now), policies


def _with_holds(facts: Facts, policies: Iterable[Policy], now: datetime) -> Facts:
    """Add to the facts of a deletion which mandates on their way cover the project, through any of its people.

    Asked only while there are such mandates; then each of the project's people is read, as far as it matters.
    """
    thing = facts.object
    if facts.action not in HELD_ACTIONS or thing is None or thing.kind != "project":
        return facts
    left = [one for one in policies if is_on_its_way(one.mandate, now)]
    held: list[str] = []
    for user_id in _people_of(thing.name) if left else ():
        other = facts if _is_about(facts, user_id) else replace(facts_of_person(user_id), object=thing)
        found = [one for one in left if covers_through(one, other.person, other.entries_of_object)]
        held += [one.name for one in found]
        left = [one for one in left if one not in found]
        if not left:
            break
    return replace(facts, object=replace(thing, held_by=tuple(sorted(held)))) if held else facts


def _is_about(facts: Facts, user_id: int) -> bool:
    return facts.person.id == f"u{user_id}"


def _people_of(name: str) -> list[int]:
    return [int(user_id) for (user_id,) in sql.select(_PEOPLE, name)]


_PEOPLE: Final = (
    "SELECT DISTINCT role.user_id FROM projects_role role JOIN projects_project project"
    " ON project.id = role.project_id WHERE project.normalized_name = %s ORDER BY role.user_id"
)


def facts_of_person(user_id: int, action: str = "", asking: Asking | None = None) -> Facts:
    """Return the facts of somebody who isn't asking now; the asking is a session that proved nothing."""
    person, _ = _read_person(Actor("session", user_id), clock.now())
    return _with_standing(Facts(person, asking or Asking("session"), action), user_id)


def _asking(actor: Actor) -> Asking:
    return Asking.of(actor.kind, actor.strength, needs_key=actor.needs_key)


def _object(action: str, thing: Thing | None) -> Object | None:
    if thing is None:
        return None
    asked_at = None
    if action == "project.delete" and thing.kind == "project":
        asked_at = sql.find_value(_DELETION_ASKED, thing.name)
    return Object(thing.kind, thing.name, deletion_asked_at=_instant(asked_at))


def _read_person(actor: Actor, now: datetime) -> tuple[Person, int | None]:
    if actor.user_id is None:
        return Person(""), None
    name = configuration.current().key_name
    rows = sql.select(_PERSON, name, name, actor.user_id)
    if not rows:
        return Person(f"u{actor.user_id}", state="deleted"), None
    name, joined_at, state, until, is_operator, is_verified, *held, codes, change = rows[0]
    held_until = _instant(until)
    roles = (("operator",) if is_operator else ()) + (
        ("reader",) if configuration.current().is_private else ()
    )
    person = Person(
        id=f"u{actor.user_id}",
        joined_at=_instant(joined_at),
        state=holds.stated(state, held_until, now),
        held_until=held_until if held_until is not None and now < held_until else None,
        verified_email=bool(is_verified),
        factors=tuple(factor for factor, has in zip(_FACTORS, held, strict=True) if has),
        has_device_bound=bool(held[1]),
        recovery_codes=int(codes),
        roles=roles,
        name=name,
    )
    return person, int(change or 0)


def _with_standing(facts: Facts, user_id: int) -> Facts:
    """Add roles, notices and exemptions, in one question."""
    found: dict[str, list[Sequence[Any]]] = defaultdict(list)
    for kind, *row in sql.select(_STANDING, user_id, user_id, user_id, user_id):
        found[kind].append(row)
    critical = _critical_by_name(found["critical"])
    return replace(
        facts,
        authority=tuple(sorted((_role(row, critical) for row in found["role"]), key=_place_of)),
        notices=tuple(
            sorted(
                (Notice(name, kind, sql.read_instant(at)) for name, kind, at, _ in found["notice"]),
                key=lambda one: (one.mandate, one.kind),
            )
        ),
        exemptions=tuple(
            sorted(
                (
                    Exempted(name, int(version), sql.read_instant(until), _instant(since))
                    for name, version, until, since in found["exemption"]
                ),
                key=lambda one: (one.mandate, one.version or 0, one.until),
            )
        ),
    )


def _place_of(one: Authority) -> tuple[str, str, str]:
    return one.kind, one.name, one.role


def _critical_by_name(rows: Iterable[Sequence[Any]]) -> dict[str, dict[str, datetime]]:
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for name, criterion, since, _ in rows:
        found[name][criterion] = sql.read_instant(since)
    return found


def _role(row: Sequence[Any], critical: dict[str, dict[str, datetime]]) -> Authority:
    name, kind, since, _ = row
    criteria = critical.get(name, {})
    return Authority(
        "project",
        name,
        kind,
        _instant(since),
        "own",
        frozenset(criteria),
        min(criteria.values(), default=None),
    )


def _instant(value: str | datetime | None) -> datetime | None:
    return None if value is None else sql.read_instant(value)


def begun_at(actor: Actor, thing: Thing | None) -> datetime | None:
    """Return when this very credential first put a file into the release that it is asked about, or None."""
    scope = actor.restrictions
    if thing is None or not isinstance(scope, Scope) or scope.version is None:
        return None
    return _instant(sql.find_value(_BEGUN, actor.credential, thing.name, scope.version))


_PERSON: Final = (
    "SELECT owner.username, owner.joined_at, owner.state, owner.held_until, owner.is_operator,"
    " EXISTS (SELECT 1 FROM accounts_email email WHERE email.user_id = owner.id AND email.is_primary"
    " AND email.verified_at IS NOT NULL),"
    # one that was disabled by wrong codes still makes the account one with a factor
    " EXISTS (SELECT 1 FROM accounts_authenticator app WHERE app.user_id = owner.id),"
    " EXISTS (SELECT 1 FROM accounts_securitykey kept WHERE kept.user_id = owner.id AND NOT kept.backup_eligible"
    " AND kept.cloned_at IS NULL AND kept.rp_id = %s),"
    " EXISTS (SELECT 1 FROM accounts_securitykey kept WHERE kept.user_id = owner.id AND kept.backup_eligible"
    " AND kept.cloned_at IS NULL AND kept.rp_id = %s),"
    " (SELECT COUNT(*) FROM accounts_recoverycode code JOIN accounts_recoverycodeset kept ON kept.id = code.code_set_id"
    " WHERE kept.user_id = owner.id AND code.used_at IS NULL),"
    f" (SELECT value FROM mandate_change WHERE id = {THE_CHANGE})"
    " FROM accounts_user owner WHERE owner.id = %s"
)
_STANDING: Final = (
    "SELECT 'role', project.normalized_name, role.kind, role.since_at, CAST(NULL AS timestamptz)"
    " FROM projects_role role JOIN projects_project project ON project.id = role.project_id WHERE role.user_id = %s"
    " UNION ALL SELECT 'critical', critical.normalized_name, critical.criterion, critical.since_at, NULL"
    " FROM mandate_criticalproject critical JOIN projects_project project"
    " ON project.normalized_name = critical.normalized_name"
    " JOIN projects_role role ON role.project_id = project.id WHERE role.user_id = %s"
    " UNION ALL SELECT 'notice', notice.mandate, notice.kind, notice.delivered_at, NULL"
    " FROM mandate_notice notice WHERE notice.user_id = %s"
    " UNION ALL SELECT 'exemption', version.name, CAST(version.version AS varchar), exemption.until,"
    " exemption.effective_at FROM mandate_exemption exemption JOIN mandate_mandateversion version"
    " ON version.id = exemption.version_id WHERE exemption.user_id = %s"
    " AND exemption.effective_at IS NOT NULL AND exemption.withdrawn_at IS NULL"
)
_DELETION_ASKED: Final = (
    "SELECT ask.asked_at FROM mandate_deletionask ask JOIN projects_project project ON project.lineage = ask.lineage"
    # what was asked about a former life of the name is used up
    " WHERE project.normalized_name = %s AND ask.asked_at >= project.created_at"
)
_BEGUN: Final = (
    "SELECT MIN(file.uploaded_at) FROM projects_file file JOIN projects_release release ON release.id = file.release_id"
    " JOIN projects_project project ON project.id = file.project_id"
    " WHERE file.credential = %s AND project.normalized_name = %s AND release.version = %s"
)
