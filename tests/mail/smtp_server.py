"""A mail server that really speaks SMTP on a port of this machine, and misbehaves as it is told."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import ipaddress
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Reply = Callable[[str], str | None]  # of the argument; None: the usual answer


@dataclass
class Received:
    """A message that the server has taken."""

    sender: str
    to: str
    content: bytes
    was_encrypted: bool
    user: str
    at: float = field(default_factory=time.monotonic)

    @property
    def message(self) -> EmailMessage:
        made = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(made, EmailMessage)
        return made


@dataclass
class Behaviour:
    """What the server does otherwise than usual, by command."""

    replies: dict[str, Reply] = field(default_factory=dict)
    offers: list[str] = field(default_factory=list)
    seconds: float = 0.0  # that it thinks before taking a message
    hangs_up_at: str = ""  # the command at which it closes the connection, unanswered
    hangs_up_after_taking: bool = False  # it takes the message, and the answer never comes
    password: str = ""


class SmtpServer(socketserver.ThreadingTCPServer):
    """Keeps what it takes in `received`, and every line it was sent in `lines`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None, *, is_tls_from_start: bool = False) -> None:
        self.tls = tls
        self.is_tls_from_start = is_tls_from_start
        self.behaviour = Behaviour()
        self.received: list[Received] = []
        self.lines: list[str] = []
        self.connections = 0
        super().__init__(("127.0.0.1", 0), Conversation)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def wait_for(self, count: int, seconds: float = 10) -> list[Received]:
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.received


class Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    server: SmtpServer
    timeout = 30

    def handle(self) -> None:
        self.server.connections += 1
        self.user, self.sender, self.to, self.is_encrypted = "", "", "", False
        with contextlib.suppress(OSError, ssl.SSLError):
            if self.server.is_tls_from_start:
                self.encrypt()
            self.say("220 mail.test ESMTP")
            while self.take_line():
                pass

    def encrypt(self) -> None:
        assert self.server.tls is not None
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.is_encrypted = True

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        with contextlib.suppress(OSError):
            self.connection.close()

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def take_line(self) -> bool:
        line = self.rfile.readline().decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            return False
        self.server.lines.append(line)
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        if self.server.behaviour.hangs_up_at == verb:
            return False
        reply = self.server.behaviour.replies.get(verb)
        told = reply(argument) if reply else None
        if told is not None:
            self.say(told)
            return not told.startswith("421")
        return self.usual(verb, argument)

    def usual(self, verb: str, argument: str) -> bool:
        if verb == "EHLO":
            self.greet()
        elif verb == "STARTTLS" and self.server.tls:
            self.say("220 go ahead")
            self.encrypt()
        elif verb == "AUTH":
            self.sign_in(argument)
        elif verb in {"MAIL", "RCPT"}:
            address = argument[argument.index("<") + 1 : argument.index(">")]
            setattr(self, "sender" if verb == "MAIL" else "to", address)
            self.say("250 ok")
        elif verb == "DATA":
            return self.take_message()
        elif verb == "QUIT":
            self.say("221 bye")
            return False
        else:
            self.say("250 ok" if verb in {"NOOP", "RSET", "HELO"} else "502 what")
        return True

    def greet(self) -> None:
        offers = [*self.server.behaviour.offers, "SIZE 1000000"]
        if self.server.tls and not self.is_encrypted:
            offers.append("STARTTLS")
        if self.server.behaviour.password:
            offers.append("AUTH PLAIN")
        lines = ["mail.test", *offers]
        for line in lines[:-1]:
            self.say(f"250-{line}")
        self.say(f"250 {lines[-1]}")

    def sign_in(self, argument: str) -> None:
        _, user, password = base64.b64decode(argument.partition(" ")[2]).decode().split("\0")
        if password == self.server.behaviour.password:
            self.user = user
            self.say("235 welcome")
        else:
            self.say("535 5.7.8 wrong user or password")

    def take_message(self) -> bool:
        self.say("354 go on")
        content = b""
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            content += line.removeprefix(b".")
        time.sleep(self.server.behaviour.seconds)
        reply = self.server.behaviour.replies.get("CONTENT")
        told = reply(content.decode()) if reply else None
        if told is None:
            self.server.received.append(Received(self.sender, self.to, content, self.is_encrypted, self.user))
        if self.server.behaviour.hangs_up_after_taking:
            return False
        self.say(told or "250 taken")
        return True


@contextlib.contextmanager
def running(tls: ssl.SSLContext | None = None, *, is_tls_from_start: bool = False) -> Iterator[SmtpServer]:
    with SmtpServer(tls, is_tls_from_start=is_tls_from_start) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def make_certificate(folder: Path, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """Return the server's side for a name, and the file of the authority that vouches for it: itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, public
