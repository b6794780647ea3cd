"""Handing one message over: to a mail server, or into a file where there is none."""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from keyhouse.core import faults
from keyhouse.core.configuration import Configuration
from keyhouse.core.mail_servers import MailServer, read_mail_server
from keyhouse.mail.messages import domain_of
from keyhouse.mail.rules import Step, judge_reply

SECONDS: Final = 15.0  # that a server may be silent

_DONE: Final = frozenset({250, 251})
_SERIAL_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message with its envelope. `serial` and `queued_at` never change, so a file of it is only ever one file."""

    sender: str
    to: str
    content: bytes
    serial: int
    queued_at: datetime


class HandOverError(Exception):
    """It was not handed over: at which step, and what the other side said."""

    def __init__(self, step: Step, told: str) -> None:
        """Keep both."""
        super().__init__(told)
        self.step = step
        self.told = told


class TroubleError(HandOverError):
    """Something is wrong with the server, the way there, our account there, or the folder: no mail leaves now."""


class LaterError(HandOverError):
    """The mail is not taken now."""


class RefusedError(HandOverError):
    """The mail is never taken."""


class BouncedError(RefusedError):
    """The address takes no mail at all."""


class Transport(Protocol):
    """Hands messages over, one after the other, by one thread."""

    is_repeatable: bool  # whether handing the same over twice is the same as once

    def send(self, parcel: Parcel) -> None:
        """Hand it over; returns when the other side has it for good. Raises a HandOverError."""

    def close(self) -> None:
        """Let go of the other side."""


def open_transport(settings: Configuration) -> Transport:
    """Return the transport that the configuration names; nothing is opened before the first message."""
    if settings.mail_url:
        return SmtpTransport(read_mail_server(settings.mail_url), settings)
    return FileTransport(settings.mail_folder)


# ---- files


class FileTransport:
    """Writes each message as a file `{instant}-{serial}.eml` that only its owner reads."""

    is_repeatable = True

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when the first message comes."""
        self._folder = folder

    def send(self, parcel: Parcel) -> None:
        """Write it under another name, synced, then give it its own."""
        target = self._folder / file_name(parcel.queued_at, parcel.serial)
        draft = target.with_name(f".{target.name}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.unlink(missing_ok=True)  # of a process that was killed
            _write_synced(draft, parcel.content)
            faults.reach("mail.file-written")
            draft.replace(target)
            _sync_folder(self._folder)
        except OSError as error:
            raise TroubleError("connect", f"{error.strerror or error}: {self._folder}") from error

    def close(self) -> None:
        """Do nothing: every file is closed."""


def file_name(queued_at: datetime, serial: int) -> str:
    """Return the name: in the order of the alphabet they are in the order of queueing."""
    return f"{queued_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{serial:0{_SERIAL_DIGITS}}.eml"


def _write_synced(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---- SMTP


class SmtpTransport:
    """Speaks SMTP (RFC 5321) over one connection, which is opened anew where it was lost between messages."""

    is_repeatable = False

    def __init__(self, server: MailServer, settings: Configuration) -> None:
        """Take the server, and what the configuration says of names and authorities."""
        self._server = server
        self._own_name = domain_of(settings)
        self._ca_file = settings.ca_file
        self._smtp: smtplib.SMTP | None = None

    def send(self, parcel: Parcel) -> None:
        """Go through one mail transaction; where anything is unclear, the connection is given up."""
        smtp = self._ready()
        try:
            _exchange(smtp, parcel)
        except (LaterError, RefusedError):
            self._go_on(smtp)
            raise
        except BaseException:
            self._drop()
            raise

    def greet(self) -> None:
        """Open the connection as the first message would have it: private, signed in. Raises a HandOverError."""
        self._ready()

    def close(self) -> None:
        """Say good-bye, where somebody listens."""
        if self._smtp is not None:
            try:
                self._smtp.quit()
            except (OSError, smtplib.SMTPException):
                self._smtp.close()
            self._smtp = None

    def _ready(self) -> smtplib.SMTP:
        if self._smtp is not None and _still_answers(self._smtp):
            return self._smtp
        self._drop()
        self._smtp = self._connect()
        return self._smtp

    def _go_on(self, smtp: smtplib.SMTP) -> None:
        """Make the connection free for the next message after a refusal, or give it up."""
        try:
            smtp.rset()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _connect(self) -> smtplib.SMTP:
        with _told_as("tls"):
            context = self._tls()
        with _told_as("connect"):
            smtp = self._open(context)
        try:
            with _told_as("connect"):
                smtp.ehlo_or_helo_if_needed()
            self._make_private(smtp, context)
            self._sign_in(smtp)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _tls(self) -> ssl.SSLContext:
        """Verify certificate and name; by the configured authority as well."""
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context

    def _open(self, context: ssl.SSLContext) -> smtplib.SMTP:
        where, name = (self._server.host, self._server.port), self._own_name
        if self._server.is_tls:
            return smtplib.SMTP_SSL(*where, local_hostname=name, timeout=SECONDS, context=context)
        return smtplib.SMTP(*where, local_hostname=name, timeout=SECONDS)

    def _make_private(self, smtp: smtplib.SMTP, context: ssl.SSLContext) -> None:
        if self._server.is_tls or self._server.starttls == "off":
            return
        if smtp.has_extn("starttls"):
            with _told_as("tls"):
                smtp.starttls(context=context)
                smtp.ehlo_or_helo_if_needed()
        elif self._server.starttls == "required":
            raise TroubleError("tls", "the server offers no STARTTLS")

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        if not self._server.user:
            return
        if not (isinstance(smtp.sock, ssl.SSLSocket) or self._server.is_local):
            raise TroubleError("sign-in", "the connection is not encrypted, so the password was not sent")
        with _told_as("sign-in"):
            smtp.login(self._server.user, self._server.password)


def _exchange(smtp: smtplib.SMTP, parcel: Parcel) -> None:
    with _told_as("sender"):
        reply = smtp.mail(parcel.sender, [f"size={len(parcel.content)}"] if smtp.has_extn("size") else [])
        _require_done("sender", reply)
    with _told_as("recipient"):
        _require_done("recipient", smtp.rcpt(parcel.to))
    with _told_as("content"):
        _require_done("content", _data(smtp, parcel.content))


def _data(smtp: smtplib.SMTP, content: bytes) -> tuple[int, bytes]:
    try:
        return smtp.data(content)
    except smtplib.SMTPDataError as error:
        return error.smtp_code, _as_bytes(error.smtp_error)


def _as_bytes(told: bytes | str) -> bytes:
    return told if isinstance(told, bytes) else told.encode()


def _require_done(step: Step, reply: tuple[int, bytes]) -> None:
    code, told = reply[0], reply[1].decode("utf-8", "replace")
    if code in _DONE:
        return
    raise _VERDICTS[judge_reply(step, code, told)](step, f"{code} {told}")


_VERDICTS: Final[dict[str, type[HandOverError]]] = {
    "trouble": TroubleError,
    "later": LaterError,
    "refused": RefusedError,
    "bounced": BouncedError,
}


def _still_answers(smtp: smtplib.SMTP) -> bool:
    try:
        return smtp.noop()[0] in _DONE
    except (OSError, smtplib.SMTPException):
        return False


@contextmanager
def _told_as(step: Step) -> Iterator[None]:
    """Turn whatever goes wrong on the wire into a TroubleError of this step."""
    try:
        yield
    except ssl.SSLError as error:  # also a certificate that can't be verified
        raise TroubleError("tls", error.reason or str(error)) from error
    except smtplib.SMTPResponseException as error:
        told = _as_bytes(error.smtp_error).decode("utf-8", "replace")
        raise TroubleError(step, f"{error.smtp_code} {told}") from error
    except (OSError, smtplib.SMTPException, UnicodeError, ValueError) as error:
        raise TroubleError(step, str(getattr(error, "strerror", "") or error)) from error
