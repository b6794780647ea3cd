"""Sockets: bound before anything else happens, so that a busy port is said at once."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Final

BACKLOG: Final = 2048
TRIES: Final = 20  # of finding one free port that several addresses share
LOOPBACKS: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class CannotListenError(Exception):
    """Nobody can listen there; the message says why."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for every address of `host`; port 0 takes one free port for all of them.

    `localhost` means both loopback addresses, whatever the machine's own table says: browsers try either.
    Raises CannotListenError.
    """
    addresses = _addresses(host)
    for _ in range(TRIES):
        try:
            return _listen_on_all(addresses, port)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise CannotListenError(_sentence(host, port, error)) from error
    raise CannotListenError(f"No free port was found for {host}.")


def _addresses(host: str) -> Sequence[tuple[int, str]]:
    if host == "localhost":
        return LOOPBACKS
    try:
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListenError(f"{host} is no address of this machine.") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _listen_on_all(addresses: Sequence[tuple[int, str]], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            made = _listen_on(family, address, port)
            if made is not None:
                sockets.append(made)
                port = made.getsockname()[1]
    except OSError:
        for made in sockets:
            made.close()
        raise
    if not sockets:
        raise OSError(errno.EADDRNOTAVAIL, "no address of this machine")
    return sockets


def _listen_on(family: int, address: str, port: int) -> socket.socket | None:
    """Listen on one address; None where this machine has no such thing (IPv6 switched off)."""
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        made.bind((address, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRNOTAVAIL and address == "::1":
            return None
        raise
    made.setblocking(False)
    return made


def _sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken by another program; choose another with --port."
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}; choose one above 1023 with --port."
    return f"Nobody can listen on {host}, port {port}: {error.strerror}."
