"""Asking the name system whether a domain is there and takes mail (RFC 5321 5.1: MX, else an address)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import dns.exception
import dns.name
import dns.resolver

from keyhouse.accounts.addresses.rules import Answer

Lookup = Callable[[str], Answer]

SECONDS: Final = 4.0  # for one question, with all its tries
_KINDS: Final = ("MX", "A", "AAAA")


def find_lookup() -> Lookup | None:
    """Return how to ask the name servers of this machine, or None where it has none."""
    try:
        return lookup_by(dns.resolver.Resolver())
    except dns.exception.DNSException:
        return None


def lookup_by(resolver: dns.resolver.Resolver) -> Lookup:
    """Return how to ask by this resolver. It may be used by several threads."""

    def look_up(domain: str) -> Answer:
        try:
            return _ask(resolver, dns.name.from_text(domain))
        except dns.resolver.NXDOMAIN:
            return "missing"
        except (dns.exception.DNSException, OSError, ValueError, UnicodeError):
            # a time-out, a server that fails or refuses, a name that can't be asked for: nothing is known
            return "unknown"

    return look_up


def _ask(resolver: dns.resolver.Resolver, name: dns.name.Name) -> Answer:
    for kind in _KINDS:
        try:
            found = resolver.resolve(name, kind, search=False, lifetime=SECONDS)
        except dns.resolver.NoAnswer:
            continue
        is_null = kind == "MX" and all(row.exchange == dns.name.root for row in found)  # RFC 7505
        return "no-mail" if is_null else "takes-mail"
    return "no-mail"
