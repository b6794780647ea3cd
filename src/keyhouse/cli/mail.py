"""`keyhouse mail`: whether mails leave, which did not and why, and trying anew."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any, Final

import click

from keyhouse.accounts.addresses import queries as address_queries
from keyhouse.accounts.addresses import watching
from keyhouse.accounts.models import MailDomain
from keyhouse.accounts.outbox import clear_bounces, retry_mails
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.mail import queries
from keyhouse.mail.letters import Letter, Text, tidy
from keyhouse.mail.messages import AddressError, compose, recipient_of, sender_of
from keyhouse.mail.models import Mail
from keyhouse.mail.transports import (
    BouncedError,
    HandOverError,
    Parcel,
    RefusedError,
    TroubleError,
    file_name,
    open_transport,
)

# What to do, by the step that failed.
_ADVICE: Final[Mapping[str, str]] = {
    "connect": "Nobody answered there as a mail server does. Check host and port in KEYHOUSE_MAIL_URL, that the server runs, and "
    "that a firewall lets this machine through.",
    "tls": "The connection could not be made private. The certificate must be valid for the host's name as KEYHOUSE_MAIL_URL "
    "has it; KEYHOUSE_CA_FILE names an authority of your own. Port 465 is smtps://, port 587 smtp://. A server "
    "without STARTTLS on a network you trust: add starttls=off to KEYHOUSE_MAIL_URL.",
    "sign-in": "The server did not take user and password. Check both in KEYHOUSE_MAIL_URL (special characters are written as "
    "%XX); many services want a password made for applications.",
    "sender": "The server did not take the sender. Set ?from= in KEYHOUSE_MAIL_URL to an address that it may send for, and user "
    "and password if it asks for them.",
    "recipient": "The server did not take the recipient. Check the address; if it is right, the server may only take "
    "mails for others from whom it knows: check user, password and ?from= in KEYHOUSE_MAIL_URL.",
    "content": "The server took sender and recipient and refused the mail itself, often as spam. Check that ?from= is an address "
    "of a domain that this server may send for (SPF, DKIM, DMARC).",
}
LONGEST_TOLD: Final = 500
_DEAD_MAILBOX: Final = "The server says that there is no such mailbox. Check the address."
_LATER: Final = "That may pass by itself: mails that are queued are tried again for two days."


@click.group("mail")
def command() -> None:
    """Try the mail server; list and retry mails; clear bounces; list domains that are gone.

    \b
    Examples:
      keyhouse mail test ada@example.org
      keyhouse mail list --failed
      keyhouse mail retry
    """  # noqa: D301 - \b is click's own mark


@command.command()
@click.argument("address")
def test(address: str) -> None:
    """Send a mail to ADDRESS at once and say how that went; bounces on record don't hinder it.

    \b
    Example:
      keyhouse mail test ada@example.org
    """  # noqa: D301 - \b is click's own mark
    settings, now = configuration.current(), clock.now()
    try:
        message = compose(_letter(), to=address, at=now, token=secrets.token_hex(16), settings=settings)
    except AddressError as error:
        raise click.ClickException(f"No mail can be sent to {address}: {error}.") from error
    sender = parseaddr(sender_of(settings))[1]
    parcel = Parcel(sender, recipient_of(message), message.as_bytes(), secrets.randbelow(10**9), now)
    transport = open_transport(settings)
    try:
        transport.send(parcel)
    except HandOverError as error:
        raise click.ClickException(
            f"It was not sent ({error.step}): {tidy(error.told)[:LONGEST_TOLD]}\n{advice_on(error)}"
        ) from error
    finally:
        transport.close()
    if queries.are_files():
        click.echo(
            f"Mail is off (no KEYHOUSE_MAIL_URL). The mail is {settings.mail_folder / file_name(now, parcel.serial)}"
        )
    else:
        click.echo(f"The mail server has it, from {sender}. Look whether it arrives, also among spam.")


def _letter() -> Letter:
    told = f"This is a test of {configuration.current().base_url}. Somebody at its host asked for it; nothing is to be done."
    return Letter("test", "Test of Keyhouse's mail", (Text(told),))


def advice_on(error: HandOverError) -> str:
    """Return what to do about it."""
    if isinstance(error, BouncedError):
        return _DEAD_MAILBOX
    is_for_good = isinstance(error, RefusedError | TroubleError) or error.told.startswith("5")
    return _ADVICE[error.step] if is_for_good else _LATER


@command.command("list")
@click.option(
    "--failed", "only_failed", is_flag=True, help="Only those that were not sent and never will be."
)
@click.option("--waiting", "only_waiting", is_flag=True, help="Only those that wait, the next one first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_(*, only_failed: bool, only_waiting: bool, as_json: bool) -> None:
    """List mails, newest first: what, to whom, when, how it ended. What they said is never shown.

    \b
    Examples:
      keyhouse mail list --failed
      keyhouse mail list --waiting --json
    """  # noqa: D301 - \b is click's own mark
    if only_failed and only_waiting:
        raise click.UsageError("--failed and --waiting exclude each other.")
    found = queries.failed() if only_failed else queries.waiting() if only_waiting else queries.ledger()
    for mail in found.iterator(chunk_size=1000):
        row = _as_dict(mail)
        click.echo(json.dumps(row) if as_json else _as_line(row))


def _as_dict(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.pk,
        "kind": mail.kind,
        "lane": mail.lane,
        "address": mail.address,
        "state": mail.state,
        "queued_at": clock.format_instant(mail.queued_at),
        "ended_at": clock.format_if_any(mail.ended_at),
        "next_try_at": clock.format_instant(mail.due_at) if mail.ended_at is None else None,
        "tries": mail.tries,
        "last_error": mail.last_error,
    }


def _as_line(row: dict[str, Any]) -> str:
    told = f"{row['id']}  {row['queued_at']}  {row['state']:10}  {row['kind']}  {row['address']}  {row['tries']} tries"
    return f"{told}  {row['last_error']}".rstrip()


@command.command()
@JSON
def retry(*, as_json: bool) -> None:
    """Let all mails that wait for another try be tried at once by the running server.

    \b
    Example:
      keyhouse mail retry
    """  # noqa: D301 - \b is click's own mark
    count = retry_mails(by=host())
    tell(
        {"tried": count},
        f"{count} mails are tried now, where a server runs. `keyhouse mail list --waiting` shows what stays.",
        as_json=as_json,
    )


@command.command()
@click.argument("address")
@JSON
def clear(address: str, *, as_json: bool) -> None:
    """Let mails go to ADDRESS again, whatever came back from there.

    \b
    Example:
      keyhouse mail clear ada@example.org
    """  # noqa: D301 - \b is click's own mark
    is_cleared = bool(clear_bounces(address, by=host()))
    line = "Cleared: mails go there again." if is_cleared else "Nothing had come back from there."
    tell({"address": address, "is_cleared": is_cleared}, line, as_json=as_json)


@command.command()
@click.option(
    "--go-on", is_flag=True, help="Take the domains that the watch stopped at from their addresses."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def domains(*, go_on: bool, as_json: bool) -> None:
    """List the domains of addresses that are missing or gone; --go-on where the watch stopped and they really are.

    \b
    Examples:
      keyhouse mail domains
      keyhouse mail domains --go-on
    """  # noqa: D301 - \b is click's own mark
    if go_on:
        count = watching.go_on(by=host(), now=clock.now())
        click.echo(f"{count} domains are gone; their addresses count as verified no longer.", err=as_json)
    for row in address_queries.troubled_domains():
        told = _domain_as_dict(row)
        click.echo(json.dumps(told) if as_json else _domain_as_line(told))
    alarm = address_queries.find_alarm()
    if alarm is not None:
        click.echo(f"{alarm.sentence} Nothing was changed. With --go-on it is.", err=True)


def _domain_as_dict(row: MailDomain) -> dict[str, Any]:
    return {
        "domain": row.domain,
        "state": "gone" if row.gone_at else "stopped" if row.stopped_at else "missing",
        "days_missing": row.missing_count,
        "asked_at": clock.format_if_any(row.asked_at),
        "gone_at": clock.format_if_any(row.gone_at),
    }


def _domain_as_line(told: dict[str, Any]) -> str:
    return f"{told['domain']}  {told['state']}  {told['days_missing']} days in a row, asked last {told['asked_at'] or 'never'}"
