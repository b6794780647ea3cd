"""The loop beside a server: at once, security first, at a set rate, and again when the server is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from tests.mail.conftest import LETTER, NOW, Configure, post
from tests.mail.smtp_server import SmtpServer

from keyhouse.core import clock, configuration
from keyhouse.index.database import UnavailableError, open_database
from keyhouse.mail import delivery, queries
from keyhouse.mail.delivery import Postman, deliver_due
from keyhouse.mail.models import Mail
from keyhouse.mail.services import Posting, hasten, queue_all

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def at_work() -> Iterator[Postman]:
    postman = Postman()
    postman.start()
    try:
        yield postman
    finally:
        postman.stop()


def wait_until(holds: Callable[[], Any], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def post_now(to: str = "ada@example.org", **told: Any) -> Mail:
    return post(to, now=clock.now(), **told)


def post_bulk(count: int) -> None:
    with transaction.atomic():
        postings = [Posting(LETTER, f"p{number}@example.org") for number in range(count)]
        queue_all(postings, now=clock.now(), lane="bulk")


def test_a_mail_leaves_at_once_when_its_transaction_is_over(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "POLL_SECONDS", 30.0)
    with at_work():
        time.sleep(0.3)  # it has looked, and sleeps
        with transaction.atomic():
            post_now()
            time.sleep(0.3)
            assert server.received == []
        assert len(server.wait_for(1, 2)) == 1


def test_what_another_process_queued_leaves_within_a_second_or_two(server: SmtpServer) -> None:
    with at_work():
        time.sleep(0.3)
        Mail.objects.bulk_create([_copied(post_now())])
        assert len(server.wait_for(2, 3)) == 2


def _copied(mail: Mail) -> Mail:
    mail.pk = None
    mail.token = "f" * 32
    mail.state = "waiting"
    return mail


def test_a_slow_bulk_mail_holds_no_security_mail_up(server: SmtpServer, configure: Configure) -> None:
    configure(mail_bulk_rate=100_000)
    hold = threading.Event()
    server.behaviour.replies["RCPT"] = lambda to: (hold.wait(8), None)[1] if "<p" in to else None
    post_bulk(3)
    with at_work():
        wait_until(lambda: any("<p" in line for line in server.lines))
        began = time.monotonic()
        post_now()
        assert [got.to for got in server.wait_for(1, 5)] == ["ada@example.org"]
        assert time.monotonic() - began < 3
        hold.set()
        assert len(server.wait_for(4)) == 4


def test_bulk_mails_wait_while_security_mails_are_due(server: SmtpServer, configure: Configure) -> None:
    configure(mail_bulk_rate=100_000)
    with transaction.atomic():
        postings = [Posting(LETTER, f"sec{number}@example.org") for number in range(30)]
        queue_all(postings, now=clock.now(), lane="security")
    post_bulk(5)
    with at_work():
        server.wait_for(35)
    assert [got.to[:3] for got in server.received[:30]] == ["sec"] * 30


def test_bulk_mails_keep_to_their_rate(server: SmtpServer, configure: Configure) -> None:
    configure(mail_bulk_rate=60)  # six in six seconds
    post_bulk(10)
    with at_work():
        server.wait_for(6)
        time.sleep(1.5)
        assert len(server.received) == 6
        assert len(server.wait_for(7, 8)) >= 7


@pytest.mark.parametrize(("rate", "seconds"), [(1, 60), (5, 12)])
def test_a_small_rate_is_kept_too(configure: Configure, rate: int, seconds: int) -> None:
    configure(mail_bulk_rate=rate)
    mail = post(lane="bulk")
    Mail.objects.filter(pk=mail.pk).update(tried_at=NOW)
    assert not queries.may_send_bulk(NOW + timedelta(seconds=seconds - 1))
    assert queries.may_send_bulk(NOW + timedelta(seconds=seconds))


def test_when_the_server_is_back_everything_leaves(
    server: SmtpServer, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.2)
    address = configuration.current().mail_url
    configure(mail_url="smtp://127.0.0.1:1")
    mails = [post_now(f"p{number}@example.org") for number in range(3)]
    with at_work():
        wait_until(lambda: Mail.objects.exclude(last_error="").count() == 3)
        configure(mail_url=address)
        with transaction.atomic():
            hasten(clock.now())
        assert len(server.wait_for(3)) == 3
    assert set(Mail.objects.values_list("state", flat=True)) == {"sent"}
    assert len(mails) == 3


def test_trouble_is_waited_out_and_not_hammered_on(configure: Configure) -> None:
    configure(mail_url="smtp://127.0.0.1:1")
    for number in range(20):
        post_now(f"p{number}@example.org")
    with at_work():
        time.sleep(2.5)
    assert 1 <= Mail.objects.filter(tries__gt=0).count() <= 8


def test_stopping_is_quick_and_loses_nothing(server: SmtpServer) -> None:
    server.behaviour.seconds = 0.2
    for number in range(20):
        post_now(f"p{number}@example.org")
    with at_work():
        server.wait_for(2)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    sent = Mail.objects.filter(state="sent").count()
    assert sent == len(server.received)
    server.behaviour.seconds = 0
    assert deliver_due(clock.now()) == 20 - sent
    assert len({got.to for got in server.received}) == len(server.received) == 20


def test_no_transaction_is_held_while_the_server_thinks(server: SmtpServer) -> None:
    seen: list[bool] = []
    with at_work():
        server.behaviour.seconds = 1.0
        post_now()
        wait_until(lambda: any(line.upper() == "DATA" for line in server.lines))
        began = time.monotonic()
        Mail.objects.filter(pk=-1).update(tries=1)  # takes the write lock of SQLite
        with transaction.atomic():
            post_now("bob@example.org")
        seen.append(time.monotonic() - began < 0.5)
        server.wait_for(2)
    assert seen == [True]
    assert not connection.in_atomic_block


def test_who_is_already_at_it_is_waited_for(server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TURN_SECONDS", 0.3)
    post()
    database = open_database(configuration.current())
    with database.alone("mail-security") as is_mine:
        assert is_mine
        worker = threading.Thread(target=_refused, name="other", args=(server,))
        worker.start()
        worker.join()
    database.close()
    assert deliver_due(NOW) == 1


def _refused(server: SmtpServer) -> None:
    with pytest.raises(UnavailableError):
        deliver_due(NOW)
    connection.close()
    assert server.received == []


def test_many_security_mails_leave_several_at_once_and_each_once(server: SmtpServer) -> None:
    server.behaviour.seconds = 0.2
    with transaction.atomic():
        postings = [Posting(LETTER, f"sec{number}@example.org") for number in range(16)]
        queue_all(postings, now=clock.now(), lane="security")
    began = time.monotonic()
    with at_work():
        server.wait_for(16)
        assert time.monotonic() - began < 16 * 0.2
        time.sleep(1.2)
    assert len({got.to for got in server.received}) == len(server.received) == 16
    assert server.connections == 4
    assert set(Mail.objects.values_list("state", flat=True)) == {"sent"}
