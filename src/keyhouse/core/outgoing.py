"""Asking other servers, bounded: in time as a whole, in bytes, and in which addresses may be asked.

Timeouts of sockets are for each single read, and names are looked up without any; so what asks runs on a thread of its
own, and whoever waits for it waits so long and no longer.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from keyhouse import __version__

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Answer = TypeVar("Answer")

_OK: Final = 200
_FINE: Final = range(200, 300)
_PIECE: Final = 2**14
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST: Final = ipaddress.IPv6Network(
    "2000::/3"
)  # all that was ever given out of the public addresses (RFC 4291)


class OutgoingError(Exception):
    """Nothing came that can be used; the message says what happened, in words for operators."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of whom: seconds for all of it, bytes of the answer, and whether private networks may be asked."""

    seconds: float = 5.0
    size: int = 2**18
    may_be_private: bool = False
    ca_file: Path | None = None


@dataclass(slots=True)
class _Open:
    """What a thread has open, so that whoever gave up waiting can end it."""

    sock: socket.socket | None = None  # the client itself lets go of it before the answer is read
    is_over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, sock: socket.socket) -> None:
        with self._lock:
            self.sock = sock
            if self.is_over:
                raise OutgoingError("it took too long")

    def end(self) -> None:
        with self._lock:
            self.is_over = True
        with suppress(OSError):
            if self.sock is not None:
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def fetch_json(url: str, bounds: Bounds, places: threading.BoundedSemaphore) -> bytes:
    """Return the JSON that stands at an https address; raises OutgoingError. No redirect is followed.

    `places` bounds how many may ask at once; where none is left, nobody is asked.
    """
    opened = _Open()
    return in_time(lambda: _fetch(url, bounds, opened), bounds.seconds, places, give_up=opened.end)


def post_json(
    url: str, body: bytes, headers: Mapping[str, str], bounds: Bounds, places: threading.BoundedSemaphore
) -> None:
    """Hand JSON to an address that the operator set; raises OutgoingError unless it was taken. No redirect is followed.

    By https, or by http where that ends at this machine. Of the answer only the status is read.
    """
    opened = _Open()
    in_time(lambda: _post(url, body, headers, bounds, opened), bounds.seconds, places, give_up=opened.end)


def in_time(
    ask: Callable[[], Answer],
    seconds: float,
    places: threading.BoundedSemaphore,
    *,
    give_up: Callable[[], None] | None = None,
) -> Answer:
    """Return what `ask` does on a thread of its own; raises OutgoingError after so long, and where it fails."""
    if not places.acquire(blocking=False):
        raise OutgoingError("it is slow, and asked as often as it may be")
    outcome: list[Answer] = []
    failed: list[OutgoingError] = []

    def run() -> None:
        try:
            outcome.append(ask())
        except OutgoingError as error:
            failed.append(error)
        except (OSError, HTTPException, ValueError) as error:
            failed.append(OutgoingError(f"{type(error).__name__}: {error}"[:200]))
        finally:
            places.release()

    thread = threading.Thread(target=run, name="outgoing", daemon=True)
    thread.start()
    thread.join(seconds)
    if outcome:
        return outcome[0]
    if failed:
        raise failed[0]
    if give_up is not None:
        give_up()
    raise OutgoingError(f"no answer within {seconds:g} seconds")


