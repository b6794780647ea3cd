"""Delivering: one mail after the other, outside of any transaction, by one process at a time for each lane.

A try is noted before it is made, together with the instant of the next one: a process that is killed in the middle leaves a
mail that is tried again, and nobody else tries it meanwhile. The end is noted when the other side has the mail for good. Only
who is killed between these two mails something twice; both bear the same Message-ID, and a file is written over itself.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Final

from django.db import close_old_connections
from django.db.models import F, Value
from django.db.models.functions import Concat, Left

from keyhouse.core import clock, configuration, faults, logs, rounds
from keyhouse.index.database import Database, UnavailableError, open_database
from keyhouse.mail import waking
from keyhouse.mail.contents import UnreadableError, unseal
from keyhouse.mail.forgetting import forget_old
from keyhouse.mail.letters import Letter, secrets_of, tidy
from keyhouse.mail.messages import AddressError, compose, recipient_of
from keyhouse.mail.models import (
    BULK,
    FAILED,
    LONGEST_ERROR,
    SECURITY,
    SENT,
    SUPPRESSED,
    WAITING,
    Mail,
)
from keyhouse.mail.queries import find_due, is_any_due, may_get, may_send_bulk
from keyhouse.mail.rules import is_given_up, is_too_late, wait_after, wait_for_server
from keyhouse.mail.services import Bounced, record_bounces
from keyhouse.mail.transports import (
    BouncedError,
    HandOverError,
    Parcel,
    RefusedError,
    Transport,
    TroubleError,
    open_transport,
)

POLL_SECONDS: Final = 1.0
STOP_SECONDS: Final = 5.0
FORGET_SECONDS: Final = 600.0
YIELD_SECONDS: Final = (
    0.02  # that bulk mails wait for security mails before they look again; doubled each time
)
MOST_YIELDS: Final = 10
TURN_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 0.05
FIRST_PAUSE_SECONDS: Final = 2.0  # after trouble with the server; doubled each time
LONGEST_PAUSE_SECONDS: Final = 60.0

TOO_LATE: Final = "It came too late."

_ADDRESS_IN_TEXT: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_log = logging.getLogger("keyhouse.mail")


def deliver_due(now: datetime) -> int:
    """Try once all that is due at `now`, security mails first, at any rate; returns how many have left.

    Waits for a process that is at it. Raises UnavailableError where that one doesn't finish, and DatabaseError.
    """
    database = open_database(configuration.current())
    try:
        with _in_turn(database, SECURITY), _in_turn(database, BULK):
            return _deliver_all(now)
    finally:
        database.close()


@contextmanager
def _in_turn(database: Database, lane: str) -> Iterator[None]:
    deadline = time.monotonic() + TURN_SECONDS
    while time.monotonic() < deadline:
        with database.alone(_lock_of(lane)) as is_mine:
            if is_mine:
                yield
                return
        time.sleep(WAIT_SECONDS)
    raise UnavailableError("another process delivers mails and doesn't finish")


def _lock_of(lane: str) -> str:
    return f"mail-{lane}"


def _deliver_all(now: datetime) -> int:
    end_expired(now)
    sent = 0
    with _transport() as transport:
        while mail := find_due(SECURITY, now).first() or find_due(BULK, now).first():
            try:
                sent += deliver(mail, now, transport)
            except TroubleError:
                break  # the next one would fare no better
    return sent


@contextmanager
def _transport() -> Iterator[Transport]:
    transport = open_transport(configuration.current())
    try:
        yield transport
    finally:
        transport.close()


def end_expired(now: datetime) -> int:
    """End the mails that came too late, also while no server takes any; returns how many."""
    expired = Mail.objects.filter(state=WAITING, expires_at__lte=now)
    if not expired.exists():  # asked each second, and writing waits for others
        return 0
    told = Left(Concat(Value(f"{TOO_LATE} "), F("last_error")), LONGEST_ERROR)
    return expired.update(state=FAILED, ended_at=now, content_sealed="", last_error=told)


# ---- one mail


def deliver(mail: Mail, now: datetime, transport: Transport) -> bool:
    """Try one mail once and note how it went; returns whether it left. Raises TroubleError after noting it."""
    hindrance = _find_hindrance(mail, now)
    if hindrance is not None:
        _end(mail, now, *hindrance)
        return False
    try:
        letter = unseal(mail.content_sealed, mail.address)
        parcel = _put_together(mail, letter)
    except (UnreadableError, AddressError) as error:
        _end(mail, now, FAILED, f"It can't be sent: {error}.")
        return False
    return _try(mail, letter, parcel, now, transport)


def _find_hindrance(mail: Mail, now: datetime) -> tuple[str, str] | None:
    if is_too_late(mail.expires_at, now):
        return FAILED, f"{TOO_LATE} {mail.last_error}"
    if not mail.even_if_bounced and not may_get(mail.address, mail.lane):
        return SUPPRESSED, "Mails to this address came back."
    return None


def _put_together(mail: Mail, letter: Letter) -> Parcel:
    """Return the message. Where a defect hinders it, this mail fails: it must not stand in the way of all others."""
    try:
        return _parcel(mail, letter)
    except AddressError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this mail
        name = type(error).__name__  # what it says may quote the mail
        _log.error("mail %s (%s) can't be put together: %s", mail.pk, mail.kind, name)
        raise UnreadableError(f"it can't be put together ({name})") from None


def _parcel(mail: Mail, letter: Letter) -> Parcel:
    message = compose(
        letter, to=mail.address, at=mail.queued_at, token=mail.token, settings=configuration.current()
    )
    sender = parseaddr(str(message["From"]))[1]
    return Parcel(sender, recipient_of(message), message.as_bytes(), mail.pk, mail.queued_at)


def _try(mail: Mail, letter: Letter, parcel: Parcel, now: datetime, transport: Transport) -> bool:
    if not _claim(mail, now, is_repeatable=transport.is_repeatable):
        return False
    faults.reach("mail.claimed")
    try:
        transport.send(parcel)
    except HandOverError as error:
        _note_failure(mail, now, error, _without_secrets(error.told, mail, letter))
        if isinstance(error, TroubleError):
            raise
        return False
    faults.reach("mail.handed-over")
    _end(mail, now, SENT, "")
    return True


def _claim(mail: Mail, now: datetime, *, is_repeatable: bool) -> bool:
    """Note the try before it is made, unless somebody else has; what may be handed over twice may also be tried at once."""
    as_read = Mail.objects.filter(pk=mail.pk, state=WAITING, tries=mail.tries)
    wait = timedelta(0) if is_repeatable else wait_after(mail.tries + 1)
    mail.tries += 1
    return bool(as_read.update(tries=F("tries") + 1, tried_at=now, due_at=now + wait))


def _note_failure(mail: Mail, now: datetime, error: HandOverError, told: str) -> None:
    if isinstance(error, BouncedError):
        record_bounces([Bounced(mail.address, "permanent", now)], source="smtp")
    if isinstance(error, RefusedError) or is_given_up(mail.queued_at, now):
        _end(mail, now, FAILED, told)
    else:
        wait = (wait_for_server if isinstance(error, TroubleError) else wait_after)(mail.tries)
        Mail.objects.filter(pk=mail.pk, state=WAITING).update(due_at=now + wait, last_error=told)
    _log.warning("mail %s (%s) did not leave at try %s: %s", mail.pk, mail.kind, mail.tries, told)


def _end(mail: Mail, now: datetime, state: str, told: str) -> None:
    """Note the end and wipe what it said."""
    Mail.objects.filter(pk=mail.pk, state=WAITING).update(
        state=state, ended_at=now, content_sealed="", last_error=told.strip()[:LONGEST_ERROR]
    )


def _without_secrets(told: str, mail: Mail, letter: Letter) -> str:
    """Return what a server said, fit for ledger and log: some quote the mail they refuse, most the address."""
    for secret in filter(None, (*secrets_of(letter), mail.address)):
        told = told.replace(secret, logs.HIDDEN)
    told = _ADDRESS_IN_TEXT.sub(logs.HIDDEN, told)
    return tidy(logs.hide_secrets(told))[:LONGEST_ERROR]


# ---- all the time


class Postman:
    """Delivers in the background of a server, each lane on a thread of its own: a slow bulk mail holds no other up."""

    def __init__(self) -> None:
        """Begin when told to."""
        self._security, self._bulk = _LaneWorker(SECURITY), _LaneWorker(BULK)
        self._threads = (
            threading.Thread(target=self._security.run, name="mail-security", daemon=True),
            threading.Thread(target=self._bulk.run, name="mail-bulk", daemon=True),
        )

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after the mails that are under way; what waits, waits in the database."""
        self._security.tell_to_stop()
        self._bulk.tell_to_stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(STOP_SECONDS)


