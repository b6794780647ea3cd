"""What a caveat of an API token says, and whether it is met. Pure.

A caveat is a JSON array `[tag, …]` in ASCII. Tags and the order of fields never change their meaning:

* `["time", not_before, expires]`: whole seconds since 1970 (UTC) or null; met from `not_before` until before `expires`
* `["projects", [id, …]]`: these projects only, none may be created
* `["release", project_id, "version"]`: this one release only, in canonical spelling (PEP 440)
* `["actions", ["upload", …]]`: of `upload`, `yank`, `read`
* `["network", ["192.0.2.0/24", …]]`: calls from these networks only

Anybody may add caveats to a token they hold. One that isn't understood is never met.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal

from packaging.version import Version

from keyhouse.core.actor import Actor

Act = Literal["upload", "yank", "read"]
ACTS: Final[tuple[Act, ...]] = ("upload", "yank", "read")

# Which act of a token opens which action; everything else needs a person.
ACT_OF_ACTION: Final[dict[str, Act]] = {
    "project.create": "upload",
    "release.upload": "upload",
    "release.yank": "yank",
    "index.read": "read",
}
MAX_VALUES: Final = 1000  # in one list
MAX_NUMBER: Final = 2**63 - 1  # what a row id can be, and far beyond any instant


class CaveatUnknown(ValueError):  # noqa: N818 - a caveat nobody here understands; nothing of ours broke
    """The caveat isn't one of ours, or not written as it should be."""


@dataclass(frozen=True, slots=True)
class Call:
    """The circumstances of a request: when, and from which address (as text)."""

    now: datetime
    network: str


@dataclass(frozen=True, slots=True)
class Use:
    """What a token is used for. `project_id` None: no project that exists; `version` None: no single release."""

    act: str
    project_id: int | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Caveat:
    """One condition. What a kind of caveat doesn't speak about, it allows."""

    def is_met(self, call: Call) -> bool:
        """Tell whether the circumstances are right."""
        del call
        return True

    def reaches(self, use: Use) -> bool:
        """Tell whether this use is allowed."""
        del use
        return True


@dataclass(frozen=True, slots=True)
class TimeCaveat(Caveat):
    """From an instant until before another, in whole seconds since 1970; None leaves that side open."""

    not_before: int | None
    expires: int | None

    def is_met(self, call: Call) -> bool:
        """Compare instants: the first one belongs to it, the last one doesn't."""
        now = call.now.timestamp()
        starts = self.not_before is None or self.not_before <= now
        return starts and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class ProjectsCaveat(Caveat):
    """These projects only."""

    ids: frozenset[int]

    def reaches(self, use: Use) -> bool:
        """Compare ids."""
        return use.project_id in self.ids


@dataclass(frozen=True, slots=True)
class OrganizationCaveat(Caveat):
    """These projects, which stand in one organization now, and maybe new ones there. Of the ledger, never of a text."""

    ids: frozenset[int]
    may_found: bool

    def reaches(self, use: Use) -> bool:
        """Compare ids; what has none is a project to come."""
        if use.project_id is None:
            return self.may_found and use.act == "upload"
        return use.project_id in self.ids


@dataclass(frozen=True, slots=True)
class ReleaseCaveat(Caveat):
    """One release of one project."""

    project_id: int
    version: str

    def reaches(self, use: Use) -> bool:
        """Compare id and version; where no release is named, this reaches nothing."""
        return use.project_id == self.project_id and _is_version(use.version, self.version)


@dataclass(frozen=True, slots=True)
class ActionsCaveat(Caveat):
    """These acts only. Whoever may upload to a project may read that project as well."""

    acts: frozenset[str]

    def reaches(self, use: Use) -> bool:
        """Compare acts."""
        if use.act == "read" and use.project_id is not None and "upload" in self.acts:
            return True
        return use.act in self.acts


@dataclass(frozen=True, slots=True)
class NetworkCaveat(Caveat):
    """Calls from these networks only."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def is_met(self, call: Call) -> bool:
        """Look for the address; one that can't be read is in no network."""
        try:
            address = ipaddress.ip_address(call.network)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def _is_version(given: str | None, wanted: str) -> bool:
    try:
        return given is not None and Version(given) == Version(wanted)
    except ValueError:  # also for numbers of thousands of digits
        return False


# ---- writing


