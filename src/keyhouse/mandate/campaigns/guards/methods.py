"""At least two methods work on this index, one of which can't be phished, and all that the mandate accepts do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from typing import Final

from keyhouse.core import configuration
from keyhouse.core.configuration import Configuration
from keyhouse.mandate.campaigns.guards.guard import Guard, Missing
from keyhouse.mandate.documents import Mandate

_BY_KEY: Final = frozenset({"security-key", "passkey", "phishing-resistant", "device-bound"})


def why_no_keys(settings: Configuration) -> str:
    """Say why browsers would give no answer by a key here (WebAuthn 3, section 5.1.3), or nothing where they do."""
    if not settings.is_https and not _is_at_home(settings):
        return f"browsers use keys over HTTPS only, and the base URL is {settings.base_url}"
    if _is_address(settings.key_name) or _is_address(settings.host):
        return f"browsers use keys for a name only, and {settings.host} is an address"
    host, name = settings.host.lower(), settings.key_name
    if host != name and not host.endswith(f".{name}"):
        return f"keys are made for {name}, and the base URL is at {host}"
    return ""


def _is_at_home(settings: Configuration) -> bool:
    """Tell whether it is a test on one's own machine, where browsers ask for no HTTPS; nobody else is served there."""
    return settings.is_test and settings.host == "localhost"


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _look(mandate: Mandate, now: datetime) -> Iterator[Missing]:
    del now
    why = why_no_keys(configuration.current())
    if not why:
        return
    yield Missing(
        "methods",
        f"One method works here, and two are needed, one of which can't be phished: {why}.",
        "Serve the index under a name by HTTPS (KEYHOUSE_BASE_URL, KEYHOUSE_RP_ID).",
        "/operator/settings/",
    )
    dead = sorted(mandate.accept & _BY_KEY)
    if dead:
        yield Missing(
            "methods",
            f"The mandate accepts what doesn't work here: {', '.join(dead)}.",
            "Mend that first, or accept other methods.",
            "/operator/settings/",
        )


METHODS: Final = Guard(
    "methods", "Security keys, passkeys and authenticator apps work on this index as it is served.", _look
)
