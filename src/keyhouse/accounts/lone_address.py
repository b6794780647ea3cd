"""The alarm of an index behind a proxy that it doesn't know: everybody seems to come from the proxy.

Limits on networks then hit all people at once, and one guesser stops everybody.
"""

from __future__ import annotations

import ipaddress
import logging
from datetime import datetime, timedelta
from typing import Final

from keyhouse.accounts.models import Session
from keyhouse.core import configuration

LOOKS_BACK: Final = timedelta(days=1)
LEAST_PEOPLE: Final = 5  # fewer may well sit behind one address
SENTENCE: Final = (
    "Everybody seems to come from one private address, as behind a proxy that isn't named in "
    "KEYHOUSE_TRUSTED_PROXIES, so limits on networks hit all people at once."
)
# is_private of `ipaddress` counts networks for documentation, too
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip

_log = logging.getLogger("keyhouse.accounts")


def find_lone_address(now: datetime) -> str:
    """Return the private address that all recent sessions of at least five people came from, or an empty text.

    One row answers where the newest session came from anywhere else, a few more where any other did.
    """
    if configuration.current().trusted_proxies:
        return ""
    recent = Session.objects.filter(created_at__gt=now - LOOKS_BACK).exclude(network="")
    address = recent.order_by("-pk").values_list("network", flat=True).first() or ""
    if not is_private(address) or recent.exclude(network=address).exists():
        return ""
    people = recent.order_by("user_id").values_list("user_id", flat=True).distinct()
    return address if len(people[:LEAST_PEOPLE]) == LEAST_PEOPLE else ""


def is_private(address: str) -> bool:
    """Whether nobody has this address on the public internet."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in _PRIVATE)


def warn_of_lone_address(now: datetime) -> None:
    """Write a line into the log where the alarm holds."""
    address = find_lone_address(now)
    if address:
        _log.warning("%s It is %s.", SENTENCE, address)