@lru_cache(maxsize=4)
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what certificates are checked by: the machine's authorities, and one more where it is configured."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def is_public(address: Address) -> bool:
    """Tell whether an address lies on the public internet, also when it stands in one of the other family."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False  # also old forms that hold another address: ::127.0.0.1, ::ffff:0:127.0.0.1, fec0::1
    return address.is_global and not address.is_multicast


def _is_one_host(address: Address) -> bool:
    inner = getattr(address, "ipv4_mapped", None) or address
    return not (
        inner.is_multicast or inner.is_unspecified or inner == ipaddress.IPv4Address("255.255.255.255")
    )


def _addresses(host: str, port: int, *, is_allowed: Callable[[Address], bool], where: str) -> list[str]:
    """Look a name up; raises OutgoingError where one of its addresses may not be asked, as it is none of `where`."""
    found: list[str] = []
    for _, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        if not _is_one_host(address) or not is_allowed(address):
            raise OutgoingError(f"{host} is at {address}, which is not an address of {where}")
        if str(place[0]) not in found:
            found.append(str(place[0]))
    return found


def _reach(addresses: list[str], port: int, seconds: float) -> socket.socket:
    failed: OSError = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), seconds)
        except OSError as error:
            failed = error
    raise failed


class _Pinned(HTTPSConnection):
    """A connection to an address that was looked up and judged before; the name is what its certificate must be for."""

    def __init__(self, host: str, port: int, bounds: Bounds, opened: _Open) -> None:
        self._tls = tls_context(bounds.ca_file)
        super().__init__(host, port, timeout=bounds.seconds, context=self._tls)
        self._bounds = bounds
        self._opened = opened

    def connect(self) -> None:
        is_allowed: Callable[[Address], bool] = (lambda _: True) if self._bounds.may_be_private else is_public
        addresses = _addresses(self.host, self.port, is_allowed=is_allowed, where="the public internet")
        plain = _reach(addresses, self.port, self._bounds.seconds)
        # first kept, so that whoever gives up can end it, then greeted
        self.sock = tls = self._tls.wrap_socket(
            plain, server_hostname=self.host, do_handshake_on_connect=False
        )
        self._opened.begin(tls)
        tls.do_handshake()


class _Here(HTTPConnection):
    """A connection to something on this machine, which needs no TLS."""

    def __init__(self, host: str, port: int, bounds: Bounds, opened: _Open) -> None:
        super().__init__(host, port, timeout=bounds.seconds)
        self._seconds = bounds.seconds
        self._opened = opened

    def connect(self) -> None:
        addresses = _addresses(
            self.host, self.port, is_allowed=lambda one: one.is_loopback, where="this machine"
        )
        self.sock = _reach(addresses, self.port, self._seconds)
        self._opened.begin(self.sock)


def _fetch(url: str, bounds: Bounds, opened: _Open) -> bytes:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or not url.isascii():
        raise OutgoingError("only addresses that begin with https:// are asked")
    connection = _Pinned(parts.hostname, parts.port or 443, bounds, opened)
    try:
        connection.request("GET", _target(url), headers=_headers())
        answer = connection.getresponse()
        if answer.status != _OK:
            raise OutgoingError(f"it answers {answer.status}, and nobody is followed elsewhere")
        _require_json(answer.headers.get("Content-Type", ""), answer.headers.get("Content-Encoding", ""))
        body = b""
        while piece := answer.read(_PIECE):
            body += piece
            if opened.is_over:
                raise OutgoingError("it took too long")
            if len(body) > bounds.size:
                raise OutgoingError(f"its answer has more than {bounds.size:,} bytes")
        if answer.length:
            raise OutgoingError("its answer ends too early")
        return body
    finally:
        connection.close()


def _post(url: str, body: bytes, headers: Mapping[str, str], bounds: Bounds, opened: _Open) -> None:
    parts = urlsplit(url)
    connection: HTTPConnection
    if parts.scheme == "https":
        connection = _Pinned(parts.hostname or "", parts.port or 443, bounds, opened)
    else:
        connection = _Here(parts.hostname or "", parts.port or 80, bounds, opened)
    try:
        content = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        connection.request("POST", _target(url), body, {**_headers(), **content, **headers})
        answer = connection.getresponse()
        if answer.status not in _FINE:
            raise OutgoingError(f"it answers {answer.status}, and nobody is followed elsewhere")
    finally:
        connection.close()


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _headers() -> dict[str, str]:
    return {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"keyhouse/{__version__}",
    }


def _require_json(content_type: str, encoding: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise OutgoingError(f"its answer is {kind[:60] or 'of no kind'}, not application/json")
    if encoding.strip().lower() not in {"", "identity"}:
        raise OutgoingError("its answer is compressed, which it wasn't asked for")
