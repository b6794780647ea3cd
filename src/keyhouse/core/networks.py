"""Where a request came from: the client's address behind proxies we trust."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from keyhouse.core.configuration import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MOST_HOPS = 32  # more than any real chain of proxies


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the address of the client as text.

    `peer` is the other end of the connection, `forwarded_for` the value of `X-Forwarded-For` (several headers joined
    by commas). The list is read from its right end, where our own proxies wrote, and the first address that is not
    one of ours is the client: everything to the left of it could have been sent by the client itself.
    """
    address = _read(peer)
    if address is None or not forwarded_for or not _is_trusted(address, trusted):
        return _shown(address, peer)
    for hop in reversed(forwarded_for.split(",")[-MOST_HOPS:]):
        found = _read(hop)
        if found is None:
            break  # what follows can't be believed either
        address = found
        if not _is_trusted(found, trusted):
            break
    return str(address)


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address, as text, lies in one of these networks."""
    found = _read(address)
    return found is not None and _is_trusted(found, networks)


def is_address(host: str) -> bool:
    """Whether a host, as an address of a page has it, is an IP address and no name."""
    return _read(host) is not None


def _read(text: str) -> Address | None:
    """Read an address as proxies write it: with brackets, a port or a zone; IPv4 in IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _shown(address: Address | None, peer: str) -> str:
    return peer[:64] if address is None else str(address)
