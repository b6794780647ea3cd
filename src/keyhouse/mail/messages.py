"""A letter as the message that goes over the wire (RFC 5322, MIME): plain text and HTML side by side."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Final, Literal

from keyhouse.core.configuration import Configuration
from keyhouse.core.mail_servers import read_mail_server
from keyhouse.mail.letters import Letter, render_html, render_text, subject_line, tidy

_IPV4: Final = 4
_LONGEST_LINE: Final = 900  # RFC 5322 2.1.1 allows 998; longer ones are encoded


class AddressError(Exception):
    """No mail can be sent to this address."""


def sender_of(settings: Configuration) -> str:
    """Return in whose name mails are written, as the header has it."""
    told = read_mail_server(settings.mail_url).sender if settings.mail_url else ""
    return told or f"Keyhouse <keyhouse@{domain_of(settings)}>"


def compose(letter: Letter, *, to: str, at: datetime, token: str, settings: Configuration) -> EmailMessage:
    """Return the message; raises AddressError. The same arguments give the same bytes."""
    name, sender = parseaddr(sender_of(settings))
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = Address(name, addr_spec=sender)
    message["To"] = _address(to)
    message["Subject"] = subject_line(letter)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{token}@{domain_of(settings)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers
    message["X-Keyhouse-Kind"] = tidy(letter.kind)
    text, html = render_text(letter), render_html(letter)
    message.set_content(text, cte=_encoding_of(text))
    message.add_alternative(html, subtype="html", cte=_encoding_of(html))
    message.set_boundary(f"=_{token}")
    return message


def _encoding_of(text: str) -> Literal["7bit", "quoted-printable"]:
    is_plain = text.isascii() and all(len(line) <= _LONGEST_LINE for line in text.splitlines())
    return "7bit" if is_plain else "quoted-printable"


def _address(address: str) -> Address:
    """Return the recipient with an ASCII domain (RFC 5890); an end of a line can't stand in it."""
    local, _, domain = address.rpartition("@")
    try:
        if not local.isascii():
            raise AddressError("there is a character in it that mail servers don't take")
        return Address(addr_spec=f"{local}@{domain.encode('idna').decode()}")
    except (MessageError, ValueError, IndexError) as error:
        raise AddressError("this is not an address that mail can be sent to") from error


def recipient_of(message: EmailMessage) -> str:
    """Return the one recipient as the envelope has it."""
    return str(message["To"].addresses[0].addr_spec)


def domain_of(settings: Configuration) -> str:
    """Return the host as the right side of an address has it (RFC 5321 4.1.3)."""
    try:
        address = ipaddress.ip_address(settings.host)
    except ValueError:
        return settings.host
    return f"[{address}]" if address.version == _IPV4 else f"[IPv6:{address}]"
