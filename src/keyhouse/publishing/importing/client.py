"""Asking another index over HTTP: bounded in time, bytes and redirects, and only where it was allowed to ask.

Python's own client has a timeout for each single read only; here the socket itself knows the instant until which
everything must have come, headers included.
"""

from __future__ import annotations

import base64
import io
import netrc
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from weakref import WeakSet

from keyhouse import __version__
from keyhouse.distfiles.findings import shown
from keyhouse.publishing.importing.errors import (
    HostNotAllowed,
    ImportStopped,
    SourceEntryInvalid,
    SourcePageInvalid,
    SourceUnanswered,
)
from keyhouse.publishing.importing.proxies import Proxy, proxy_for

_PIECE: Final = 2**18
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_MISSING: Final = frozenset({404, 410})
_LATER: Final = frozenset({429, 500, 502, 503, 504})  # trying once more may help
_PORTS: Final = {"http": 80, "https": 443}
_PATH: Final = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how much: seconds, bytes, and how often something that failed is tried."""

    silence: float = 30.0
    page_seconds: float = 180.0
    page_bytes: int = 64 * 2**20
    file_seconds: float = 120.0  # and one more for each `least_speed` bytes that came
    least_speed: int = 10 * 2**10
    redirects: int = 5
    tries: int = 3
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that was read whole; `url` is where it was found in the end."""

    url: str
    content_type: str
    headers: dict[str, str]
    body: bytes


class _Clocked(io.RawIOBase):
    """The reading side of a socket, which knows until when its owner waits."""

    def __init__(self, connection: _Waiting, sock: socket.socket) -> None:
        self._connection, self._sock = connection, sock
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open until it is closed itself

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._connection.seconds_left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Waiting:
    """What the two kinds of connection share: an instant until which everything must have come, and the way there."""

    until: float = 0.0
    silence: float = 30.0
    proxy: Proxy | None = None  # asked for whole addresses, since it sees what is asked

    def seconds_left(self) -> float:
        """Return how long the next read may take; raises TimeoutError."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it takes too long")
        return min(left, self.silence)


class _Socket:
    """What `http.client` asks of a socket."""

    def __init__(self, connection: _Waiting, sock: socket.socket) -> None:
        self._connection, self._sock = connection, sock

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        return io.BufferedReader(_Clocked(self._connection, self._sock))

    def wake(self) -> None:
        """End whatever waits for this socket, in whichever thread."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._connection.seconds_left())
        self._sock.sendall(data)

    def close(self) -> None:
        self._sock.close()


