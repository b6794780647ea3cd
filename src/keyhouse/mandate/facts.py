"""What a decision rests on: the person, what they may do, what asks in their name, what it asks for. Pure.

The JSON form is part of the contract with checks from outside; `read_facts` and `Facts.as_dict` are each other's inverse.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.core.actor import Strength
from keyhouse.mandate.once import Once

NEEDING_FACTOR: Final = frozenset({"operator", "moderator", "auditor"})  # roles under the operators' floor
ASKING_KINDS: Final = ("session", "token", "publisher", "host", "job", "nobody")
PROOFS: Final = ("password", "totp", "webauthn", "passkey", "recovery_code")
FACTORS: Final = (
    "authenticator-app",
    "security-key",
    "passkey",
)  # in the order of the columns that tell of them


class FactsMalformed(ValueError):  # noqa: N818 - it names what is wrong
    """Facts can't be read; the message names the field."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account as it is now. `factors` are enrolled ones; `name` is the user name where it is known."""

    id: str
    joined_at: datetime | None = None
    state: str = "active"
    verified_email: bool = False
    factors: tuple[str, ...] = ()
    recovery_codes: int = 0
    roles: tuple[str, ...] = ()
    name: str = ""
    has_device_bound: bool = False
    held_until: datetime | None = None  # of a state `held` that ends by itself

    @property
    def known_as(self) -> str:
        """Return what a mandate that names people calls this one."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class Authority:
    """One thing that a person may do something to: `via` is `own`, `organization`, or the team that gives it.

    Without a name, and with `several` as `via`, it stands for all that are alike in the rest (`condensing`).

    `critical`: under which criteria (`Criterion.key`) the project is critical; `*` stands for all.
    `covered_since`: from when on a criterion covers it, where that was later than the mandate.
    """

    kind: str
    name: str
    role: str
    since: datetime | None = None
    via: str = "own"
    critical: frozenset[str] = frozenset()
    covered_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """The session or credential in hand: what was proven, when; for a token, by the session that minted it.

    A publisher has the proof of whoever configured it.
    """

    kind: str
    proved: frozenset[str] = frozenset()
    user_verified: bool = False
    at: datetime | None = None
    configured_by: str | None = None
    device_bound: bool = False

    @classmethod
    def of(cls, kind: str, strength: Strength, *, needs_key: bool = False) -> Asking:
        """Return what asks by a strength, and leave nothing of it out: pages, jobs and gate see the same by this.

        `needs_key`: the person has a security key, so a session is as fresh as its last proof by one.
        """
        return cls(
            kind,
            strength.methods,
            strength.user_verified,
            strength.key_at if needs_key and kind == "session" else strength.at,
            device_bound=strength.device_bound,
        )


@dataclass(frozen=True, slots=True)
class Object:
    """What the action is done to. `begun_at`: when this very credential first put a file into this release.

    `deletion_asked_at`: when its people asked for its deletion, which may be held. `held_by`: the mandates on their way
    that cover it through any of its people, by name; those that cover it through who asks needn't be among them.
    `gives`: the role that an invitation into it offers; `critical`: by which criteria it is critical, of an invitation.
    `shared`: whether somebody else who complies owns it, too; asked about where CI works for somebody on hold (else None).
    `organization`: whose it is, or itself, where that has a mandate of its own; `organization_since`: since when.
    """

    kind: str
    name: str = ""
    begun_at: datetime | None = None
    deletion_asked_at: datetime | None = None
    held_by: tuple[str, ...] = ()
    gives: str = ""
    critical: frozenset[str] = frozenset()
    shared: bool | None = None
    organization: str = ""
    organization_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of a mandate that reached the person."""

    mandate: str
    kind: str
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class Exempted:
    """An exemption in the ledger: from one mandate (None as version: from the one asked about), for a while."""

    mandate: str
    version: int | None
    until: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snoozed:
    """That somebody put their deadline under a mandate off, when, and until when."""

    mandate: str
    since: datetime
    until: datetime


