"""What a doctor looks at inside the index: database, clock, mail, a CDN, alarms. Django is set up by then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from keyhouse.cli.announcement import former_keys
from keyhouse.cli.doctor_findings import Finding, hint, ok, problem
from keyhouse.cli.doctor_trust import MANY_PROXIES
from keyhouse.core import clock
from keyhouse.core.configuration import Configuration, ConfigurationError
from keyhouse.core.mail_servers import read_mail_server
from keyhouse.core.outgoing import OutgoingError
from keyhouse.index import purging
from keyhouse.index.database import UnavailableError, open_database
from keyhouse.index.purging import read_header

_DRIFT: Final = timedelta(seconds=5)  # an authenticator app's code lives for thirty
_FAILED_MAIL: Final = {"tls": "can't be spoken to privately", "sign-in": "doesn't let us in"}
_LONGEST_TOLD: Final = 300
_FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)  # a clock before this was never set


def check_database(settings: Configuration) -> Iterator[Finding]:
    """Look whether the database answers and has every migration; DatabaseError is the caller's."""
    from django.db import connection  # noqa: PLC0415 - Django is set up by now
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415 - the same

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        yield problem("database", "Migrations are missing.", "`keyhouse serve` applies them when it starts.")
    else:
        yield ok(
            "database", f"{'SQLite' if settings.sqlite_path else 'PostgreSQL'} answers and is up to date."
        )


def check_compiling(settings: Configuration) -> Iterator[Finding]:
    """Look whether PostgreSQL compiles statements: for what takes milliseconds that costs more than it gains."""
    from django.db import connection  # noqa: PLC0415 - Django is set up by now

    if settings.sqlite_path is not None:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('jit')::bool AND pg_jit_available(), current_database()")
        compiles, name = cursor.fetchone()
        fix = f"As its owner: ALTER DATABASE {connection.ops.quote_name(name)} SET jit = off; then start the server anew."
    if compiles:
        sentence = (
            "PostgreSQL may compile statements (`jit`), which can take ten times as long as what they ask."
        )
        yield hint("database", sentence, fix)


def check_clock(settings: Configuration) -> Iterator[Finding]:
    """Compare this machine's clock with that of the database's and with what is written there already."""
    if settings.clock_file is not None:
        yield hint(
            "clock",
            f"Time stands where {settings.clock_file} says: {clock.format_second(clock.now())}.",
            "That is for tests. Take KEYHOUSE_CLOCK_FILE away where anything is real.",
        )
        return
    now = datetime.now(UTC)
    newest = _newest_record()
    if now < _FIRST:
        yield problem(
            "clock", f"This machine says that it is {now:%Y-%m-%d}.", "Set the clock, and keep it by NTP."
        )
    elif newest is not None and newest - now > _DRIFT:
        sentence = f"The audit log's newest record is from {clock.format_second(newest)}, which lies ahead of this machine's clock."
        yield problem(
            "clock",
            sentence,
            "Set the clock, and keep it by NTP; authenticator apps stop working at 30 seconds.",
        )
    else:
        yield from _compare_with_database(settings, now)


def _newest_record() -> datetime | None:
    from keyhouse.audit.models import Record  # noqa: PLC0415 - Django is set up by now

    newest = Record.objects.order_by("-pk").values_list("at", flat=True).first()
    return newest if newest is None or isinstance(newest, datetime) else None


def _compare_with_database(settings: Configuration, now: datetime) -> Iterator[Finding]:
    from django.db import connection  # noqa: PLC0415 - Django is set up by now

    if settings.sqlite_path is not None:
        yield ok("clock", f"It is {clock.format_second(now)}; nothing here was written later.")
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    drift = abs(theirs - datetime.now(UTC))
    if drift > _DRIFT:
        sentence = (
            f"The clocks of this machine and of the database are {drift.total_seconds():.0f} seconds apart."
        )
        yield problem("clock", sentence, "Keep both by NTP.")
    else:
        yield ok("clock", "This machine and the database agree what time it is.")


def check_mail(settings: Configuration) -> Iterator[Finding]:
    """Look whether mail is on, and greet its server as a mail would: TLS, user and password; nothing is sent."""
    if not settings.mail_url:
        fix = "Set KEYHOUSE_MAIL_URL; until then links, notices and recovery need somebody who reads the folder of mails."
        yield hint("mail", "Mail is off: mails become files.", fix)
        return
    from keyhouse.cli.mail import advice_on  # noqa: PLC0415 - Django is set up by now
    from keyhouse.mail.transports import HandOverError, SmtpTransport  # noqa: PLC0415 - the same

    server = read_mail_server(settings.mail_url)
    transport = SmtpTransport(server, settings)
    try:
        transport.greet()
    except HandOverError as error:
        failed = _FAILED_MAIL.get(error.step, "doesn't answer as a mail server does")
        told = f"{server.host}, port {server.port}, {failed}: {error.told[:_LONGEST_TOLD]}"
        yield problem("mail", f"{told.rstrip('.')}.", advice_on(error))
        return
    finally:
        transport.close()
    taken = " and takes user and password" if server.user else ""
    yield from _check_outbox(f"{server.host} answers on port {server.port}{taken}.")


