"""Limits on attempts, kept in the database so that all processes share them.

An attempt is counted before it is judged and given back when it succeeds, so failures count, and any number of
parallel attempts can't slip through between counting and judging. Every attempt is written in a transaction of its own
before it is counted; of those that race, at most the limit can see themselves within it.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyhouse.accounts.errors import TooManyAttempts
from keyhouse.accounts.limit_table import CREATION as CREATION  # noqa: PLC0414 - callers find all limits here
from keyhouse.accounts.limit_table import EXCHANGE as EXCHANGE  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import INVITATION as INVITATION  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import LEAK as LEAK  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import LINK as LINK  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import MAIL as MAIL  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import RECOVERY as RECOVERY  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import REPORT as REPORT  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import SECOND_FACTOR as SECOND_FACTOR  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import SIGN_IN as SIGN_IN  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import SIGN_UP as SIGN_UP  # noqa: PLC0414 - the same
from keyhouse.accounts.limit_table import Limit
from keyhouse.accounts.models import Attempt
from keyhouse.core import configuration
from keyhouse.core.configuration import Network
from keyhouse.core.windows import LONGEST, Window

SHARED_FACTOR: Final = 50  # how much more a network may do that many people share
IPV6_PREFIX: Final = 64  # what one customer has
KNOWN_BROWSER: Final = "browser:"  # how the bucket of a browser that an account knows begins


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of one attempt: give them back where it was never judged, and forgive where it succeeded."""

    rows: tuple[int, ...] = ()
    network_limit: str = ""
    place: str = ""
    whom: str = ""

    def give_back(self) -> None:
        """Let the attempt not count: only failures do."""
        if self.rows:
            Attempt.objects.filter(pk__in=self.rows).delete()

    def forgive(self) -> None:
        """Let it not count, and of the network neither what the same person failed at before.

        People mistype; five hundred of them behind one address would otherwise stop each other. What was counted on
        the person stays: somebody who guesses gains nothing by their success.
        """
        self.give_back()
        if self.place and self.whom:
            failures = Attempt.objects.filter(limit=self.network_limit, subject=self.place)
            failures.filter(whom=self.whom).delete()


def count_attempt(*, now: datetime, limit: Limit, subject: str = "", network: str = "") -> Counted:
    """Count one attempt on a subject and from a network; raises TooManyAttempts with the seconds to wait.

    Refused attempts are not counted: who waits as told gets through. `network` is an address as text; an empty one
    (jobs, the host, what somebody does who has proven who they are) has no limit, and so has an empty subject. A
    browser that the account knows is counted by itself alone: whoever shares its network can't lock it out.
    """
    if configuration.current().rate_limits == "off":
        return Counted()
    place = "" if subject.startswith(KNOWN_BROWSER) or not limit.network else network_of(network)
    rows: list[int] = []
    try:
        if subject:
            rows.append(_count_one(Attempt(limit=limit.name, subject=subject, at=now), limit.windows()))
        if place and limit.network:
            windows = _windows(limit.network, network)
            rows.append(
                _count_one(Attempt(limit=limit.network.name, subject=place, whom=subject, at=now), windows)
            )
    except TooManyAttempts:
        Counted(tuple(rows)).give_back()
        raise
    return Counted(tuple(rows), limit.network.name if limit.network else "", place, subject)


def count_failure(*, now: datetime, limit: Limit, network: str) -> None:
    """Count something that failed on where it came from; raises TooManyAttempts with the seconds to wait.

    For limits on networks alone, where what succeeds must not cost a write: `require_room` is asked before.
    """
    if network and configuration.current().rate_limits != "off":
        _count_one(Attempt(limit=limit.name, subject=network_of(network), at=now), _windows(limit, network))


def require_room(*, now: datetime, limit: Limit, network: str) -> None:
    """Raise TooManyAttempts where one more failure from this network would be too many; counts nothing."""
    if not network or configuration.current().rate_limits == "off":
        return
    place = network_of(network)
    waits = [_wait(limit.name, place, window, now, room=1) for window in _windows(limit, network)]
    if any(waits):
        raise TooManyAttempts(retry_after=max(waits))


def _windows(limit: Limit, network: str) -> list[Window]:
    return limit.windows(SHARED_FACTOR if is_shared(network) else 1)


def is_within(limit: Limit, subject: str, now: datetime) -> bool:
    """Count one attempt on a subject; returns whether it may go on, for pages that must not tell."""
    try:
        count_attempt(now=now, limit=limit, subject=subject)
    except TooManyAttempts:
        return False
    return True


def _count_one(row: Attempt, windows: list[Window]) -> int:
    row.save(force_insert=True)
    waits = [wait for window in windows if (wait := _wait(row.limit, row.subject, window, row.at))]
    if waits:
        row.delete()
        raise TooManyAttempts(retry_after=max(waits))
    return row.pk


def _wait(name: str, subject: str, window: Window, now: datetime, room: int = 0) -> int:
    """Return the whole seconds until this attempt would have fitted in, or 0 where it does.

    `room`: how many more than those that are counted shall fit in.
    """
    fits = max(0, window.count - room)
    instants = list(
        Attempt.objects.filter(limit=name, subject=subject, at__gt=now - window.length)
        .order_by("-at")
        .values_list("at", flat=True)[: fits + 1]
    )
    if len(instants) <= fits:
        return 0
    oldest = instants[fits]
    return max(1, int((oldest + window.length - now).total_seconds()) + 1)


def network_of(address: str) -> str:
    """Return what counts as one network: an IPv4 address, also one written as IPv6, or the /64 of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:150]
    found = getattr(found, "ipv4_mapped", None) or found
    if found.version == 4:  # noqa: PLR2004 - the version of IP
        return str(found)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))


def is_shared(address: str) -> bool:
    """Whether the address lies in a network that operators listed as shared by many people."""
    return lies_in(address, configuration.current().shared_networks)


def lies_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of these networks; one of IPv4 that is written as IPv6 is one of IPv4.

    What is no address (of a socket that is a file) lies in none.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in network for network in networks)


def typed_subject(identifier: str) -> str:
    """Name a typed user name or address for counting, without keeping it: people type passwords there."""
    folded = identifier.strip().casefold().encode("utf-8", "replace")
    return "typed:" + hashlib.sha256(folded).hexdigest()[:40]


def prune_attempts(now: datetime) -> int:
    """Forget attempts that no window reaches any more; returns how many."""
    return Attempt.objects.filter(at__lt=now - LONGEST).delete()[0]
