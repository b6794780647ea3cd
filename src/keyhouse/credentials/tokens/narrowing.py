"""Narrowing a token that one holds, without asking anybody. Pure.

Each condition is put behind those that are there, and all of them hold; so nothing here could widen a token. What asks for
more than the token can do is refused all the same: whoever asks would believe that they had got it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from keyhouse.core import clock
from keyhouse.credentials.tokens import caveats, macaroons
from keyhouse.credentials.tokens.caveats import (
    ActionsCaveat,
    Caveat,
    CaveatUnknown,
    NetworkCaveat,
    ProjectsCaveat,
    ReleaseCaveat,
    TimeCaveat,
)
from keyhouse.credentials.tokens.errors import NarrowingRefused
from keyhouse.credentials.tokens.macaroons import Macaroon, MacaroonMalformed
from keyhouse.credentials.tokens.rules import canonical_network, canonical_version

EVER: Final = "ever"
_UNKNOWN: Final = "The token has a condition that this version doesn't know."
_FIRST_BYTES: Final = re.compile("(?=Ag)")
_Kind = TypeVar("_Kind", bound=Caveat)
_Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a copy shall be narrowed to; what is empty stays as it is."""

    project_ids: tuple[int, ...] = ()
    version: str = ""
    networks: tuple[str, ...] = ()
    expires: datetime | None = None
    actions: tuple[str, ...] = ()


def read_token(text: str) -> tuple[str, Macaroon]:
    """Return the prefix of a token and what it holds, whatever index it is of; raises NarrowingRefused."""
    text = text.strip()
    for found in _FIRST_BYTES.finditer(text):
        try:
            return text[: found.start()], macaroons.parse(macaroons.decode(text[found.start() :]))
        except MacaroonMalformed:
            continue
    raise NarrowingRefused("This is no API token.")


def read_caveats(macaroon: Macaroon) -> list[Caveat]:
    """Return what a token is narrowed to already; raises NarrowingRefused for a condition that nobody here knows."""
    try:
        return [caveats.parse_caveat(one) for one in macaroon.caveats]
    except CaveatUnknown as error:
        raise NarrowingRefused(_UNKNOWN) from error


def narrow(macaroon: Macaroon, wish: Wish, now: datetime) -> Macaroon:
    """Return a copy that can do no more than is wished; raises NarrowingRefused where the token can't do that itself."""
    held = read_caveats(macaroon)
    added = [
        *_times(held, wish, now),
        *_projects(held, wish),
        *_release(held, wish),
        *_actions(held, wish),
        *_networks(held, wish),
    ]
    if not added:
        raise NarrowingRefused("Say what it shall be narrowed to.")
    if len(macaroon.caveats) + len(added) > macaroons.MAX_CAVEATS:
        raise NarrowingRefused("The token was narrowed so often already that no condition fits in.")
    for one in added:
        macaroon = macaroons.attenuate(macaroon, one)
    if len(macaroons.serialize(macaroon)) > macaroons.MAX_BYTES:
        raise NarrowingRefused("The copy would be too long to be used.")
    return macaroon


def _of(held: Iterable[Caveat], kind: type[_Kind]) -> list[_Kind]:
    return [one for one in held if isinstance(one, kind)]


def _times(held: list[Caveat], wish: Wish, now: datetime) -> list[bytes]:
    if wish.expires is None:
        return []
    if wish.expires <= now:
        raise NarrowingRefused("That instant has passed; the copy would never work.")
    ends = [one.expires for one in _of(held, TimeCaveat) if one.expires is not None]
    if ends and wish.expires.timestamp() > min(ends):
        end = clock.format_instant(datetime.fromtimestamp(min(ends), tz=now.tzinfo))
        raise NarrowingRefused(f"The token itself ends at {end}; a copy can't live longer.")
    return [caveats.write_time(None, wish.expires)]


def reachable_projects(held: Iterable[Caveat]) -> frozenset[int] | None:
    """Return the ids of the projects that a token is for, None: all of its owner's."""
    sets = [one.ids for one in _of(held, ProjectsCaveat)]
    sets += [frozenset({one.project_id}) for one in _of(held, ReleaseCaveat)]
    return frozenset.intersection(*sets) if sets else None


def _projects(held: list[Caveat], wish: Wish) -> list[bytes]:
    if not wish.project_ids:
        return []
    reach = reachable_projects(held)
    if reach is not None and not reach.issuperset(wish.project_ids):
        raise NarrowingRefused(f"The token is for the projects with the ids {_listed(reach)} only.")
    return [caveats.write_projects(wish.project_ids)]


