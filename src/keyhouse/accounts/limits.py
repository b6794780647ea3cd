"""Limits on attempts, kept in the database so that all processes share them.

An attempt is counted before it is judged and given back when it succeeds, so failures count, and any number of
parallel attempts can't slip through between counting and judging. Every attempt is written in a transaction of its own
before it is counted; of those that race, at most the limit can see themselves within it.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyhouse.accounts.errors import TooManyAttempts
from keyhouse.accounts.models import Attempt
from keyhouse.core import configuration
from keyhouse.core.windows import LONGEST, Window

SHARED_FACTOR: Final = 50  # how much more a network may do that many people share
IPV6_PREFIX: Final = 64  # what one customer has


@dataclass(frozen=True, slots=True)
class Limit:
    """A named limit; its windows are the setting of the same name, and all of them hold."""

    name: str
    setting: str

    def windows(self, factor: int = 1) -> list[Window]:
        """Return the windows with `factor` times the counts."""
        configured: tuple[Window, ...] = getattr(configuration.current(), self.setting)
        return [Window(window.count * factor, window.length) for window in configured]


SIGN_IN: Final = Limit("sign-in", "sign_in_limit")
SIGN_IN_NETWORK: Final = Limit("sign-in-network", "sign_in_network_limit")
SECOND_FACTOR: Final = Limit("second-factor", "second_factor_limit")
SECOND_FACTOR_NETWORK: Final = Limit("second-factor-network", "second_factor_network_limit")


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
        rows.append(_count_one(limit, subject, limit.windows(), now))
        place = network_of(network)
        if place:
            windows = network_limit.windows(SHARED_FACTOR if is_shared(network) else 1)
            rows.append(_count_one(network_limit, place, windows, now))
    except TooManyAttempts:
        Counted(tuple(rows)).give_back()
        raise
    return Counted(tuple(rows))


def _count_one(limit: Limit, subject: str, windows: list[Window], now: datetime) -> int:
    row = Attempt.objects.create(limit=limit.name, subject=subject, at=now)
    waits = [wait for window in windows if (wait := _wait(limit.name, subject, window, now))]
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
    return Attempt.objects.filter(at__lt=now - LONGEST).delete()[0]
