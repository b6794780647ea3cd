"""A name server on 127.0.0.1 that answers over UDP as it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


class NameServer:
    """Knows domains: records by kind, `missing`, `failing`, `refusing`, `silent`, or `garbled`. What it doesn't know is missing."""

    def __init__(self) -> None:
        self.domains: dict[str, dict[str, str] | str] = {}
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))

    def resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self._socket.getsockname()[1]
        resolver.timeout = 0.2
        return resolver

    def serve(self) -> None:
        while wire_and_asker := self._socket.recvfrom(4096):
            wire, asker = wire_and_asker
            if not wire:
                return  # told to close
            answer = self._answer(wire)
            if answer is not None:
                self._socket.sendto(answer, asker)

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())

    def release(self) -> None:
        self._socket.close()

    def _answer(self, wire: bytes) -> bytes | None:
        question = dns.message.from_wire(wire)
        asked = question.question[0]
        domain = asked.name.to_text(omit_final_dot=True).lower()
        self.asked.append(domain)
        known = self.domains.get(domain, "missing")
        if known == "silent":
            return None
        if known == "garbled":
            return wire[:2] + b"\xff" * 20
        answer = dns.message.make_response(question, recursion_available=True)
        if isinstance(known, str):
            codes = {
                "missing": dns.rcode.NXDOMAIN,
                "failing": dns.rcode.SERVFAIL,
                "refusing": dns.rcode.REFUSED,
            }
            answer.set_rcode(codes[known])
            return answer.to_wire()
        kind = asked.to_text().split()[-1]
        if kind in known:
            answer.answer.append(dns.rrset.from_text(asked.name, 300, "IN", kind, known[kind]))
        return answer.to_wire()


@contextmanager
def name_server() -> Iterator[NameServer]:
    server = NameServer()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)
        server.release()
