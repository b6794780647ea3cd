"""The mail server as one setting: `smtp(s)://user:password@host:port?from=…&starttls=…`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Final, Literal, cast
from urllib.parse import SplitResult, unquote, urlsplit

StartTls = Literal["required", "offered", "off"]

_PORTS: Final = {"smtp": 587, "smtps": 465}
_QUERY: Final = frozenset({"from", "starttls"})
_STARTTLS: Final = ("required", "offered", "off")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN_ADDRESS: Final = re.compile(r"[!-?A-~]+@[!-?A-~]+")  # visible ASCII
_ALLOWED: Final = (
    "smtp://host or smtps://host, with user:password@, :port, ?from=ADDRESS and &starttls=required, offered or off "
    "where they are needed"
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed over, how that is kept private, and in whose name."""

    host: str
    port: int
    is_tls: bool  # from the first byte on (smtps)
    starttls: StartTls
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the server is this machine itself, so that nobody can listen on the way."""
        return is_local(self.host)


def is_local(host: str) -> bool:
    """Whether the name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_mail_url(text: str) -> str:
    """Return the text; raises ValueError with what is allowed."""
    if text:
        read_mail_server(text)
    return text


def read_mail_server(text: str) -> MailServer:
    """Read the setting; raises ValueError with what is allowed.

    On `smtp://` the connection is made private by STARTTLS. To this machine itself that is done where it is offered;
    to any other it is required, unless the setting says otherwise: who can cut the offer out could read every link.
    """
    parts = urlsplit(text)
    if parts.scheme not in _PORTS or not parts.hostname or parts.fragment or parts.path not in {"", "/"}:
        raise ValueError(_ALLOWED)
    told = _query(parts)
    return MailServer(
        host=parts.hostname,
        port=_port(parts),
        is_tls=parts.scheme == "smtps",
        starttls=_starttls(told.get("starttls", ""), parts.hostname),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=_sender(told.get("from", "")),
    )


def _query(parts: SplitResult) -> dict[str, str]:
    """Return what stands behind the `?`; a plus sign stays one, because addresses hold them."""
    told: dict[str, str] = {}
    for part in filter(None, parts.query.split("&")):
        name, _, value = part.partition("=")
        if name not in _QUERY or name in told:
            raise ValueError(_ALLOWED)
        told[name] = unquote(value)
    return told


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise ValueError(_ALLOWED) from error


def _starttls(text: str, host: str) -> StartTls:
    if text and text not in _STARTTLS:
        raise ValueError(_ALLOWED)
    return cast("StartTls", text or ("offered" if is_local(host) else "required"))


def _sender(text: str) -> str:
    if not text:
        return ""
    name, address = parseaddr(text)
    if _CONTROLS.search(text) or not _PLAIN_ADDRESS.fullmatch(address):
        raise ValueError(_ALLOWED)
    try:
        Address(name, addr_spec=address)  # as each mail will write it
    except (MessageError, ValueError, IndexError) as error:
        raise ValueError(_ALLOWED) from error
    return text