def _check_outbox(sentence: str) -> Iterator[Finding]:
    from keyhouse.mail import queries  # noqa: PLC0415 - Django is set up by now

    failed = queries.failed().count()
    if failed:
        yield hint(
            "mail",
            f"{sentence} {failed} mails could not be sent.",
            "`keyhouse mail list --failed` shows why.",
        )
    else:
        yield ok("mail", f"{sentence} `keyhouse mail test ADDRESS` tries it to the end.")


def check_cdn(settings: Configuration) -> Iterator[Finding]:
    """Look whether a CDN in front knows what it must forget; it isn't asked anything."""
    from keyhouse.audit.models import WorkRound  # noqa: PLC0415 - Django is set up by now

    if not settings.purge_url:
        return
    try:
        read_header(settings.purge_header_file)
    except OutgoingError as error:
        fix = "Let it hold one line as the CDN wants it, readable by the service alone; no restart is needed."
        yield problem("CDN", f"Nothing can be told: {error}.", fix)
        return
    last = WorkRound.objects.filter(name=purging.NAME).first()
    waiting = _count_untold(settings)
    if last is not None and last.error:
        sentence = f"{waiting} changes could not be told to {settings.purge_url}: {last.error}"
        fix = "Mend address, secret or the way there; it is tried again each minute. Meanwhile purge by hand what must be gone."
        yield problem("CDN", sentence, fix)
    elif waiting:
        yield hint(
            "CDN", f"{waiting} changes wait to be told.", "A running server tells them within seconds."
        )
    else:
        yield ok("CDN", "It was told of every change.")


def _count_untold(settings: Configuration) -> int:
    """Count by the read plane's own question; DatabaseError where the database gives no answer."""
    from django.db import DatabaseError  # noqa: PLC0415 - Django is set up by now

    database = open_database(settings)
    try:
        with database.snapshot() as ask:
            return purging.count_waiting(ask)
    except UnavailableError as error:
        raise DatabaseError(str(error)) from error
    finally:
        database.close()


def check_people(settings: Configuration) -> Iterator[Finding]:
    """Look whether anybody could help: operators, and how many."""
    del settings
    from keyhouse.accounts.recovery.queries import all_operators  # noqa: PLC0415 - Django is set up by now

    count = all_operators().count()
    if count == 0:
        yield hint(
            "operators",
            "There is no operator yet.",
            "`keyhouse setup-link` prints the link that makes the first one.",
        )
    elif count == 1:
        fix = (
            "Make a second one: acts for two then need no day of waiting, and one can help the other back in."
        )
        yield hint("operators", "There is one operator.", fix)
    else:
        yield ok("operators", f"There are {count} operators.")


def check_security_keys(settings: Configuration) -> Iterator[Finding]:
    """Look whether security keys were made for another name than this site has."""
    try:
        told = former_keys(settings)
    except ConfigurationError as error:
        fix = "A server with these settings doesn't start. Where the service has others, let the doctor have them, too."
        yield problem("security keys", str(error), fix)
        return
    for line in told:
        yield hint(
            "security keys", line, "Leave KEYHOUSE_FORMER_RP_IDS as it is until nobody has such a key."
        )


def check_operator_networks(settings: Configuration) -> Iterator[Finding]:
    """Look whether operators come from where their pages open: else they are locked out of the console."""
    from keyhouse.accounts.limits import lies_in  # noqa: PLC0415 - Django is set up by now
    from keyhouse.accounts.queries import networks_of_operators  # noqa: PLC0415 - the same

    if not settings.operator_networks:
        return
    wide = [str(one) for one in settings.trusted_proxies if one.num_addresses > MANY_PROXIES]
    if wide:
        yield hint(
            "operator networks",
            f"Everybody in {' and '.join(wide)} can say that they come from a network of operators.",
            "Let KEYHOUSE_TRUSTED_PROXIES name your proxies, not the network that they stand in.",
        )
    seen = networks_of_operators()
    inside = {one for one in seen if lies_in(one, settings.operator_networks)}
    fix = "Widen KEYHOUSE_OPERATOR_NETWORKS; behind a proxy, KEYHOUSE_TRUSTED_PROXIES must name it. What `keyhouse` does at the host goes on."
    if seen and not inside:
        yield problem(
            "operator networks",
            "No operator has come from a network in which their pages open.",
            fix,
        )
    elif seen - inside:
        yield hint(
            "operator networks", "Operators came from networks, too, in which their pages don't open.", fix
        )
    else:
        yield ok("operator networks", "The pages of operators open from some networks alone.")


def check_readers(settings: Configuration) -> Iterator[Finding]:
    """Look whether organizations keep projects to some readers while everybody reads them."""
    from keyhouse.projects.reading import is_any_restricted  # noqa: PLC0415 - Django is set up by now

    if not settings.is_private and is_any_restricted():
        yield problem(
            "readers",
            "Organizations keep projects to some readers, and this index is public: everybody reads them.",
            "Set KEYHOUSE_READS=private, or ask their owners.",
        )