def _release(held: list[Caveat], wish: Wish) -> list[bytes]:
    if not wish.version:
        return []
    version = canonical_version(wish.version)
    if version is None:
        raise NarrowingRefused("Write the release as a version such as 1.4.0.")
    reach = frozenset(wish.project_ids) or reachable_projects(held)
    if reach is None or len(reach) != 1:
        raise NarrowingRefused("A release is one of one project: say which by its id.", fix=_WHICH)
    others = {one.version for one in _of(held, ReleaseCaveat)} - {version}
    if others:
        raise NarrowingRefused(f"The token is for release {min(others)} only.")
    (project_id,) = reach
    return [caveats.write_release(project_id, version)]


_WHICH: Final = "The page of your tokens and `keyhouse token show` tell the ids."


def _actions(held: list[Caveat], wish: Wish) -> list[bytes]:
    if not wish.actions:
        return []
    sets = [one.acts for one in _of(held, ActionsCaveat)]
    may = frozenset.intersection(*sets) if sets else frozenset(caveats.ACTS)
    if not may.issuperset(wish.actions):
        raise NarrowingRefused(f"The token may {_listed(may)} only.")
    return [caveats.write_actions(wish.actions)]


def _networks(held: list[Caveat], wish: Wish) -> list[bytes]:
    if not wish.networks:
        return []
    texts = [canonical_network(one) for one in wish.networks]
    if None in texts:
        raise NarrowingRefused(
            f"“{wish.networks[texts.index(None)]}” is no network.", fix="Write it like 192.0.2.0/24."
        )
    wanted = [ipaddress.ip_network(text) for text in texts if text]
    for one in _of(held, NetworkCaveat):
        if not all(_lies_in(network, one.networks) for network in wanted):
            raise NarrowingRefused(f"The token works from {_listed(map(str, one.networks))} only.")
    return [caveats.write_network([str(one) for one in wanted])]


def _lies_in(network: ipaddress.IPv4Network | ipaddress.IPv6Network, wider: _Networks) -> bool:
    return any(
        (
            isinstance(network, ipaddress.IPv4Network)
            and isinstance(one, ipaddress.IPv4Network)
            and network.subnet_of(one)
        )
        or (
            isinstance(network, ipaddress.IPv6Network)
            and isinstance(one, ipaddress.IPv6Network)
            and network.subnet_of(one)
        )
        for one in wider
    )


def _listed(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, values))) or "nothing"


def lines_about(macaroon: Macaroon) -> list[str]:
    """Return what a token is narrowed to, a line each, for people; never what opens anything."""
    return [
        f"index: {macaroon.location.decode('ascii', 'backslashreplace') or 'not told'}",
        *(_line_of(one) for one in read_caveats(macaroon)),
    ]


def facts_about(macaroon: Macaroon) -> dict[str, object]:
    """Return the same for programs."""
    conditions = [_facts_of(one) for one in read_caveats(macaroon)]
    return {"index": macaroon.location.decode("ascii", "backslashreplace"), "conditions": conditions}


def _facts_of(caveat: Caveat) -> dict[str, object]:
    if isinstance(caveat, TimeCaveat):
        span = (caveat.not_before, caveat.expires)
        begins, ends = (None if (told := _instant(one)) == EVER else told for one in span)
        return {"kind": "time", "from": begins, "until": ends}
    if isinstance(caveat, ProjectsCaveat):
        return {"kind": "projects", "ids": sorted(caveat.ids)}
    if isinstance(caveat, ReleaseCaveat):
        return {"kind": "release", "project": caveat.project_id, "version": caveat.version}
    if isinstance(caveat, ActionsCaveat):
        return {"kind": "actions", "actions": sorted(caveat.acts)}
    if isinstance(caveat, NetworkCaveat):
        return {"kind": "networks", "networks": sorted(map(str, caveat.networks))}
    raise NarrowingRefused(_UNKNOWN)


def _line_of(caveat: Caveat) -> str:
    if isinstance(caveat, TimeCaveat):
        return f"works from {_instant(caveat.not_before)} until {_instant(caveat.expires)}"
    if isinstance(caveat, ProjectsCaveat):
        return f"projects only with the ids: {_listed(caveat.ids)}"
    if isinstance(caveat, ReleaseCaveat):
        return f"release only: {caveat.version} of the project with the id {caveat.project_id}"
    if isinstance(caveat, ActionsCaveat):
        return f"may only: {_listed(caveat.acts)}"
    if isinstance(caveat, NetworkCaveat):
        return f"from only: {_listed(caveat.networks)}"
    raise NarrowingRefused(_UNKNOWN)


def _instant(seconds: int | None) -> str:
    if seconds is None:
        return EVER
    try:
        return clock.format_instant(datetime.fromtimestamp(seconds, tz=clock.now().tzinfo))
    except (OverflowError, ValueError, OSError):
        return EVER