class _Plain(_Waiting, HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = _Socket(self, self.sock)


class _Tls(_Waiting, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = _Socket(self, self.sock)


class Client:
    """Asks one index, and the hosts that were allowed beside it. Each thread has connections of its own."""

    def __init__(
        self,
        base: str,
        *,
        allowed_hosts: Collection[str] = (),
        ca_file: Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Take the address that the operator named; user and password in it go to that very origin only."""
        parts = _split(base)
        self.patience = patience or Patience()
        self.base = _without_user(parts)
        self._origin = _origin(parts)
        self._allowed = {host.lower() for host in allowed_hosts}
        self._authorization = _authorization(parts)
        self._ca_file = ca_file
        self._mine = threading.local()
        self._open: WeakSet[_Plain | _Tls] = WeakSet()
        self._is_stopped = False

    def page(self, url: str, accept: str) -> Page | None:
        """Return a page, or None where there is none (404, 410); raises a refusal."""
        return self._tried(lambda: self._page(url, accept))

    def pieces(self, url: str, most: int) -> Iterator[bytes]:
        """Give the bytes of a file, stopping behind `most`; raises a refusal, also where they end too early."""
        is_whole = False
        try:
            answer, connection = self._follow(url, "*/*", self.patience.file_seconds)
            yield from self._body(answer, connection, most)
            is_whole = answer.isclosed()
        except (OSError, HTTPException, ValueError) as error:
            raise SourceUnanswered(f"The source broke off: {_told(error)}.") from error
        finally:
            if not is_whole:
                self.forget()

    def stop(self) -> None:
        """Ask nothing any more, and end what is being asked; may be called from any thread."""
        self._is_stopped = True
        for connection in list(self._open):
            if isinstance(connection.sock, _Socket):
                connection.sock.wake()

    def may_ask(self, url: str) -> bool:
        """Tell whether this address is one that the operator named, by origin or by --allow-host."""
        try:
            parts = _split(url)
        except (SourceEntryInvalid, SourcePageInvalid):
            return False
        scheme, host, port = _origin(parts)
        if (scheme, host, port) == self._origin:
            return True
        is_downgrade = scheme == "http" and self._origin[0] == "https"
        is_upgrade = host == self._origin[1] and (self._origin[0], scheme) == ("http", "https")
        is_standard = self._origin[2] == _PORTS["http"] and port == _PORTS["https"]
        if is_upgrade and is_standard:
            return True
        return not is_downgrade and bool({host, f"{host}:{port}"} & self._allowed)

    def require_allowed(self, url: str) -> None:
        """Raise HostNotAllowed."""
        if not self.may_ask(url):
            host = shown(urlsplit(url).netloc.rpartition("@")[2]) if _is_readable(url) else shown(url)
            raise HostNotAllowed(f"This leads to {host}, which is not the host that was named.")

    def forget(self) -> None:
        """Close this thread's connections."""
        for connection in vars(self._mine).pop("open", {}).values():
            with suppress(OSError):
                connection.close()

    def _tried(self, ask: Callable[[], Page | None]) -> Page | None:
        for attempt in range(1, self.patience.tries + 1):
            try:
                return ask()
            except (OSError, HTTPException, ValueError) as error:
                self.forget()
                if attempt == self.patience.tries or self._is_stopped:
                    raise SourceUnanswered(f"The source doesn't answer: {_told(error)}.") from error
                time.sleep(self.patience.pause * (attempt - 1))
        raise SourceUnanswered

    def _page(self, url: str, accept: str) -> Page | None:
        try:
            page = self._read_page(*self._follow(url, accept, self.patience.page_seconds))
        except BaseException:
            self.forget()  # something of the answer may still be on its way
            raise
        if page is None:
            self.forget()
        return page

    def _read_page(self, answer: HTTPResponse, connection: _Asked) -> Page | None:
        if answer.status in _MISSING:
            return None
        headers = {name.lower(): value for name, value in answer.getheaders()}
        if headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
            raise SourcePageInvalid("The source sends a compressed page, which it wasn't asked for.")
        most = self.patience.page_bytes
        body = b"".join(self._body(answer, connection, most))
        if len(body) > most:
            raise SourcePageInvalid(f"A page of the source has more than {most:,} bytes.")
        return Page(connection.asked, headers.get("content-type", ""), headers, body)

    def _body(self, answer: HTTPResponse, connection: _Asked, most: int) -> Iterator[bytes]:
        if answer.status in _LATER:
            raise HTTPException(f"{answer.status} {answer.reason}")
        if answer.status != _OK:
            raise SourceUnanswered(f"The source answers {answer.status} to {shown(connection.asked, 120)}.")
        promised, came = answer.length, 0
        while piece := answer.read(_PIECE):
            came += len(piece)
            connection.waits.until += len(piece) / self.patience.least_speed
            yield piece
            if came > most:
                return
        if promised is not None and came != promised:
            raise HTTPException(f"{came} of {promised} bytes came")

    def _follow(self, url: str, accept: str, seconds: float) -> tuple[HTTPResponse, _Asked]:
        until = time.monotonic() + seconds
        for _ in range(self.patience.redirects + 1):
            self.require_allowed(url)
            if self._is_stopped:
                raise ImportStopped
            answer, asked = self._ask(url, accept, until)
            if answer.status not in _REDIRECTS:
                return answer, asked
            target = answer.headers.get("Location", "")
            self.forget()
            if not target:
                raise SourceUnanswered("The source redirects to nowhere.")
            url = urljoin(url, target)
        raise SourceUnanswered(f"The source redirects more than {self.patience.redirects} times.")

    def _ask(self, url: str, accept: str, until: float) -> tuple[HTTPResponse, _Asked]:
        parts = _split(url)
        origin = _origin(parts)
        connection = self._connection(origin)
        connection.until, connection.silence = until, self.patience.silence
        query = f"?{quote(parts.query, safe=_PATH + '?')}" if parts.query else ""
        target = quote(parts.path or "/", safe=_PATH) + query
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": f"keyhouse/{__version__}"}
        if origin == self._origin and self._authorization:
            headers["Authorization"] = self._authorization
        if connection.proxy is not None:
            headers |= connection.proxy.headers
            target = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{target}"
        connection.request("GET", target, headers=headers)
        return connection.getresponse(), _Asked(_without_user(parts), connection)

    def _connection(self, origin: tuple[str, str, int]) -> _Plain | _Tls:
        opened = vars(self._mine).setdefault("open", {})
        if origin not in opened:
            opened[origin] = self._connect(*origin)
            self._open.add(opened[origin])
        found: _Plain | _Tls = opened[origin]
        return found

    def _connect(self, scheme: str, host: str, port: int) -> _Plain | _Tls:
        proxy = proxy_for(scheme, host, port)
        way = (proxy.host, proxy.port) if proxy else (host, port)
        if scheme == "http":
            plain = _Plain(*way, timeout=self.patience.silence)
            plain.proxy = proxy
            return plain
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        tls = _Tls(*way, timeout=self.patience.silence, context=context)
        if proxy is not None:
            tls.set_tunnel(host, port, proxy.headers)
        return tls


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which address was asked in the end, and the connection that waits for its answer."""

    asked: str
    waits: _Waiting


def _split(url: str) -> SplitResult:
    """Return the parts of an address over HTTP; raises SourceEntryInvalid for any other text."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good or not url.isprintable() or "\\" in url:
        raise SourceEntryInvalid(f"This is no address over HTTP: {shown(url, 120)}.")
    return parts


def _is_readable(url: str) -> bool:
    try:
        _split(url)
    except SourceEntryInvalid:
        return False
    return True


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]


def _without_user(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _authorization(parts: SplitResult) -> str:
    """Return what proves the operator there: from the address, else from their .netrc."""
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user:
        with suppress(OSError, netrc.NetrcParseError):
            found = netrc.netrc().authenticators(parts.hostname or "")
            user, password = (found[0], found[2] or "") if found else ("", "")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""


def _told(error: Exception) -> str:
    text = (
        str(error) if isinstance(error, TimeoutError) and str(error) else f"{type(error).__name__}: {error}"
    )
    return shown(text, 160)