class _LaneWorker:
    """Delivers the mails of one lane."""

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self._is_stopping = threading.Event()
        self._woken = threading.Event()
        self._pause = 0.0  # after trouble; nobody wakes from it
        self._yielded = 0  # rounds in a row in which security mails went first
        self._forgot_at: float | None = None

    def tell_to_stop(self) -> None:
        self._is_stopping.set()
        self._woken.set()

    def run(self) -> None:
        database = open_database(configuration.current())
        waking.join(self._woken)
        try:
            while not self._is_stopping.wait(self._pause):
                self._do_round(database)
                self._woken.wait(self._rest())
                self._woken.clear()
        finally:
            waking.leave(self._woken)
            database.close()

    def _rest(self) -> float:
        return min(YIELD_SECONDS * 2.0**self._yielded, POLL_SECONDS) if self._yielded else POLL_SECONDS

    def _do_round(self, database: Database) -> None:
        try:
            if self._lane == SECURITY:
                end_expired(clock.now())
            if self._find_next():
                with database.alone(_lock_of(self._lane)) as is_mine:
                    if is_mine:
                        self._deliver()
            self._forget_sometimes()
            self._pause = 0.0
            rounds.tell(f"mail-{self._lane}")
        except TroubleError as trouble:
            rounds.tell(f"mail-{self._lane}", trouble)
            self._rest_longer()
        except Exception as error:  # noqa: BLE001 - whatever is wrong now may be right in a moment
            rounds.tell(f"mail-{self._lane}", error)
            _log.warning("mails can't be delivered right now", exc_info=True)
            self._rest_longer()
        finally:
            close_old_connections()

    def _forget_sometimes(self) -> None:
        if self._lane == BULK and (
            self._forgot_at is None or time.monotonic() - self._forgot_at > FORGET_SECONDS
        ):
            forget_old(clock.now())
            self._forgot_at = time.monotonic()

    def _rest_longer(self) -> None:
        self._pause = min(max(2 * self._pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    def _deliver(self) -> None:
        with ExitStack() as stack:
            transports = [stack.enter_context(_transport()) for _ in range(_SENDERS[self._lane])]
            while not self._is_stopping.is_set() and (mails := self._find_next()):
                _deliver_at_once(mails, transports)

    def _find_next(self) -> list[Mail]:
        """Return what to deliver now. A bulk mail waits for every security mail that is due, and for its rate."""
        now = clock.now()
        if self._lane == BULK and not self._may_go_on(now):
            return []
        return list(find_due(self._lane, now)[: _SENDERS[self._lane]])

    def _may_go_on(self, now: datetime) -> bool:
        if is_any_due(SECURITY, now):
            self._yielded = min(self._yielded + 1, MOST_YIELDS)
            waking.wake(but=self._woken)  # it may be of another process, and nobody has looked yet
            return False
        self._yielded = 0
        return may_send_bulk(now)


# By one sender a slow server would take ten minutes for the links of five hundred people who begin on one day.
_SENDERS: Final = {SECURITY: 4, BULK: 1}


def _deliver_at_once(mails: Sequence[Mail], transports: Sequence[Transport]) -> None:
    """Deliver as many mails as there are transports at most, each by its own; raises TroubleError after all were tried."""
    if len(mails) == 1:
        deliver(mails[0], clock.now(), transports[0])
        return
    with ThreadPoolExecutor(len(mails), "mail-sender") as pool:
        tries = [pool.submit(_deliver_apart, *pair) for pair in zip(mails, transports, strict=False)]
    for one in tries:
        one.result()


def _deliver_apart(mail: Mail, transport: Transport) -> bool:
    try:
        return deliver(mail, clock.now(), transport)
    finally:
        close_old_connections()