def write_time(not_before: datetime | None, expires: datetime | None) -> bytes:
    """Write a time caveat; parts of a second are dropped from both instants."""
    return _write("time", _seconds(not_before), _seconds(expires))


def write_projects(ids: Iterable[int]) -> bytes:
    """Write a projects caveat."""
    return _write("projects", sorted(ids))


def write_release(project_id: int, version: str) -> bytes:
    """Write a release caveat."""
    return _write("release", project_id, version)


def write_actions(acts: Iterable[str]) -> bytes:
    """Write an actions caveat, in the order of `ACTS`."""
    wanted = set(acts)
    return _write("actions", [act for act in ACTS if act in wanted])


def write_network(networks: Iterable[str]) -> bytes:
    """Write a network caveat."""
    return _write("network", list(networks))


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def _write(tag: str, *fields: object) -> bytes:
    return json.dumps([tag, *fields], separators=(",", ":")).encode("ascii")


# ---- reading


@lru_cache(maxsize=64)  # of a token in use, the same at every use
def parse_caveat(data: bytes) -> Caveat:
    """Read one caveat; raises CaveatUnknown for an unknown tag, wrong types or the wrong number of fields."""
    try:
        tag, *fields = _array(json.loads(data.decode("ascii"), parse_constant=_refuse))
        read, types = _READERS[_string(tag)]
        return read(*[type_(field) for type_, field in zip(types, fields, strict=True)])
    except (ValueError, KeyError, RecursionError) as error:
        raise CaveatUnknown from error


def _refuse(constant: str) -> None:
    """JSON has no NaN and no Infinity."""
    raise ValueError(constant)


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_VALUES:
        raise ValueError("not a list of values")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")  # noqa: TRY004 - one exception for all that is malformed
    return value


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
        raise ValueError("not a whole number")
    return value


def _instant(value: Any) -> int | None:
    return None if value is None else _number(value)


def _numbers(value: Any) -> frozenset[int]:
    return frozenset(map(_number, _array(value)))


def _acts(value: Any) -> frozenset[str]:
    acts = frozenset(map(_string, _array(value)))
    if not acts <= set(ACTS):
        raise ValueError("not an act of a token")
    return acts


def _networks(value: Any) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(_string(one)) for one in _array(value))


_READERS: Final[dict[str, tuple[Callable[..., Caveat], tuple[Callable[[Any], Any], ...]]]] = {
    "time": (TimeCaveat, (_instant, _instant)),
    "projects": (ProjectsCaveat, (_numbers,)),
    "release": (ReleaseCaveat, (_number, _string)),
    "actions": (ActionsCaveat, (_acts,)),
    "network": (NetworkCaveat, (_networks,)),
}


# ---- all caveats of one token together


@dataclass(frozen=True, slots=True)
class Scope:
    """How far a token reaches: every caveat of its text and of its ledger row (implements `Restrictions`).

    `version` names the release at hand, where there is one; without it a release caveat allows nothing.
    """

    caveats: tuple[Caveat, ...]
    version: str | None = None
    kind: str = "api-token"  # or `robot-token`; files keep it
    organization_id: int | None = None  # whose token it is; projects that it makes are made there

    def allows(self, action: str, kind: str, id_: int | str | None) -> bool:
        """Tell whether the token reaches this action on this thing."""
        act = ACT_OF_ACTION.get(action)
        if act is None or kind not in {"", "project"}:
            return False
        use = Use(act, id_ if isinstance(id_, int) else None, self.version)
        return all(caveat.reaches(use) for caveat in self.caveats)

    @property
    def reads_own_projects_only(self) -> bool:
        """Whether it reads by virtue of uploading: only what its owner has a role in."""
        return any(isinstance(one, ActionsCaveat) and "read" not in one.acts for one in self.caveats)

    @property
    def publication(self) -> Mapping[str, object]:
        """Return what a file keeps of a token, beside that it was one: of which kind."""
        return {"class": self.kind}

    def home_of(self, normalized_name: str) -> int | None:
        """Return the number of the organization in which it would make a project of that name, or None."""
        del normalized_name
        return self.organization_id

    def at_release(self, version: str) -> Scope:
        """Return the same scope, asked about one release."""
        return replace(self, version=version)

    def at_project(self, actor: Actor, project_id: int | None, normalized_name: str) -> Actor:
        """Return the same actor: its owner is behind a token wherever it is used."""
        del self, project_id, normalized_name
        return actor
