"""What a doctor says of whom the settings believe: proxies that tell where others come from. No Django, no network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from keyhouse.cli.doctor_findings import Finding, hint, ok, problem
from keyhouse.core.configuration import Configuration, Network

MANY_PROXIES: Final = 16  # addresses; nobody has so many proxies in a row
_ABOUT: Final = "trusted proxies"
_FIX: Final = "Let KEYHOUSE_TRUSTED_PROXIES name your proxies, not the network that they stand in."
# networks that are nobody's alone and that no stranger sends from (RFC 1918, 4193, 6598, and this machine and link)
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
                 "fc00::/7", "fe80::/10", "::1/128")
)  # fmt: skip
# bits: what is wider isn't one company's, however many front servers it has
_WIDEST: Final = {4: 9, 6: 20}


def check_trust(settings: Configuration) -> Iterator[Finding]:
    """Look how many are believed about whom they speak for; limits, networks of operators and the log stand on it."""
    trusted = settings.trusted_proxies
    everybody = [one for one in trusted if not _is_private(one) and one.prefixlen < _WIDEST[one.version]]
    wide = [one for one in trusted if one not in everybody and one.num_addresses > MANY_PROXIES]
    if everybody:
        yield problem(
            _ABOUT,
            f"Strangers are believed: whoever comes from {_words(everybody)} says by X-Forwarded-For where they come from.",
            _FIX,
        )
    if wide:
        sentence = f"Everybody in {_words(wide)} is believed about where they come from."
        yield hint(_ABOUT, sentence, f"{_FIX} Where nobody else reaches this server, all is well.")
    if trusted and not everybody and not wide:
        yield ok(_ABOUT, f"Only {_words(list(trusted))} tells where others come from.")


def _is_private(network: Network) -> bool:
    """Whether all of it is private; `is_private` looks at both ends of a network only, and finds `0.0.0.0/0` private."""
    return any(
        network.version == one.version and network.subnet_of(one)  # type: ignore[arg-type]  # of one version
        for one in _PRIVATE
    )


def _words(networks: list[Network]) -> str:
    return " and ".join(map(str, networks))
