"""Asking an issuer for its keys: its discovery document, and the key set that this names. Never inside a transaction."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from keyhouse.core import configuration
from keyhouse.core.outgoing import Bounds, OutgoingError, fetch_json
from keyhouse.credentials.trusted_publishers import jws
from keyhouse.credentials.trusted_publishers.errors import IssuerUnanswered

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
LONGEST_URL: Final = 500
BOUNDS: Final = Bounds(seconds=5.0, size=2**18)
AT_ONCE: Final = 4
UNUSABLE: Final = "None of its keys can be used: RS256 with 2048 bits or more, or ES256."

_MEMBERS: Final = ("kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y")
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
_places: Final = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Found:
    """What an issuer told: where its keys are, those that can be used, and how many there are in all."""

    keys_url: str
    key_set: dict[str, Any]
    count: int


def fetch_keys(url: str, *, may_be_private: bool) -> Found:
    """Return the keys that an issuer publishes now; raises IssuerUnanswered, which says what is wrong."""
    bounds = replace(BOUNDS, may_be_private=may_be_private, ca_file=configuration.current().ca_file)
    document = _ask(url + DISCOVERY_PATH, bounds, "discovery document")
    keys_url = _keys_url(document, url)
    keys = _ask(keys_url, bounds, "key set").get("keys")
    if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
        raise IssuerUnanswered(f"The key set at {keys_url} has no list of keys.")
    if len(keys) > jws.MOST_KEYS:
        raise IssuerUnanswered(f"The key set at {keys_url} has more than {jws.MOST_KEYS} keys.")
    return Found(keys_url, {"keys": [_public(one) for one in keys if _is_usable(one)]}, len(keys))


def _ask(url: str, bounds: Bounds, what: str) -> dict[str, Any]:
    try:
        return jws.read_json(fetch_json(url, bounds, _places))
    except OutgoingError as error:
        raise IssuerUnanswered(f"The {what} at {url} can't be had: {error}.") from error
    except ValueError as error:
        raise IssuerUnanswered(f"The {what} at {url} is no proper JSON: {error}.") from error


def _keys_url(document: Mapping[str, Any], url: str) -> str:
    """Return where the keys are; the document must be this issuer's own (OpenID Connect Discovery 1.0, 4.3)."""
    issuer = document.get("issuer")
    if not isinstance(issuer, str) or issuer not in {url, f"{url}/"}:
        told = str(issuer)[:LONGEST_URL] if isinstance(issuer, str) else "nobody"
        raise IssuerUnanswered(f"The discovery document is of {told!r}, not of {url}.")
    found = document.get("jwks_uri")
    if not isinstance(found, str) or not _is_https(found):
        raise IssuerUnanswered("The discovery document names no address of keys that begins with https://.")
    return found


def _is_https(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_good = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text
    return is_good and is_plain and len(text) <= LONGEST_URL and not parts.username and not parts.fragment


def _is_usable(key: Mapping[str, Any]) -> bool:
    """Tell whether a key can be believed; one whose secret half is published, too, can't."""
    return not _PRIVATE & key.keys() and bool(jws.usable_keys({"keys": [key]}))


def _public(key: Mapping[str, Any]) -> dict[str, Any]:
    return {name: key[name] for name in _MEMBERS if name in key}
