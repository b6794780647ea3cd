"""The proxy that stands between this machine and a host, as the environment names it.

`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case, as curl and pip read them; the standard library
reads and compares them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from keyhouse.publishing.importing.errors import SourceUnanswered

_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it listens, and what proves us there: a value of Proxy-Authorization, or nothing."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Return what the proxy is told besides."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy by which a host is asked, or None; raises SourceUnanswered for one that can't be used."""
    named = getproxies_environment()
    address = named.get(scheme) or named.get("all")
    if not address or proxy_bypass(f"{host}:{port}"):
        return None
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        found_port = parts.port or _PORT
    except ValueError:
        parts, found_port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname:
        raise SourceUnanswered(
            f"The proxy that the environment names for {scheme} is no address such as http://proxy.example:3128."
        )
    return Proxy(parts.hostname, found_port, _basic(parts.username, parts.password))


def _basic(user: str | None, password: str | None) -> str:
    if not user:
        return ""
    told = f"{unquote(user)}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(told.encode()).decode()
