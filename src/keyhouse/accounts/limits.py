"""Limits on attempts, kept in the database so that all processes share them.

An attempt is counted before it is judged and given back when it succeeds, so failures count, and any number of
parallel attempts can't slip through between counting and judging. Every attempt is written in a transaction of its own
before it is counted; of those that race, at most the limit can see themselves within it.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyhouse.accounts.errors import TooManyAttempts
from keyhouse.accounts.models import Attempt
from keyhouse.core import configuration

SHARED_FACTOR: Final = 50  # how much more a network may do that many people share
LONGEST_WINDOW: Final = timedelta(days=1)
IPV6_PREFIX: Final = 64  # what one customer has


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` in any stretch of `length`."""

    count: int
    length: timedelta


@dataclass(frozen=True, slots=True)
class Limit:
    """A named limit; all its windows hold."""

    name: str
    windows: tuple[Window, ...]

    def widened(self, factor: int) -> Limit:
        """Return the limit with `factor` times the counts."""
        return Limit(self.name, tuple(Window(one.count * factor, one.length) for one in self.windows))


FIVE_MINUTES: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

SIGN_IN: Final = Limit("sign-in", (Window(10, FIVE_MINUTES),))
SIGN_IN_NETWORK: Final = Limit("sign-in-network", (Window(10, FIVE_MINUTES),))
SECOND_FACTOR: Final = Limit("second-factor", (Window(5, FIVE_MINUTES), Window(20, HOUR), Window(50, DAY)))
SECOND_FACTOR_NETWORK: Final = Limit("second-factor-network", (Window(10, FIVE_MINUTES), Window(50, HOUR)))


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of one attempt; give them back when it succeeded."""

    rows: tuple[int, ...] = ()

    def give_back(self) -> None:
        """Let the attempt not count: only failures do."""
        if self.rows:
            Attempt.objects.filter(pk__in=self.rows).delete()


def count_attempt(
    *, now: datetime, limit: Limit, subject: str, network_limit: Limit, network: str
) -> Counted:
    """Count one attempt on a subject and from a network; raises TooManyAttempts with the seconds to wait.

    Refused attempts are not counted: who waits as told gets through. `network` is an address as text; an empty one
    (jobs, the host) has no limit.
    """
    if configuration.current().rate_limits == "off":
        return Counted()
    rows: list[int] = []
    try:
        for one, name in _applying(limit, subject, network_limit, network):
            rows.append(_count_one(one, name, now))
    except TooManyAttempts:
        Counted(tuple(rows)).give_back()
        raise
    return Counted(tuple(rows))


def _applying(limit: Limit, subject: str, network_limit: Limit, network: str) -> Iterator[tuple[Limit, str]]:
    yield limit, subject
    place = network_of(network)
    if place:
        yield (network_limit.widened(SHARED_FACTOR) if is_shared(network) else network_limit), place


def _count_one(limit: Limit, subject: str, now: datetime) -> int:
    row = Attempt.objects.create(limit=limit.name, subject=subject, at=now)
    waits = [wait for window in limit.windows if (wait := _wait(limit.name, subject, window, now))]
    if waits:
        row.delete()
        raise TooManyAttempts(retry_after=max(waits))
    return row.pk


def _wait(name: str, subject: str, window: Window, now: datetime) -> int:
    """Return the whole seconds until this attempt would have fitted in, or 0 where it does."""
    instants = list(
        Attempt.objects.filter(limit=name, subject=subject, at__gt=now - window.length)
        .order_by("-at")
        .values_list("at", flat=True)[: window.count + 1]
    )
    if len(instants) <= window.count:
        return 0
    oldest = instants[window.count]
    return max(1, int((oldest + window.length - now).total_seconds()) + 1)


def network_of(address: str) -> str:
    """Return what counts as one network: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:150]
    if found.version == 4:  # noqa: PLR2004 - the version of IP
        return str(found)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))


def is_shared(address: str) -> bool:
    """Whether the address lies in a network that operators listed as shared by many people."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in configuration.current().shared_networks)


def typed_subject(identifier: str) -> str:
    """Name a typed user name or address for counting, without keeping it: people type passwords there."""
    folded = identifier.strip().casefold().encode("utf-8", "replace")
    return "typed:" + hashlib.sha256(folded).hexdigest()[:40]


def prune_attempts(now: datetime) -> int:
    """Forget attempts that no window reaches any more; returns how many."""
    return Attempt.objects.filter(at__lt=now - LONGEST_WINDOW).delete()[0]