@dataclass(frozen=True)  # no slots: what is worked out once stays with it
class Facts:
    """Everything that a decision rests on, but for the mandates and the instant."""

    person: Person
    asking: Asking
    action: str
    authority: tuple[Authority, ...] = ()
    object: Object | None = None
    notices: tuple[Notice, ...] = ()
    exemptions: tuple[Exempted, ...] = ()
    snoozes: tuple[Snoozed, ...] = ()

    @Once
    def entries_of_object(self) -> tuple[Authority, ...]:
        """Return the authority over the very thing that is asked about."""
        if self.object is None or not self.object.name:
            return ()
        name, is_organization = self.object.name, self.object.kind == "organization"
        # an organization may have the name of a project, and says nothing about that
        return tuple(
            [
                one
                for one in self.authority
                if one.name == name and (one.kind == "organization") == is_organization
            ]
        )

    @Once
    def held_since(self) -> tuple[datetime | None, bool]:
        """Return since when authority was held, and whether any was held before a criterion covered it.

        Authority over the thing that is asked about counts, or, where there is none, all of it, or the account.
        """
        entries = self.entries_of_object or self.authority
        return held_since(entries, self.person.joined_at) if entries else (self.person.joined_at, False)

    @Once
    def told_at(self) -> dict[str, list[datetime]]:
        """Return for each mandate when its notices were delivered."""
        found: dict[str, list[datetime]] = {}
        for one in self.notices:
            if one.mandate in found:
                found[one.mandate].append(one.delivered_at)
            else:
                found[one.mandate] = [one.delivered_at]
        return found

    def once_told(self, mandates: Iterable[str], at: datetime) -> Facts:
        """Return the same with notices of these mandates, by name, delivered at an instant."""
        return replace(self, notices=(*self.notices, *(Notice(name, "shown", at) for name in mandates)))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form, keys and lists in one order."""
        told: dict[str, Any] = {
            "person": _person_dict(self.person),
            "authority": [_authority_dict(one) for one in self.authority],
            "asking": _asking_dict(self.asking),
            "action": self.action,
            "object": _object_dict(self.object),
            "notices": [
                {
                    "mandate": one.mandate,
                    "kind": one.kind,
                    "delivered_at": clock.format_if_any(one.delivered_at),
                }
                for one in self.notices
            ],
            "exemptions": [_exempted_dict(one) for one in self.exemptions],
        }
        if self.snoozes:
            told["snoozes"] = [
                {
                    "mandate": one.mandate,
                    "since": clock.format_if_any(one.since),
                    "until": clock.format_if_any(one.until),
                }
                for one in self.snoozes
            ]
        return told

    def as_text(self) -> str:
        """Return canonical JSON: the same facts give the same bytes."""
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """Return SHA-256 of the canonical JSON, hex."""
        return hashlib.sha256(self.as_text().encode()).hexdigest()


def held_since(entries: Iterable[Authority], joined_at: datetime | None) -> tuple[datetime | None, bool]:
    """Return since when any of this authority was held, and whether any was before a criterion covered it."""
    first, is_late = None, False
    for one in entries:
        since, covered = one.since or joined_at, one.covered_since
        if since is not None:
            first = since if first is None or since < first else first
            is_late = is_late or (covered is not None and since < covered)
    return first, is_late


def _person_dict(person: Person) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": person.id,
        "joined_at": clock.format_if_any(person.joined_at),
        "state": person.state,
        "verified_email": person.verified_email,
        "factors": list(person.factors),
        "recovery_codes": person.recovery_codes,
        "roles": list(person.roles),
    }
    if person.name:
        told["name"] = person.name
    if person.has_device_bound:
        told["has_device_bound"] = True
    if person.held_until is not None:
        told["held_until"] = clock.format_if_any(person.held_until)
    return told


def _critical_list(criteria: frozenset[str]) -> bool | list[str]:
    return sorted(criteria - {"*"}) or ("*" in criteria)


def _authority_dict(one: Authority) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": one.kind,
        "name": one.name,
        "role": one.role,
        "since": clock.format_if_any(one.since),
        "via": one.via,
        "critical": _critical_list(one.critical),
    }
    if one.covered_since is not None:
        told["covered_since"] = clock.format_if_any(one.covered_since)
    return told


def _asking_dict(asking: Asking) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": asking.kind,
        "proved": sorted(asking.proved),
        "user_verified": asking.user_verified,
        "at": clock.format_if_any(asking.at),
        "configured_by": asking.configured_by,
    }
    if asking.device_bound:
        told["device_bound"] = True
    return told


def _object_dict(thing: Object | None) -> dict[str, Any] | None:
    if thing is None:
        return None
    told: dict[str, Any] = {"kind": thing.kind, "name": thing.name}
    if thing.begun_at is not None:
        told["begun_at"] = clock.format_if_any(thing.begun_at)
    if thing.deletion_asked_at is not None:
        told["deletion_asked_at"] = clock.format_if_any(thing.deletion_asked_at)
    if thing.held_by:
        told["held_by"] = list(thing.held_by)
    if thing.gives:
        told["gives"] = thing.gives
    if thing.critical:
        told["critical"] = _critical_list(thing.critical)
    if thing.shared is not None:
        told["shared"] = thing.shared
    if thing.organization:
        told["organization"] = thing.organization
    if thing.organization_since is not None:
        told["organization_since"] = clock.format_if_any(thing.organization_since)
    return told


def _exempted_dict(one: Exempted) -> dict[str, Any]:
    told: dict[str, Any] = {"mandate": one.mandate, "until": clock.format_if_any(one.until)}
    if one.version is not None:
        told["version"] = one.version
    if one.since is not None:
        told["since"] = clock.format_if_any(one.since)
    return told


class _Reader:
    """Takes values out of a JSON object by name and type; what is missing, odd or unknown raises FactsMalformed."""

    def __init__(self, body: object, where: str, known: Sequence[str]) -> None:
        if not isinstance(body, Mapping):
            raise FactsMalformed(f"{where} must be an object")
        for key in body:
            if key not in known:
                raise FactsMalformed(f"{where}: unknown key {key!r}")
        self._body, self._where = body, where

    def has(self, key: str) -> bool:
        return self._body.get(key) is not None

    def value(self, key: str) -> Any:
        return self._body.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._body.get(key, default)
        if value is None:
            value = default
        if not isinstance(value, str):
            raise FactsMalformed(f"{self._where}.{key} must be a string")
        return value

    def flag(self, key: str) -> bool:
        value = self._body.get(key, False)
        if not isinstance(value, bool):
            raise FactsMalformed(f"{self._where}.{key} must be true or false")
        return value

    def number(self, key: str) -> int:
        value = self._body.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool):
            raise FactsMalformed(f"{self._where}.{key} must be a whole number")
        return value

    def instant(self, key: str) -> datetime | None:
        if not self.has(key):
            return None
        try:
            return clock.parse_instant(self.text(key))
        except ValueError as error:
            raise FactsMalformed(f"{self._where}.{key}: {error}") from error

    def needed_instant(self, key: str) -> datetime:
        found = self.instant(key)
        if found is None:
            raise FactsMalformed(f"{self._where}.{key} is missing")
        return found

    def texts(self, key: str, allowed: Sequence[str] = ()) -> tuple[str, ...]:
        value = self._body.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise FactsMalformed(f"{self._where}.{key} must be a list of strings")
        for one in value:
            if allowed and one not in allowed:
                raise FactsMalformed(f"{self._where}.{key}: {one!r} is none of {', '.join(allowed)}")
        return tuple(value)

    def each(self, key: str, read: Callable[[object, str], Any]) -> tuple[Any, ...]:
        value = self._body.get(key, [])
        if not isinstance(value, list):
            raise FactsMalformed(f"{self._where}.{key} must be a list")
        return tuple(read(one, f"{self._where}.{key}[{number}]") for number, one in enumerate(value))


def read_facts(body: object) -> Facts:
    """Read the JSON form; raises FactsMalformed with the field."""
    keys = ("person", "authority", "asking", "action", "object", "notices", "exemptions", "snoozes")
    reader = _Reader(body, "facts", keys)
    return Facts(
        person=_read_person(reader.value("person")),
        asking=_read_asking(reader.value("asking")),
        action=reader.text("action"),
        authority=reader.each("authority", _read_authority),
        object=_read_object(reader.value("object")) if reader.has("object") else None,
        notices=reader.each("notices", _read_notice),
        exemptions=reader.each("exemptions", _read_exempted),
        snoozes=reader.each("snoozes", _read_snoozed),
    )


def _read_person(body: object) -> Person:
    keys = ("id", "joined_at", "state", "verified_email", "factors", "recovery_codes", "roles", "name")
    reader = _Reader(body, "person", (*keys, "has_device_bound", "held_until"))
    return Person(
        id=reader.text("id"),
        joined_at=reader.instant("joined_at"),
        state=reader.text("state", "active"),
        verified_email=reader.flag("verified_email"),
        factors=reader.texts("factors", FACTORS),
        recovery_codes=reader.number("recovery_codes"),
        roles=reader.texts("roles"),
        name=reader.text("name", ""),
        has_device_bound=reader.flag("has_device_bound"),
        held_until=reader.instant("held_until"),
    )


def _read_authority(body: object, where: str) -> Authority:
    reader = _Reader(body, where, ("kind", "name", "role", "since", "via", "critical", "covered_since"))
    return Authority(
        kind=reader.text("kind"),
        name=reader.text("name", ""),
        role=reader.text("role"),
        since=reader.instant("since"),
        via=reader.text("via", "own"),
        critical=_read_critical(reader),
        covered_since=reader.instant("covered_since"),
    )


def _read_critical(reader: _Reader) -> frozenset[str]:
    if isinstance(reader.value("critical"), list):
        return frozenset(reader.texts("critical"))
    return frozenset({"*"}) if reader.flag("critical") else frozenset()


def _read_asking(body: object) -> Asking:
    keys = ("kind", "proved", "user_verified", "at", "configured_by", "device_bound")
    reader = _Reader(body, "asking", keys)
    kind = reader.text("kind")
    if kind not in ASKING_KINDS:
        raise FactsMalformed(f"asking.kind is one of {', '.join(ASKING_KINDS)}")
    return Asking(
        kind=kind,
        proved=frozenset(reader.texts("proved", PROOFS)),
        user_verified=reader.flag("user_verified"),
        at=reader.instant("at"),
        configured_by=reader.text("configured_by") if reader.has("configured_by") else None,
        device_bound=reader.flag("device_bound"),
    )


def _read_object(body: object) -> Object:
    keys = ("kind", "name", "id", "begun_at", "deletion_asked_at", "held_by", "gives", "critical", "shared")
    reader = _Reader(body, "object", (*keys, "organization", "organization_since"))
    return Object(
        kind=reader.text("kind"),
        name=reader.text("name", ""),
        begun_at=reader.instant("begun_at"),
        deletion_asked_at=reader.instant("deletion_asked_at"),
        held_by=reader.texts("held_by"),
        gives=reader.text("gives", ""),
        critical=_read_critical(reader),
        shared=reader.flag("shared") if reader.has("shared") else None,
        organization=reader.text("organization", ""),
        organization_since=reader.instant("organization_since"),
    )


def _read_notice(body: object, where: str) -> Notice:
    reader = _Reader(body, where, ("mandate", "kind", "delivered_at"))
    return Notice(reader.text("mandate"), reader.text("kind", ""), reader.needed_instant("delivered_at"))


def _read_snoozed(body: object, where: str) -> Snoozed:
    reader = _Reader(body, where, ("mandate", "since", "until"))
    return Snoozed(reader.text("mandate"), reader.needed_instant("since"), reader.needed_instant("until"))


def _read_exempted(body: object, where: str) -> Exempted:
    # what the ledger holds besides (reason, approver, …) says nothing to a decision
    keys = ("mandate", "version", "until", "since", "user", "reason", "evidence", "control", "approved_by")
    reader = _Reader(body, where, keys)
    return Exempted(
        mandate=reader.text("mandate"),
        version=reader.number("version") if reader.has("version") else None,
        until=reader.needed_instant("until"),
        since=reader.instant("since"),
    )
